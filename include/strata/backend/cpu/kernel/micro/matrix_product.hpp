// A small matrix product on lanes: out[m][n] = init + sum_k A(m, k) B[k][n], n contiguous and vectorised, A read scalar
// by scalar with any strides. Linear's three passes are this product with different strides.
//
// Each element's sum runs over k in order, whatever block it stands in, so any split of the rows gives the same bits.
// Beside it, the transposition of a block.
#pragma once

#include "register_block.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// How a product's accumulators begin.
enum class ProductInit : std::uint8_t { zero, row_bias, accumulate };

template <class T>
struct Product {
    T const* a;
    std::ptrdiff_t a_row, a_k;  ///< strides of A
    T const* b;
    std::ptrdiff_t b_k;  ///< stride of B between k and k + 1
    T* out;
    std::ptrdiff_t out_row;
    int depth;                ///< number of k
    T const* bias = nullptr;  ///< [m], for row_bias
    ProductInit init = ProductInit::zero;
    bool relu = false;         ///< out is the product's ReLU
    T const* ahead = nullptr;  ///< [m][vectors], fetched on the way where not null
    std::ptrdiff_t ahead_row = 0;
};

/// A block's sums begin with zero or the bias, and are stored or added to `out`, rows [m, …) and columns from n on.
template <class T>
struct ProductEpilogue {
    Product<T> const& p;
    int m, n;

    [[nodiscard]] STRATA_INLINE T start(int u) const { return p.init == ProductInit::row_bias ? p.bias[m + u] : T(0); }
    [[nodiscard]] STRATA_INLINE T* out(int u) const { return p.out + (m + u) * p.out_row + n; }
    template <int M, int V, class L>
    STRATA_INLINE void store(L (&sum)[M][V]) const {
        constexpr int N = width_of<L>;
        if (p.init == ProductInit::accumulate) {
            STRATA_UNROLL
            for (int u = 0; u < M; ++u) {
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) sum[u][v] = load_lane<L>(out(u) + v * N) + sum[u][v];
            }
        }
        if (p.relu) {
            STRATA_UNROLL
            for (int u = 0; u < M; ++u) {
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) sum[u][v] = ReLU::forward(sum[u][v]);
            }
        }
        STRATA_UNROLL
        for (int u = 0; u < M; ++u) {
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) store_lane(out(u) + v * N, sum[u][v]);
        }
    }
};

/// Rows [m, m + M), V vectors of columns from n on.
template <int M, int V, class L, class T>
STRATA_ONE_COPY void product_block(Product<T> const& p, int m, int n) {
    constexpr int N = width_of<L>;
    ProductEpilogue<T> const epilogue{p, m, n};
    STRATA_UNROLL
    for (int u = 0; u < M; ++u) {
        // What is added to comes from afar where the result is large: on its way while the sums are computed.
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) __builtin_prefetch(epilogue.out(u) + v * N, 1);
        if (p.ahead) {
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) __builtin_prefetch(p.ahead + (m + u) * p.ahead_row + v * N);
        }
    }
    outer<M, V, L>(StridedSource<L, (M > 1)>{p.a + m * p.a_row, p.a_row, p.a_k, p.b + n, p.b_k, p.depth}, epilogue);
}

/// Rows of a block, beside block_vectors vectors of columns, and beside one.
inline constexpr int product_block_rows = 6, product_column_rows = 8;

/// Rows [begin, end) of V vectors of columns from n on.
template <int M, int V, class L, class T>
STRATA_INLINE void product_columns(Product<T> const& p, int begin, int end, int n) {
    int m = begin;
    for (; m + M <= end; m += M) product_block<M, V, L>(p, m, n);
    for (; m + 2 <= end; m += 2) product_block<2, V, L>(p, m, n);
    if (m < end) product_block<1, V, L>(p, m, n);
}
/// Rows [begin, end) of columns [from, to), which may end within a vector unless the product accumulates.
template <class L, class T>
STRATA_ONE_COPY void product_rows(Product<T> const& p, int begin, int end, int from, int to) {
    constexpr int N = width_of<L>, V = block_vectors, few = 4;
    int n = from;
    if (end - begin <= few || p.depth <= few)  // sums are short, or few: what a block costs beside them counts
        for (; n + few * N <= to; n += few * N) product_columns<few, few, L>(p, begin, end, n);
    else
        for (; n + V * N <= to; n += V * N) product_columns<product_block_rows, V, L>(p, begin, end, n);
    for (; n < to; n += N) {
        if (n + N > to) {  // the last columns again with their neighbours to the left
            if (to - from < N) break;
            n = to - N;
        }
        product_columns<product_column_rows, 1, L>(p, begin, end, n);
    }
    if constexpr (N > 1)  // columns that are no vector at all
        for (; n < to; ++n)
            for (int m = begin; m < end; ++m) product_block<1, 1, typename ElementOf<L>::One>(p, m, n);
}

/// to[k][c] = rows[c][k] for k < depth and c < columns, zeros up to whole vectors of columns; rows are `pitch` apart, those
/// of `to` `to_pitch`.
template <class L, class T, class To>
STRATA_ONE_COPY void transpose_rows(T const* rows, std::ptrdiff_t pitch, To* to, int to_pitch, int depth, int columns) {
    constexpr int N = width_of<L>;
    for (int c = 0; c < columns; c += N) {
        T const* const from = rows + c * pitch;
        int k = 0;
        if (c + N <= columns)
            for (; k + N <= depth; k += N) {
                L block[static_cast<std::size_t>(N)];
                STRATA_UNROLL
                for (int j = 0; j < N; ++j) block[j] = load_lane<L>(from + j * pitch + k);
                transpose(block);
                STRATA_UNROLL
                for (int j = 0; j < N; ++j) store_lane(to + (k + j) * to_pitch + c, block[j]);
            }
        for (; k < depth; ++k) {
            STRATA_ROLLED
            for (int j = 0; j < N; ++j) {
                STRATA_SCALAR;
                to[k * to_pitch + c + j] = c + j < columns ? static_cast<To>(from[j * pitch + k]) : To(0);
            }
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
