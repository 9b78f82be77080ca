// How a batch of sequences is cut into tiles: a function of their lengths alone.
#pragma once

#include <algorithm>

#include "../../../core/error.hpp"
#include "../../../core/fixed_array.hpp"
#include "../../../core/tensor.hpp"
#include "../../../core/tile_sequences.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The columns of a tile that holds at least so many: 1, 2, 4, 8 or a multiple of 16.
constexpr int tile_columns(int columns) {
    if (columns > 8) return (columns + 15) / 16 * 16;
    int wide = 1;
    while (wide < columns) wide *= 2;
    return wide;
}
/// The next larger one.
constexpr int next_tile_columns(int columns) { return columns < 16 ? 2 * columns : columns + 16; }

constexpr int twice(int samples) { return 2 * samples; }
/// The sizes that tiles of a network may have: powers of two, or where they hold sequences the above.
struct TileSizes {
    int most;
    bool sequences;
    [[nodiscard]] constexpr int next(int size) const { return sequences ? next_tile_columns(size) : twice(size); }
};

/// Tiles of a batch's sequences, none of them cut, in their order: each as many as have room.
class SequenceTiles {
public:
    /// Tiles are of `usual` columns at most, or of as many as the longest sequence has.
    STRATA_COLD void cut(Batch const& batch, int usual, int longest) {
        starts_ = batch.starts;
        kept_ = batch.kept;
        auto const most = static_cast<std::size_t>(batch.size) + 1;
        if (first_.size() < most) first_ = FixedArray<int>(most);
        int room = usual;
        for (int i = 0; i < batch.size; ++i) {
            int const length = starts_[i + 1] - starts_[i];
            if (length < 1 || length > longest)
                fail("sequence ", i, " of the batch has ", length, " tokens, expected 1 to ", longest,
                     ", what the network's Sequence<Input<...>, longest> says");
            room = (std::max)(room, length);
        }
        int columns = 1, sequences = 1, begin = 0;
        tiles = 0;
        for (int i = 0; i < batch.size; ++i) {
            if (starts_[i + 1] - starts_[begin] > room) begin = i;
            if (begin == i) first_[static_cast<std::size_t>(tiles++)] = i;
            columns = (std::max)(columns, starts_[i + 1] - starts_[begin]);
            sequences = (std::max)(sequences, i + 1 - begin);
        }
        first_[static_cast<std::size_t>(tiles)] = batch.size;
        stride = tile_columns(columns);
        sequence_stride = tile_columns(sequences);
    }
    /// What a tile holds.
    [[nodiscard]] TileSequences of(int tile) const {
        int const begin = first_[static_cast<std::size_t>(tile)], end = first_[static_cast<std::size_t>(tile) + 1];
        return {starts_ + begin, begin, end - begin, sequence_stride, kept_};
    }

    int tiles = 0;
    int stride = 1;           ///< columns of a tile, empty ones included
    int sequence_stride = 1;  ///< the same of values with one a sequence

private:
    FixedArray<int> first_;  // sequences of each tile, and the end
    std::int32_t const* starts_ = nullptr;
    KeptSequences const* kept_ = nullptr;
};
/// In networks without sequences.
struct NoSequenceTiles {};

}  // namespace strata::inline STRATA_ABI::detail
