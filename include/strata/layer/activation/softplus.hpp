// Softplus: y = ln(1 + e^x), x beyond 20; dx = dy / (1 + e^-x) = dy (1 - e^-y), as torch.nn.Softplus. Keeps y.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct Softplus {
    static constexpr Keep keep = Keep::output;
    static constexpr std::string_view type = "Softplus";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return select(x > L(20), x, log1p(exp(x)));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L y, L dy) {
        constexpr double of_20 = 20.00000000206115362;  // y where x is 20
        return select(y > L(static_cast<scalar_of<L>>(of_20)), dy, dy * -expm1(-y));
    }
};

}  // namespace strata::inline STRATA_ABI
