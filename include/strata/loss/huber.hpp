// Huber: squares of small errors, absolute values of large ones, mean over all outputs and samples, as torch.nn.HuberLoss.
//
//   d = x(k) - target(k),  c = min(|d|, delta)
//   loss = mean_k c (|d| - c / 2)              d^2 / 2 up to delta, delta (|d| - delta / 2) beyond; no square overflows
//   dx(k) = min(max(d, -delta), delta) / (K batch)
//
// Source: Huber 1964, "Robust estimation of a location parameter".
#pragma once

#include "../core/error.hpp"
#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct Huber {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    double delta = 1.0;  ///< the error from which on the loss is linear, above 0

    STRATA_COLD void check() const {
        if (!is_finite(delta) || !(delta > 0)) fail("Huber: delta is ", delta, ", expected above 0");
    }

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        L const most(static_cast<T>(delta)), share(T(1) / static_cast<T>(K));
        LongSum<L, K> total;
        for (int k = 0; k < K; ++k) {
            L const d = io.x[k] - io.target[k], size = absolute(d), c = minimum(size, most);
            total.add(c * (size - c * L(T(0.5))));
            if (io.dx.data) io.dx.set(k, minimum(maximum(d, -most), most) * share * io.scale);
        }
        return total.value() * share;
    }
};

}  // namespace strata::inline STRATA_ABI
