// Winograd's transforms for five taps of a row: F(4, 5) for the outputs of a convolution, F(5, 4) for its weight
// gradient, where four numbers of dy take the place of the taps. Eight products in place of twenty.
//
//   F(m, r):  outputs = A^T [(G taps) . (B^T inputs)]
//
// Source: Winograd 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016. Along the row only:
// the sums over kernel rows and channels are taken between the transforms, which a two-dimensional F(4x4, 5x5) with its
// 64 points would not repay for a few channels.
//
// The points are 0, infinity, ±5/8, ±9/8 and ±7/4: of the multiples of 1/8 those with the least error (a sum of 30
// products of normal data with x >= 0 in float32: 2.2e-7 root mean square, relative; ±1/2, ±1, ±2 4.2e-7; direct
// 1.7e-7), and their squares' sums and products are exact.
//
// Every product is part of a multiply_add or stands alone, so that no compiler's choice of contraction changes bits.
#pragma once

#include "../../../../core/lane.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

struct WinogradRowTransform {
    static constexpr int outputs = 4, taps = 5, points = 8;
    static constexpr double a = 0.625, b = 1.125, c = 1.75, aa = a * a, bb = b * b, cc = c * c;
    static constexpr double at_zero = -1 / (aa * bb * cc), at_a = 1 / (2 * aa * (aa - bb) * (aa - cc)),
                            at_b = 1 / (2 * bb * (bb - aa) * (bb - cc)), at_c = 1 / (2 * cc * (cc - aa) * (cc - bb));

    /// B^T d: values at 0, a, -a, b, -b, c, -c and infinity of eight inputs.
    template <class L>
    static STRATA_INLINE void inputs(L const (&d)[8], L (&v)[8]) {
        v[0] = multiply_add(
            L(-aa * bb * cc), d[0],
            multiply_add(L(aa * bb + aa * cc + bb * cc), d[2], multiply_add(L(-aa - bb - cc), d[4], d[6])));
        v[7] = multiply_add(
            L(-aa * bb * cc), d[1],
            multiply_add(L(aa * bb + aa * cc + bb * cc), d[3], multiply_add(L(-aa - bb - cc), d[5], d[7])));
        pair(L(-bb - cc), L(bb * cc), L(a), d, v[1], v[2]);
        pair(L(-aa - cc), L(aa * cc), L(b), d, v[3], v[4]);
        pair(L(-aa - bb), L(aa * bb), L(c), d, v[5], v[6]);
    }
    /// G g: values at the points of five taps.
    template <class L>
    static STRATA_INLINE void taps_at_points(L const (&g)[5], L (&u)[8]) {
        u[0] = L(at_zero) * g[0];
        tap_pair(at_a, a, g, u[1], u[2]);
        tap_pair(at_b, b, g, u[3], u[4]);
        tap_pair(at_c, c, g, u[5], u[6]);
        u[7] = g[4];
    }
    /// A^T m: four outputs.
    template <class L>
    static STRATA_INLINE void products(L const (&m)[8], L (&y)[4]) {
        L const sum_a = m[1] + m[2], sum_b = m[3] + m[4], sum_c = m[5] + m[6];
        L const odd_a = m[1] - m[2], odd_b = m[3] - m[4], odd_c = m[5] - m[6];
        y[0] = (m[0] + sum_a) + (sum_b + sum_c);
        y[1] = multiply_add(L(c), odd_c, multiply_add(L(b), odd_b, L(a) * odd_a));
        y[2] = multiply_add(L(cc), sum_c, multiply_add(L(bb), sum_b, L(aa) * sum_a));
        y[3] = multiply_add(L(c * cc), odd_c, multiply_add(L(b * bb), odd_b, multiply_add(L(a * aa), odd_a, m[7])));
    }
    /// The weight gradient's G: values at the points of four numbers of dy.
    template <class L>
    static STRATA_INLINE void output_gradients(L const (&g)[4], L (&u)[8]) {
        u[0] = L(at_zero) * g[0];
        gradient_pair(at_a, a, g, u[1], u[2]);
        gradient_pair(at_b, b, g, u[3], u[4]);
        gradient_pair(at_c, c, g, u[5], u[6]);
        u[7] = g[3];
    }
    /// The weight gradient's A^T: the gradients of five taps.
    template <class L>
    static STRATA_INLINE void tap_gradients(L const (&m)[8], L (&dw)[5]) {
        L const sum_a = m[1] + m[2], sum_b = m[3] + m[4], sum_c = m[5] + m[6];
        L const odd_a = m[1] - m[2], odd_b = m[3] - m[4], odd_c = m[5] - m[6];
        dw[0] = (m[0] + sum_a) + (sum_b + sum_c);
        dw[1] = multiply_add(L(c), odd_c, multiply_add(L(b), odd_b, L(a) * odd_a));
        dw[2] = multiply_add(L(cc), sum_c, multiply_add(L(bb), sum_b, L(aa) * sum_a));
        dw[3] = multiply_add(L(c * cc), odd_c, multiply_add(L(b * bb), odd_b, L(a * aa) * odd_a));
        dw[4] = multiply_add(L(cc * cc), sum_c, multiply_add(L(bb * bb), sum_b, multiply_add(L(aa * aa), sum_a, m[7])));
    }

private:
    /// Values at ±p of the polynomial x (x^2 + sum x + product) (x ± p), `sum` and `product` of the other points.
    template <class L>
    static STRATA_INLINE void pair(L sum, L product, L p, L const (&d)[8], L& plus, L& minus) {
        L const even = multiply_add(product, d[2], multiply_add(sum, d[4], d[6]));
        L const odd = multiply_add(product, d[1], multiply_add(sum, d[3], d[5]));
        plus = multiply_add(p, odd, even);
        minus = multiply_add(-p, odd, even);
    }
    template <class L>
    static STRATA_INLINE void tap_pair(double f, double p, L const (&g)[5], L& plus, L& minus) {
        L const even = multiply_add(L(f * p * p * p * p), g[4], multiply_add(L(f * p * p), g[2], L(f) * g[0]));
        L const odd = multiply_add(L(f * p * p * p), g[3], L(f * p) * g[1]);
        plus = even + odd;
        minus = even - odd;
    }
    template <class L>
    static STRATA_INLINE void gradient_pair(double f, double p, L const (&g)[4], L& plus, L& minus) {
        L const even = multiply_add(L(f * p * p), g[2], L(f) * g[0]);
        L const odd = multiply_add(L(f * p * p * p), g[3], L(f * p) * g[1]);
        plus = even + odd;
        minus = even - odd;
    }
};

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
        Transform::inputs(in, v);
    } else {
        Transform::output_gradients(in, v);
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

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
