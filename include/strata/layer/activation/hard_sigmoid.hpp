// HardSigmoid: y = min(max(x + 3, 0), 6) / 6, dx = dy / 6 where 0 < y < 1, else 0, as torch.nn.Hardsigmoid; NaN stays
// NaN. Keeps y.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct HardSigmoid {
    static constexpr Keep keep = Keep::output;
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "HardSigmoid";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return select(x <= L(-3), L(0), select(x >= L(3), L(1), (x + L(3)) / scalar_of<L>(6)));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L y, L dy) {
        return select((y > L(0)) & (y < L(1)), dy / scalar_of<L>(6), L(0));
    }
};

}  // namespace strata::inline STRATA_ABI
