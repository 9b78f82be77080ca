// L1: mean absolute error over all outputs and samples, as torch.nn.L1Loss.
//
//   loss = mean_k |x(k) - target(k)|,  dx(k) = sign(x(k) - target(k)) / (K batch), 0 where they are equal
#pragma once

#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct L1 {
    using policy = LossPolicy;
    static constexpr bool classifies = false;

    void check() const {}

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        L const step = L(T(1) / static_cast<T>(K)) * io.scale;
        LongSum<L, K> total;
        for (int k = 0; k < K; ++k) {
            L const d = io.x[k] - io.target[k];
            total.add(absolute(d));
            if (io.dx.data) io.dx.set(k, select(d > L(0), step, select(d < L(0), -step, L(0))));
        }
        return total.value() * L(T(1) / static_cast<T>(K));
    }
};

}  // namespace strata::inline STRATA_ABI
