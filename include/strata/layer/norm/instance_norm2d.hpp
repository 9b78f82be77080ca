// InstanceNorm2d: normalisation of each channel of a sample over its pixels, as torch.nn.InstanceNorm2d.
//
// Formula, gradient and what is kept: normalization.hpp. Shapes: x and y [C][H][W], weight and bias [C]. Without
// running statistics, as PyTorch's by default. Source: Ulyanov, Vedaldi and Lempitsky, arXiv:1607.08022.
#pragma once

#include "normalization.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct InstanceNorm2dName {
    static constexpr std::string_view text = "InstanceNorm2d";
};
}  // namespace detail

/// `InstanceNorm2d<options…>`; options: Epsilon<1e-5>, Affine (PyTorch's default is none).
template <class... Options>
struct InstanceNorm2d {
    template <class X>
    using On = typename detail::NormLayer<NormGeometry<X, channels_of<X>, 1, detail::channel_weights<X>>, true,
                                          NoAffine, Epsilon<1e-5>, detail::InstanceNorm2dName, Options...>::Operation;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<EpsilonKind, AffineKind>::template accept<Options...>,
                              shape = Got::type::rank == 3,
                              several = !shape || Got::type::size > channels_of<typename Got::type>;
        static constexpr bool ok = options && shape && several;
        struct Message {
            static_assert(shape, "InstanceNorm2d needs an image [C][H][W]");
            static_assert(several,
                          "InstanceNorm2d needs more than one number a channel: one number alone has no variance");
            static_assert(options, "InstanceNorm2d: an option is unknown or given twice; it takes Epsilon, Affine");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
