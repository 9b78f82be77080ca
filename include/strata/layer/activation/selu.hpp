// SELU: y = scale x where x > 0, else scale alpha (e^x - 1); dx = dy scale where x > 0, else dy (y + scale alpha), as
// torch.nn.SELU. Keeps y. Source: Klambauer et al., arXiv:1706.02515, which has the two constants.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct SELU {
    static constexpr double alpha = 1.6732632423543772848170429916717, scale = 1.0507009873554804934193349852946;
    static constexpr Keep keep = Keep::output;
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "SELU";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        using T = scalar_of<L>;
        return select(x > L(0), x * static_cast<T>(scale), expm1(x) * static_cast<T>(alpha * scale));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L y, L dy) {
        using T = scalar_of<L>;
        return dy * select(y > L(0), L(static_cast<T>(scale)), y + L(static_cast<T>(alpha * scale)));
    }
};

}  // namespace strata::inline STRATA_ABI
