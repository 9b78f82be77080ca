// GroupNorm: normalisation of groups of a sample's channels, as torch.nn.GroupNorm.
//
// Formula, gradient and what is kept: normalization.hpp. Shapes: x and y [C][H][W] or [C], weight and bias [C]. Source:
// Wu and He, arXiv:1803.08494.
#pragma once

#include "normalization.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct GroupNormName {
    static constexpr std::string_view text = "GroupNorm";
};
}  // namespace detail

/// `GroupNorm<groups, options…>`; options: Epsilon<1e-5>, NoAffine.
template <int Groups, class... Options>
struct GroupNorm {
    template <class X>
    using On = typename detail::NormLayer<NormGeometry<X, Groups, 1, detail::channel_weights<X>>, true, Affine,
                                          Epsilon<1e-5>, detail::GroupNormName, Options...>::Operation;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<EpsilonKind, AffineKind>::template accept<Options...>,
                              positive = (Groups > 0),
                              divisible = !positive || channels_of<typename Got::type> % (Groups > 0 ? Groups : 1) == 0;
        static constexpr bool ok = options && positive && divisible;
        struct Message {
            static_assert(positive, "GroupNorm: the number of groups must be positive");
            static_assert(divisible, "GroupNorm: the channels cannot be divided into so many groups");
            static_assert(options, "GroupNorm: an option is unknown or given twice; it takes Epsilon, NoAffine");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
