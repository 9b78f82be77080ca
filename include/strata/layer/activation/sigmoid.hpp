// Sigmoid: y = 1 / (1 + e^-x), dx = dy y (1 - y), as torch.nn.Sigmoid. Keeps y.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct Sigmoid {
    static constexpr Keep keep = Keep::output;
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "Sigmoid";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return sigmoid(x);
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L y, L dy) {
        return dy * y * (L(1) - y);
    }
};

}  // namespace strata::inline STRATA_ABI
