// Which operation's output is not finite, for messages.
#pragma once

#include "../../../layer/relu.hpp"
#include "program_step.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Runs a step of one worker. Returns the first operation whose output is not finite in the order of the op list: the
/// step's, or `found` where that is none or comes before it. A ReLU that is part of the step comes afterwards: it would
/// hide -infinity.
template <class Net, class Precision, class Loss>
STRATA_COLD int run_and_watch(ProgramStep<Precision, Loss> step, TileContext<Precision, Loss> const& tile, int found) {
    bool const relu = std::exchange(step.relu, false);
    run_step(step, tile, Net::InputShape::size);
    auto const c = tile.with_columns_of(step.makes_sequences);
    if (step.backward || step.operation < 0 || step.offsets.y < 0 || step.reduction) return found;
    using Storage = typename Precision::storage;
    using Value = typename Precision::compute;
    // A concatenation has a step for each part that is copied.
    int const numbers = step.items.pointwise();
    int size = 1;
    for (int const extent : Net::layer_table[static_cast<std::size_t>(step.operation)].output_shape) size *= extent;
    if (numbers > 0) size = numbers;
    Storage* const y = c.workspace + static_cast<std::ptrdiff_t>(step.offsets.y) * c.stride;
    for (int e = 0; e < size; ++e)
        for (int s = 0; s < c.stride; ++s) {
            Storage& value = y[e * c.stride + s];
            if (s < c.samples && !is_finite(static_cast<Value>(value))) found = (std::min)(found, step.operation);
            if (relu) value = Storage(ReLU::forward(static_cast<Value>(value)));
        }
    return found;
}

}  // namespace strata::inline STRATA_ABI::detail
