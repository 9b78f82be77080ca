// Register blocks of depthwise convolution: output rows of one channel times vectors of the flattened row W·S.
//
// A kernel of 3x3 or 5x5 taps with stride 1 computes several output rows at once, so that a vector of input serves all
// rows it lies under; its weights stay in registers. Any other kernel takes an output row from a list of taps.
#pragma once

#include "direct_convolution.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// One input channel a group, and few output channels: more of them fill a block of the direct convolution.
template <class G>
concept DepthwiseGeometry = G::group_channels == 1 && G::group_out_channels <= 4;

/// Where the channels of a run lie: channel k reads the plane k / readers of x.
template <class T>
struct DepthwisePlanes {
    T const* x;
    std::ptrdiff_t x_plane;
    int readers;
    T const* weights;
    std::ptrdiff_t channel_weights;
    T const* bias;
    T* y;
    std::ptrdiff_t y_plane, out_row;
    int out_column;     ///< columns between neighbouring outputs
    bool relu = false;  ///< y is its ReLU, where nothing is added
};

/// Output rows and vectors of a block: 16 accumulators, 9 weights and 4 operands of 32 registers, or 8 of 16 registers.
inline constexpr int depthwise_rows = vector_bytes >= 64 ? 4 : 2, depthwise_vectors = 4;

/// Height and width of the kernel where it has blocks of its own, else 0.
constexpr int depthwise_square(Correlation const& g) {
    bool const neighbours = g.stride_height == 1 && g.stride_width == 1 && g.dilation_height == 1 &&
                            g.dilation_width == 1 && g.in_channels == 1;
    return neighbours && g.taps_height == g.taps_width && (g.taps_height == 3 || g.taps_height == 5) ? g.taps_height
                                                                                                     : 0;
}
/// Output rows of a block, and the input rows of one channel that it needs; `square` as above.
constexpr int depthwise_block_rows(int square) { return square > 0 ? depthwise_rows : 1; }
constexpr int depthwise_source_rows(Correlation const& g, int square) {
    return g.taps_height + depthwise_block_rows(square) - 1;
}

/// A tap inside the image.
template <class T>
struct DepthwiseTap {
    T const* from;  ///< of the first output column
    T weight;
    int column;  ///< in the kernel
};
/// What a block of rows reads and writes.
template <class T>
struct DepthwiseData {
    T const* const* rows;      ///< [row] input rows of a square kernel's block, null outside the image
    std::ptrdiff_t left, tap;  ///< where the first tap lies in a row, and how far the next one is from it
    T const* weights;
    DepthwiseTap<T> const *taps, *end_taps;  ///< of any other kernel
    T bias;
    T* y;
    std::ptrdiff_t out_row;
    int in_step, out_step;   ///< scalars between a block's vectors
    int square;              ///< depthwise_square where both steps are N, else 0
    bool add;                ///< to y
    int count;               ///< rows that are stored
    int first_tap, end_tap;  ///< taps of a row that reach the image (V = 1; else all do)
    bool relu = false;       ///< what is stored is its ReLU
};

/// Stores a block's sums.
template <int R, int V, class L, class T>
STRATA_INLINE void depthwise_store(DepthwiseData<T> const& d, L const (&sum)[R][V], std::ptrdiff_t out, int out_step) {
    STRATA_UNROLL
    for (int r = 0; r < R; ++r) {
        if (r >= d.count) continue;
        T* const to = d.y + r * d.out_row + out;
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) {
            T* const at = to + v * out_step;
            L const value = d.relu ? ReLU::forward(sum[r][v]) : sum[r][v];
            store_lane(at, d.add ? load_lane<L>(at) + value : value);
        }
    }
}

/// An output row of any kernel: `groups` groups of `V` vectors, from `in` of the input rows and `out` of y on.
template <int V, class L, class T>
STRATA_ONE_COPY void depthwise_row(DepthwiseData<T> const& d, std::ptrdiff_t in, std::ptrdiff_t out, int groups) {
    std::ptrdiff_t const in_step = d.in_step, out_step = d.out_step;
    for (int n = 0; n < groups; ++n, in += V * in_step, out += V * out_step) {
        L sum[1][V];
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) sum[0][v] = L(d.bias);
        for (auto const* tap = d.taps; tap != d.end_taps; ++tap) {
            if (V == 1 && (tap->column < d.first_tap || tap->column >= d.end_tap)) continue;
            L const weight(tap->weight);
            T const* const x = tap->from + in;
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[0][v] = multiply_add(weight, load_lane<L>(x + v * in_step), sum[0][v]);
        }
        depthwise_store(d, sum, out, d.out_step);
    }
}

/// `R` output rows of a KxK kernel: `groups` groups of `V` vectors, from `in` of the input rows and `out` of y on.
template <int K, int R, int V, class L, class T>
STRATA_ONE_COPY void depthwise_block(Correlation const& g, DepthwiseData<T> const& d, std::ptrdiff_t in,
                                     std::ptrdiff_t out, int groups) {
    constexpr int N = width_of<L>;
    L weight[K][K];
    STRATA_UNROLL
    for (int p = 0; p < K; ++p) {
        STRATA_UNROLL
        for (int q = 0; q < K; ++q) weight[p][q] = L(d.weights[p * g.row_weights + q * g.tap_weights]);
    }
    std::ptrdiff_t const tap = d.tap;
    in += d.left;
    for (int n = 0; n < groups; ++n, in += V * N, out += V * N) {
        L sum[R][V];
        STRATA_UNROLL
        for (int r = 0; r < R; ++r) {
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[r][v] = L(d.bias);
        }
        STRATA_UNROLL
        for (int t = 0; t < K + R - 1; ++t) {
            if (!d.rows[t]) continue;
            T const* const from = d.rows[t] + in;
            STRATA_UNROLL
            for (int q = 0; q < K; ++q) {
                if (V == 1 && (q < d.first_tap || q >= d.end_tap)) continue;
                L x[V];
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) x[v] = load_lane<L>(from + q * tap + v * N);
                STRATA_UNROLL
                for (int r = 0; r < R; ++r) {
                    if (r > t || t - r >= K) continue;
                    STRATA_UNROLL
                    for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(weight[t - r][q], x[v], sum[r][v]);
                }
            }
        }
        depthwise_store(d, sum, out, N);
    }
}

/// `groups` groups of V vectors of a block's rows.
template <int V, class L, class T>
void depthwise_groups(Correlation const& g, DepthwiseData<T> const& d, std::ptrdiff_t in, std::ptrdiff_t out,
                      int groups) {
    if (d.square == 3)
        depthwise_block<3, depthwise_rows, V, L>(g, d, in, out, groups);
    else if (d.square == 5)
        depthwise_block<5, depthwise_rows, V, L>(g, d, in, out, groups);
    else
        depthwise_row<V, L>(d, in, out, groups);
}

/// Output columns [begin, end) that see all taps of a row.
struct ColumnRange {
    int begin, end;
    constexpr explicit ColumnRange(Correlation const& g) {
        int const last = g.in_width - 1 + g.pad_left - (g.taps_width - 1) * g.dilation_width;
        begin = std::clamp((g.pad_left + g.stride_width - 1) / g.stride_width, 0, g.out_width);
        end = last < 0 ? begin : std::clamp(last / g.stride_width + 1, begin, g.out_width);
    }
    /// The taps [first, stop) that column j sees.
    static constexpr void reach(Correlation const& g, int j, int& first, int& stop) {
        int const left = g.pad_left - j * g.stride_width, right = g.in_width - 1 + left;
        first = left <= 0 ? 0 : (left + g.dilation_width - 1) / g.dilation_width;
        stop = right < 0 ? 0 : (std::min)(g.taps_width, right / g.dilation_width + 1);
    }
};

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
