// KLDiv: Kullback-Leibler divergence of targets from outputs that are log-probabilities, as torch.nn.KLDivLoss with
// reduction="batchmean": a sum over the outputs, the mean over the batch.
//
//   loss = sum_k t (log t - x(k)),  dx(k) = -t / batch,  t = target(k); nothing where t is 0
//
// Targets are probabilities: of a negative one the loss is not a number, as in PyTorch. An output of -inf costs nothing where
// the target is 0 (PyTorch: not a number).
#pragma once

#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct KLDiv {
    using policy = LossPolicy;
    static constexpr bool classifies = false;

    void check() const {}

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        LongSum<L, K> total;
        STRATA_ROLLED
        for (int k = 0; k < K; ++k) {
            L const x = io.x[k], t = io.target[k];
            total.add(select((t == L(T(0))) & !is_nan(x), L(T(0)), t * (log(t) - x)));
            if (io.dx.data) io.dx.set(k, -t * io.scale);
        }
        return total.value();
    }
};

}  // namespace strata::inline STRATA_ABI
