// The weight gradient of depthwise convolution on the CPU: the sums of nine taps are in registers while a channel's
// gradient streams by, and the bias's beside them. Tiles of whole vectors read the image as it is, smaller ones packed.
#pragma once

#include "../micro/window_band.hpp"
#include "depthwise_block.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Taps of a block of the weight gradient: 3x3 at once.
inline constexpr int depthwise_taps = 9;

/// Where a tap stands in the kernel, and how far a row's numbers are from the tap's.
struct DepthwiseTapPlace {
    int row, column, offset;
};
/// What a block of taps reads: rows of dy, and for each of them the input rows under the kernel's rows.
template <class T>
struct DepthwiseTaps {
    T const* dy;
    std::ptrdiff_t dy_pitch;
    int count, length;     ///< rows of dy, and their numbers
    T const* const* rows;  ///< [row of dy][kernel row], a row of zeros where outside the image
    DepthwiseTapPlace const* taps;
    int begin, end;  ///< numbers of a row of dy that all taps see; the others belong to columns at the border
};

/// Adds to lanes[k] the products of dy with tap k's rows, and to `total` the numbers of dy.
template <class L, class T>
STRATA_ONE_COPY void depthwise_tap_sums(Correlation const& g, DepthwiseTaps<T> const& d, int S, bool packed, T* lanes,
                                        T* total) {
    constexpr int N = width_of<L>, Q = depthwise_taps;
    L sums[Q], bias = load_lane<L>(total);
    STRATA_UNROLL
    for (int k = 0; k < Q; ++k) sums[k] = load_lane<L>(lanes + k * N);
    // Columns of a strided image that is not packed are apart.
    int const apart = packed ? 0 : (g.stride_width - 1) * S;
    for (int i = 0; i < d.count; ++i) {
        T const* const dy = d.dy + i * d.dy_pitch;
        T const* tap[Q];
        STRATA_UNROLL
        for (int k = 0; k < Q; ++k) tap[k] = d.rows[i * g.taps_height + d.taps[k].row] + d.taps[k].offset;
        std::ptrdiff_t in = 0, at = 0;
        int part = 0;  // of a column
        auto const advance = [&] {
            at += N;
            in += N;
            if ((part += N) == S) in += apart, part = 0;
        };
        while (at < d.length) {
            if (at >= d.begin && at < d.end) {
                for (; at < d.end; advance()) {
                    L const gradient = load_lane<L>(dy + at);
                    bias = bias + gradient;
                    STRATA_UNROLL
                    for (int k = 0; k < Q; ++k) sums[k] = multiply_add(gradient, load_lane<L>(tap[k] + in), sums[k]);
                }
            } else {
                int first, stop;
                ColumnRange::reach(g, static_cast<int>(at) / S, first, stop);
                L const gradient = load_lane<L>(dy + at);
                bias = bias + gradient;
                STRATA_UNROLL
                for (int k = 0; k < Q; ++k)
                    if (d.taps[k].column >= first && d.taps[k].column < stop)
                        sums[k] = multiply_add(gradient, load_lane<L>(tap[k] + in), sums[k]);
                advance();
            }
        }
    }
    STRATA_UNROLL
    for (int k = 0; k < Q; ++k) store_lane(lanes + k * N, sums[k]);
    store_lane(total, bias);
}

/// The scratch memory of the weight gradient, and how it is cut into bands of rows.
template <class T>
struct DepthwiseGradientScratch {
    static constexpr int N = width_of<widest_lane<T>>;
    bool packs, packs_gradient;
    PackedPlanes<T> planes;
    int vectors, band, blocks, lane_numbers, zero_numbers, gradient_numbers;
    T const** rows;
    DepthwiseTapPlace* taps;
    T *lanes, *zeros, *gradients;
    constexpr DepthwiseGradientScratch(Carver& memory, Correlation const& g, int S)
        : packs(packs_windows<T>(S)),
          packs_gradient(g.out_width * S % N != 0),
          planes(memory, g, S, packs ? 1 : 0),
          vectors((g.out_width * S + N - 1) / N),
          band(packs ? planes.layout.rows : g.out_height),
          blocks((g.taps_height * g.taps_width + depthwise_taps - 1) / depthwise_taps),
          lane_numbers((blocks * depthwise_taps + 2) * N),
          zero_numbers(packs ? 0 : g.in_width * S),
          gradient_numbers(packs_gradient ? band * vectors * N : 0),
          rows(memory.take<T const*>(band * g.taps_height)),
          taps(memory.take<DepthwiseTapPlace>(blocks * depthwise_taps)),
          lanes(memory.take<T>(lane_numbers)),
          zeros(memory.take<T>(zero_numbers)),
          gradients(memory.take<T>(gradient_numbers)) {}
};

/// dw [taps] and, where there is one, dbias of output channels [channel, end_channel); `planes` has x and dy (as y).
template <class L, class T>
STRATA_ONE_COPY void depthwise_weight_gradient(Correlation const& g, DepthwisePlanes<T const> const& planes, T* dw,
                                               T* dbias, int S, Carver memory, int channel, int end_channel) {
    constexpr int N = width_of<L>, Q = depthwise_taps;
    DepthwiseGradientScratch<T> parts(memory, g, S);
    int const length = g.out_width * S, tap_count = g.taps_height * g.taps_width;
    std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S;
    std::fill_n(parts.zeros, parts.zero_numbers, T(0));
    std::fill_n(parts.gradients, parts.gradient_numbers, T(0));
    T *const lanes = parts.lanes, *const total = lanes + parts.blocks * Q * N, *const unused = total + N;
    for (int k = 0; k < parts.blocks * Q; ++k) {  // idle taps repeat the last one
        int const tap = (std::min)(k, tap_count - 1), q = tap % g.taps_width;
        parts.taps[k] = {
            tap / g.taps_width, q,
            parts.packs ? static_cast<int>(parts.planes.kernel_column(q)) : (q * g.dilation_width - g.pad_left) * S};
    }
    ColumnRange const full(g);
    DepthwiseTaps<T> d{};
    d.rows = parts.rows;
    d.dy_pitch = d.length = parts.packs_gradient ? parts.vectors * N : length;
    d.begin = parts.packs ? 0 : full.begin * S;
    d.end = parts.packs ? d.length : full.end * S;
    for (int o = channel; o < end_channel; ++o) {
        T const* const x = planes.x + o / planes.readers * planes.x_plane;
        T const* const dy = planes.y + o * planes.y_plane;
        std::fill_n(lanes, parts.lane_numbers, T(0));
        for (int first = 0; first < g.out_height; first += d.count) {
            d.count = (std::min)(parts.band, g.out_height - first);
            if (parts.packs) parts.planes.pack(x, 0, first, d.count, T(0));
            for (int i = 0; i < d.count; ++i)
                for (int p = 0; p < g.taps_height; ++p) {
                    int const h = g.in_row(first + i, p);
                    parts.rows[i * g.taps_height + p] =
                        parts.packs ? parts.planes.packed + parts.planes.kernel_row(p) + i * parts.planes.layout.pitch
                        : h < 0 || h >= g.in_height ? parts.zeros
                                                    : x + h * in_row;
                }
            d.dy = dy + static_cast<std::ptrdiff_t>(first) * length;
            if (parts.packs_gradient) {  // zeros behind a row's end
                for (int i = 0; i < d.count; ++i)
                    copy_numbers<L>(d.dy + static_cast<std::ptrdiff_t>(i) * length, length,
                                    parts.gradients + i * d.dy_pitch);
                d.dy = parts.gradients;
            }
            for (int block = 0; block < parts.blocks; ++block) {
                d.taps = parts.taps + block * Q;
                depthwise_tap_sums<L>(g, d, S, parts.packs, lanes + block * Q * N, block == 0 ? total : unused);
            }
        }
        for (int tap = 0; tap < tap_count; ++tap) dw[o * tap_count + tap] += sum(load_lane<L>(lanes + tap * N));
        if (dbias) dbias[o] += sum(load_lane<L>(total));
    }
}

}  // namespace detail

template <class Op, class Precision>
struct DepthwiseParameterGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::DepthwiseGeometry<G>)
struct DepthwiseParameterGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"depthwise", "one input channel a group"};
    using T = typename Precision::compute;
    static constexpr Items items{G::out_channels};  // weights and bias of a channel
    static constexpr int scratch(int S) {
        return detail::carved_numbers<T, detail::DepthwiseGradientScratch<T>>(detail::forward_correlation<G>, S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::DepthwisePlanes<T const> const planes{
            .x = a.x,
            .x_plane = std::ptrdiff_t{G::height * G::width} * a.stride,
            .readers = G::group_out_channels,
            .weights = nullptr,
            .channel_weights = 0,
            .bias = nullptr,
            .y = a.dy,
            .y_plane = std::ptrdiff_t{G::out_height * G::out_width} * a.stride,
            .out_row = 0,
            .out_column = 1};
        detail::depthwise_weight_gradient<widest_lane<T>>(
            detail::forward_correlation<G>, planes, a.gradient,
            G::bias ? a.gradient + G::out_channels * G::kernel_height * G::kernel_width : nullptr, a.stride, a.scratch,
            begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI
