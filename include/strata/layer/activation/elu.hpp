// ELU: y = x where x > 0, else Alpha (e^x - 1); dx = dy where x > 0, else dy Alpha e^x = dy (y + Alpha), as torch.nn.ELU.
// Keeps y, or x where Alpha is negative. Source: Clevert et al., arXiv:1511.07289.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// `ELU<Alpha>`; PyTorch's 1 by default.
template <Real Alpha = 1>
struct ELU {
    static constexpr bool from_output = Alpha.value >= 0;
    static constexpr Keep keep = from_output ? Keep::output : Keep::input;
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "ELU";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return select(x > L(0), x, expm1(x) * static_cast<scalar_of<L>>(Alpha.value));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L x, L y, L dy) {
        L const alpha = L(static_cast<scalar_of<L>>(Alpha.value));
        if constexpr (from_output)
            return select(y > L(0), dy, dy * (y + alpha));
        else
            return select(x > L(0), dy, dy * alpha * exp(x));
    }
};

}  // namespace strata::inline STRATA_ABI
