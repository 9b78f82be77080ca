// The cross-entropy of a row of logits and of weights of its classes, whatever those are made of.
#pragma once

#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI::detail {

/// sum_k t(k) (log sum_j e^x(j) - x(k)), and where asked for the gradient softmax(x)(k) sum_j t(j) - t(k), times io.scale.
/// A class of which t is 0 may be masked with a logit of -inf.
template <int K, class Io, class Weight>
STRATA_HD STRATA_INLINE auto softmax_row(Io const& io, Weight const& t) {
    using L = typename Io::L;
    using T = scalar_of<L>;
    L top = io.x[0];
    STRATA_ROLLED
    for (int k = 1; k < K; ++k) top = maximum(io.x[k], top);
    LongSum<L, K> exponentials, weights, costs;
    STRATA_ROLLED
    for (int k = 0; k < K; ++k) {
        L const shifted = io.x[k] - top, e = exp(shifted), weight = t(k);
        exponentials.add(e);
        weights.add(weight);
        costs.add(select(weight == L(T(0)), L(T(0)), weight * shifted));
        if (io.dx.data) io.dx.set(k, e);
    }
    L const total = exponentials.value(), all = weights.value();
    if (io.dx.data) {
        STRATA_ROLLED
        for (int k = 0; k < K; ++k) io.dx.set(k, (io.dx[k] / total * all - t(k)) * io.scale);
    }
    return log(total) * all - costs.value();
}

}  // namespace strata::inline STRATA_ABI::detail
