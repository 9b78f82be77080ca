// BCEWithLogits: sigmoid and binary cross-entropy in one, mean over all outputs and samples, as torch.nn.BCEWithLogitsLoss.
//
//   t = target(k), p = pos_weight,  softplus(x) = max(x, 0) + log(1 + e^-|x|)
//   loss = mean_k (1 - t) softplus(x(k)) + p t softplus(-x(k))
//   dx(k) = ((1 - t) sigmoid(x(k)) - p t sigmoid(-x(k))) / (K batch)
//
// PyTorch's loss in terms that do not cancel: far from 0 it and its gradient keep their digits. Targets are probabilities;
// others are not refused, as in PyTorch. A side that the target leaves out costs nothing, so an infinite logit that is right
// has the loss 0 (PyTorch: not a number).
#pragma once

#include "../core/error.hpp"
#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct BCEWithLogits {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    double pos_weight = 1.0;  ///< factor of the loss of targets 1, at least 0

    STRATA_COLD void check() const {
        if (!is_finite(pos_weight) || !(pos_weight >= 0))
            fail("BCEWithLogits: pos_weight is ", pos_weight, ", expected at least 0");
    }

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        L const zero(T(0)), one(T(1)), share(T(1) / static_cast<T>(K));
        LongSum<L, K> total;
        STRATA_ROLLED
        for (int k = 0; k < K; ++k) {
            L const x = io.x[k], t = io.target[k], negative = one - t, positive = L(static_cast<T>(pos_weight)) * t;
            L const e = exp(-absolute(x)), u = one + e;
            // log(1 + e) with the digits of e, that u has lost: Goldberg 1991, theorem 4.
            L const rest = select(u == one, e, log(u) * (e / (u - one)));
            L const above = select(x > zero, x + rest, rest), below = select(x > zero, rest, rest - x);
            auto const wrong = is_nan(x);
            total.add(select((negative == zero) & !wrong, zero, negative * above) +
                      select((positive == zero) & !wrong, zero, positive * below));
            if (io.dx.data) {
                L const far = e / u, near = one / u;
                L const up = select(x > zero, near, far), down = select(x > zero, far, near);
                io.dx.set(k, (negative * up - positive * down) * share * io.scale);
            }
        }
        return total.value() * share;
    }
};

}  // namespace strata::inline STRATA_ABI
