// Winograd convolution along the row on the CPU, for taps_height x 5 taps, stride 1, one group: the forward pass and,
// with the channels exchanged and the taps reversed, the input gradient. F(4, 5) does eight products for four outputs,
// where direct convolution does twenty.
//
//   y(o, i, 4t + j) = A^T [ sum over (kernel row p, channel c) of U(o, c, p) . V(c, i + p, t) ]_j
//
// A vector is N samples of one column. A tile of four columns is carried down the image: the rows under a band of
// output rows are transformed once, V = [row][channel][point], so that what an output row needs is one run of memory
// that moves on by a row, and a block of output channels runs down the band while its weights and that run stay in the
// first-level cache. Registers hold six channels times some of the eight points, and the points are taken in rounds: so each
// vector of V serves six multiply-adds, and only the sums at the points pass through memory. Each output's sum runs
// over (p, c) in order, whatever the band: no split of the items changes bits. On one Zen 4 core (AVX-512) LeNet's
// convolutions take half the time of direct ones: 3.5, 2.3 and 3.2 us an image for conv1, conv2 and conv2's input
// gradient in place of 7.2, 4.7 and 6.8.
#pragma once

#include "winograd_convolution.hpp"
#include "winograd_narrow_rows.hpp"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// True for the geometries that winograd_row_correlate knows; the number of groups is not in g.
constexpr bool is_winograd_row(Correlation const& g) {
    return g.taps_width == WinogradRowTransform::taps && g.stride_height == 1 && g.stride_width == 1 &&
           g.dilation_height == 1 && g.dilation_width == 1;
}

/// How a correlation is cut up on vectors L. Transformed weights are [block of channels][round][p][c][point of the
/// round][channel of the block].
template <class L>
struct WinogradRowLayout {
    static constexpr int N = width_of<L>, outputs = WinogradRowTransform::outputs,
                         points = WinogradRowTransform::points;
    /// Output channels of a register block and points of a round: as the registers allow (32 with AVX-512, else 16).
    static constexpr int block_channels = 6, round_points = vector_bytes >= 64 ? 4 : 2;
    std::ptrdiff_t round, block;  ///< weights of a round, of a block
    int blocks, row, band;        ///< blocks of channels; numbers of a transformed row; output rows of a band

    constexpr explicit WinogradRowLayout(Correlation const& g)
        : round(round_points * block_channels * g.in_channels * g.taps_height),
          block(round * points / round_points),
          blocks((g.out_channels + block_channels - 1) / block_channels),
          row(g.in_channels * points * N),
          // About 128 KB of transformed rows in float: a second-level cache keeps up with a block's loads.
          band(std::clamp(32768 / row - g.taps_height + 1, 4, (std::max)(g.out_height, 4))) {}
    /// Transformed weights.
    [[nodiscard]] constexpr int size() const { return static_cast<int>(block) * blocks; }
    /// Scalars of scratch memory: the transformed rows and what aligns them to 64 bytes.
    [[nodiscard]] constexpr int scratch(Correlation const& g) const {
        return (std::min)(band + g.taps_height - 1, g.in_height) * row + static_cast<int>(64 / sizeof(scalar_of<L>));
    }
};

/// Transforms the weights of blocks [begin, end) of output channels, zero where there is no channel.
template <class L, class T>
STRATA_COLD void winograd_row_weights(Correlation const& g, T const* w, T* to, int begin, int end) {
    using Layout = WinogradRowLayout<L>;
    constexpr int CO = Layout::block_channels, P = Layout::round_points;
    Layout const layout(g);
    to += begin * layout.block;
    w += g.first_weight;
    for (int o = begin * CO; o < end * CO; o += CO, to += layout.block)
        for (int p = 0; p < g.taps_height; ++p)
            for (int c = 0; c < g.in_channels; ++c) {
                STRATA_ROLLED
                for (int u = 0; u < CO; ++u) {
                    T taps[5] = {}, values[8];
                    if (o + u < g.out_channels) {
                        T const* const from = w + (o + u) * g.out_weights + c * g.in_weights + p * g.row_weights;
                        STRATA_UNROLL
                        for (int q = 0; q < 5; ++q) taps[q] = from[q * g.tap_weights];
                    }
                    WinogradRowTransform::of_taps(taps, values);
                    T* const at = to + static_cast<std::ptrdiff_t>(p * g.in_channels + c) * P * CO + u;
                    STRATA_UNROLL
                    for (int k = 0; k < 8; ++k) at[k / P * layout.round + k % P * CO] = values[k];
                }
            }
}

/// Transforms input rows [begin, end) of all channels from `column` on, zeros outside the image: N
/// samples of eight columns.
template <class L, class T>
STRATA_ONE_COPY void winograd_row_inputs(Correlation const& g, T const* x, T* to, int S, int column, int begin,
                                         int end) {
    constexpr int N = width_of<L>, points = WinogradRowTransform::points;
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(g.in_width) * S, plane = g.in_height * row;
    int const first = (std::max)(0, -column), last = g.in_width - column;
    bool const inside = first == 0 && last >= points;
    alignas(64) T edge[points * N];
    for (int h = begin; h < end; ++h, to += g.in_channels * points * N) {
        T const* const from = x + h * row;
        if (inside) {
            winograd_row_tiles<true, L>({g.in_channels, 1, N, plane, 0, S, points * N, N}, from + column * S, to);
            continue;
        }
        for (int c = 0; c < g.in_channels; ++c) {
            STRATA_ROLLED
            for (int q = 0; q < points; ++q)
                store_lane(edge + q * N,
                           q >= first && q < last ? load_lane<L>(from + c * plane + (column + q) * S) : L(T(0)));
            winograd_row_tiles<true, L>({1, 1, N, 0, 0, N, 0, N}, edge, to + c * points * N);
        }
    }
}

/// How transformed rows lie: kernel rows and channels that are multiplied, and scalars between rows, channels, points.
struct WinogradRows {
    int rows, channels;
    std::ptrdiff_t row, channel, point;
};

/// The sums at the points of four outputs of a row, N samples each: [channel of the block][point], the first CO
/// channels, over (p, c) from `in` and `weights` on.
template <int CO, class L, class T>
STRATA_ONE_COPY void winograd_row_products(T const* in, WinogradRows const& at, T const* weights, std::ptrdiff_t round,
                                           T* to) {
    using Layout = WinogradRowLayout<L>;
    constexpr int N = width_of<L>, P = Layout::round_points, pitch = P * Layout::block_channels;
    STRATA_ROLLED
    for (int first = 0; first < Layout::points; first += P, in += P * at.point, to += P * N, weights += round) {
        L sum[CO][P];
        STRATA_UNROLL
        for (int k = 0; k < CO * P; ++k) sum[k / P][k % P] = L(T(0));
        T const* w = weights;
        for (int p = 0; p < at.rows; ++p) {
            T const* from = in + p * at.row;
            for (int c = 0; c < at.channels; ++c, from += at.channel, w += pitch) {
                STRATA_UNROLL
                for (int k = 0; k < P; ++k) {
                    L const v = load_lane<L>(from + k * at.point);
                    STRATA_UNROLL
                    for (int u = 0; u < CO; ++u)
                        sum[u][k] = multiply_add(L(w[k * Layout::block_channels + u]), v, sum[u][k]);
                }
            }
        }
        STRATA_UNROLL
        for (int k = 0; k < CO * P; ++k) store_lane(to + (k / P * Layout::points + k % P) * N, sum[k / P][k % P]);
    }
}

/// Where a block's outputs go.
template <class T>
struct WinogradRowOutput {
    T const* bias;
    T* y;
    std::ptrdiff_t plane;  ///< scalars between output channels
    int samples, columns, channels;
    bool add, relu;
};

/// Four outputs of channel u of the block from its sums at the points.
template <class L, class T>
STRATA_INLINE void winograd_row_columns(T const* from, WinogradRowOutput<T> const& d, int u,
                                        L (&out)[WinogradRowTransform::outputs]) {
    constexpr int N = width_of<L>, points = WinogradRowTransform::points;
    L m[points];
    STRATA_UNROLL
    for (int k = 0; k < points; ++k) m[k] = load_lane<L>(from + (u * points + k) * N);
    WinogradRowTransform::to_outputs(m, out);
    L const bias(d.bias ? d.bias[u] : T(0));
    STRATA_UNROLL
    for (L& column : out) {
        column = column + bias;
        if (d.relu) column = ReLU::forward(column);
    }
}

/// Transforms the sums at the points of a block's channels and writes those of the four outputs that lie in the row.
template <class L, class T>
STRATA_ONE_COPY void winograd_row_outputs(T const* from, WinogradRowOutput<T> const& d) {
    constexpr int outputs = WinogradRowTransform::outputs;
    int const columns = (std::min)(d.columns, outputs);
    for (int u = 0; u < d.channels; ++u) {
        L out[outputs];
        winograd_row_columns(from, d, u, out);
        T* to = d.y + u * d.plane;
        STRATA_UNROLL
        for (int j = 0; j < outputs; ++j, to += d.samples) {
            if (j == columns) break;
            store_lane(to, d.add ? load_lane<L>(to) + out[j] : out[j]);
        }
    }
}

/// The correlation g of x with transformed `weights` (winograd_row_weights), set (with `relu`, its ReLU) or added to y:
/// output rows [begin, end). Needs is_winograd_row(g), S a multiple of the lane's width, and scratch of
/// WinogradRowLayout::scratch() scalars.
template <class L, class T>
STRATA_ONE_COPY void winograd_row_correlate(Correlation const& g, T const* x, T const* weights, T const* bias, T* y,
                                            int S, T* scratch, bool add, int begin, int end, bool relu = false) {
    using Layout = WinogradRowLayout<L>;
    constexpr int N = width_of<L>, CO = Layout::block_channels;
    Layout const layout(g);
    T* const inputs = aligned_to_cache_line(scratch);
    std::ptrdiff_t const out_row = static_cast<std::ptrdiff_t>(g.out_width) * S, plane = g.out_height * out_row;
    std::ptrdiff_t const row_weights = static_cast<std::ptrdiff_t>(g.in_channels) * Layout::round_points * CO;
    alignas(64) T products[CO * Layout::points * N];
    WinogradRowOutput<T> d{nullptr, nullptr, plane, S, 0, 0, add, relu};
    for (int from = begin, to; from < end; from = to) {
        to = (std::min)(end, from + layout.band);
        int const top = (std::max)(0, from - g.pad_top),
                  bottom = (std::min)(g.in_height, to - 1 + g.taps_height - g.pad_top);
        for (int column = 0; column < g.out_width; column += Layout::outputs)
            for (int s = 0; s < S; s += N) {
                d.columns = g.out_width - column;
                winograd_row_inputs<L>(g, x + s, inputs, S, column - g.pad_left, top, bottom);
                for (int o = 0; o < g.out_channels; o += CO) {
                    d.bias = bias ? bias + o : nullptr;
                    d.channels = (std::min)(CO, g.out_channels - o);
                    auto const multiply =
                        d.channels > 4 ? winograd_row_products<6, L, T> : winograd_row_products<4, L, T>;
                    for (int i = from; i < to; ++i) {
                        // Kernel rows that lie inside the image.
                        int const first = std::clamp(g.pad_top - i, 0, g.taps_height),
                                  last = (std::min)(g.taps_height, g.in_height + g.pad_top - i);
                        d.y = y + o * plane + i * out_row + column * S + s;
                        // Rows lie one behind the other: as if they were channels of one.
                        multiply(inputs + (std::max)(0, i - g.pad_top - top) * layout.row,
                                 {1, (last - first) * g.in_channels, 0, Layout::points * N, N},
                                 weights + o / CO * layout.block + first * row_weights, layout.round, products);
                        winograd_row_outputs<L>(products, d);
                    }
                }
            }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
