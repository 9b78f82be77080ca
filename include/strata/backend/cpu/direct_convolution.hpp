// Direct convolution on the CPU: register blocks of output channels times vectors of the flattened row W·S.
//
// A row of a tile is W·S contiguous numbers, and with stride 1 a tap (p, q) is the same row shifted by q·S: so one kernel serves
// every tile size, and a vector need not end at a column. With strides or horizontal padding a vector lies within one column,
// and its taps can be tested column by column. The geometry is a run-time value: one copy of the code serves every convolution
// of a program. Each output's sum runs over (channel, p, q) in order, wherever it stands in a block.
#pragma once

#include "../../layer/conv2d.hpp"
#include "linear_kernel.hpp"

namespace strata {

namespace detail {

/// The numbers of a correlation with weights of any strides; the forward pass and, with the roles of the channels exchanged
/// and the taps reversed, the input gradient for stride 1.
struct Correlation {
    int in_height, in_width, out_height, out_width;
    int in_channels, out_channels, groups;  ///< channels of one group
    int taps_height, taps_width, stride_height, stride_width, dilation_height, dilation_width, pad_top, pad_left;
    std::ptrdiff_t group_weights, out_weights, in_weights, row_weights, tap_weights, first_weight;  ///< weight strides
};

/// A block of `CO` output channels times `V` vectors of row i. The first `done` elements of a vector have been computed before:
/// they are stored again, but not added again.
template <int CO, int V, class L, class T>
STRATA_INLINE void correlate_block(Correlation const& g, T const* x, T const* w, T const* bias, T* y, int S, int i,
                                   int const (&column)[V], int const (&in_offset)[V], int const (&out_offset)[V],
                                   int const (&done)[V], bool inside, bool add) {
    std::ptrdiff_t const out_plane = static_cast<std::ptrdiff_t>(g.out_height) * g.out_width * S;
    L sum[CO][V];
    STRATA_UNROLL for (int u = 0; u < CO; ++u) STRATA_UNROLL for (int v = 0; v < V; ++v) sum[u][v] = L(bias ? bias[u] : T(0));
    for (int c = 0; c < g.in_channels; ++c)
        for (int p = 0; p < g.taps_height; ++p) {
            int const h = i * g.stride_height + p * g.dilation_height - g.pad_top;
            if (h < 0 || h >= g.in_height) continue;
            T const* row = x + (static_cast<std::ptrdiff_t>(c) * g.in_height + h) * g.in_width * S;
            T const* tap = w + c * g.in_weights + p * g.row_weights;
            for (int q = 0; q < g.taps_width; ++q, tap += g.tap_weights) {
                int const shift = q * g.dilation_width - g.pad_left;
                L in[V];
                STRATA_UNROLL for (int v = 0; v < V; ++v) {
                    bool const there = inside || (column[v] + shift >= 0 && column[v] + shift < g.in_width);
                    in[v] = there ? load_lane<L>(row + in_offset[v] + static_cast<std::ptrdiff_t>(shift) * S) : L(T(0));
                }
                STRATA_UNROLL for (int u = 0; u < CO; ++u) {
                    L const weight(tap[u * g.out_weights]);
                    STRATA_UNROLL for (int v = 0; v < V; ++v) sum[u][v] = multiply_add(weight, in[v], sum[u][v]);
                }
            }
        }
    STRATA_UNROLL for (int u = 0; u < CO; ++u) STRATA_UNROLL for (int v = 0; v < V; ++v) {
        T* const to = y + u * out_plane + out_offset[v];
        if (add) sum[u][v] = load_lane<L>(to) + (done[v] > 0 ? select(first_lanes<L>(done[v]), L(T(0)), sum[u][v]) : sum[u][v]);
        store_lane(to, sum[u][v]);
    }
}

/// One row of outputs of `CO` channels: blocks of four vectors, then single ones. Where a vector would overhang the row (small
/// tiles, stride 1, no padding) the last one is moved back: it computes some outputs a second time.
template <int CO, class L, class T>
void correlate_row(Correlation const& g, T const* x, T const* w, T const* bias, T* y, int S, int i, bool add) {
    constexpr int N = width_of<L>;
    int const length = g.out_width * S, vectors = (length + N - 1) / N;
    int const first_inside = g.pad_left, last_inside = g.in_width - 1 - ((g.taps_width - 1) * g.dilation_width - g.pad_left);
    auto const run = [&]<int V>(int from) {
        int column[V], in_offset[V], out_offset[V], done[V];
        bool inside = true;
        for (int v = 0; v < V; ++v) {
            int const at = std::min((from + v) * N, length - N);
            column[v] = at / S * g.stride_width;
            in_offset[v] = column[v] * S + at % S;
            out_offset[v] = i * length + at;
            done[v] = (from + v) * N - at;
            inside = inside && column[v] >= first_inside && (column[v] <= last_inside || S < N);
        }
        correlate_block<CO, V, L>(g, x, w, bias, y, S, i, column, in_offset, out_offset, done, inside, add);
    };
    int from = 0;
    for (; from + 4 <= vectors; from += 4) run.template operator()<4>(from);
    for (; from < vectors; ++from) run.template operator()<1>(from);
}

/// Channels of a block: blocks of at most four, as even as they go.
constexpr int channel_blocks(int channels) { return (channels + 3) / 4; }

/// Items are (group, block of output channels, row).
template <class L, class T>
void correlate(Correlation const& g, T const* x, T const* w, T const* bias, T* y, int S, bool add, int begin, int end) {
    int const blocks = channel_blocks(g.out_channels);
    for (int item = begin; item < end; ++item) {
        int const i = item % g.out_height, block = item / g.out_height % blocks, group = item / g.out_height / blocks;
        int const from = block * g.out_channels / blocks, count = (block + 1) * g.out_channels / blocks - from;
        int const channel = group * g.out_channels + from;
        T const* const in = x + static_cast<std::ptrdiff_t>(group) * g.in_channels * g.in_height * g.in_width * S;
        T const* const weights = w + group * g.group_weights + from * g.out_weights + g.first_weight;
        T* const out = y + static_cast<std::ptrdiff_t>(channel) * g.out_height * g.out_width * S;
        T const* const b = bias ? bias + channel : nullptr;
        switch (count) {
            case 4: correlate_row<4, L>(g, in, weights, b, out, S, i, add); break;
            case 3: correlate_row<3, L>(g, in, weights, b, out, S, i, add); break;
            case 2: correlate_row<2, L>(g, in, weights, b, out, S, i, add); break;
            default: correlate_row<1, L>(g, in, weights, b, out, S, i, add); break;
        }
    }
}

/// The weight gradient of CO output channels, one input channel and Q neighbouring taps of kernel row p.
template <int CO, int Q, class L, class T>
STRATA_INLINE void weight_gradient_block(Correlation const& g, T const* x, T const* dy, T* dw, int S, int p, int q0) {
    constexpr int N = width_of<L>;
    std::ptrdiff_t const out_plane = static_cast<std::ptrdiff_t>(g.out_height) * g.out_width * S;
    int const length = g.out_width * S;
    L total[CO][Q];
    STRATA_UNROLL for (int u = 0; u < CO; ++u) STRATA_UNROLL for (int q = 0; q < Q; ++q) total[u][q] = L(T(0));
    for (int i = 0; i < g.out_height; ++i) {
        int const h = i * g.stride_height + p * g.dilation_height - g.pad_top;
        if (h < 0 || h >= g.in_height) continue;
        T const* const row = x + static_cast<std::ptrdiff_t>(h) * g.in_width * S;
        for (int at = 0; at < length; at += N) {
            // The last vector of a small tile's row is moved back, and what was summed already is masked out.
            int const place = std::min(at, length - N);
            int const column = place / S * g.stride_width, in = column * S + place % S;
            L gradient[CO];
            STRATA_UNROLL for (int u = 0; u < CO; ++u) {
                gradient[u] = load_lane<L>(dy + u * out_plane + i * length + place);
                if (place < at) gradient[u] = select(first_lanes<L>(at - place), L(T(0)), gradient[u]);
            }
            STRATA_UNROLL for (int q = 0; q < Q; ++q) {
                int const shift = (q0 + q) * g.dilation_width - g.pad_left;
                if (S >= N && (column + shift < 0 || column + shift >= g.in_width)) continue;
                L const value = load_lane<L>(row + in + static_cast<std::ptrdiff_t>(shift) * S);
                STRATA_UNROLL for (int u = 0; u < CO; ++u) total[u][q] = multiply_add(gradient[u], value, total[u][q]);
            }
        }
    }
    STRATA_UNROLL for (int u = 0; u < CO; ++u) STRATA_UNROLL for (int q = 0; q < Q; ++q)
        dw[u * g.out_weights + q] += sum(total[u][q]);
}

/// Items are (group, block of output channels, input channel); weights in PyTorch's layout.
template <class L, class T>
void weight_gradient(Correlation const& g, T const* x, T const* dy, T* dw, int S, int begin, int end) {
    int const blocks = channel_blocks(g.out_channels);
    for (int item = begin; item < end; ++item) {
        int const c = item % g.in_channels, block = item / g.in_channels % blocks, group = item / g.in_channels / blocks;
        int const from = block * g.out_channels / blocks, count = (block + 1) * g.out_channels / blocks - from;
        T const* const in = x + static_cast<std::ptrdiff_t>(group * g.in_channels + c) * g.in_height * g.in_width * S;
        auto const rows = [&]<int CO>(int channel) {
            T const* const gradient = dy + static_cast<std::ptrdiff_t>(group * g.out_channels + channel) * g.out_height * g.out_width * S;
            for (int p = 0; p < g.taps_height; ++p) {
                T* const to = dw + group * g.group_weights + channel * g.out_weights + c * g.in_weights + p * g.row_weights;
                int q = 0;
                for (; q + 5 <= g.taps_width; q += 5) weight_gradient_block<CO, 5, L>(g, in, gradient, to + q, S, p, q);
                for (; q + 3 <= g.taps_width; q += 3) weight_gradient_block<CO, 3, L>(g, in, gradient, to + q, S, p, q);
                for (; q < g.taps_width; ++q) weight_gradient_block<CO, 1, L>(g, in, gradient, to + q, S, p, q);
            }
        };
        int channel = from;
        if (count == 4) {
            rows.template operator()<4>(channel);
        } else {
            for (; channel + 2 <= from + count; channel += 2) rows.template operator()<2>(channel);
            if (channel < from + count) rows.template operator()<1>(channel);
        }
    }
}

template <class G>
constexpr Correlation forward_correlation = {
    .in_height = G::height, .in_width = G::width, .out_height = G::out_height, .out_width = G::out_width,
    .in_channels = G::group_channels, .out_channels = G::group_out_channels, .groups = G::groups,
    .taps_height = G::kernel_height, .taps_width = G::kernel_width,
    .stride_height = G::stride_height, .stride_width = G::stride_width,
    .dilation_height = G::dilation_height, .dilation_width = G::dilation_width, .pad_top = G::pad_top, .pad_left = G::pad_left,
    .group_weights = G::group_out_channels * G::group_channels * G::kernel_height * G::kernel_width,
    .out_weights = G::group_channels * G::kernel_height * G::kernel_width, .in_weights = G::kernel_height * G::kernel_width,
    .row_weights = G::kernel_width, .tap_weights = 1, .first_weight = 0};

/// dx of a stride-1 convolution: dy correlated with the reversed taps, channels exchanged.
template <class G>
constexpr Correlation backward_correlation = {
    .in_height = G::out_height, .in_width = G::out_width, .out_height = G::height, .out_width = G::width,
    .in_channels = G::group_out_channels, .out_channels = G::group_channels, .groups = G::groups,
    .taps_height = G::kernel_height, .taps_width = G::kernel_width, .stride_height = 1, .stride_width = 1,
    .dilation_height = G::dilation_height, .dilation_width = G::dilation_width,
    .pad_top = G::dilation_height * (G::kernel_height - 1) - G::pad_top,
    .pad_left = G::dilation_width * (G::kernel_width - 1) - G::pad_left,
    .group_weights = G::group_out_channels * G::group_channels * G::kernel_height * G::kernel_width,
    .out_weights = G::kernel_height * G::kernel_width, .in_weights = G::group_channels * G::kernel_height * G::kernel_width,
    .row_weights = -G::kernel_width, .tap_weights = -1, .first_weight = G::kernel_height * G::kernel_width - 1};

/// The vector for a correlation on tiles of S samples: the widest where it may span columns of a row, else within one column.
template <class T, int S, bool SpansColumns, int Width>
using correlation_lane =
    std::conditional_t<SpansColumns && (Width * S >= width_of<lane_for<T, 16>>), lane_for<T, 16>, lane_for<T, S>>;

}  // namespace detail

template <class G, class Scheme, class Precision, int S>
    requires detail::is_uniform<Precision>
struct ForwardKernel<Convolution<G, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    static constexpr bool spans = G::stride_width == 1 && G::pad_left == 0 && G::width == G::out_width + (G::kernel_width - 1) * G::dilation_width;
    using L = detail::correlation_lane<T, S, spans, G::out_width>;
    static constexpr int items = G::groups * detail::channel_blocks(G::group_out_channels) * G::out_height;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const bias = G::bias ? a.parameters + Convolution<G, Scheme>::Parameters::size - G::out_channels : nullptr;
        detail::correlate<L>(detail::forward_correlation<G>, a.x, a.parameters, bias, a.y, S, false, begin, end);
    }
};

template <class G, class Scheme, class Precision, int S>
    requires(detail::is_uniform<Precision> && G::stride_height == 1 && G::stride_width == 1)
struct InputGradientKernel<Convolution<G, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    using L = detail::correlation_lane<T, S, G::kernel_width == 1 && G::width == G::out_width, G::width>;
    static constexpr int items = G::groups * detail::channel_blocks(G::group_channels) * G::height;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const none = nullptr;
        detail::correlate<L>(detail::backward_correlation<G>, a.dy, a.parameters, none, a.dx, S, a.write == GradientWrite::add,
                             begin, end);
    }
};

template <class G, class Scheme, class Precision, int S>
    requires detail::is_uniform<Precision>
struct ParameterGradientKernel<Convolution<G, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    using L = typename ForwardKernel<Convolution<G, Scheme>, Precision, S>::L;
    static constexpr int weights = G::groups * detail::channel_blocks(G::group_out_channels) * G::group_channels;
    static constexpr int items = weights + 1;  // the last one is the bias
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::weight_gradient<L>(detail::forward_correlation<G>, a.x, a.dy, a.gradient, S, begin, std::min(end, weights));
        if (G::bias && begin < end && end == items)
            detail::bias_gradient<lane_for<T, 16>>(a.dy, a.gradient + Convolution<G, Scheme>::Parameters::size - G::out_channels,
                                                  G::out_channels, G::out_height * G::out_width * S);
    }
};

}  // namespace strata
