// Depthwise convolution on the CPU (Groups = channels): each output channel sees one input channel, so registers hold
// several output rows instead of several channels.
//
// Tiles of whole vectors read the image as it is: the columns whose window is inside run in blocks, those at the border
// alone with fewer taps. Smaller tiles pack a band of rows at a time, and with strides are windows over such bands. The
// geometry is a run-time value. Each output's sum runs over (channel, p, q) in order, wherever it stands.
#pragma once

#include "../micro/window_band.hpp"
#include "depthwise_block.hpp"
#include "depthwise_narrow.hpp"
#include "depthwise_weight_gradient.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// The scratch memory of depthwise_correlate, in scalars: pointers to rows, taps and their offsets, a packed
/// band and its output.
template <class T>
struct DepthwiseScratch {
    using L = widest_lane<T>;
    int band, rows, taps, offsets, packed, spread;
    constexpr DepthwiseScratch(Correlation const& g, int S)
        : band(packed_band_rows<T>(g, S, depthwise_rows)),
          rows(whole_vectors<T>(depthwise_source_rows(g, depthwise_square(g)) * static_cast<int>(sizeof(void*)))),
          taps(whole_vectors<T>(g.in_channels * g.taps_height * g.taps_width *
                                static_cast<int>(sizeof(DepthwiseTap<T>)))),
          offsets(whole_vectors<T>(g.taps_width * static_cast<int>(sizeof(int)))),
          packed(0),
          spread(0) {
        if (S % width_of<L> == 0) {
            band = g.out_height;
        } else {
            packed = PackedBand<L, T>::size(g, S, band);
            spread = band * g.out_width * S;
        }
    }
    [[nodiscard]] constexpr int size() const { return rows + taps + offsets + packed + spread; }
};

/// Output rows [begin, end) of channels [channel, end_channel).
template <class L, class T>
STRATA_ONE_COPY void depthwise_correlate(Correlation const& g, DepthwisePlanes<T> const& planes, int S, T* scratch,
                                         bool add, int channel, int end_channel, int begin, int end) {
    constexpr int N = width_of<L>, V = depthwise_vectors;
    bool const packs = S % N != 0, apart = packs && planes.out_column > 1;  // columns are spread when a band is done
    // Neighbouring columns are one run of vectors, also where a column is several.
    bool const run = packs || (g.stride_width == 1 && planes.out_column == 1);
    int const square = run ? depthwise_square(g) : 0, block_rows = depthwise_block_rows(square),
              sources = depthwise_source_rows(g, square);
    std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S, in_plane = in_row * g.in_height,
                         pitch = static_cast<std::ptrdiff_t>(g.packed_columns()) * S;
    DepthwiseScratch<T> const layout(g, S);
    int const length = g.out_width * S, band = layout.band;
    auto** const rows = reinterpret_cast<T const**>(scratch);
    auto* const taps = reinterpret_cast<DepthwiseTap<T>*>(scratch + layout.rows);
    auto* const offsets = reinterpret_cast<int*>(scratch + layout.rows + layout.taps);
    for (int q = 0; q < g.taps_width; ++q)
        offsets[q] = (packs ? g.tap_column(q) : q * g.dilation_width - g.pad_left) * S;
    PackedBand<L, T> packed{scratch + layout.rows + layout.taps + layout.offsets};
    T* const spread = packed.rows + layout.packed;

    DepthwiseData<T> d{.rows = rows,
                       .left = packs ? 0 : -static_cast<std::ptrdiff_t>(g.pad_left) * S,
                       .tap = S,
                       .weights = nullptr,
                       .taps = taps,
                       .end_taps = taps,
                       .bias = T(0),
                       .y = nullptr,
                       .out_row = apart ? length : planes.out_row,
                       .in_step = run ? N : g.stride_width * S,
                       .out_step = run ? N : planes.out_column * S,
                       .square = square,
                       .add = add && !apart,
                       .count = 0,
                       .first_tap = 0,
                       .end_tap = g.taps_width,
                       .skip = 0,
                       .stored = N,
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
        T* const y = planes.y + k * planes.y_plane;
        d.weights = planes.weights + k * planes.channel_weights;
        d.bias = planes.bias ? planes.bias[k] : T(0);
        for (int first = begin, held = 0; first < end; first += held) {
            held = (std::min)(band - first % band, end - first);
            if (packs) packed.pack(g, x, S, first, held);
            int const under = g.rows_under(held);
            for (int i = 0; i < held; i += d.count) {
                d.count = (std::min)(block_rows - (first + i) % block_rows, held - i);
                auto const source = [&](int c, int r) -> T const* {  // input row r of the band
                    if (packs) return r < under ? packed.rows + (c * under + r) * pitch : nullptr;
                    int const h = g.in_row(first, 0) + r;
                    return h < 0 || h >= g.in_height ? nullptr : x + c * in_plane + h * in_row;
                };
                if (square > 0) {
                    for (int t = 0; t < sources; ++t) rows[t] = source(0, i + t);
                } else {
                    auto* tap = taps;
                    for (int c = 0; c < g.in_channels; ++c)
                        for (int p = 0; p < g.taps_height; ++p) {
                            T const* const row = source(c, i * g.stride_height + p * g.dilation_height);
                            if (!row) continue;
                            T const* const w = d.weights + c * g.in_weights + p * g.row_weights;
                            for (int q = 0; q < g.taps_width; ++q) *tap++ = {row + offsets[q], w[q * g.tap_weights], q};
                        }
                    d.end_taps = tap;
                }
                d.y = apart ? spread + i * length : y + (first + i) * planes.out_row;
                if (packs) {
                    int const groups = length / (V * N), at = groups * V * N, whole = length / N * N;
                    depthwise_groups<V, L>(g, d, 0, 0, groups);
                    depthwise_groups<1, L>(g, d, at, at, (whole - at) / N);
                    if (whole < length) {  // a row's last vector ends with the row
                        int const back = (std::max)(0, length - N);
                        d.skip = d.add ? whole - back : 0;
                        d.stored = (std::min)(N, length);
                        depthwise_groups<1, L>(g, d, back, back, 1);
                        d.skip = 0;
                        d.stored = N;
                    }
                } else {
                    border(0, full.begin);
                    int const vectors = (full.end - full.begin) * (run ? S / N : 1), groups = vectors / V;
                    for (int part = 0; part < (run ? N : S); part += N) {
                        int const in = full.begin * g.stride_width * S + part,
                                  out = full.begin * planes.out_column * S + part;
                        depthwise_groups<V, L>(g, d, in, out, groups);
                        depthwise_groups<1, L>(g, d, in + groups * V * d.in_step, out + groups * V * d.out_step,
                                               vectors - groups * V);
                    }
                    border(full.end, g.out_width);
                }
            }
            if (apart)
                (add ? move_columns<true, T> : move_columns<false, T>)(spread, S, y + first * planes.out_row,
                                                                       planes.out_column * S, g.out_width, S,
                                                                       {held, length, planes.out_row});
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

/// Rows [begin, end) of the dx of channels [channel, end_channel), phase by phase. `planes` has dy, the weights and dx.
template <class L, class T>
void depthwise_input_gradient(Correlation const& f, DepthwisePlanes<T> planes, int S, T* scratch, bool add, int channel,
                              int end_channel, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.in_width) * S;
    auto const [w, dx] = std::pair(planes.weights, planes.y);
    planes.out_row = f.stride_height * row;
    planes.out_column = f.stride_width;
    for (int phase_row = 0; phase_row < f.stride_height; ++phase_row)
        for (int phase_column = 0; phase_column < f.stride_width; ++phase_column) {
            auto const [g, row0, column0] = backward_phase(f, phase_row, phase_column);
            int const from = (std::max)(0, begin - row0 + f.stride_height - 1) / f.stride_height,
                      to = (std::min)(g.out_height, (std::max)(0, end - row0 + f.stride_height - 1) / f.stride_height);
            planes.weights = w + g.first_weight;
            planes.y = dx + row0 * row + column0 * S;
            if (g.taps_height > 0 && g.taps_width > 0) {
                depthwise_correlate<L>(g, planes, S, scratch, add, channel, end_channel, from, to);
            } else if (!add) {  // no tap reaches these pixels
                for (int c = channel; c < end_channel; ++c)
                    for (int i = from; i < to; ++i)
                        for (int j = 0; j < g.out_width; ++j)
                            std::fill_n(planes.y + c * planes.y_plane + i * planes.out_row + j * f.stride_width * S, S,
                                        T(0));
            }
        }
}
template <class T>
constexpr int depthwise_gradient_scratch(Correlation const& f, int S) {
    int most = 0;
    for (int row = 0; row < f.stride_height; ++row)
        for (int column = 0; column < f.stride_width; ++column)
            most = (std::max)(most, DepthwiseScratch<T>(backward_phase(f, row, column).correlation, S).size());
    return most;
}

/// True where windows over packed bands are faster than rows of taps: strides in tiles of no whole vectors.
template <class T>
constexpr bool has_depthwise_windows(Correlation const& g, int S) {
    return packs_windows<T>(S) && (g.stride_height > 1 || g.stride_width > 1) && g.in_channels == 1;
}
/// Output rows [begin, end) of channels [channel, end_channel).
template <class T>
STRATA_ONE_COPY void depthwise_windows(Correlation const& g, DepthwisePlanes<T> const& planes, int S, T* scratch,
                                       int channel, int end_channel, int begin, int end) {
    WindowBand<WindowSum, T> band(g, S, scratch, [](int, int) { return std::pair(T(0), T(0)); });
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
                                               T* scratch, bool add, int begin, int end) {
    window_input_gradient<WindowSum>(
        f, planes.y, S, scratch, add, begin, end, [](int, int) { return std::pair(T(0), T(0)); },
        [&](auto& band, int channel, int first, int count) {
            band.weigh(planes.weights + channel * planes.channel_weights);
            band.pack(planes.x + channel * planes.x_plane, 0, first, count, T(0));
        });
}

/// Output rows [begin, end) of channels [channel, end_channel) of a convolution.
template <class G, class T>
void depthwise_image_rows(DepthwisePlanes<T> const& planes, int S, T* scratch, int channel, int end_channel, int begin,
                          int end) {
    using L = widest_lane<T>;
    constexpr auto const& g = forward_correlation<G>;
    if constexpr (is_depthwise_narrow(g))
        if (is_depthwise_narrow<T>(g, S))
            return depthwise_narrow<G::kernel_width, G::stride_width, L>(g, planes, S, scratch, channel, end_channel,
                                                                         begin, end);
    if (has_depthwise_windows<T>(g, S))
        depthwise_windows(g, planes, S, scratch, channel, end_channel, begin, end);
    else
        depthwise_correlate<L>(g, planes, S, scratch, false, channel, end_channel, begin, end);
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
        if (detail::is_depthwise_narrow<T>(g, S)) return detail::NarrowBand<T>(g, S).size(g);
        return detail::has_depthwise_windows<T>(g, S) ? detail::window_scratch<T>(g, S, 1)
                                                      : detail::DepthwiseScratch<T>(g, S).size();
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
    static constexpr bool windows(int S) {
        return G::group_out_channels == 1 && detail::has_depthwise_windows<T>(detail::forward_correlation<G>, S);
    }
    static constexpr int scratch(int S) {
        return windows(S) ? detail::window_gradient_scratch<T>(detail::forward_correlation<G>, S, 1)
                          : detail::depthwise_gradient_scratch<T>(detail::forward_correlation<G>, S);
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
        if (windows(a.stride))
            return detail::depthwise_window_gradient(detail::forward_correlation<G>, planes, a.stride, a.scratch,
                                                     a.write == GradientWrite::add, begin, end);
        detail::depthwise_rectangles(begin, end, G::height, [&](int channel, int end_channel, int from, int to) {
            detail::depthwise_input_gradient<widest_lane<T>>(detail::forward_correlation<G>, planes, a.stride,
                                                             a.scratch, a.write == GradientWrite::add, channel,
                                                             end_channel, from, to);
        });
    }
};

}  // namespace strata::inline STRATA_ABI
