// Rows of x or dy, transformed at Winograd's points: what the convolution along the row and its weight gradient read.
// The tiles of four columns of neighbouring rows, their samples innermost, are one run of places, [row][tile][sample],
// for each point. Tiles of whole vectors of samples are read where they lie; those of fewer, a power of two, are taken
// apart by column first, so that a vector is a column of several tiles.
#pragma once

#include <algorithm>

#include "../../../../layer/relu.hpp"
#include "../micro/carver.hpp"
#include "../micro/convolution_geometry.hpp"
#include "toom_cook.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// True for the geometries that Winograd along the row knows; the number of groups is not in g.
constexpr bool is_winograd_row(Correlation const& g) {
    return g.taps_width == WinogradRowTransform::taps && g.stride_height == 1 && g.stride_width == 1 &&
           g.dilation_height == 1 && g.dilation_width == 1;
}
/// Tiles of an output row.
constexpr int row_tiles(Correlation const& g) {
    return (g.out_width + WinogradRowTransform::outputs - 1) / WinogradRowTransform::outputs;
}
template <int N>
constexpr int round_up_to(int n) {
    return (n + N - 1) / N * N;
}
/// Numbers of transformed rows beyond which a core's caches no longer help (2 MB of floats).
inline constexpr int most_row_numbers = 1 << 19;

/// Scalars of a row of `columns` columns of S samples, and what pads it to `tiles` tiles in whole vectors: vectors of
/// columns are taken in pairs, and once more four columns further on.
template <class L>
constexpr int padded_row(int tiles, int S, int columns) {
    constexpr int N = width_of<L>;
    return round_up_to<N>((std::max)((round_up_to<N>(tiles * S) + S) * 4, columns * S));
}
/// Zeros in whole vectors.
template <class L, class T>
STRATA_ONE_COPY void fill_with_zeros(T* to, std::ptrdiff_t count) {
    STRATA_ROLLED
    for (T* const end = to + count; to < end; to += width_of<L>) store_lane(to, L(T(0)));
}

/// A plane of x or dy and which of its tiles are transformed.
struct PlaneRows {
    int height, width;          ///< of the plane
    int left;                   ///< columns before it at which the first tile begins; negative: so many behind
    int S, sample;              ///< samples of the plane, and which of them are taken: `samples` from here on
    int samples, tiles;         ///< of a row of places
    std::ptrdiff_t row, point;  ///< distances between rows of places, and between points
};

/// Tiles of several rows: distances between rows, between a row's tiles and between the columns of a tile, and the same
/// for the values, whose points are `point` apart. `samples` are whole vectors.
struct RowTiles {
    int rows, tiles, samples;
    std::ptrdiff_t pitch, tile, column, to_pitch, point;
};
/// Transforms tiles of eight columns of x (`Inputs`) or four of dy: the value at point p of tile t lies at
/// to + p point + t samples. In place where the two are the same. Returns the sum of dy.
template <bool Inputs, class L, class T>
STRATA_ONE_COPY T tiles_to_points(RowTiles const& d, T const* from, T* to) {
    using Transform = WinogradRowTransform;
    constexpr int columns = Inputs ? Transform::points : Transform::outputs;
    std::ptrdiff_t const column = d.column, point = d.point;
    L total(T(0));
    for (int row = 0; row < d.rows; ++row, from += d.pitch, to += d.to_pitch)
        for (int s = 0; s < d.samples; s += width_of<L>) {
            T const* source = from + s;
            T* target = to + s;
            for (int t = 0; t < d.tiles; ++t, source += d.tile, target += d.samples) {
                L in[columns], v[Transform::points];
                STRATA_UNROLL
                for (int k = 0; k < columns; ++k) {
                    in[k] = load_lane<L>(source + k * column);
                    hold_in_register(in[k]);
                }
                if constexpr (Inputs) {
                    Transform::of_inputs(in, v);
                } else {
                    Transform::of_taps(in, v);
                    total = total + ((in[0] + in[1]) + (in[2] + in[3]));
                }
                STRATA_UNROLL
                for (int k = 0; k < Transform::points; ++k) store_lane(target + k * point, v[k]);
            }
        }
    return Inputs ? T(0) : sum(total);
}

/// Column K of every tile of four, S samples each, of two vectors: in the first half of a vector, and again in the second.
template <int S, int N, int K>
struct ColumnOfTiles {
    static constexpr int of(int k) { return (k % (N / 2) / S * 4 + K) * S + k % S; }
};
/// Takes a row's columns apart: column k of the first four (`halves` 1) or all eight (2) of each tile goes to
/// to[k * point + tile * S + sample]. Writes up to N - 1 places more than there are. `samples` is S, or
/// S times a power of two.
template <int S, class L, class T>
STRATA_INLINE void columns_apart(int samples, int halves, T const* line, T* to, int row, std::ptrdiff_t point) {
    constexpr int N = width_of<L>;
    if constexpr (4 * S <= N)
        if (samples > S) return columns_apart<2 * S, L>(samples, halves, line, to, row, point);
    STRATA_ROLLED
    for (int half = 0; half < halves; ++half, line += 4 * S, to += 4 * point) {
        STRATA_ROLLED
        for (int at = 0; at < row; at += N / 2) {
            L const a = load_lane<L>(line + 4 * at), b = load_lane<L>(line + 4 * at + N);
            store_lane(to + at, shuffle<ColumnOfTiles<S, N, 0>>(a, b));
            store_lane(to + at + point, shuffle<ColumnOfTiles<S, N, 1>>(a, b));
            store_lane(to + at + 2 * point, shuffle<ColumnOfTiles<S, N, 2>>(a, b));
            store_lane(to + at + 3 * point, shuffle<ColumnOfTiles<S, N, 3>>(a, b));
        }
    }
}
/// Groups of S numbers of two vectors in turn, from number First on.
template <int S, int N, int First>
struct GroupsInTurn {
    static constexpr int of(int k) { return First + k / S / 2 * S + k % S + k / S % 2 * N; }
};
/// Puts the columns of tiles together: [column][tile][sample] becomes [tile][column][sample]. `samples` is S, or S
/// times a power of two.
template <int S, class L>
STRATA_INLINE void columns_together(int samples, L (&out)[4]) {
    constexpr int N = width_of<L>;
    if constexpr (4 * S <= N)
        if (samples > S) return columns_together<2 * S, L>(samples, out);
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

/// Rows of fewer samples than a vector has numbers: their columns, zeros outside the plane, and N zeros behind the last
/// row's.
template <class L, class T>
STRATA_ONE_COPY void rows_apart(PlaneRows const& d, int halves, T const* plane, T* line, T* to, int top, int rows) {
    int const S = d.S, row = d.width * S, pitch = d.tiles * S, size = padded_row<L>(d.tiles, S, d.left + d.width);
    bool const whole = d.left == 0 && row >= size;
    // `left` is negative for the gradient of padding wider than the kernel reaches.
    int const unseen = (std::max)(-d.left, 0), zeros = (std::max)(d.left, 0) * S,
              seen = (std::max)(d.width - unseen, 0) * S;
    std::ptrdiff_t const point = d.point;
    if (!whole) std::fill_n(line, size, T(0));
    for (int h = top; h < top + rows; ++h, to += pitch) {
        if (h < 0 || h >= d.height) {
            for (int k = 0; k < 4 * halves; ++k) std::fill_n(to + k * point, pitch, T(0));
            continue;
        }
        T const* from = plane + static_cast<std::ptrdiff_t>(h) * row;
        if (!whole) {
            std::copy_n(from + unseen * S, seen, line + zeros);
            from = line;
        }
        columns_apart<1, L>(S, halves, from, to, pitch, point);
    }
    for (int k = 0; k < 4 * halves; ++k) store_lane(to + k * d.point, L(T(0)));
}

/// Scalars of `line` below, for so many rows of inputs of S samples, `samples` of which are taken: a padded row, or the
/// tiles of a column that reach over the edge.
template <class L>
constexpr std::ptrdiff_t row_line(Correlation const& g, int S, int samples, int rows) {
    return S < width_of<L> ? padded_row<L>(row_tiles(g), S, g.pad_left + g.in_width)
                           : std::ptrdiff_t{WinogradRowTransform::points} * rows * samples;
}
/// Transforms rows [top, top + rows) of x (`Inputs`) or dy: the value at point p of tile t of row r goes to
/// to[p * point + r * row + t * samples + sample], zeros outside the plane; N zeros follow the last row's where S < N.
/// `line` is memory for row_line<L>() scalars. Returns the sum of dy.
template <bool Inputs, class L, class T>
STRATA_ONE_COPY T rows_to_points(PlaneRows const& d, T const* plane, T* line, T* to, int top, int rows) {
    using Transform = WinogradRowTransform;
    constexpr int N = width_of<L>, columns = Inputs ? Transform::points : Transform::outputs, step = Transform::outputs;
    if constexpr (N > 1)
        if (d.S < N) {
            rows_apart<L>(d, Inputs ? 2 : 1, plane, line, to, top, rows);
            int const vectors = (rows * static_cast<int>(d.row) + N - 1) / N;
            return tiles_to_points<Inputs, L>({1, vectors, N, 0, N, d.point, 0, d.point}, to, to);
        }
    // Rows [above, under) lie in the plane.
    int const above = std::clamp(-top, 0, rows), under = std::clamp(d.height - top, above, rows);
    for (int k = 0; k < Transform::points && under - above < rows; ++k) {
        fill_with_zeros<L>(to + k * d.point, above * d.row);
        fill_with_zeros<L>(to + k * d.point + under * d.row, (rows - under) * d.row);
    }
    std::ptrdiff_t const pitch = static_cast<std::ptrdiff_t>(d.width) * d.S;
    T const* const from = plane + (top + above) * pitch + d.sample;
    to += above * d.row;
    RowTiles part{under - above, 0, d.samples, pitch, step * d.S, d.S, d.row, d.point};
    // Tiles [inside, outside) too.
    int const inside = std::clamp((d.left + step - 1) / step, 0, d.tiles),
              outside = std::clamp((d.width + d.left - columns + step) / step, inside, d.tiles);
    T total(0);
    part.tiles = outside - inside;
    if (part.tiles > 0)
        total = tiles_to_points<Inputs, L>(part, from + (inside * step - d.left) * d.S, to + inside * d.samples);
    part = {part.rows, 1, d.samples, static_cast<std::ptrdiff_t>(columns) * d.samples, 0, d.samples, d.row, d.point};
    for (int t = 0; t < d.tiles; ++t) {
        if (t >= inside && t < outside) continue;
        // Columns [first, last) of the tile do.
        int const left = t * step - d.left, first = (std::max)(-left, 0), last = d.width - left;
        T* packed = line;
        for (int row = 0; row < part.rows; ++row) {
            T const* source = from + row * pitch + left * d.S;
            STRATA_ROLLED
            for (int k = 0; k < columns; ++k, source += d.S)
                for (int s = 0; s < d.samples; s += N, packed += N)
                    store_lane(packed, k >= first && k < last ? load_lane<L>(source + s) : L(T(0)));
        }
        total += tiles_to_points<Inputs, L>(part, line, to + t * d.samples);
    }
    return total;
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
