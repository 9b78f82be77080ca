// Which samples a step works on.
#pragma once

#include "../core/body_input.hpp"
#include "../core/tile_sequences.hpp"

namespace strata::inline STRATA_ABI {

/// Some samples (columns, where samples are sequences), side by side; on a device the batch.
struct Tile {
    int first = 0;    ///< index in the batch of the first one
    int samples = 0;  ///< that are real
    int stride = 1;   ///< that the tile holds, empty lanes included: scalars between neighbouring elements
    /// What a sample gets may not depend on the tile: one algorithm and one order of additions for every `stride`.
    bool invariant = false;
    RandomKey random{};
    TileSequences sequences{};  ///< where samples are sequences
};

}  // namespace strata::inline STRATA_ABI
