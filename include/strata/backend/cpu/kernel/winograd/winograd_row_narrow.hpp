// Winograd convolution along the row on tiles of fewer samples than a vector has places.
//
// The inputs are rows of places (winograd_narrow_rows.hpp), [channel][point][place], so the products are those of
// winograd_row_convolution. Rows of 28 and 10 columns fill their vectors so to nine tenths, as direct convolution does
// along its flattened rows. What differs is how columns come apart, and together again.
#pragma once

#include "winograd_row_convolution.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// How a correlation is cut up for tiles of S samples.
template <class L>
struct WinogradNarrowLayout {
    using Rows = WinogradNarrowRows<L>;
    static constexpr int N = width_of<L>, points = WinogradRowTransform::points;
    int tiles, pitch, band;  ///< tiles and places of a row; output rows of a band
    int line, plane;         ///< scalars of a row with its padding, of a point of a channel

    constexpr WinogradNarrowLayout(Correlation const& g, int S)
        : tiles((g.out_width + WinogradRowTransform::outputs - 1) / WinogradRowTransform::outputs),
          pitch(tiles * S),
          // About 128 KB of transformed rows in float, as for whole vectors, but at least four rows.
          band(
              std::clamp(static_cast<int>(32768 / (points * pitch * std::ptrdiff_t{g.in_channels})) - g.taps_height + 1,
                         4, (std::max)(g.out_height, 4))),
          line(Rows::line(tiles, S, g.pad_left + g.in_width)),
          plane(Rows::round_up(((std::min)(band, g.out_height) + g.taps_height - 1) * pitch) + N) {}
    /// False where even four rows are so long that direct convolution, which needs fewer of them at once, is faster.
    [[nodiscard]] constexpr bool fits(Correlation const& g) const {
        return points * std::ptrdiff_t{g.in_channels} * plane <= most_row_numbers;
    }
    /// Scalars of scratch memory, with what aligns them to 64 bytes.
    [[nodiscard]] constexpr int scratch(Correlation const& g) const {
        return line + g.in_channels * points * plane + static_cast<int>(64 / sizeof(scalar_of<L>));
    }
};

/// Groups of S numbers of two vectors in turn, from number First on.
template <int S, int N, int First>
struct GroupsInTurn {
    static constexpr int of(int k) { return First + k / S / 2 * S + k % S + k / S % 2 * N; }
};

/// Puts the columns of tiles together: [column][tile][sample] becomes [tile][column][sample]. `samples` is S, or S
/// times a power of two.
template <int S, class L>
STRATA_INLINE void winograd_columns_together(int samples, L (&out)[4]) {
    constexpr int N = width_of<L>;
    if constexpr (4 * S <= N)
        if (samples > S) return winograd_columns_together<2 * S, L>(samples, out);
    using First = GroupsInTurn<S, N, 0>;
    using Second = GroupsInTurn<S, N, N / 2>;
    L const even[] = {shuffle<First>(out[0], out[2]), shuffle<Second>(out[0], out[2])},
            odd[] = {shuffle<First>(out[1], out[3]), shuffle<Second>(out[1], out[3])};
    STRATA_UNROLL
    for (int k = 0; k < 2; ++k) {
        out[2 * k] = shuffle<First>(even[k], odd[k]);
        out[2 * k + 1] = shuffle<Second>(even[k], odd[k]);
    }
}

/// Transforms the sums at the points of a block's channels and writes the outputs of `count` tiles, of which the first
/// is tile `first` of the rows from d.y on; `tiles` of them are a row.
template <class L, class T>
STRATA_ONE_COPY void winograd_narrow_outputs(T const* from, WinogradRowOutput<T> const& d, int first, int count,
                                             int tiles) {
    constexpr int N = width_of<L>, outputs = WinogradRowTransform::outputs;
    using Four = Lane<T, 4>;
    int const S = d.samples;
    // Where rows are whole tiles, tiles of neighbouring rows are neighbours too.
    bool const contiguous = d.columns == outputs * tiles && count == N / S;
    for (int u = 0; u < d.channels; ++u) {
        L out[outputs];
        winograd_row_columns(from, d, u, out);
        winograd_columns_together<1>(S, out);
        T* const y = d.y + u * d.plane;
        if (contiguous) {
            T* const to = y + first * outputs * S;
            STRATA_UNROLL
            for (int j = 0; j < outputs; ++j)
                store_lane(to + j * N, d.add ? load_lane<L>(to + j * N) + out[j] : out[j]);
            continue;
        }
        T numbers[outputs * N];
        STRATA_UNROLL
        for (int j = 0; j < outputs; ++j) store_lane(numbers + j * N, out[j]);
        int i = first / tiles, t = first % tiles;
        for (int n = 0; n < count; ++n) {
            T const* const tile = numbers + n * outputs * S;
            T* const to = y + (i * d.columns + outputs * t) * S;
            int const size = (std::min)(outputs, d.columns - outputs * t) * S;
            int k = 0;
            for (; k + 4 <= size; k += 4) {
                Four const value = load_lane<Four>(tile + k);
                store_lane(to + k, d.add ? load_lane<Four>(to + k) + value : value);
            }
            for (; k < size; ++k) {
                STRATA_SCALAR;
                to[k] = d.add ? to[k] + tile[k] : tile[k];
            }
            if (++t == tiles) t = 0, ++i;
        }
    }
}

/// winograd_row_correlate for the tile sizes that WinogradNarrowLayout takes.
template <class L, class T>
STRATA_ONE_COPY void winograd_narrow_correlate(Correlation const& g, T const* x, T const* weights, T const* bias, T* y,
                                               int S, T* scratch, bool add, int begin, int end, bool relu = false) {
    using Rows = WinogradRowLayout<L>;
    constexpr int N = width_of<L>, CO = Rows::block_channels, points = Rows::points;
    Rows const blocks(g);
    WinogradNarrowLayout<L> const layout(g, S);
    T* const inputs = aligned_to_cache_line(scratch);
    T* const line = inputs + g.in_channels * points * layout.plane;
    std::ptrdiff_t const out_row = static_cast<std::ptrdiff_t>(g.out_width) * S, plane = g.out_height * out_row;
    WinogradRows const at{g.taps_height, g.in_channels, layout.pitch,
                          static_cast<std::ptrdiff_t>(points) * layout.plane, layout.plane};
    WinogradNarrowRows<L> const x_rows{g.in_height, g.in_width, g.pad_left, S, layout.tiles, layout.plane};
    std::ptrdiff_t const in_plane = static_cast<std::ptrdiff_t>(g.in_height) * g.in_width * S;
    alignas(64) T products[CO * points * N];
    WinogradRowOutput<T> d{nullptr, nullptr, plane, S, g.out_width, 0, add, relu};
    for (int from = begin, to; from < end; from = to) {
        to = (std::min)(end, from + layout.band);
        for (int c = 0; c < g.in_channels; ++c)
            winograd_narrow_rows<true>(x_rows, x + c * in_plane, line, inputs + c * points * layout.plane,
                                       from - g.pad_top, to - from + g.taps_height - 1);
        int const count = (to - from) * layout.tiles;
        for (int o = 0; o < g.out_channels; o += CO) {
            d.bias = bias ? bias + o : nullptr;
            d.channels = (std::min)(CO, g.out_channels - o);
            d.y = y + o * plane + from * out_row;
            auto const multiply = d.channels > 4 ? winograd_row_products<6, L, T> : winograd_row_products<4, L, T>;
            for (int tile = 0; tile < count; tile += N / S) {
                multiply(inputs + tile * S, at, weights + o / CO * blocks.block, blocks.round, products);
                winograd_narrow_outputs<L>(products, d, tile, (std::min)(N / S, count - tile), layout.tiles);
            }
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
