// NLL: negative log-likelihood of outputs that are log-probabilities, as torch.nn.NLLLoss (mean over the batch's labels but
// those that are ignored; of a batch of which all are, loss and gradient are 0, where PyTorch's are not numbers).
//
//   loss = -x(label),  dx(k) = -[k = label] / batch
#pragma once

#include "loss.hpp"

namespace strata::inline STRATA_ABI {

struct NLL {
    using policy = LossPolicy;
    static constexpr bool classifies = true;
    int ignore_index = -100;  ///< what has this label is left out; it need not be a class

    void check() const {}

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using L = typename Io::L;
        using T = scalar_of<L>;
        L loss(T(0));
        STRATA_ROLLED
        for (int k = 0; k < K; ++k) {
            auto const hit = io.label == L(static_cast<T>(k));
            loss = select(hit, -io.x[k], loss);
            if (io.dx.data) io.dx.set(k, select(hit, -io.scale, L(T(0))));
        }
        return loss;
    }
};

}  // namespace strata::inline STRATA_ABI
