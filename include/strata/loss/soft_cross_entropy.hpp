// SoftCrossEntropy: cross-entropy with targets that are probabilities of the classes (mixed, smoothed or of a teacher), as
// torch.nn.CrossEntropyLoss with such targets; mean over the batch.
//
//   p = softmax(x),  q(k) = (1 - e) target(k) + e / K,  loss = -sum_k q(k) log p(k),  dx(k) = (p(k) sum q - q(k)) / batch
//
// x [K] logits, target [K], e the label smoothing. Targets need not add up to 1, nor lie in 0 to 1, as in PyTorch.
#pragma once

#include "../core/error.hpp"
#include "softmax_row.hpp"

namespace strata::inline STRATA_ABI {

struct SoftCrossEntropy {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    double label_smoothing = 0.0;  ///< in [0, 1)

    STRATA_COLD void check() const {
        if (!is_finite(label_smoothing) || !(label_smoothing >= 0 && label_smoothing < 1))
            fail("SoftCrossEntropy: label_smoothing is ", label_smoothing, ", expected at least 0 and below 1");
    }

    /// Refuses networks whose outputs are not one score a class.
    template <class Got>
    struct Check {
        static constexpr bool ok = Got::type::rank == 1;
        static_assert(ok,
                      "SoftCrossEntropy needs a flat output, one score a class: end the network in Linear or Flatten");
    };

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using T = scalar_of<typename Io::L>;
        return detail::softmax_row<K>(
            io, Smoothed<Io>{io, static_cast<T>(1.0 - label_smoothing), static_cast<T>(label_smoothing / K)});
    }

private:
    template <class Io>
    struct Smoothed {
        using L = typename Io::L;
        Io const& io;
        scalar_of<L> kept, even;
        STRATA_HD STRATA_INLINE L operator()(int k) const { return io.target[k] * L(kept) + L(even); }
    };
};

}  // namespace strata::inline STRATA_ABI
