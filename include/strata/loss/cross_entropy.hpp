// CrossEntropy: softmax and negative log-likelihood in one, as torch.nn.CrossEntropyLoss (mean over the batch's labels but
// those that are ignored; of a batch of which all are, loss and gradient are 0, where PyTorch's are not numbers).
//
//   p = softmax(x),  q(k) = (1 - e) [k = label] + e / K,  loss = -sum_k q(k) log p(k),  dx(k) = (p(k) - q(k)) / batch
//
// x [K] logits, label in 0…K-1, e the label smoothing. Source: Szegedy et al. 2016 (section 7) for the smoothing.
#pragma once

#include "../core/error.hpp"
#include "../core/long_sum.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct CrossEntropy {
    using policy = LossPolicy;
    static constexpr bool classifies = true;
    double label_smoothing = 0.0;  ///< in [0, 1)
    int ignore_index = -100;       ///< what has this label is left out; it need not be a class

    STRATA_COLD void check() const {
        if (!is_finite(label_smoothing) || !(label_smoothing >= 0 && label_smoothing < 1))
            fail("CrossEntropy: label_smoothing is ", label_smoothing, ", expected at least 0 and below 1");
    }

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        T const smooth = static_cast<T>(label_smoothing), even = smooth / static_cast<T>(K);
        L top = io.x[0];
        STRATA_ROLLED
        for (int k = 1; k < K; ++k) top = maximum(io.x[k], top);
        LongSum<L, K> exponentials, shifts;
        L target(0);
        STRATA_ROLLED
        for (int k = 0; k < K; ++k) {
            L const shifted = io.x[k] - top, e = exp(shifted);
            exponentials.add(e);
            shifts.add(shifted);
            target = select(io.label == L(static_cast<T>(k)), shifted, target);
            if (io.dx.data) io.dx.set(k, e);
        }
        L const total = exponentials.value();
        if (io.dx.data) {
            STRATA_ROLLED
            for (int k = 0; k < K; ++k) {
                L const hit = select(io.label == L(static_cast<T>(k)), L(T(1) - smooth), L(T(0)));
                io.dx.set(k, (io.dx[k] / total - hit - L(even)) * io.scale);
            }
        }
        // -sum q (shifted - log total), with sum q = 1; without smoothing a class masked with -inf
        // must not make 0 inf of it.
        L const loss = log(total) - L(T(1) - smooth) * target;
        return smooth > T(0) ? loss - L(even) * shifts.value() : loss;
    }
};

}  // namespace strata::inline STRATA_ABI
