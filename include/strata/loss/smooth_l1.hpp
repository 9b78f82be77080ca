// SmoothL1: absolute errors, rounded off at 0, mean over all outputs and samples, as torch.nn.SmoothL1Loss. It is Huber's
// loss divided by its delta.
//
//   d = x(k) - target(k),  q = min(|d| / beta, 1)
//   loss = mean_k q (|d| - q beta / 2)         d^2 / (2 beta) below beta, |d| - beta / 2 beyond
//   dx(k) = min(max(d / beta, -1), 1) / (K batch)
//
// Source: Girshick 2015, "Fast R-CNN", equation 3.
#pragma once

#include <limits>

#include "../core/error.hpp"
#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct SmoothL1 {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    double beta = 1.0;  ///< the error from which on the loss is linear; 0 makes it L1

    STRATA_COLD void check() const {
        if (!is_finite(beta) || !(beta >= 0)) fail("SmoothL1: beta is ", beta, ", expected at least 0");
    }

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        // The smallest normal number in place of 0: d / beta is 0 or beyond 1 then, as |d| needs it.
        constexpr T smallest = (std::numeric_limits<T>::min)();
        T const width = static_cast<T>(beta) > smallest ? static_cast<T>(beta) : smallest;
        L const inverse(T(1) / width), half(T(0.5) * width), share(T(1) / static_cast<T>(K));
        LongSum<L, K> total;
        for (int k = 0; k < K; ++k) {
            L const d = io.x[k] - io.target[k], size = absolute(d), q = minimum(size * inverse, L(T(1)));
            total.add(q * (size - q * half));
            if (io.dx.data) io.dx.set(k, minimum(maximum(d * inverse, L(T(-1))), L(T(1))) * share * io.scale);
        }
        return total.value() * share;
    }
};

}  // namespace strata::inline STRATA_ABI
