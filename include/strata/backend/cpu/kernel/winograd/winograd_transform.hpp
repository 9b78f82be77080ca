// Winograd's transforms for 3x3 taps and stride 1, one dimension at a time: F(4, 3) and F(2, 3) for the outputs of a
// convolution, F(3, 4) and F(3, 2) for its weight gradient, where the tile of dy takes the place of the taps.
//
//   F(m, r):  outputs = A^T [(G taps) . (B^T inputs)],  m + 2 products in place of 3 m
//
// Source: Winograd 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
//
// The points are 0, infinity and ±1 for m = 2; 0, infinity, ±3/4 and ±3/2 for m = 4. These four keep the constants of A
// and B exact and float32's errors at half (the largest: a third) of what the usual ±1, ±2 give. Root mean square error
// against double, relative to the results', normal data with x >= 0, 16 samples:
//
//   float32                    direct   F(4x4)   F(2x2)     weight gradient   direct   F(4x4)   F(2x2)
//   16 channels, 32 x 32       1.5e-7   4.0e-7   1.4e-7                       4.0e-7   2.6e-6   1.7e-6
//   64 channels,  8 x  8       2.8e-7   7.3e-7   2.4e-7                       1.1e-7   7.4e-7   4.4e-7
//   256 channels, 8 x  8       5.8e-7   1.4e-6   4.5e-7                       1.1e-7   7.1e-7   4.3e-7
//
// Every product is part of a multiply_add or stands alone, so that no compiler's choice of contraction changes bits.
#pragma once

#include "../../../../core/lane.hpp"

namespace strata::inline STRATA_ABI::detail {

template <int M>
struct WinogradTransform;

/// Points 0, ±a, ±b, infinity; six products for four outputs, or for three from four taps.
template <>
struct WinogradTransform<4> {
    static constexpr int outputs = 4, points = 6;
    static constexpr double a = 0.75, b = 1.5, aa = a * a, bb = b * b;
    static constexpr double at_zero = 1 / (aa * bb), at_a = 1 / (2 * aa * (aa - bb)), at_b = 1 / (2 * bb * (bb - aa));

    /// B^T d: values at the points of the inputs.
    template <class L>
    static STRATA_INLINE void inputs(L const (&d)[6], L (&v)[6]) {
        L const even_a = multiply_add(L(-bb), d[2], d[4]), odd_a = multiply_add(L(-bb), d[1], d[3]);
        L const even_b = multiply_add(L(-aa), d[2], d[4]), odd_b = multiply_add(L(-aa), d[1], d[3]);
        v[0] = multiply_add(L(aa * bb), d[0], multiply_add(L(-aa - bb), d[2], d[4]));
        v[1] = multiply_add(L(a), odd_a, even_a);
        v[2] = multiply_add(L(-a), odd_a, even_a);
        v[3] = multiply_add(L(b), odd_b, even_b);
        v[4] = multiply_add(L(-b), odd_b, even_b);
        v[5] = multiply_add(L(aa * bb), d[1], multiply_add(L(-aa - bb), d[3], d[5]));
    }
    /// G g: values at the points of three taps.
    template <class L>
    static STRATA_INLINE void taps(L const (&g)[3], L (&u)[6]) {
        L const even_a = multiply_add(L(at_a * aa), g[2], L(at_a) * g[0]);
        L const even_b = multiply_add(L(at_b * bb), g[2], L(at_b) * g[0]);
        u[0] = L(at_zero) * g[0];
        u[1] = multiply_add(L(at_a * a), g[1], even_a);
        u[2] = multiply_add(L(-at_a * a), g[1], even_a);
        u[3] = multiply_add(L(at_b * b), g[1], even_b);
        u[4] = multiply_add(L(-at_b * b), g[1], even_b);
        u[5] = g[2];
    }
    /// A^T m: the outputs.
    template <class L>
    static STRATA_INLINE void products(L const (&m)[6], L (&y)[4]) {
        L const sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
        y[0] = m[0] + (sum_a + sum_b);
        y[1] = multiply_add(L(b), difference_b, L(a) * difference_a);
        y[2] = multiply_add(L(bb), sum_b, L(aa) * sum_a);
        y[3] = multiply_add(L(b * bb), difference_b, multiply_add(L(a * aa), difference_a, m[5]));
    }
    /// The weight gradient's G: values at the points of a tile of dy.
    template <class L>
    static STRATA_INLINE void output_gradients(L const (&g)[4], L (&u)[6]) {
        L const even_a = multiply_add(L(at_a * aa), g[2], L(at_a) * g[0]),
                odd_a = multiply_add(L(at_a * a * aa), g[3], L(at_a * a) * g[1]);
        L const even_b = multiply_add(L(at_b * bb), g[2], L(at_b) * g[0]),
                odd_b = multiply_add(L(at_b * b * bb), g[3], L(at_b * b) * g[1]);
        u[0] = L(at_zero) * g[0];
        u[1] = even_a + odd_a;
        u[2] = even_a - odd_a;
        u[3] = even_b + odd_b;
        u[4] = even_b - odd_b;
        u[5] = g[3];
    }
    /// The weight gradient's A^T: the gradients of three taps.
    template <class L>
    static STRATA_INLINE void tap_gradients(L const (&m)[6], L (&dw)[3]) {
        L const sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
        dw[0] = m[0] + (sum_a + sum_b);
        dw[1] = multiply_add(L(b), difference_b, L(a) * difference_a);
        dw[2] = multiply_add(L(bb), sum_b, multiply_add(L(aa), sum_a, m[5]));
    }
};

/// Points 0, ±1, infinity; four products for two outputs, or for three from two taps.
template <>
struct WinogradTransform<2> {
    static constexpr int outputs = 2, points = 4;

    template <class L>
    static STRATA_INLINE void inputs(L const (&d)[4], L (&v)[4]) {
        v[0] = d[0] - d[2];
        v[1] = d[2] + d[1];
        v[2] = d[2] - d[1];
        v[3] = d[3] - d[1];
    }
    template <class L>
    static STRATA_INLINE void taps(L const (&g)[3], L (&u)[4]) {
        L const half_even = L(0.5) * (g[0] + g[2]);
        u[0] = g[0];
        u[1] = multiply_add(L(0.5), g[1], half_even);
        u[2] = multiply_add(L(-0.5), g[1], half_even);
        u[3] = g[2];
    }
    template <class L>
    static STRATA_INLINE void products(L const (&m)[4], L (&y)[2]) {
        y[0] = m[0] + (m[1] + m[2]);
        y[1] = (m[1] - m[2]) + m[3];
    }
    template <class L>
    static STRATA_INLINE void output_gradients(L const (&g)[2], L (&u)[4]) {
        u[0] = g[0];
        u[1] = L(0.5) * (g[0] + g[1]);
        u[2] = L(0.5) * (g[0] - g[1]);
        u[3] = g[1];
    }
    template <class L>
    static STRATA_INLINE void tap_gradients(L const (&m)[4], L (&dw)[3]) {
        L const sum = m[1] + m[2];
        dw[0] = m[0] + sum;
        dw[1] = m[1] - m[2];
        dw[2] = sum + m[3];
    }
};

}  // namespace strata::inline STRATA_ABI::detail
