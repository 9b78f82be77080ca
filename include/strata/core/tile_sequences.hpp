// The sequences of a tile.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config.hpp"
#include "identity.hpp"

namespace strata::inline STRATA_ABI {

/// What earlier calls have left of the sequences of a batch, whose tokens are the next ones: see SequenceState. In it the
/// numbers of an operation lie at its offset (numbers a token) times the capacity.
struct KeptSequences {
    void* numbers = nullptr;                ///< of storage: [slot][operation][token][what it keeps of one]
    std::ptrdiff_t slot_size = 0;           ///< numbers of a slot
    int capacity = 0;                       ///< tokens of a slot
    std::int32_t const* slots = nullptr;    ///< where each sequence of the batch lies
    std::int32_t const* lengths = nullptr;  ///< of each slot: tokens that came in earlier calls

    [[nodiscard]] int before(int sequence) const { return lengths[slots[sequence]]; }
};

/// The sequences of a tile, in networks whose samples are sequences: whole ones side by side, or the new tokens of some
/// that are continued.
struct TileSequences {
    std::int32_t const* starts = nullptr;  ///< [count + 1]: where each begins among the batch's columns
    int first = 0, count = 0;              ///< of the batch's sequences
    int stride = 1;                        ///< columns of a value that has one a sequence, empty ones included
    KeptSequences const* kept = nullptr;   ///< null: they begin with their first token here

    /// Tokens of a sequence of the tile that came in earlier calls.
    [[nodiscard]] int before(int sequence) const { return kept ? kept->before(first + sequence) : 0; }
};

}  // namespace strata::inline STRATA_ABI
