// Mish: y = x tanh(ln(1 + e^x)), as torch.nn.Mish. With e = e^x and n = e (e + 2) the tanh is n / (n + 2), which loses
// nothing for x of either sign, and its derivative 4 e (e + 1) / (n + 2)^2. Keeps x. Source: Misra, arXiv:1908.08681.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct Mish {
    static constexpr Keep keep = Keep::input;
    static constexpr std::string_view type = "Mish";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        L const e = power(x), n = e * (e + L(2));
        return x * (n / (n + L(2)));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L x, L, L dy) {
        L const e = power(x), n = e * (e + L(2)), inverse = L(1) / (n + L(2));
        L const slope = (e + L(1)) * inverse * (e * inverse) * L(4);
        return dy * select(x > L(20), L(1), multiply_add(x, slope, n * inverse));
    }

private:
    /// e^x, of x up to 20: beyond, the tanh is 1 to rounding, and the square of e^x must not overflow.
    template <class L>
    STRATA_HD static STRATA_INLINE L power(L x) {
        return exp(minimum(x, L(20)));
    }
};

}  // namespace strata::inline STRATA_ABI
