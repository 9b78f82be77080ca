// GELU: y = x (1 + erf(x / sqrt(2))) / 2, x times the probability that a normal number is less, as torch.nn.GELU; GELUTanh
// is its approximation. Its gradient follows from forward. Keeps x. Source: Hendrycks and Gimpel, arXiv:1606.08415.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct GELU {
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "GELU";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        using T = scalar_of<L>;
        return x * T(0.5) * (L(1) + erf(x * static_cast<T>(0.70710678118654752440)));
    }
};

}  // namespace strata::inline STRATA_ABI
