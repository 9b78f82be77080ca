// A small matrix product on lanes: out[m][n] = init + sum_k A(m, k) B[k][n], n contiguous and vectorised, A read scalar
// by scalar with any strides. Linear's three passes are this product with different strides.
//
// Each element's sum runs over k in order, whatever block it stands in, so any split of the rows gives the same bits.
#pragma once

#include "../../core/lane.hpp"

namespace strata::detail {

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
};

/// Rows [m, m + M), one vector of columns from n on.
template <int M, class L, class T>
STRATA_INLINE void product_block(Product<T> const& p, int m, int n) {
    L sum[M];
    STRATA_UNROLL
    for (int u = 0; u < M; ++u)
        sum[u] = p.init == ProductInit::accumulate ? load_lane<L>(p.out + (m + u) * p.out_row + n)
                                                   : L(p.init == ProductInit::row_bias ? p.bias[m + u] : T(0));
    T const* a = p.a + m * p.a_row;
    T const* b = p.b + n;
    for (int k = 0; k < p.depth; ++k, a += p.a_k, b += p.b_k) {
        L const x = load_lane<L>(b);
        STRATA_UNROLL
        for (int u = 0; u < M; ++u) sum[u] = multiply_add(L(a[u * p.a_row]), x, sum[u]);
    }
    STRATA_UNROLL
    for (int u = 0; u < M; ++u) store_lane(p.out + (m + u) * p.out_row + n, sum[u]);
}

/// Rows [begin, end), one vector of columns from n on.
template <class L, class T>
[[gnu::noinline]] void product_rows(Product<T> const& p, int begin, int end, int n) {
    int m = begin;
    for (; m + 8 <= end; m += 8) product_block<8, L>(p, m, n);
    if (m + 4 <= end) {
        product_block<4, L>(p, m, n);
        m += 4;
    }
    for (; m < end; ++m) product_block<1, L>(p, m, n);
}

}  // namespace strata::detail
