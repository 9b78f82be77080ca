// The sequences of a tile.
#pragma once

#include <cstdint>

#include "config.hpp"
#include "identity.hpp"

namespace strata::inline STRATA_ABI {

/// The sequences of a tile, in networks whose samples are sequences: whole ones, side by side.
struct TileSequences {
    std::int32_t const* starts = nullptr;  ///< [count + 1]: where each begins among the batch's columns
    int first = 0, count = 0;              ///< of the batch's sequences
    int stride = 1;                        ///< columns of a value that has one a sequence, empty ones included
};

}  // namespace strata::inline STRATA_ABI
