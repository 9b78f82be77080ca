// Winograd convolution along the row on tiles of fewer samples than a vector has places.
//
// The tiles of four columns of all rows, their samples innermost, are one run of places, [row][tile][sample], and a
// vector is any N of them: a kernel row is a shift by a row's places, so the products are those of
// winograd_row_convolution. Rows of 28 and 10 columns fill their vectors so to nine tenths, as direct convolution does
// along its flattened rows. What differs is how columns come apart, and together again: [channel][point][place].
#pragma once

#include "winograd_row_convolution.hpp"

namespace strata::detail {

/// How a correlation is cut up for tiles of S samples.
template <class L>
struct WinogradNarrowLayout {
    static constexpr int N = width_of<L>, points = WinogradRowTransform::points;
    int tiles, pitch, band;  ///< tiles and places of a row; output rows of a band
    int line, plane;         ///< scalars of a row with its padding, of a point of a channel

    /// True for the tile sizes that it is made for.
    static constexpr bool takes(int S) { return 2 * S <= N; }

    constexpr WinogradNarrowLayout(Correlation const& g, int S)
        : tiles((g.out_width + WinogradRowTransform::outputs - 1) / WinogradRowTransform::outputs),
          pitch(tiles * S),
          // About 128 KB of transformed rows in float, as for whole vectors.
          band(std::clamp(32768 / (g.in_channels * points * pitch) - g.taps_height + 1, 4, std::max(g.out_height, 4))),
          // Vectors of columns are taken in pairs, and once more four columns further on.
          line(round_up(std::max((round_up(pitch) + S) * 4, (g.pad_left + g.in_width) * S))),
          plane(round_up((std::min(band, g.out_height) + g.taps_height - 1) * pitch) + N) {}
    /// Scalars of scratch memory, with what aligns them to 64 bytes.
    [[nodiscard]] constexpr int scratch(Correlation const& g) const {
        return line + g.in_channels * points * plane + static_cast<int>(64 / sizeof(scalar_of<L>));
    }

private:
    static constexpr int round_up(int n) { return (n + N - 1) / N * N; }
};

/// Column K of every tile of four, S samples each, of two vectors: in the first half of a vector, and again in the
/// second.
template <int S, int N, int K>
struct ColumnOfTiles {
    static constexpr int of(int k) { return (k % (N / 2) / S * 4 + K) * S + k % S; }
};
/// Groups of S numbers of two vectors in turn, from number First on.
template <int S, int N, int First>
struct GroupsInTurn {
    static constexpr int of(int k) { return First + k / S / 2 * S + k % S + k / S % 2 * N; }
};

/// Takes a row's columns apart: column k of the eight of each tile goes to to[k * plane + tile * S + sample]. Writes up
/// to N - 1 places more than there are. `samples` is S, or S times a power of two.
template <int S, class L, class T>
STRATA_INLINE void winograd_columns_apart(int samples, T const* line, T* to, int pitch, int plane) {
    constexpr int N = width_of<L>;
    if constexpr (WinogradNarrowLayout<L>::takes(2 * S))
        if (samples > S) return winograd_columns_apart<2 * S, L>(samples, line, to, pitch, plane);
    for (int at = 0; at < pitch; at += N / 2)
        for (int half = 0; half < 2; ++half) {
            T const* const from = line + 4 * at + 4 * S * half;
            T* const first = to + 4 * half * plane + at;
            L const a = load_lane<L>(from), b = load_lane<L>(from + N);
            store_lane(first, shuffle<ColumnOfTiles<S, N, 0>>(a, b));
            store_lane(first + plane, shuffle<ColumnOfTiles<S, N, 1>>(a, b));
            store_lane(first + 2 * plane, shuffle<ColumnOfTiles<S, N, 2>>(a, b));
            store_lane(first + 3 * plane, shuffle<ColumnOfTiles<S, N, 3>>(a, b));
        }
}

/// Puts the columns of tiles together: [column][tile][sample] becomes [tile][column][sample]. `samples` as above.
template <int S, class L>
STRATA_INLINE void winograd_columns_together(int samples, L (&out)[4]) {
    constexpr int N = width_of<L>;
    if constexpr (WinogradNarrowLayout<L>::takes(2 * S))
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

/// Transforms `rows` input rows of all channels from `top` on, zeros outside the image.
template <class L, class T>
STRATA_ONE_COPY void winograd_narrow_inputs(Correlation const& g, WinogradNarrowLayout<L> const& layout, T const* x,
                                            int S, T* line, T* to, int top, int rows) {
    constexpr int N = width_of<L>, points = WinogradRowTransform::points;
    int const row = g.in_width * S;
    bool const whole = g.pad_left == 0 && row >= layout.line;
    std::fill_n(line, layout.line, T(0));
    for (int c = 0; c < g.in_channels; ++c, to += points * layout.plane) {
        for (int r = 0; r < rows; ++r) {
            int const h = top + r;
            T* const at = to + r * layout.pitch;
            if (h < 0 || h >= g.in_height) {
                for (int k = 0; k < points; ++k) std::fill_n(at + k * layout.plane, layout.pitch, T(0));
                continue;
            }
            T const* from = x + (static_cast<std::ptrdiff_t>(c) * g.in_height + h) * row;
            if (!whole) {
                std::copy_n(from, row, line + g.pad_left * S);
                from = line;
            }
            winograd_columns_apart<1, L>(S, from, at, layout.pitch, layout.plane);
        }
        for (int at = 0; at < rows * layout.pitch; at += N) {
            L d[points], v[points];
            STRATA_UNROLL
            for (int k = 0; k < points; ++k) d[k] = load_lane<L>(to + k * layout.plane + at);
            WinogradRowTransform::inputs(d, v);
            STRATA_UNROLL
            for (int k = 0; k < points; ++k) store_lane(to + k * layout.plane + at, v[k]);
        }
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
            int const size = std::min(outputs, d.columns - outputs * t) * S;
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
    alignas(64) T products[CO * points * N];
    WinogradRowOutput<T> d{nullptr, nullptr, plane, S, g.out_width, 0, add, relu};
    for (int from = begin, to; from < end; from = to) {
        to = std::min(end, from + layout.band);
        winograd_narrow_inputs(g, layout, x, S, line, inputs, from - g.pad_top, to - from + g.taps_height - 1);
        int const count = (to - from) * layout.tiles;
        for (int o = 0; o < g.out_channels; o += CO) {
            d.bias = bias ? bias + o : nullptr;
            d.channels = std::min(CO, g.out_channels - o);
            d.y = y + o * plane + from * out_row;
            auto const multiply = d.channels > 4 ? winograd_row_products<6, L, T> : winograd_row_products<4, L, T>;
            for (int tile = 0; tile < count; tile += N / S) {
                multiply(inputs + tile * S, at, weights + o / CO * blocks.block, blocks.turn, products);
                winograd_narrow_outputs<L>(products, d, tile, std::min(N / S, count - tile), layout.tiles);
            }
        }
    }
}

}  // namespace strata::detail
