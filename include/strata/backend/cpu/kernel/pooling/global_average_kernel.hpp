// GlobalAvgPool2d on the CPU. A sample's pixels are added in a tree of its own, which depends neither on the samples
// beside it nor on the vectors: blocks of 256 pixels, in a block every sixteenth pixel one after another, then the
// sixteen sums by halves, and the blocks in double.
#pragma once

#include "../../../../layer/global_avg_pool2d.hpp"
#include "../generic.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// take(lane) with the sums of a lane's numbers sample by sample, by halves: number k is one of sample k % S.
template <class L, class Take>
STRATA_INLINE void sum_by_halves(L numbers, int S, Take const& take) {
    using T = scalar_of<L>;
    constexpr int N = width_of<L>;
    if constexpr (N == 1) {
        take(numbers);
    } else if (N <= S) {
        take(numbers);
    } else if constexpr (N == 2) {
        take(numbers.v[0] + numbers.v[1]);
    } else {
        Lane<T, N / 2> half[2];
        std::memcpy(half, &numbers, sizeof numbers);
        sum_by_halves(half[0] + half[1], S, take);
    }
}

/// The first `left` numbers, less than a lane's, and zeros.
template <class L, class T>
STRATA_COLD L copied_lane(T const* from, int left) {
    T values[static_cast<std::size_t>(width_of<L>)] = {};
    for (int k = 0; k < left; ++k) values[k] = from[k];
    return load_lane<L>(static_cast<T const*>(values));
}

/// The pixels of G blocks, each of `rows` rows of sixteen pixels and `rest` pixels of one more, of S samples or of N of
/// more. Sixteen pixels are A lanes, `pitch` numbers apart.
template <int A, int G, class L, class T, class Take>
STRATA_INLINE void sum_blocks(T const* x, int rows, int rest, int S, int pitch, T const* limit, Take const& take) {
    constexpr int N = width_of<L>;
    L sums[G][A];
    STRATA_UNROLL
    for (int g = 0; g < G; ++g) {
        STRATA_UNROLL
        for (int j = 0; j < A; ++j) sums[g][j] = L(T(0));
    }
    STRATA_ROLLED
    for (int r = 0; r < rows; ++r) {
        STRATA_UNROLL
        for (int j = 0; j < A; ++j, x += pitch) {  // the next row follows
            STRATA_UNROLL
            for (int g = 0; g < G; ++g) sums[g][j] = sums[g][j] + load_lane<L>(x + g * 256 * S);
        }
    }
    if (G == 1 && rest > 0) {
        int left = rest * S;
        STRATA_UNROLL
        for (int j = 0; j < A; ++j, x += pitch, left -= pitch) {
            if (left <= 0) continue;   // a break would keep clang from unrolling
            if (A == 16 || left >= N)  // sixteen lanes are whole pixels
                sums[0][j] = sums[0][j] + load_lane<L>(x);
            else if (x + N <= limit)
                sums[0][j] = sums[0][j] + select(first_lanes<L>(left), load_lane<L>(x), L(T(0)));
            else
                sums[0][j] = sums[0][j] + copied_lane<L>(x, left);
        }
    }
    STRATA_UNROLL
    for (int g = 0; g < G; ++g) {
        STRATA_UNROLL
        for (int half = A / 2; half > 0; half /= 2) {
            STRATA_UNROLL
            for (int j = 0; j < half; ++j) sums[g][j] = sums[g][j] + sums[g][j + half];
        }
        sum_by_halves(sums[g][0], S, take);
    }
}

/// y[channel][S] = mean of `pixels` columns of S numbers; A lanes are sixteen pixels of as many samples as fit.
template <int A, class L, class T>
STRATA_ONE_COPY void global_average(T const* x, T* y, int pixels, int S, int begin, int end) {
    constexpr int N = width_of<L>, block = 256, together = A < 4 ? 4 / A : 1;
    int const pitch = (std::max)(S, N);
    double const weight = 1.0 / pixels;
    T const* const limit = x + static_cast<std::ptrdiff_t>(end) * pixels * S;
    for (int channel = begin; channel < end; ++channel)
        for (int part = 0; part < S; part += N) {
            T const* from = x + static_cast<std::ptrdiff_t>(channel) * pixels * S + part;
            T* const to = y + channel * S + part;
            if (pixels <= block) {
                sum_blocks<A, 1, L>(from, pixels / 16, pixels % 16, S, pitch, limit,
                                    [&]<class V>(V sums)
                                        STRATA_INLINED { store_lane(to, sums * V(static_cast<T>(weight))); });
                continue;
            }
            double totals[static_cast<std::size_t>(N)] = {};
            auto const add = [&]<class V>(V sums) STRATA_INLINED {
                T values[static_cast<std::size_t>(width_of<V>)];
                store_lane(values, sums);
                for (int k = 0; k < width_of<V>; ++k) totals[k] += static_cast<double>(values[k]);
            };
            int left = pixels;
            for (; together > 1 && left >= together * block; left -= together * block) {
                sum_blocks<A, together, L>(from, block / 16, 0, S, pitch, limit, add);
                from += static_cast<std::ptrdiff_t>(together * block) * S;
            }
            for (; left > 0; left -= block) {
                int const count = (std::min)(left, block);
                sum_blocks<A, 1, L>(from, count / 16, count % 16, S, pitch, limit, add);
                from += static_cast<std::ptrdiff_t>(block) * S;
            }
            for (int s = 0; s < (std::min)(N, S); ++s) to[s] = static_cast<T>(totals[s] * weight);
        }
}
/// Calls the above for S samples.
template <int A, class L, class T>
STRATA_INLINE void global_average_of(T const* x, T* y, int pixels, int S, int begin, int end) {
    if constexpr (A * width_of<L> >= 16) {
        if (A == 16 || A * width_of<L> == 16 * S) return global_average<A, L>(x, y, pixels, S, begin, end);
    }
    if constexpr (A < 16) global_average_of<2 * A, L>(x, y, pixels, S, begin, end);
}

/// dx = dy / pixels, set or added.
template <class L, class T>
STRATA_ONE_COPY void global_average_gradient(T const* dy, T* dx, int pixels, int S, bool add, int begin, int end) {
    constexpr int N = width_of<L>;
    T const weight = T(1) / static_cast<T>(pixels);
    int const numbers = pixels * S, step = S % N == 0 ? S : N;
    for (int channel = begin; channel < end; ++channel) {
        T const* const from = dy + channel * S;
        T* const row = dx + static_cast<std::ptrdiff_t>(channel) * numbers;
        for (int part = 0; part < step; part += N) {
            T values[N];
            for (int k = 0; k < N; ++k) values[k] = from[(part + k) % S] * weight;
            L const value = load_lane<L>(values);
            int at = part;
            for (; at + N <= numbers; at += step) store_lane(row + at, add ? load_lane<L>(row + at) + value : value);
            for (int k = 0; at + k < numbers && S % N != 0; ++k)
                row[at + k] = add ? row[at + k] + values[k] : values[k];
        }
    }
}

}  // namespace detail

template <class Op, class Precision>
struct GlobalAverageForward;
template <class X, class Precision>
requires detail::UniformPrecision<Precision>
struct GlobalAverageForward<GlobalAveragePooling<X>, Precision> {
    static constexpr KernelNote note{"global average", "every GlobalAvgPool2d"};
    static constexpr Items items{channels_of<X>};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::global_average_of<1, widest_lane<typename Precision::compute>>(a.x, a.y, pixels_of<X>, a.stride, begin,
                                                                               end);
    }
};

template <class Op, class Precision>
struct GlobalAverageInputGradient;
template <class X, class Precision>
requires detail::UniformPrecision<Precision>
struct GlobalAverageInputGradient<GlobalAveragePooling<X>, Precision> {
    static constexpr KernelNote note{"global average", "every GlobalAvgPool2d"};
    static constexpr Items items{channels_of<X>};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::global_average_gradient<widest_lane<typename Precision::compute>>(
            a.dy, a.dx, pixels_of<X>, a.stride, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
