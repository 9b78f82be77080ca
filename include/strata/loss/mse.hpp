// MSE: mean squared error over all outputs and samples, as torch.nn.MSELoss.
//
//   loss = mean_k (x(k) - target(k))^2,  dx(k) = 2 (x(k) - target(k)) / (K batch)
#pragma once

#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct MSE {
    using policy = LossPolicy;
    static constexpr bool classifies = false;

    void check() const {}

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        LongSum<L, K> total;
        for (int k = 0; k < K; ++k) {
            L const d = io.x[k] - io.target[k];
            total.add_product(d, d);
            if (io.dx.data) io.dx.set(k, d * L(T(2) / static_cast<T>(K)) * io.scale);
        }
        return total.value() * L(T(1) / static_cast<T>(K));
    }
};

}  // namespace strata::inline STRATA_ABI
