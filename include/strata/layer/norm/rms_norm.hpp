// RMSNorm: x / sqrt(mean(x^2) + eps) weight, the mean over all numbers of a sample, as torch.nn.RMSNorm over the whole
// shape.
//
// Formula, gradient and what is kept: normalization.hpp. Shapes: x and y any, weight that of x. Source: Zhang and
// Sennrich, arXiv:1910.07467, equation 4.
#pragma once

#include "normalization.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct RMSNormName {
    static constexpr std::string_view text = "RMSNorm";
};
}  // namespace detail

/// `RMSNorm<options…>`; options: Epsilon<1.1920929e-7> (PyTorch's default for float32), NoAffine.
template <class... Options>
struct RMSNorm {
    template <class X>
    using On = Normalization<NormGeometry<X, 1, 1, X>, false, option_or<Affine, Options...>::value, false,
                             Real(option_or<Epsilon<1.1920928955078125e-7>, Options...>::value), detail::RMSNormName>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<EpsilonKind, AffineKind>::template accept<Options...>;
        static constexpr bool ok = options;
        struct Message {
            static_assert(options, "RMSNorm: an option is unknown or given twice; it takes Epsilon, NoAffine");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
