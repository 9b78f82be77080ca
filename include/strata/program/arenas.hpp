// From a step's offsets to its values: where the numbers of a pass lie.
#pragma once

#include "step.hpp"
#include "tile.hpp"
#include "values.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The memory that the steps of a pass work in.
template <class Precision>
struct Arenas {
    using Storage = typename Precision::storage;
    Storage* workspace = nullptr;           ///< of the tile, as the plan cuts it
    Storage* sequence_workspace = nullptr;  ///< of values with a column a sequence
    typename Precision::master const* parameters = nullptr;
    typename Precision::accumulation* gradient = nullptr;
    typename Precision::master const* frozen = nullptr;  ///< the model's buffers: where parameters are that are Frozen
    std::ptrdiff_t first_parameter = 0, first_gradient = 0;  ///< what those begin with, of the network's
    double const* statistics = nullptr;                      ///< what passes over the batch left, of the whole network
    double* partial = nullptr;                               ///< this tile's parts of them

    /// A step's parameters.
    [[nodiscard]] typename Precision::master const* parameters_of(Step const& step) const {
        return step.parameters.frozen ? frozen + step.offsets.parameters
                                      : parameters + (step.offsets.parameters - first_parameter);
    }
    /// Says where a step's values are, in a tile.
    STRATA_INLINE void place(Values<Precision>& a, Step const& step, Tile const& tile) const {
        auto const in = [](Storage* memory, std::ptrdiff_t offset, int stride) {
            return offset < 0 ? nullptr : memory + offset * stride;
        };
        OperationOffsets const& offsets = step.offsets;
        int const stride = step.reads_sequences ? tile.sequences.stride : tile.stride;
        auto* const read = step.reads_sequences ? sequence_workspace : workspace;
        auto const at = [&](std::ptrdiff_t offset) { return in(read, offset, stride); };
        auto const made_at = [&](std::ptrdiff_t offset) {
            return step.reads_sequences == step.makes_sequences ? at(offset)
                                                                : in(sequence_workspace, offset, tile.sequences.stride);
        };
        a.x = at(offsets.x);
        a.y = made_at(offsets.y);
        a.dy = made_at(offsets.dy);
        a.extra = at(offsets.extra);
        a.dx = at(offsets.dx);
        a.write = step.write;
        a.state = offsets.state;
        a.parameters = parameters_of(step);
        if (gradient && !step.parameters.frozen) a.gradient = gradient + (offsets.parameters - first_gradient);
        if (statistics) a.statistics = statistics + offsets.statistics;
        if (partial) a.partial = partial + offsets.statistics;
        STRATA_ROLLED
        for (int k = 0; k + 1 < offsets.inputs; ++k) a.more[static_cast<std::size_t>(k)] = at(offsets.more[k]);
        using Compute = typename Precision::compute;
        a.forward_passes = reinterpret_cast<Compute*>(at(offsets.forward_passes));
        a.backward_passes = reinterpret_cast<Compute*>(at(offsets.backward_passes));
    }
};

}  // namespace strata::inline STRATA_ABI::detail
