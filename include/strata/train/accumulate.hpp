// Accumulate: an update sees several batches, of which one at a time is worked on.
#pragma once

#include <limits>

#include "../backend/backend.hpp"
#include "../backend/ranks.hpp"
#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of the policies that say how many batches an update sees.
struct AccumulatePolicy {};

/// A step takes `batches` batches and updates once, as loops do that call `(loss / batches).backward()` so many times before
/// `optimizer.step()`: `train<Net>(Accumulate{4})` with FitOptions{.batch_size = 16} is a training in batches of 64 that
/// needs the memory of 16.
///
/// batch_size is what is computed at a time; a step, whatever counts steps (schedules, checkpoint_steps, on_step, progress)
/// and its StepResult are of batches * batch_size samples, and checkpoints stand between steps. The last step of an
/// epoch has what is left, in batches of batch_size, none with drop_last. train_step and backward take all samples of a
/// step at once: n samples in parts of ⌈n / batches⌉, the last one what is left. The loss is the mean over all of them,
/// with their weights and ignored labels, so that parts of other sizes count as their samples do. With a dynamic loss
/// scale a part that overflows leaves the step out.
///
/// Without BatchNorm the bits are those of the large batch: memory does not grow with a batch there, for a worker takes tile
/// by tile from the samples to the gradient, so a step is one pass. BatchNorm takes the statistics of each part, as in
/// PyTorch, and moves the running ones with each; the gradients of the parts are added in their order. That works on
/// one rank; ranks that shard gradients keep the values of their part of the whole step
/// (distributed/data_parallel.hpp).
struct Accumulate {
    using policy = AccumulatePolicy;
    int batches = 1;

    /// Throws Error unless there is a batch.
    STRATA_COLD void check() const {
        if (batches < 1) fail("Accumulate: batches is ", batches, ", expected at least 1");
    }
    /// The samples of a step of fit. Throws Error where those are no int.
    [[nodiscard]] STRATA_COLD int samples_of_step(int batch_size) const {
        if (batch_size > (std::numeric_limits<int>::max)() / batches)
            fail("fit: ", batches, " batches (Accumulate) of batch_size ", batch_size,
                 " are more samples than an int counts");
        return batch_size * batches;
    }
    /// The samples that are computed at a time, of a step's.
    [[nodiscard]] constexpr int part_of(int samples) const {
        return samples / batches + (samples % batches > 0 ? 1 : 0);
    }
};

namespace detail {
/// Whether a training may have an Accumulate; where it has, in sentences.
template <bool Given, class Net, class Executor, bool Says = true>
struct AccumulateCheck {
    static constexpr bool backend = !Given || TakesParts<Executor>;
    static constexpr bool ranks = !Given || !Net::is_batch_wide || !RanksOf<Executor>::type::several;
    static constexpr bool input = !Given || !Net::is_batch_wide || !Net::has_input_gradient;
    static_assert(backend || !Says,
                  "Accumulate works on the CPU: this backend takes a batch as a whole, give fit the larger batch_size");
    static_assert(ranks || !Says,
                  "Accumulate: ranks share a batch, of which BatchNorm takes the statistics: give fit the larger "
                  "batch_size instead");
    static_assert(input || !Says,
                  "Accumulate: a network with BatchNorm has no input_gradients of several batches: leave RequiresGrad "
                  "out");
    static constexpr bool ok = backend && ranks && input;
};
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
