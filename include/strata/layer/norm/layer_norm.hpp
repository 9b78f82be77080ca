// LayerNorm: normalisation of all numbers of a sample, as torch.nn.LayerNorm over the whole shape of a sample.
//
// Formula, gradient and what is kept: normalization.hpp. Shapes: x and y any, weight and bias that of x. Source: Ba,
// Kiros and Hinton, arXiv:1607.06450.
#pragma once

#include "normalization.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct LayerNormName {
    static constexpr std::string_view text = "LayerNorm";
};
}  // namespace detail

/// `LayerNorm<options…>`; options: Epsilon<1e-5>, NoBias, NoAffine.
template <class... Options>
struct LayerNorm {
    template <class X>
    using On = typename detail::NormLayer<NormGeometry<X, 1, 1, X>, true, Affine, Epsilon<1e-5>, detail::LayerNormName,
                                          Options...>::Operation;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<EpsilonKind, BiasKind, AffineKind>::template accept<Options...>;
        static constexpr bool ok = options;
        struct Message {
            static_assert(options,
                          "LayerNorm: an option is unknown or given twice; it takes Epsilon, NoBias, NoAffine");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
