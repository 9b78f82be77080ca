// LossMean: what the losses of a batch's samples are divided by, and which samples are in no mean.
//
// A sum over the labels of the whole batch, in their order: all ranks have them, so it is known before any backward pass,
// and the same for any number of ranks and threads.
#pragma once

#include <cstdint>
#include <span>

#include "../core/tensor.hpp"
#include "loss.hpp"

namespace strata::inline STRATA_ABI {

/// A loss that leaves out the samples whose label is its ignore_index: no loss, no gradient, no hit.
template <class Loss>
concept IgnoresLabels = static_cast<bool>(Loss::classifies) && requires(Loss const& loss) {
    { loss.ignore_index } -> std::convertible_to<int>;
};

/// A loss whose mean is divided by the sum of what its labels weigh. Samples that it ignores weigh nothing.
template <class Loss>
concept WeighsLabels = static_cast<bool>(Loss::classifies) && requires(Loss const& loss) {
    { loss.label_weight(std::int32_t{}) } -> std::convertible_to<double>;
};

/// The divisor of a batch's mean.
struct LossMean {
    double divisor = 0;        ///< 0: no label counts; loss and gradient are 0 then
    double label_weight = -1;  ///< as StepResult has it
    std::int64_t ignored = 0;  ///< labels that the loss leaves out
    int places = 1;            ///< labels of a sample

    /// What the gradient of a sample's loss is multiplied by.
    [[nodiscard]] double factor() const { return divisor > 0 ? 1.0 / divisor : 0.0; }
    /// The mean, of the sum of losses.
    [[nodiscard]] double of(double sum) const { return divisor > 0 ? sum / divisor : 0.0; }
};

namespace detail {
template <class Loss>
STRATA_HD STRATA_INLINE bool ignores(Loss const& loss, std::int32_t label) {
    if constexpr (IgnoresLabels<Loss>)
        return label == loss.ignore_index;
    else
        return false;
}

/// The labels of some samples of a batch.
inline std::span<std::int32_t const> labels_of(Batch const& batch, SampleRange samples) {
    auto const each = static_cast<std::size_t>(batch.labels_per_sample);
    return {batch.labels + static_cast<std::size_t>(samples.begin) * each,
            static_cast<std::size_t>(samples.end - samples.begin) * each};
}
STRATA_COLD inline std::int64_t count_labels(std::span<std::int32_t const> labels, int wanted) {
    std::int64_t count = 0;
    for (std::int32_t const label : labels) count += label == wanted ? 1 : 0;
    return count;
}

/// The mean over some samples of a batch.
template <class Loss>
LossMean loss_mean(Loss const& loss, Batch const& batch, SampleRange samples) {
    LossMean mean;
    if constexpr (IgnoresLabels<Loss>)
        if (batch.labels) mean.ignored = count_labels(labels_of(batch, samples), loss.ignore_index);
    if (Loss::classifies && batch.labels) mean.places = batch.labels_per_sample;
    mean.divisor = static_cast<double>(std::int64_t{samples.end - samples.begin} * mean.places - mean.ignored);
    if constexpr (WeighsLabels<Loss>) {
        if (!batch.labels) return mean;
        mean.divisor = 0;
        for (std::int32_t const label : labels_of(batch, samples))
            if (!ignores(loss, label)) mean.divisor += loss.label_weight(label);
        mean.label_weight = mean.divisor;
    }
    return mean;
}
template <class Loss>
LossMean loss_mean(Loss const& loss, Batch const& batch) {
    Batch const& all = batch.whole ? *batch.whole : batch;
    return loss_mean(loss, all, {0, all.answers()});
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
