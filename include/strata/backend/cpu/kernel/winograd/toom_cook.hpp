// Winograd's transforms of one dimension, made from a list of points by the rule of Toom and Cook.
//
//   F(m, r):  outputs = A^T [(G taps) . (B^T inputs)],  m + r - 1 products, one a point, in place of m r
//
// The weight gradient is F(r, m): the outputs' gradients take the place of the taps, the inputs are the same.
//
// Source: Toom 1963, Cook 1966; Winograd 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
//
// Every product is part of a multiply_add or stands alone, so that no compiler's choice of contraction changes bits.
#pragma once

#include "../../../../core/lane.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// The points 0, ±p for the numbers p, given in eighths, and infinity, in this order. Multiples of 1/8 keep the constants
/// of A and B exact.
template <int... Eighths>
struct ToomCook {
    static constexpr int pairs = sizeof...(Eighths), points = 2 * pairs + 2;

    /// B^T d: values at the points of so many inputs. A value's polynomial has the other points as its zeros: m(x^2) at
    /// 0 and infinity, and at ±p the one without its pair, m(x^2) / (x^2 - p^2), times x (x ± p).
    template <class L>
    static STRATA_INLINE void of_inputs(L const (&d)[points], L (&v)[points]) {
        L zero = d[points - 2], infinity = d[points - 1];
        STRATA_UNROLL
        for (int k = pairs - 1; k >= 0; --k) {
            auto const factor = static_cast<L>(constants.all[k]);
            zero = multiply_add(factor, d[2 * k], zero);
            infinity = multiply_add(factor, d[2 * k + 1], infinity);
        }
        v[0] = zero;
        v[points - 1] = infinity;
        STRATA_UNROLL
        for (int i = 0; i < pairs; ++i) {
            L even = d[points - 2], odd = d[points - 3];
            STRATA_UNROLL
            for (int k = pairs - 2; k >= 0; --k) {
                auto const factor = static_cast<L>(constants.others[i][k]);
                even = multiply_add(factor, d[2 * k + 2], even);
                odd = multiply_add(factor, d[2 * k + 1], odd);
            }
            v[2 * i + 1] = multiply_add(L(constants.point[i]), odd, even);
            v[2 * i + 2] = multiply_add(L(-constants.point[i]), odd, even);
        }
    }
    /// G g: values at the points of R taps, or of R outputs' gradients, over the product of a point's distances to the
    /// others.
    template <int R, class L>
    static STRATA_INLINE void of_taps(L const (&g)[R], L (&u)[points]) {
        u[0] = L(1 / constants.all[0]) * g[0];
        u[points - 1] = g[R - 1];
        STRATA_UNROLL
        for (int i = 0; i < pairs; ++i) {
            L even = L(constants.scaled[i][0]) * g[0];
            STRATA_UNROLL
            for (int k = 2; k < R; k += 2) even = multiply_add(L(constants.scaled[i][k]), g[k], even);
            if constexpr (R <= 3) {
                u[2 * i + 1] = multiply_add(L(constants.scaled[i][1]), g[1], even);
                u[2 * i + 2] = multiply_add(L(-constants.scaled[i][1]), g[1], even);
            } else {
                L odd = L(constants.scaled[i][1]) * g[1];
                STRATA_UNROLL
                for (int k = 3; k < R; k += 2) odd = multiply_add(L(constants.scaled[i][k]), g[k], odd);
                u[2 * i + 1] = even + odd;
                u[2 * i + 2] = even - odd;
            }
        }
    }
    /// A^T m: M outputs, or the gradients of M taps: sums of powers of the points.
    template <int M, class L>
    static STRATA_INLINE void to_outputs(L const (&m)[points], L (&y)[M]) {
        L sums[pairs + 1], differences[pairs];
        sums[0] = m[0];
        STRATA_UNROLL
        for (int i = 0; i < pairs; ++i) {
            sums[i + 1] = m[2 * i + 1] + m[2 * i + 2];
            differences[i] = m[2 * i + 1] - m[2 * i + 2];
        }
        y[0] = sum_of<0, pairs + 1>(sums);
        STRATA_UNROLL
        for (int k = 1; k < M; ++k) {
            L const* const terms = k % 2 == 1 ? differences : sums + 1;
            y[k] = k == M - 1 ? multiply_add(L(constants.powers[0][k]), terms[0], m[points - 1])
                              : L(constants.powers[0][k]) * terms[0];
            STRATA_UNROLL
            for (int i = 1; i < pairs; ++i) y[k] = multiply_add(L(constants.powers[i][k]), terms[i], y[k]);
        }
    }

private:
    struct Constants {
        double point[pairs] = {0.125 * Eighths...};
        double all[pairs + 1] = {1}, others[pairs][pairs] = {};  ///< coefficients of m, and of m without a pair
        double powers[pairs][points] = {};                       ///< of a point
        double scaled[pairs][points] = {};                       ///< over the product of its distances to the others

        constexpr Constants() {
            for (int i = 0; i < pairs; ++i) {
                double distances = 2 * point[i] * point[i];
                others[i][0] = 1;
                for (int j = 0, degree = 0; j < pairs; ++j) {
                    if (j == i) continue;
                    times(others[i], ++degree, point[j] * point[j]);
                    distances *= point[i] * point[i] - point[j] * point[j];
                }
                times(all, i + 1, point[i] * point[i]);
                powers[i][0] = 1;
                scaled[i][0] = 1 / distances;
                for (int k = 1; k < points; ++k) {
                    powers[i][k] = powers[i][k - 1] * point[i];
                    scaled[i][k] = scaled[i][k - 1] * point[i];
                }
            }
        }
        /// Multiplies a polynomial by (x - zero); its degree is then `degree`.
        static constexpr void times(double* coefficients, int degree, double zero) {
            for (int k = degree; k >= 0; --k)
                coefficients[k] = (k > 0 ? coefficients[k - 1] : 0) - (k < degree ? zero * coefficients[k] : 0);
        }
    };
    static constexpr Constants constants{};

    /// Halves are added first.
    template <int From, int Count, class L>
    static STRATA_INLINE L sum_of(L const* terms) {
        if constexpr (Count == 1)
            return terms[From];
        else
            return sum_of<From, Count / 2>(terms) + sum_of<From + Count / 2, Count - Count / 2>(terms);
    }
};

/// F(M x M, 3 x 3): of ±p, ±q for M = 4, these keep float32's errors at half (the largest: a third) of what the usual ±1,
/// ±2 give. Root mean square error against double, relative to the results', normal data with x >= 0, 16 samples:
///
///   float32                    direct   F(4x4)   F(2x2)     weight gradient   direct   F(4x4)   F(2x2)
///   16 channels, 32 x 32       1.5e-7   4.0e-7   1.4e-7                       4.0e-7   2.6e-6   1.7e-6
///   64 channels,  8 x  8       2.8e-7   7.3e-7   2.4e-7                       1.1e-7   7.4e-7   4.4e-7
///   256 channels, 8 x  8       5.8e-7   1.4e-6   4.5e-7                       1.1e-7   7.1e-7   4.3e-7
///
/// F(2x2) is the faster one where tiles are few: on a Zen 3 core (AVX2), 32 to 128 channels, by 1.5 to 3 for images of 4 x 4
/// and one to four samples and by 1.6 for one sample of 8 x 8, its gradient by 1.1 to 2.4.
template <int M>
struct WinogradTransform;
template <>
struct WinogradTransform<4> : ToomCook<6, 12> {};
template <>
struct WinogradTransform<2> : ToomCook<8> {};

/// F(4, 5) along the row: of the multiples of 1/8 those with the least error (a sum of 30 products of normal data with
/// x >= 0 in float32: 2.2e-7 root mean square, relative; ±1/2, ±1, ±2 4.2e-7; direct 1.7e-7). Along the row only: the
/// sums over kernel rows and channels are taken between the transforms, which a two-dimensional F(4x4, 5x5) with its 64
/// points would not repay for a few channels.
struct WinogradRowTransform : ToomCook<5, 9, 14> {
    static constexpr int outputs = 4, taps = 5;
};

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
