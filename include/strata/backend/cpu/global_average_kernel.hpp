// GlobalAvgPool2d on the CPU: a channel is one row of H·W·S numbers, summed in four chains of vectors, so that tiles of
// few samples do not wait for one addition after another.
#pragma once

#include "../../layer/global_avg_pool2d.hpp"
#include "generic_kernel.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// y[channel][S] = mean of `pixels` columns of S numbers.
template <class L, class T>
STRATA_ONE_COPY void global_average(T const* x, T* y, int pixels, int S, int begin, int end) {
    constexpr int N = width_of<L>, chains = 4;
    T const weight = T(1) / static_cast<T>(pixels);
    int const numbers = pixels * S, step = S % N == 0 ? S : N;  // a vector's numbers keep their samples
    for (int channel = begin; channel < end; ++channel) {
        T const* const row = x + static_cast<std::ptrdiff_t>(channel) * numbers;
        T* const out = y + channel * S;
        for (int part = 0; part < step; part += N) {
            L sums[chains];
            STRATA_UNROLL
            for (int k = 0; k < chains; ++k) sums[k] = L(T(0));
            int at = part;
            for (; at + (chains - 1) * step + N <= numbers; at += chains * step) {
                STRATA_UNROLL
                for (int k = 0; k < chains; ++k) sums[k] = sums[k] + load_lane<L>(row + at + k * step);
            }
            for (; at + N <= numbers; at += step) sums[0] = sums[0] + load_lane<L>(row + at);
            L const total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
            if (S % N == 0) {
                store_lane(out + part, total * L(weight));
                continue;
            }
            T values[N];
            store_lane(values, total);
            for (int s = 0; s < S; ++s) {
                T sum(0);
                for (int k = s; k < N; k += S) sum += values[k];
                for (int k = at + s; k < numbers; k += S) sum += row[k];
                out[s] = sum * weight;
            }
        }
    }
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

template <class X, class Precision>
requires detail::UniformPrecision<Precision>
struct ForwardKernel<GlobalAveragePooling<X>, Precision> {
    static constexpr Items items{channels_of<X>};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::global_average<widest_lane<typename Precision::compute>>(a.x, a.y, pixels_of<X>, a.stride, begin, end);
    }
};

template <class X, class Precision>
requires detail::UniformPrecision<Precision>
struct InputGradientKernel<GlobalAveragePooling<X>, Precision> {
    static constexpr Items items{channels_of<X>};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::global_average_gradient<widest_lane<typename Precision::compute>>(
            a.dy, a.dx, pixels_of<X>, a.stride, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
