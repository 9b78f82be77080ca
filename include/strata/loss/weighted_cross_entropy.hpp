// WeightedCrossEntropy: CrossEntropy with a weight for each class, as torch.nn.CrossEntropyLoss with `weight`; the sum
// over the batch is divided by the sum of its labels' weights.
//
//   p = softmax(x),  q(k) = w(k) ((1 - e) [k = label] + e / K)
//   loss = -sum_k q(k) log p(k),  dx(k) = (p(k) sum q - q(k)) / sum of w(label) over the batch
//
// A batch of which all labels are ignored or weigh 0 has loss and gradient 0 (PyTorch: not numbers).
#pragma once

#include <cstdint>

#include "class_weights.hpp"
#include "softmax_row.hpp"

namespace strata::inline STRATA_ABI {

/// `WeightedCrossEntropy<3>{.class_weights = {1, 2.5, 1}}`.
template <int Classes>
struct WeightedCrossEntropy {
    using policy = LossPolicy;
    static constexpr bool classifies = true;
    ClassWeights<Classes> class_weights;  ///< at least 0 each
    double label_smoothing = 0.0;         ///< in [0, 1)
    int ignore_index = -100;              ///< samples of this label are left out; it need not be a class

    STRATA_COLD void check() const {
        class_weights.check("WeightedCrossEntropy");
        if (!is_finite(label_smoothing) || !(label_smoothing >= 0 && label_smoothing < 1))
            fail("WeightedCrossEntropy: label_smoothing is ", label_smoothing, ", expected at least 0 and below 1");
    }

    /// What a sample counts in the batch's divisor.
    [[nodiscard]] double label_weight(std::int32_t label) const { return class_weights[label]; }

    template <int K, class Io>
    STRATA_HD STRATA_INLINE auto operator()(Io const& io) const {
        using T = scalar_of<typename Io::L>;
        static_assert(
            K == Classes,
            "WeightedCrossEntropy<Classes> needs so many scores, one a class, along the first axis of the outputs: the "
            "network has another number");
        return detail::softmax_row<K>(
            io, Weighted<Io>{io, *this, static_cast<T>(1.0 - label_smoothing), static_cast<T>(label_smoothing / K)});
    }

private:
    template <class Io>
    struct Weighted {
        using L = typename Io::L;
        using T = scalar_of<L>;
        Io const& io;
        WeightedCrossEntropy const& loss;
        T kept, even;
        STRATA_HD STRATA_INLINE L operator()(int k) const {
            L const hit = select(io.label == L(static_cast<T>(k)), L(kept), L(T(0)));
            return (hit + L(even)) * L(static_cast<T>(loss.class_weights[k]));
        }
    };
};

}  // namespace strata::inline STRATA_ABI
