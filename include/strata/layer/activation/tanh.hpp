// Tanh: y = tanh(x), dx = dy (1 - y^2), as torch.nn.Tanh. Keeps y.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct Tanh {
    static constexpr Keep keep = Keep::output;
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "Tanh";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return tanh(x);
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L y, L dy) {
        return dy * multiply_add(-y, y, L(1));
    }
};

}  // namespace strata::inline STRATA_ABI
