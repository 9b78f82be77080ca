// HardSwish: y = x min(max(x + 3, 0), 6) / 6; dx = 0 up to -3, dy from 3 on and dy (x / 3 + 1 / 2) between, as
// torch.nn.Hardswish. Keeps x. Source: Howard et al., arXiv:1905.02244.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct HardSwish {
    static constexpr Keep keep = Keep::input;
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "HardSwish";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return x * minimum(maximum(x + L(3), L(0)), L(6)) / scalar_of<L>(6);
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L x, L, L dy) {
        L const slope = x / scalar_of<L>(3) + L(0.5);
        return select(x >= L(3), dy, select(x <= L(-3), L(0), dy * slope));
    }
};

}  // namespace strata::inline STRATA_ABI
