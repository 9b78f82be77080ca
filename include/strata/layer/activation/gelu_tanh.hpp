// GELUTanh: y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, an approximation of GELU with errors of up to 5e-4, as
// torch.nn.GELU(approximate="tanh"). Its gradient follows from forward. Keeps x. Source: arXiv:1606.08415, section 2.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct GELUTanh {
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "GELUTanh";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        using T = scalar_of<L>;
        // Beyond 10 the tanh is 1 to rounding, in double too, and x^3 would overflow before x does.
        L const near = minimum(maximum(x, L(-10)), L(10));
        L const cubic = multiply_add(near * near, L(static_cast<T>(0.044715)), L(1));
        return x * T(0.5) * (L(1) + tanh(near * static_cast<T>(0.79788456080286535588) * cubic));
    }
};

}  // namespace strata::inline STRATA_ABI
