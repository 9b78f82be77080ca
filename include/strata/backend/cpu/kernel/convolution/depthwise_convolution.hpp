// Depthwise convolution on the CPU (Groups = channels): each output channel sees one input channel, so registers hold
// several output rows instead of several channels.
//
// Tiles of whole vectors read the image as it is: the columns whose window is inside run in blocks, those at the border
// alone with fewer taps. Smaller tiles are windows over packed bands, or, where depthwise_narrow.hpp knows the kernel, its.
// The geometry is a run-time value. Each output's sum runs over (channel, p, q) in order, wherever it stands.
#pragma once

#include "../micro/window_band.hpp"
#include "depthwise_block.hpp"
#include "depthwise_narrow.hpp"
#include "depthwise_weight_gradient.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// The scratch memory of depthwise_correlate: pointers to rows, taps and their offsets.
template <class T>
struct DepthwiseScratch {
    T const** rows;
    DepthwiseTap<T>* taps;
    int* offsets;
    constexpr DepthwiseScratch(Carver& memory, Correlation const& g)
        : rows(memory.take<T const*>(depthwise_source_rows(g, depthwise_square(g)))),
          taps(memory.take<DepthwiseTap<T>>(g.in_channels * g.taps_height * g.taps_width)),
          offsets(memory.take<int>(g.taps_width)) {}
};

/// Output rows [begin, end) of channels [channel, end_channel), in tiles of whole vectors.
template <class L, class T>
STRATA_ONE_COPY void depthwise_correlate(Correlation const& g, DepthwisePlanes<T> const& planes, int S, Carver memory,
                                         bool add, int channel, int end_channel, int begin, int end) {
    constexpr int N = width_of<L>, V = depthwise_vectors;
    // Neighbouring columns are one run of vectors, also where a column is several.
    bool const run = g.stride_width == 1 && planes.out_column == 1;
    int const square = run ? depthwise_square(g) : 0, block_rows = depthwise_block_rows(square),
              sources = depthwise_source_rows(g, square);
    std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S, in_plane = in_row * g.in_height;
    DepthwiseScratch<T> const parts(memory, g);
    for (int q = 0; q < g.taps_width; ++q) parts.offsets[q] = (q * g.dilation_width - g.pad_left) * S;

    DepthwiseData<T> d{.rows = parts.rows,
                       .left = -static_cast<std::ptrdiff_t>(g.pad_left) * S,
                       .tap = S,
                       .weights = nullptr,
                       .taps = parts.taps,
                       .end_taps = parts.taps,
                       .bias = T(0),
                       .y = nullptr,
                       .out_row = planes.out_row,
                       .in_step = run ? N : g.stride_width * S,
                       .out_step = run ? N : planes.out_column * S,
                       .square = square,
                       .add = add,
                       .count = 0,
                       .first_tap = 0,
                       .end_tap = g.taps_width,
                       .relu = planes.relu};
    ColumnRange const full(g);
    auto const border = [&](int from, int to) {
        for (int j = from; j < to; ++j) {
            ColumnRange::reach(g, j, d.first_tap, d.end_tap);
            for (int part = 0; part < S; part += N)
                depthwise_groups<1, L>(g, d, j * g.stride_width * S + part, j * planes.out_column * S + part, 1);
        }
        d.first_tap = 0;
        d.end_tap = g.taps_width;
    };

    for (int k = channel; k < end_channel; ++k) {
        T const* const x = planes.x + k / planes.readers * planes.x_plane;
        d.weights = planes.weights + g.first_weight + k * planes.channel_weights;
        d.bias = planes.bias ? planes.bias[k] : T(0);
        auto const source = [&](int c, int h) -> T const* {
            return h < 0 || h >= g.in_height ? nullptr : x + c * in_plane + h * in_row;
        };
        for (int i = begin; i < end; i += d.count) {
            d.count = (std::min)(block_rows - i % block_rows, end - i);
            if (square > 0) {
                for (int t = 0; t < sources; ++t) parts.rows[t] = source(0, g.in_row(i, 0) + t);
            } else {
                auto* tap = parts.taps;
                for (int c = 0; c < g.in_channels; ++c)
                    for (int p = 0; p < g.taps_height; ++p) {
                        T const* const row = source(c, g.in_row(i, p));
                        if (!row) continue;
                        T const* const w = d.weights + c * g.in_weights + p * g.row_weights;
                        for (int q = 0; q < g.taps_width; ++q)
                            *tap++ = {row + parts.offsets[q], w[q * g.tap_weights], q};
                    }
                d.end_taps = tap;
            }
            d.y = planes.y + k * planes.y_plane + i * planes.out_row;
            border(0, full.begin);
            int const vectors = (full.end - full.begin) * (run ? S / N : 1), groups = vectors / V;
            for (int part = 0; part < (run ? N : S); part += N) {
                int const in = full.begin * g.stride_width * S + part, out = full.begin * planes.out_column * S + part;
                depthwise_groups<V, L>(g, d, in, out, groups);
                depthwise_groups<1, L>(g, d, in + groups * V * d.in_step, out + groups * V * d.out_step,
                                       vectors - groups * V);
            }
            border(full.end, g.out_width);
        }
    }
}

/// Calls f(channel, end_channel, begin, end) for the rectangles that items [from, to) are: items are (channel, row).
template <class F>
void depthwise_rectangles(int from, int to, int height, F const& f) {
    while (from < to) {
        int const channel = from / height, row = from % height;
        int const channels = row == 0 ? (std::max)(1, (to - from) / height) : 1;
        int const end = (std::min)(row + to - from, height);
        f(channel, channel + channels, row, end);
        from = channels > 1 ? (channel + channels) * height : channel * height + end;
    }
}

/// Rows [begin, end) of the dx of channels [channel, end_channel) of tiles of whole vectors, phase by phase. `planes` has
/// dy, the weights and dx.
template <class L, class T>
void depthwise_input_gradient(Correlation const& f, DepthwisePlanes<T> planes, int S, Carver memory, bool add,
                              int channel, int end_channel, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.in_width) * S;
    T* const dx = planes.y;
    planes.out_row = f.stride_height * row;
    planes.out_column = f.stride_width;
    for (int phase_row = 0; phase_row < f.stride_height; ++phase_row)
        for (int phase_column = 0; phase_column < f.stride_width; ++phase_column) {
            auto const phase = backward_phase(f, phase_row, phase_column);
            Correlation const& g = phase.correlation;
            int const from = phase.rows_before(begin), to = phase.rows_before(end);
            planes.y = dx + phase.row0 * row + phase.column0 * S;
            if (g.taps_height > 0 && g.taps_width > 0)
                depthwise_correlate<L>(g, planes, S, memory, add, channel, end_channel, from, to);
            else if (!add)  // no tap reaches these pixels
                for (int c = channel; c < end_channel; ++c)
                    phase.fill(planes.y + c * planes.y_plane, from, to, planes.out_row, f.stride_width * S, S, T(0));
        }
}

/// Output rows [begin, end) of channels [channel, end_channel) by windows over packed bands.
template <class T>
STRATA_ONE_COPY void depthwise_windows(Correlation const& g, DepthwisePlanes<T> const& planes, int S, Carver memory,
                                       int channel, int end_channel, int begin, int end) {
    WindowBand<WindowSum, T> band(memory, g, S, [](int, int) { return std::pair(T(0), T(0)); });
    for (; channel < end_channel; ++channel) {
        band.weigh(planes.weights + channel * planes.channel_weights);
        for (int i = begin, count = 0; i < end; i += count) {
            count = (std::min)(band.layout.rows, end - i);
            band.pack(planes.x + channel / planes.readers * planes.x_plane, 0, i, count, T(0));
            band.compute(count, planes.bias ? planes.bias[channel] : T(0));
            if (planes.relu) {
                using L = widest_lane<T>;
                for (int at = 0; at < count * band.layout.pitch; at += width_of<L>)
                    store_lane(band.results + at, ReLU::forward(load_lane<L>(band.results + at)));
            }
            for (int r = 0; r < count; ++r)
                copy_numbers<widest_lane<T>>(band.results + r * band.layout.pitch, g.out_width * S,
                                             planes.y + channel * planes.y_plane + (i + r) * planes.out_row);
        }
    }
}
/// dx of f, items being (channel, row).
template <class T>
STRATA_ONE_COPY void depthwise_window_gradient(Correlation const& f, DepthwisePlanes<T> const& planes, int S,
                                               Carver memory, bool add, int begin, int end) {
    window_input_gradient<WindowSum>(
        f, planes.y, S, memory, add, begin, end, [](int, int) { return std::pair(T(0), T(0)); },
        [&](auto& band, int channel, int first, int count) {
            band.weigh(planes.weights + channel * planes.channel_weights);
            for (int c = 0; c < f.out_channels; ++c)
                band.pack(planes.x + channel * planes.x_plane + c * f.out_height * f.out_width * S, c, first, count,
                          T(0));
        });
}

/// Output rows [begin, end) of channels [channel, end_channel) of a convolution.
template <class G, class T>
void depthwise_image_rows(DepthwisePlanes<T> const& planes, int S, Carver memory, int channel, int end_channel,
                          int begin, int end) {
    using L = widest_lane<T>;
    constexpr auto const& g = forward_correlation<G>;
    if constexpr (is_depthwise_narrow(g))
        if (is_depthwise_narrow<T>(g, S))
            return depthwise_narrow<G::kernel_width, G::stride_width, L>(g, planes, S, memory, false, channel,
                                                                         end_channel, begin, end);
    if (packs_windows<T>(S))
        depthwise_windows(g, planes, S, memory, channel, end_channel, begin, end);
    else
        depthwise_correlate<L>(g, planes, S, memory, false, channel, end_channel, begin, end);
}
/// The scratch memory of either pass, where windows take what `windows` says.
template <class T>
constexpr int depthwise_scratch(Correlation const& g, int S, int windows) {
    if (is_depthwise_narrow<T>(g, S)) return carved_numbers<T, NarrowBand<T>>(g, S);
    return packs_windows<T>(S) ? windows : carved_numbers<T, DepthwiseScratch<T>>(g);
}

}  // namespace detail

template <class Op, class Precision>
struct DepthwiseForward;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::DepthwiseGeometry<G>)
struct DepthwiseForward<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"depthwise", "one input channel a group"};
    using T = typename Precision::compute;
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::out_channels * G::out_height};
    static constexpr int scratch(int S) {
        constexpr auto const& g = detail::forward_correlation<G>;
        return detail::depthwise_scratch<T>(g, S, detail::window_scratch<detail::WindowSum, T>(g, S));
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::DepthwisePlanes<T> const planes{
            .x = a.x,
            .x_plane = std::ptrdiff_t{G::height * G::width} * a.stride,
            .readers = G::group_out_channels,
            .weights = a.parameters,
            .channel_weights = G::kernel_height * G::kernel_width,
            .bias = G::bias ? a.parameters + G::out_channels * G::kernel_height * G::kernel_width : nullptr,
            .y = a.y,
            .y_plane = std::ptrdiff_t{G::out_height * G::out_width} * a.stride,
            .out_row = G::out_width * a.stride,
            .out_column = 1,
            .relu = a.relu};
        detail::depthwise_rectangles(begin, end, G::out_height, [&](int channel, int end_channel, int from, int to) {
            detail::depthwise_image_rows<G>(planes, a.stride, a.scratch, channel, end_channel, from, to);
        });
    }
};

template <class Op, class Precision>
struct DepthwiseInputGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::DepthwiseGeometry<G>)
struct DepthwiseInputGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"depthwise", "one input channel a group"};
    using T = typename Precision::compute;
    static constexpr Items items{G::channels * G::height};
    static constexpr auto const& f = detail::forward_correlation<G>;
    static constexpr detail::Correlation g = detail::backward_phase(f, 0, 0).correlation;
    /// dx is one correlation, of a kernel that depthwise_narrow.hpp knows.
    static constexpr bool narrow = G::stride_height == 1 && G::stride_width == 1 && detail::is_depthwise_narrow(g);
    static constexpr int scratch(int S) {
        int const windows = detail::window_gradient_scratch<detail::WindowSum, T>(f, S);
        if (narrow) return detail::depthwise_scratch<T>(g, S, windows);
        return detail::packs_windows<T>(S) ? windows : detail::most_of_phases(f, [](detail::Correlation const& phase) {
            return detail::carved_numbers<T, detail::DepthwiseScratch<T>>(phase);
        });
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::DepthwisePlanes<T> const planes{
            .x = a.dy,
            .x_plane = std::ptrdiff_t{G::group_out_channels * G::out_height * G::out_width} * a.stride,
            .readers = 1,
            .weights = a.parameters,
            .channel_weights = G::group_out_channels * G::kernel_height * G::kernel_width,
            .bias = nullptr,
            .y = a.dx,
            .y_plane = std::ptrdiff_t{G::height * G::width} * a.stride,
            .out_row = G::width * a.stride,
            .out_column = 1};
        bool const add = a.write == GradientWrite::add, packs = detail::packs_windows<T>(a.stride);
        if (packs && !narrow) return detail::depthwise_window_gradient(f, planes, a.stride, a.scratch, add, begin, end);
        detail::depthwise_rectangles(begin, end, G::height, [&](int channel, int end_channel, int from, int to) {
            if constexpr (narrow)
                if (packs)
                    return detail::depthwise_narrow<G::kernel_width, 1, widest_lane<T>>(
                        g, planes, a.stride, a.scratch, add, channel, end_channel, from, to);
            detail::depthwise_input_gradient<widest_lane<T>>(f, planes, a.stride, a.scratch, add, channel, end_channel,
                                                             from, to);
        });
    }
};

}  // namespace strata::inline STRATA_ABI
