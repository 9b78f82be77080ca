// A training pass of a step's samples, part by part where batch-wide layers would keep them all in memory.
#pragma once

#include <algorithm>
#include <span>
#include <utility>

#include "../backend/cpu/step/program_step.hpp"
#include "../backend/update_range.hpp"
#include "../core/aligned.hpp"
#include "../core/fixed_array.hpp"
#include "../network/model.hpp"
#include "accumulate.hpp"
#include "pending_gradient.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Samples [first, first + size) of a batch, as a part of it; `targets` numbers are a sample's.
STRATA_COLD inline Batch part_of_batch(Batch const& whole, int first, int size, int targets) {
    auto const at = static_cast<std::size_t>(first);
    Batch part = whole;
    part.size = size;
    part.whole = &whole;
    part.inputs = static_cast<std::byte const*>(whole.inputs) + at * whole.shape.size() * size_of(whole.type);
    if (whole.labels) part.labels += at * static_cast<std::size_t>(whole.labels_per_sample);
    if (whole.targets)
        part.targets = static_cast<std::byte const*>(whole.targets) +
                       at * static_cast<std::size_t>(targets) * size_of(whole.target_type);
    if (whole.indices) part.indices += at;
    if (whole.weights) part.weights += at;
    return part;
}

/// sum = sum + newest, but the last time newest = sum + newest.
template <class Gradient>
STRATA_HOT void add_part(std::span<Gradient> sum, std::span<Gradient> newest, bool first, bool last) {
    std::span<Gradient> const to = last ? newest : sum;
    if (!first)
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = sum[i] + newest[i];
    else if (!last)
        std::copy(newest.begin(), newest.end(), sum.begin());
}

/// What a pass was about: its batch and random numbers, of several parts those of the first that was not finite, and the
/// running statistic that would not be.
struct PassPlace {
    Batch batch;
    RandomKey key;
    UpdateFault fault{};
};

/// The passes of a training, which remember the running statistics before the last one.
template <class Net, class Precision, class Loss>
class PassInParts {
    using ModelType = Model<Net, Precision>;
    using Gradient = typename Precision::accumulation;
    using Scalar = typename Precision::master;

public:
    STRATA_COLD explicit PassInParts(Accumulate const& accumulate) : accumulate_(accumulate) {
        accumulate.check();
        if (!Net::is_batch_wide || accumulate.batches == 1) return;
        sum_ = AlignedVector<Gradient>(static_cast<std::size_t>(Net::parameter_count));
        buffers_ = FixedArray<Scalar>(static_cast<std::size_t>(Net::moving_buffer_count));
        batches_tracked_ = FixedArray<std::int64_t>(static_cast<std::size_t>(Net::operation_count));
    }
    [[nodiscard]] Accumulate const& accumulate() const { return accumulate_; }
    /// So many samples are computed at a time; 0: those of Accumulate::part_of.
    void set_part(int samples) { part_ = samples; }

    /// Throws Error where a step of so many samples has a part that cannot be trained.
    template <class Executor>
    void check_step(int samples) const {
        Executor::check_batch(Net::is_batch_wide ? (samples - 1) % part_of(samples) + 1 : samples);
    }

    /// Forward and backward on a batch with the random numbers of `place`, which says then what was not finite; `targets`
    /// numbers are a sample's.
    template <class Executor>
    StepResult run(Executor& executor, ModelType& model, Batch const& batch, PassPlace& place, double scale,
                   int targets) {
        moved_ = false;
        if constexpr (Net::is_batch_wide && AccumulateCheck<true, Net, Executor, false>::ok)
            if (accumulate_.batches > 1) return run_parts(executor, model, batch, place, scale, targets);
        StepResult const result = scaled_gradients(executor, model, batch, place.key, scale);
        if (result.finite) place.fault = executor.statistics_fault(model);
        return result;
    }
    /// The running statistics become those before the last pass.
    STRATA_COLD void restore(ModelType& model) {
        if (!std::exchange(moved_, false)) return;
        std::copy(buffers_.begin(), buffers_.end(), model.buffers().begin());
        std::copy(batches_tracked_.begin(), batches_tracked_.end(), model.batches_tracked().begin());
    }

private:
    [[nodiscard]] int part_of(int samples) const {
        return part_ > 0 && accumulate_.batches > 1 ? part_ : accumulate_.part_of(samples);
    }
    template <class Executor>
    STRATA_COLD StepResult run_parts(Executor& executor, ModelType& model, Batch const& batch, PassPlace& place,
                                     double scale, int targets) {
        check_step<Executor>(batch.size);  // before a part has moved anything
        std::copy_n(model.buffers().begin(), buffers_.size(), buffers_.begin());
        std::copy_n(model.batches_tracked().begin(), batches_tracked_.size(), batches_tracked_.begin());
        moved_ = true;
        typename ResultOf<Loss>::type nothing{};
        StepResult all = merged_result(executor.loss(), &nothing, loss_mean(executor.loss(), batch), batch.size, 1, 0);
        bool good = true;
        int const most = part_of(batch.size);
        RandomKey const first_key = place.key;
        for (int first = 0, k = 0; first < batch.size; first += most, ++k) {
            bool const last = batch.size - first <= most;
            PassPlace part{part_of_batch(batch, first, (std::min)(most, batch.size - first), targets), first_key};
            // A mask is keyed by a sample's place in what an executor is given.
            part.key.seed += 0xD1B54A32D192ED03u * static_cast<std::uint64_t>(k);
            StepResult const its = scaled_gradients(executor, model, part.batch, part.key, scale);
            all.finite = all.finite && its.finite;
            add(all, its);
            add_part(std::span<Gradient>(sum_), executor.gradient(), k == 0, last);
            if (!good) continue;
            if (its.finite) part.fault = executor.statistics_fault(model);
            good = its.finite && !part.fault;
            if (!good || last)
                place = part;
            else
                executor.update_statistics(model);
        }
        if (!good) restore(model);
        return all;
    }
    /// What each part says of itself alone.
    static void add(StepResult& all, StepResult const& part) {
        all.loss += part.loss;
        all.correct += part.correct;
        for (int h = 0; h < all.losses.count; ++h) {
            all.losses.parts[h].loss += part.losses.parts[h].loss;
            all.losses.parts[h].correct += part.losses.parts[h].correct;
        }
    }

    Accumulate accumulate_;
    int part_ = 0;
    bool moved_ = false;  // the model's running statistics, by parts of the last pass
    AlignedVector<Gradient> sum_;
    FixedArray<Scalar> buffers_;  // before the last pass
    FixedArray<std::int64_t> batches_tracked_;
};

}  // namespace strata::inline STRATA_ABI::detail
