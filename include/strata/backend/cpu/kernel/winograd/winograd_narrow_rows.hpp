// Rows of small tiles, transformed for Winograd's convolution along the row: the tiles of four columns of all rows,
// their samples innermost, are one run of places, [row][tile][sample], for each of the eight points, and a vector is
// any N of them. A kernel row is a shift by a row's places.
#pragma once

#include <algorithm>

#include "toom_cook.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Transforms a vector of tiles of eight columns of x (`Inputs`) or four of dy, `column` apart, to values `point`
/// apart, in place too; the sum of dy is added to `total`.
template <bool Inputs, class L, class T>
STRATA_INLINE void winograd_row_tile(T const* from, std::ptrdiff_t column, T* to, std::ptrdiff_t point, L& total) {
    using Transform = WinogradRowTransform;
    constexpr int columns = Inputs ? Transform::points : Transform::outputs;
    L in[columns], v[Transform::points];
    STRATA_UNROLL
    for (int k = 0; k < columns; ++k) {
        in[k] = load_lane<L>(from + k * column);
        hold_in_register(in[k]);
    }
    if constexpr (Inputs) {
        Transform::of_inputs(in, v);
    } else {
        Transform::of_taps(in, v);
        total = total + ((in[0] + in[1]) + (in[2] + in[3]));
    }
    STRATA_UNROLL
    for (int k = 0; k < Transform::points; ++k) store_lane(to + k * point, v[k]);
}

/// Tiles of several rows: distances between rows, between a row's tiles and between the columns of a tile, and the same
/// for the values, whose points are `point` apart. `samples` are whole vectors.
struct RowTiles {
    int rows, tiles, samples;
    std::ptrdiff_t pitch, tile, column, to_pitch, point;
};

/// Transforms tiles of eight columns of x (`Inputs`) or four of dy: the value at point p of tile t lies at
/// to + p point + t samples. In place where the two are the same. Returns the sum of dy.
template <bool Inputs, class L, class T>
STRATA_ONE_COPY T winograd_row_tiles(RowTiles const& d, T const* from, T* to) {
    L total(T(0));
    for (int row = 0; row < d.rows; ++row, from += d.pitch, to += d.to_pitch)
        for (int s = 0; s < d.samples; s += width_of<L>) {
            T const* source = from + s;
            T* target = to + s;
            for (int t = 0; t < d.tiles; ++t, source += d.tile, target += d.samples)
                winograd_row_tile<Inputs>(source, d.column, target, d.point, total);
        }
    return Inputs ? T(0) : sum(total);
}


/// Numbers of transformed rows beyond which a core's caches no longer help (2 MB of floats).
inline constexpr int most_row_numbers = 1 << 19;

/// Rows of a plane, x or dy, of tiles of fewer samples than vectors L have numbers.
template <class L>
struct WinogradNarrowRows {
    int height, width;     ///< of the plane
    int left;              ///< columns of padding before it; negative: so many of its own are left out
    int samples, tiles;    ///< tiles of a row
    std::ptrdiff_t point;  ///< scalars between the points

    /// True for the tile sizes that there are: powers of two below a vector's width.
    static constexpr bool takes(int S) { return S < width_of<L>; }
    /// Scalars of a padded row: vectors of columns are taken in pairs, and once more four columns further on.
    static constexpr int line(int tiles, int S, int columns) {
        return round_up((std::max)((round_up(tiles * S) + S) * 4, columns * S));
    }
    static constexpr int round_up(int n) {
        constexpr int N = width_of<L>;
        return (n + N - 1) / N * N;
    }
};

/// Column K of every tile of four, S samples each, of two vectors: in the first half of a
/// vector, and again in the second.
template <int S, int N, int K>
struct ColumnOfTiles {
    static constexpr int of(int k) { return (k % (N / 2) / S * 4 + K) * S + k % S; }
};
/// Takes a row's columns apart: column k of the first four (`halves` 1) or all eight (2) of each tile goes to
/// to[k * point + tile * S + sample]. Writes up to N - 1 places more than there are. `samples` is S, or
/// S times a power of two.
template <int S, class L, class T>
STRATA_INLINE void winograd_columns_apart(int samples, int halves, T const* line, T* to, int pitch,
                                          std::ptrdiff_t point) {
    constexpr int N = width_of<L>;
    if constexpr (4 * S <= N)
        if (samples > S) return winograd_columns_apart<2 * S, L>(samples, halves, line, to, pitch, point);
    STRATA_ROLLED
    for (int half = 0; half < halves; ++half, line += 4 * S, to += 4 * point) {
        STRATA_ROLLED
        for (int at = 0; at < pitch; at += N / 2) {
            L const a = load_lane<L>(line + 4 * at), b = load_lane<L>(line + 4 * at + N);
            store_lane(to + at, shuffle<ColumnOfTiles<S, N, 0>>(a, b));
            store_lane(to + at + point, shuffle<ColumnOfTiles<S, N, 1>>(a, b));
            store_lane(to + at + 2 * point, shuffle<ColumnOfTiles<S, N, 2>>(a, b));
            store_lane(to + at + 3 * point, shuffle<ColumnOfTiles<S, N, 3>>(a, b));
        }
    }
}

/// Takes the columns of rows [top, top + rows) apart, each row's behind the one above it, zeros outside the plane, and
/// N zeros behind the last one. `line` is memory for WinogradNarrowRows::line() scalars.
template <class L, class T>
STRATA_ONE_COPY void winograd_rows_apart(WinogradNarrowRows<L> const& d, int halves, T const* plane, T* line, T* to,
                                         int top, int rows) {
    int const S = d.samples, row = d.width * S, pitch = d.tiles * S,
              size = WinogradNarrowRows<L>::line(d.tiles, S, d.left + d.width);
    bool const whole = d.left == 0 && row >= size;
    // `left` is negative for the gradient of padding wider than the kernel reaches.
    int const unseen = (std::max)(-d.left, 0), zeros = (std::max)(d.left, 0) * S,
              seen = (std::max)(d.width - unseen, 0) * S;
    if (!whole) std::fill_n(line, size, T(0));
    for (int h = top; h < top + rows; ++h, to += pitch) {
        if (h < 0 || h >= d.height) {
            for (int k = 0; k < 4 * halves; ++k) std::fill_n(to + k * d.point, pitch, T(0));
            continue;
        }
        T const* from = plane + static_cast<std::ptrdiff_t>(h) * row;
        if (!whole) {
            std::copy_n(from + unseen * S, seen, line + zeros);
            from = line;
        }
        winograd_columns_apart<1, L>(S, halves, from, to, pitch, d.point);
    }
    for (int k = 0; k < 4 * halves; ++k) store_lane(to + k * d.point, L(T(0)));
}

/// Transforms rows [top, top + rows) of x (`Inputs`) or dy: the value at point p of tile t of row r goes to
/// to[p * point + (r * tiles + t) * S + sample], and N zeros follow the inputs of each point. `line` as above. Returns
/// the sum of dy.
template <bool Inputs, class L, class T>
STRATA_ONE_COPY T winograd_narrow_rows(WinogradNarrowRows<L> const& d, T const* plane, T* line, T* to, int top,
                                       int rows) {
    winograd_rows_apart(d, Inputs ? 2 : 1, plane, line, to, top, rows);
    constexpr int N = width_of<L>;
    int const vectors = (rows * d.tiles * d.samples + N - 1) / N;
    return winograd_row_tiles<Inputs, L>({1, vectors, N, 0, N, d.point, 0, d.point}, to, to);
}

}  // namespace strata::inline STRATA_ABI::detail
