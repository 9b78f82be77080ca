// ReLU: y = max(x, 0), dx = dy where y > 0; NaN stays NaN, the gradient at 0 is 0, as torch.nn.ReLU. Keeps y.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct ReLU {
    static constexpr Keep keep = Keep::output;
    static constexpr bool same_in_every_lane = true;
    static constexpr std::string_view type = "ReLU";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return select(x < L(0), L(0), x);
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L y, L dy) {
        return select(y <= L(0), L(0), dy);
    }
};

}  // namespace strata::inline STRATA_ABI
