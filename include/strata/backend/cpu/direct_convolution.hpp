// Direct convolution on the CPU: register blocks of output channels times vectors of the flattened row W·S.
//
// A row of a tile is W·S contiguous numbers, and a tap (p, q) is the same row shifted by q·S: so one kernel serves
// every tile size, and a vector need not end at a column. Rows with horizontal padding or a stride are first packed:
// zeros around them, and the columns of equal remainder by the stride side by side, so that every tap is a shift again.
// The geometry is a run-time value: one copy of the code serves every convolution of a program. Each output's sum runs
// over (channel, p, q) in order, wherever it stands in a block.
#pragma once

#include "../../layer/conv2d.hpp"
#include "linear_kernel.hpp"

namespace strata {

namespace detail {

/// The numbers of a correlation with weights of any strides: the forward pass and, with the channels' roles exchanged
/// and the taps reversed, the input gradient for stride 1.
struct Correlation {
    int in_height, in_width, out_height, out_width;
    int in_channels, out_channels;  ///< of one group
    int taps_height, taps_width, stride_height, stride_width, dilation_height, dilation_width, pad_top, pad_left;
    std::ptrdiff_t group_weights, out_weights, in_weights, row_weights, tap_weights, first_weight;  ///< weight strides

    /// Columns of a packed row: as many of each remainder as the last tap of the last output reaches.
    [[nodiscard]] constexpr int phase_columns() const {
        return out_width + (taps_width - 1) * dilation_width / stride_width;
    }
    [[nodiscard]] constexpr int packed_columns() const { return phase_columns() * stride_width; }
    /// True where the row as it is serves all taps, and whole vectors of N numbers.
    [[nodiscard]] constexpr bool is_plain(int S, int N) const {
        return stride_width == 1 && pad_left == 0 && phase_columns() <= in_width && out_width * S >= N;
    }
    /// Where tap q's row begins in a packed (or plain) row, in columns.
    [[nodiscard]] constexpr int tap_column(int q) const {
        int const at = q * dilation_width;
        return at % stride_width * phase_columns() + at / stride_width;
    }
    /// The input row under kernel row p of output row i; may lie outside.
    [[nodiscard]] constexpr int in_row(int i, int p) const { return i * stride_height + p * dilation_height - pad_top; }
};

/// Packs a row [W][S]: column c of the packed row is input column c / phase_columns + (c % phase_columns) stride - pad.
template <class T>
void pack_row(Correlation const& g, T const* row, T* packed, int S) {
    int const columns = g.phase_columns();
    for (int phase = 0; phase < g.stride_width; ++phase) {
        if (g.stride_width == 1) {  // one run of columns between two runs of zeros
            int const from = std::clamp(g.pad_left, 0, columns),
                      to = std::clamp(g.pad_left + g.in_width, from, columns);
            std::fill_n(packed, from * S, T(0));
            std::copy_n(row + static_cast<std::ptrdiff_t>(from - g.pad_left) * S, (to - from) * S, packed + from * S);
            std::fill(packed + to * S, packed + columns * S, T(0));
            return;
        }
        for (int c = 0; c < columns; ++c, packed += S) {
            int const column = c * g.stride_width + phase - g.pad_left;
            if (column >= 0 && column < g.in_width)
                std::copy_n(row + column * S, S, packed);
            else
                std::fill_n(packed, S, T(0));
        }
    }
}

/// A block of `CO` output channels times `V` vectors of one row. `rows[(c, p)]` are the input rows, null outside the
/// image. The first `skip` and the last `beyond` numbers of a vector are computed but not stored: they belong to a
/// neighbour.
template <int CO, int V, class L, class T>
STRATA_INLINE void correlate_block(Correlation const& g, T const* const* rows, T const* w, T const* bias, T* y, int S,
                                   int const (&at)[V], bool add, int skip = 0, int beyond = 0) {
    std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(g.out_height) * g.out_width * S;
    L sum[CO][V];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) sum[u][v] = L(bias ? bias[u] : T(0));
    }
    for (int c = 0; c < g.in_channels; ++c)
        for (int p = 0; p < g.taps_height; ++p) {
            T const* const row = *rows++;
            if (!row) continue;
            T const* tap = w + c * g.in_weights + p * g.row_weights;
            for (int q = 0; q < g.taps_width; ++q, tap += g.tap_weights) {
                T const* const from = row + static_cast<std::ptrdiff_t>(g.tap_column(q)) * S;
                L in[V];
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) in[v] = load_lane<L>(from + at[v]);
                STRATA_UNROLL
                for (int u = 0; u < CO; ++u) {
                    L const weight(tap[u * g.out_weights]);
                    STRATA_UNROLL
                    for (int v = 0; v < V; ++v) sum[u][v] = multiply_add(weight, in[v], sum[u][v]);
                }
            }
        }
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) {
            T* const to = y + u * plane + at[v];
            if (skip + beyond == 0) {
                store_lane(to, add ? load_lane<L>(to) + sum[u][v] : sum[u][v]);
            } else {
                T values[width_of<L>];
                store_lane(values, sum[u][v]);
                for (int k = skip; k < width_of<L> - beyond; ++k) to[k] = add ? to[k] + values[k] : values[k];
            }
        }
    }
}

/// One row of outputs of `CO` channels: blocks of four vectors, then single ones, the last of them moved back to end
/// with the row.
template <int CO, class L, class T>
[[gnu::noinline]] void correlate_row(Correlation const& g, T const* const* rows, T const* w, T const* bias, T* y, int S,
                                     bool add) {
    constexpr int N = width_of<L>;
    int const length = g.out_width * S;
    int from = 0;
    for (; from + 4 * N <= length; from += 4 * N)
        correlate_block<CO, 4, L>(g, rows, w, bias, y, S, {from, from + N, from + 2 * N, from + 3 * N}, add);
    for (; from < length; from += N) {
        int const at = std::max(0, std::min(from, length - N));
        correlate_block<CO, 1, L>(g, rows, w, bias, y, S, {at}, add, from - at, std::max(0, N - length));
    }
}

/// Channels of a block: blocks of at most four, as even as they go.
constexpr int channel_blocks(int channels) { return (channels + 3) / 4; }

/// Scalars of scratch memory for correlate: packed rows of one output row, and the pointers to them.
template <class T>
constexpr int correlation_scratch(Correlation const& g, int S) {
    constexpr int N = width_of<widest_lane<T>>;
    int const rows = g.in_channels * g.taps_height;
    return rows * static_cast<int>(sizeof(void*) / sizeof(T)) +
           (g.is_plain(S, N) ? 0 : rows * g.packed_columns() * S + N);
}

/// Items are (group, output row).
template <class L, class T>
[[gnu::noinline]] void correlate(Correlation const& g, T const* x, T const* w, T const* bias, T* y, int S, T* scratch,
                                 bool add, int begin, int end) {
    int const blocks = channel_blocks(g.out_channels);
    auto** const rows = reinterpret_cast<T const**>(scratch);
    T* const packed = scratch + g.in_channels * g.taps_height * static_cast<int>(sizeof(void*) / sizeof(T));
    for (int item = begin; item < end; ++item) {
        int const i = item % g.out_height, group = item / g.out_height;
        T const** row = rows;
        T* pack = packed;
        for (int c = 0; c < g.in_channels; ++c)
            for (int p = 0; p < g.taps_height; ++p, ++row) {
                int const h = g.in_row(i, p);
                *row = nullptr;
                if (h < 0 || h >= g.in_height) continue;
                *row = x + (static_cast<std::ptrdiff_t>(group * g.in_channels + c) * g.in_height + h) * g.in_width * S;
                if (g.is_plain(S, width_of<L>)) continue;
                pack_row(g, *row, pack, S);
                *row = pack;
                pack += g.packed_columns() * S;
            }
        for (int block = 0; block < blocks; ++block) {
            int const from = block * g.out_channels / blocks, count = (block + 1) * g.out_channels / blocks - from;
            int const channel = group * g.out_channels + from;
            T const* const weights = w + group * g.group_weights + from * g.out_weights + g.first_weight;
            T* const out = y + (static_cast<std::ptrdiff_t>(channel) * g.out_height + i) * g.out_width * S;
            T const* const b = bias ? bias + channel : nullptr;
            switch (count) {
                case 4:
                    correlate_row<4, L>(g, rows, weights, b, out, S, add);
                    break;
                case 3:
                    correlate_row<3, L>(g, rows, weights, b, out, S, add);
                    break;
                case 2:
                    correlate_row<2, L>(g, rows, weights, b, out, S, add);
                    break;
                default:
                    correlate_row<1, L>(g, rows, weights, b, out, S, add);
                    break;
            }
        }
    }
}

/// The weight gradient of CO output channels, one input channel and Q neighbouring taps of kernel row p. `plane` holds
/// the channel's rows, `pitch` apart.
template <int CO, int Q, class L, class T>
[[gnu::noinline]] void weight_gradient_block(Correlation const& g, T const* plane, std::ptrdiff_t pitch, T const* dy,
                                             T* dw, int S, int p, int q0) {
    constexpr int N = width_of<L>;
    std::ptrdiff_t const out_plane = static_cast<std::ptrdiff_t>(g.out_height) * g.out_width * S;
    int const length = g.out_width * S;
    int tap[Q];
    STRATA_UNROLL
    for (int q = 0; q < Q; ++q) tap[q] = g.tap_column(q0 + q) * S;
    L total[CO][Q];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) total[u][q] = L(T(0));
    }
    auto const add = [&](L const(&gradient)[CO], T const* row) {
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) {
            L const value = load_lane<L>(row + tap[q]);
            STRATA_UNROLL
            for (int u = 0; u < CO; ++u) total[u][q] = multiply_add(gradient[u], value, total[u][q]);
        }
    };
    for (int i = 0; i < g.out_height; ++i) {
        int const h = g.in_row(i, p);
        if (h < 0 || h >= g.in_height) continue;
        T const* const row = plane + h * pitch;
        T const* const from = dy + static_cast<std::ptrdiff_t>(i) * length;
        L gradient[CO];
        int at = 0;
        for (; at + N <= length; at += N) {
            STRATA_UNROLL
            for (int u = 0; u < CO; ++u) gradient[u] = load_lane<L>(from + u * out_plane + at);
            add(gradient, row + at);
        }
        if (at == length) continue;
        // The row's last numbers, with zeros around them: from a vector moved back, or from a copy where the row has
        // none.
        int const place = std::max(0, length - N);
        for (int u = 0; u < CO; ++u) {
            T values[N] = {};
            std::copy(from + u * out_plane + at, from + u * out_plane + length, values + (at - place));
            gradient[u] = load_lane<L>(values);
        }
        add(gradient, row + place);
    }
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) dw[u * g.out_weights + q] += sum(total[u][q]);
    }
}

template <class T>
constexpr int weight_gradient_scratch(Correlation const& g, int S) {
    constexpr int N = width_of<widest_lane<T>>;
    return g.is_plain(S, N) ? 0 : g.in_height * g.packed_columns() * S + N;
}

/// Items are (group, input channel); weights in PyTorch's layout.
template <class L, class T>
[[gnu::noinline]] void weight_gradient(Correlation const& g, T const* x, T const* dy, T* dw, int S, T* scratch,
                                       int begin, int end) {
    for (int item = begin; item < end; ++item) {
        int const c = item % g.in_channels, group = item / g.in_channels;
        T const* plane = x + static_cast<std::ptrdiff_t>(item) * g.in_height * g.in_width * S;
        std::ptrdiff_t pitch = static_cast<std::ptrdiff_t>(g.in_width) * S;
        if (!g.is_plain(S, width_of<L>)) {
            std::ptrdiff_t const packed_pitch = static_cast<std::ptrdiff_t>(g.packed_columns()) * S;
            for (int h = 0; h < g.in_height; ++h) pack_row(g, plane + h * pitch, scratch + h * packed_pitch, S);
            std::fill_n(scratch + g.in_height * packed_pitch, width_of<L>,
                        T(0));  // a short row's vector reads beyond it
            plane = scratch;
            pitch = packed_pitch;
        }
        auto const taps = [&]<int CO>(int channel) {
            T const* const gradient =
                dy + static_cast<std::ptrdiff_t>(group * g.out_channels + channel) * g.out_height * g.out_width * S;
            for (int p = 0; p < g.taps_height; ++p) {
                T* const to =
                    dw + group * g.group_weights + channel * g.out_weights + c * g.in_weights + p * g.row_weights;
                int q = 0;
                for (; q + 5 <= g.taps_width; q += 5)
                    weight_gradient_block<CO, 5, L>(g, plane, pitch, gradient, to + q, S, p, q);
                for (; q + 3 <= g.taps_width; q += 3)
                    weight_gradient_block<CO, 3, L>(g, plane, pitch, gradient, to + q, S, p, q);
                for (; q < g.taps_width; ++q)
                    weight_gradient_block<CO, 1, L>(g, plane, pitch, gradient, to + q, S, p, q);
            }
        };
        int channel = 0;
        for (; channel + 4 <= g.out_channels; channel += 4) taps.template operator()<4>(channel);
        for (; channel + 2 <= g.out_channels; channel += 2) taps.template operator()<2>(channel);
        if (channel < g.out_channels) taps.template operator()<1>(channel);
    }
}

template <class G>
constexpr Correlation forward_correlation = {
    .in_height = G::height,
    .in_width = G::width,
    .out_height = G::out_height,
    .out_width = G::out_width,
    .in_channels = G::group_channels,
    .out_channels = G::group_out_channels,
    .taps_height = G::kernel_height,
    .taps_width = G::kernel_width,
    .stride_height = G::stride_height,
    .stride_width = G::stride_width,
    .dilation_height = G::dilation_height,
    .dilation_width = G::dilation_width,
    .pad_top = G::pad_top,
    .pad_left = G::pad_left,
    .group_weights = G::group_out_channels* G::group_channels* G::kernel_height* G::kernel_width,
    .out_weights = G::group_channels* G::kernel_height* G::kernel_width,
    .in_weights = G::kernel_height* G::kernel_width,
    .row_weights = G::kernel_width,
    .tap_weights = 1,
    .first_weight = 0};

/// dx of a stride-1 convolution: dy correlated with the reversed taps, channels exchanged.
template <class G>
constexpr Correlation backward_correlation = {
    .in_height = G::out_height,
    .in_width = G::out_width,
    .out_height = G::height,
    .out_width = G::width,
    .in_channels = G::group_out_channels,
    .out_channels = G::group_channels,
    .taps_height = G::kernel_height,
    .taps_width = G::kernel_width,
    .stride_height = 1,
    .stride_width = 1,
    .dilation_height = G::dilation_height,
    .dilation_width = G::dilation_width,
    .pad_top = G::dilation_height*(G::kernel_height - 1) - G::pad_top,
    .pad_left = G::dilation_width*(G::kernel_width - 1) - G::pad_left,
    .group_weights = G::group_out_channels* G::group_channels* G::kernel_height* G::kernel_width,
    .out_weights = G::kernel_height* G::kernel_width,
    .in_weights = G::group_channels* G::kernel_height* G::kernel_width,
    .row_weights = -G::kernel_width,
    .tap_weights = -1,
    .first_weight = G::kernel_height* G::kernel_width - 1};

}  // namespace detail

template <class G, class Scheme, class Precision, int S>
requires detail::is_uniform<Precision>
struct ForwardKernel<Convolution<G, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    static constexpr int items = G::groups * G::out_height;
    static constexpr int scratch = detail::correlation_scratch<T>(detail::forward_correlation<G>, S);
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const bias =
            G::bias ? a.parameters + Convolution<G, Scheme>::Parameters::size - G::out_channels : nullptr;
        detail::correlate<widest_lane<T>>(detail::forward_correlation<G>, a.x, a.parameters, bias, a.y, S, a.scratch,
                                          false, begin, end);
    }
};

template <class G, class Scheme, class Precision, int S>
requires(detail::is_uniform<Precision>&& G::stride_height == 1 &&
         G::stride_width == 1) struct InputGradientKernel<Convolution<G, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    static constexpr int items = G::groups * G::height;
    static constexpr int scratch = detail::correlation_scratch<T>(detail::backward_correlation<G>, S);
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const none = nullptr;
        detail::correlate<widest_lane<T>>(detail::backward_correlation<G>, a.dy, a.parameters, none, a.dx, S, a.scratch,
                                          a.write == GradientWrite::add, begin, end);
    }
};

template <class G, class Scheme, class Precision, int S>
requires detail::is_uniform<Precision>
struct ParameterGradientKernel<Convolution<G, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    static constexpr int items = G::channels + 1;  // the last one is the bias
    static constexpr int scratch = detail::weight_gradient_scratch<T>(detail::forward_correlation<G>, S);
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::weight_gradient<widest_lane<T>>(detail::forward_correlation<G>, a.x, a.dy, a.gradient, S, a.scratch,
                                                begin, std::min(end, G::channels));
        if (G::bias && begin < end && end == items)
            detail::bias_gradient<widest_lane<T>>(
                a.dy, a.gradient + Convolution<G, Scheme>::Parameters::size - G::out_channels, G::out_channels,
                G::out_height * G::out_width * S);
    }
};

}  // namespace strata
