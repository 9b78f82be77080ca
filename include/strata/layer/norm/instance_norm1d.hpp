// InstanceNorm1d: normalisation of each channel of a sample over its length, as torch.nn.InstanceNorm1d.
//
// Formula, gradient and what is kept: normalization.hpp. Shapes: x and y [C][L], weight and bias [C]. Without running
// statistics, as PyTorch's by default. Source: Ulyanov, Vedaldi and Lempitsky, arXiv:1607.08022.
#pragma once

#include "normalization.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct InstanceNorm1dName {
    static constexpr std::string_view text = "InstanceNorm1d";
};
}  // namespace detail

/// `InstanceNorm1d<options…>`; options: Epsilon<1e-5>, Affine (PyTorch's default is none).
template <class... Options>
struct InstanceNorm1d {
    template <class X>
    using On = typename detail::NormLayer<NormGeometry<X, channels_of<X>, 1, detail::channel_weights<X>>, true,
                                          NoAffine, Epsilon<1e-5>, detail::InstanceNorm1dName, Options...>::Operation;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<EpsilonKind, AffineKind>::template accept<Options...>,
                              shape = Got::type::rank == 2,
                              several = !shape || Got::type::size > channels_of<typename Got::type>;
        static constexpr bool ok = options && shape && several;
        struct Message {
            static_assert(shape, "InstanceNorm1d needs rows [C][L]");
            static_assert(several,
                          "InstanceNorm1d needs more than one number a channel: one number alone has no variance");
            static_assert(options, "InstanceNorm1d: an option is unknown or given twice; it takes Epsilon, Affine");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
