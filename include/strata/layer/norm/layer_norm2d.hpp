// LayerNorm2d: normalisation of each pixel over its channels, as ConvNeXt's (torchvision.ops.misc.LayerNorm2d).
//
// Formula, gradient and what is kept: normalization.hpp. Shapes: x and y [C][H][W], weight and bias [C]. Source: Liu et
// al., arXiv:2201.03545.
#pragma once

#include "normalization.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct LayerNorm2dName {
    static constexpr std::string_view text = "LayerNorm2d";
};
}  // namespace detail

/// `LayerNorm2d<options…>` on images [C][H][W]; options: Epsilon<1e-6>, NoBias, NoAffine.
template <class... Options>
struct LayerNorm2d {
    template <class X>
    using On = typename detail::NormLayer<NormGeometry<X, 1, pixels_of<X>, detail::channel_weights<X>>, true, Affine,
                                          Epsilon<1e-6>, detail::LayerNorm2dName, Options...>::Operation;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<EpsilonKind, BiasKind, AffineKind>::template accept<Options...>,
                              image = Got::type::rank == 3;
        static constexpr bool ok = options && image;
        struct Message {
            static_assert(image, "LayerNorm2d needs an image [C][H][W]: use LayerNorm");
            static_assert(options,
                          "LayerNorm2d: an option is unknown or given twice; it takes Epsilon, NoBias, NoAffine");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
