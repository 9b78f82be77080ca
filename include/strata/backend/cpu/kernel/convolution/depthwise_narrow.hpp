// Depthwise convolutions of 3x3 or 5x5 taps on tiles of less than a vector of samples: with stride 1, forward and input
// gradient, or forward with stride 2 on tiles of one sample.
//
// The rows under a band of outputs are copied between zeros, once, so that every tap is a load; the weights stay in
// registers over a plane's band. With stride 2 a vector's taps are every second number of two loads, which the shuffles
// of most processors do within 16 bytes: the outputs come in that order and are sorted once, before they are stored.
// Each output's sum runs over (p, q) in order, as in the other depthwise kernels.
#pragma once

#include "../micro/machine.hpp"
#include "../micro/window_band.hpp"
#include "depthwise_block.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Geometries that this kernel has on some tiles, and whether those of S samples are among them.
constexpr bool is_depthwise_narrow(Correlation const& g) {
    return g.taps_height == g.taps_width && (g.taps_height == 3 || g.taps_height == 5) && g.dilation_height == 1 &&
           g.dilation_width == 1 && g.in_channels == 1 && g.pad_left >= 0 && g.stride_height == g.stride_width &&
           g.stride_height <= 2;
}
template <class T>
constexpr bool is_depthwise_narrow(Correlation const& g, int S) {
    return is_depthwise_narrow(g) && (S == 1 || g.stride_height == 1) && packs_windows<T>(S);
}

/// A band of one channel's input rows, packed.
template <class T>
struct NarrowBand {
    static constexpr int N = width_of<widest_lane<T>>;
    int pitch, rows;  ///< numbers of a packed row; output rows of a band, which is half of a first-level cache
    T* packed;
    constexpr NarrowBand(Carver& memory, Correlation const& g, int S)
        : pitch((std::max)(g.pad_left + g.in_width, (g.out_width - 1) * g.stride_width + g.taps_width) * S),
          rows(std::clamp(
              (first_level_cache / 2 / static_cast<int>(sizeof(T)) / pitch - g.taps_height) / g.stride_height + 1, 1,
              (std::max)(g.out_height, 1))),
          packed(memory.take<T>(g.rows_under(rows) * pitch + 3 * N)) {
    }  // a row's last vectors reach beyond the last row
};

/// Every second number of two lanes, from First on: within each four numbers, which `sorted` puts in order.
template <int First>
struct SecondsOfFour {
    template <int N>
    struct Of {
        static constexpr int of(int k) { return k / 4 * 4 + k % 2 * 2 + First + (k % 4 < 2 ? 0 : N); }
    };
};
template <int N>
struct SortedSeconds {
    static constexpr int of(int k) { return k < N / 2 ? k / 2 * 4 + k % 2 : (k - N / 2) / 2 * 4 + 2 + k % 2; }
};
template <int First, class L>
STRATA_INLINE L seconds(L a, L b) {
    constexpr int N = width_of<L>;
    if constexpr (N >= 4)
        return shuffle<typename SecondsOfFour<First>::template Of<N>>(a, b);
    else
        return shuffle<lane_detail::EverySecond<First>>(a, b);
}

/// R output rows of a plane's band, `length` numbers each, from packed rows on, set or added.
template <int K, int Step, int R, class L, class T>
STRATA_INLINE void narrow_rows(T const* packed, std::ptrdiff_t pitch, int S, L const (&weight)[K][K], L bias, bool relu,
                               bool add, T* y, std::ptrdiff_t out_row, int length) {
    constexpr int N = width_of<L>;
    for (int n = 0; n < length; n += N) {
        int const whole = n;
        if (n + N > length && length >= N) n = length - N;  // the last vector ends with the row
        L sum[R];
        STRATA_UNROLL
        for (int r = 0; r < R; ++r) sum[r] = bias;
        T const* from = packed + n * Step;
        STRATA_UNROLL
        for (int t = 0; t < (R - 1) * Step + K; ++t, from += pitch) {
            STRATA_UNROLL
            for (int q = 0; q < K; ++q) {
                L x = load_lane<L>(from + q * S);
                if constexpr (Step == 2) x = seconds<0>(x, load_lane<L>(from + q + N));
                STRATA_UNROLL
                for (int r = 0; r < R; ++r)
                    if (int const p = t - r * Step; p >= 0 && p < K) sum[r] = multiply_add(weight[p][q], x, sum[r]);
            }
        }
        STRATA_UNROLL
        for (int r = 0; r < R; ++r) {
            if constexpr (Step == 2 && N >= 4) sum[r] = shuffle<SortedSeconds<N>>(sum[r], sum[r]);
            if (relu) sum[r] = ReLU::forward(sum[r]);
            T* const to = y + r * out_row + n;
            if (length >= N) {
                if (add) {
                    L const old = load_lane<L>(to);
                    sum[r] = select(first_lanes<L>(whole - n), old, old + sum[r]);
                }
                store_lane(to, sum[r]);
            } else {
                T values[N];
                store_lane(values, sum[r]);
                STRATA_ROLLED
                for (int k = 0; k < length; ++k) to[k] = add ? to[k] + values[k] : values[k];
            }
        }
    }
}

/// Output rows [begin, end) of channels [channel, end_channel) of a kernel of K x K taps at that stride.
template <int K, int Step, class L, class T>
STRATA_ONE_COPY void depthwise_narrow(Correlation const& g, DepthwisePlanes<T> const& planes, int S, Carver memory,
                                      bool add, int channel, int end_channel, int begin, int end) {
    NarrowBand<T> const band(memory, g, S);
    T* const packed = band.packed;
    int const length = g.out_width * S, left = g.pad_left * S, held = g.in_width * S;
    std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S, pitch = band.pitch;
    for (int first = begin, count = 0; first < end; first += count) {
        count = (std::min)(band.rows, end - first);
        int const under = g.rows_under(count), top = g.in_row(first, 0), above = std::clamp(-top, 0, under),
                  inside = std::clamp(g.in_height - top, above, under) - above;
        std::fill_n(packed, static_cast<std::ptrdiff_t>(under) * pitch + 3 * width_of<L>, T(0));
        for (int k = channel; k < end_channel; ++k) {
            T const* x = planes.x + k / planes.readers * planes.x_plane + (top + above) * in_row;
            T* to = packed + above * pitch + left;
            for (int r = 0; r < inside; ++r, x += in_row, to += pitch) copy_numbers<L>(x, held, to);
            T const* const w = planes.weights + g.first_weight + k * planes.channel_weights;
            L weight[K][K];
            STRATA_UNROLL
            for (int p = 0; p < K; ++p) {
                STRATA_UNROLL
                for (int q = 0; q < K; ++q) weight[p][q] = L(w[p * g.row_weights + q * g.tap_weights]);
            }
            L const bias(planes.bias ? planes.bias[k] : T(0));
            T* y = planes.y + k * planes.y_plane + first * planes.out_row;
            T const* from = packed;
            constexpr int R = Step == 1 ? 4 : 2;
            int i = 0;
            for (; i + R <= count; i += R, from += R * Step * pitch, y += R * planes.out_row)
                narrow_rows<K, Step, R>(from, pitch, S, weight, bias, planes.relu, add, y, planes.out_row, length);
            for (; i < count; ++i, from += Step * pitch, y += planes.out_row)
                narrow_rows<K, Step, 1>(from, pitch, S, weight, bias, planes.relu, add, y, planes.out_row, length);
        }
    }
}
}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
