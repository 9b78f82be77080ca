// Linear's sums where a sample's bits may not depend on the tile: the order of additions is that of dot products with
// the inputs in the lanes, whatever stands in the lanes. Of N lanes, sum r is that of every N-th product from the r-th
// on, in order; the N sums are added in halves, as sum(Lane) does, then the bias, then the products left over, in order.
#pragma once

#include <algorithm>

#include "../micro/matrix_product.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// y(o, s) = bias(o) + weight(o) . x(s), or its ReLU, for outputs [o, stop), at most four, and Q
/// samples: lanes along the inputs.
template <int Q, class L, class T>
STRATA_ONE_COPY void dot_products(T const* weight, T const* bias, T const* x, T* y, int inputs, int S, int o, int stop,
                                  bool relu) {
    constexpr int N = width_of<L>;
    int const rows = stop - o, full = inputs / N * N;
    T const* row[4];
    STRATA_UNROLL
    for (int u = 0; u < 4; ++u)
        row[u] =
            weight + static_cast<std::ptrdiff_t>(o + (u < rows ? u : 0)) * inputs;  // idle rows repeat the first one
    auto const steps = [&](auto const& f) STRATA_INLINED {
        for (int i = 0; i < full; i += N)
            f([&](int s) STRATA_INLINED { return x + s * inputs + i; },
              [&](int u) STRATA_INLINED { return row[u] + i; });
    };
    dot<Q, 4, L>(steps, Q, rows, [&](int s, int u, T total) {
        T rest = total + (bias ? bias[o + u] : T(0));
        for (int i = full; i < inputs; ++i) {
            STRATA_SCALAR;
            rest = multiply_add(row[u][i], x[s * inputs + i], rest);
        }
        y[(o + u) * S + s] = relu ? ReLU::forward(rest) : rest;
    });
}

/// The k-th of the numbers below `count`, a power of two, in the order of their reversed bits: sums that are added
/// first come one after another.
constexpr int reversed_bits(int k, int count) {
    int result = 0;
    for (int bit = 1; bit < count; bit *= 2, k /= 2) result = 2 * result + k % 2;
    return result;
}

/// Where the rows of B lie that the sums of a round take: round k of them from `first` + k `round` on, sum r of it
/// `sum` r further, and the next row of each `row` further.
template <class T>
struct DotColumns {
    T const* first;
    std::ptrdiff_t round, sum, row;
};

/// The factors of a step of dot_ordered_block: rows of their own, vectors one behind the other.
template <class L, int M>
struct RowFactors {
    using T = scalar_of<L>;
    static constexpr bool holds = true;
    T const* const (&rows)[M];
    int k;
    STRATA_INLINE static constexpr int vector(int v) { return v * width_of<L>; }
    [[nodiscard]] STRATA_INLINE T factor(T const*, int u) const { return rows[u][k]; }
};

/// Rows [m, m + M), those before `stop`, and V vectors of columns from n on of a product with a_k = 1, in
/// dot_products' order. R of the N sums of each number, one or two, are worked on at once.
template <int M, int V, int R, class L, class T>
STRATA_ONE_COPY void dot_ordered_block(Product<T> const& p, DotColumns<T> const& columns, int m, int stop, int n) {
    using Sum = sum_lane<L>;
    constexpr int N = width_of<L>, rounds = N / R;
    int const full = p.depth / N * N;
    T const* row[M];
    STRATA_UNROLL
    for (int u = 0; u < M; ++u) row[u] = p.a + (std::min)(m + u, stop - 1) * p.a_row;  // idle rows repeat the last one
    T block[M * V * N], waiting[4][M * V * N];  // sums of one, two, four, eight of the N that wait for as many others
    for (int round = 0; round < rounds; ++round) {
        int const first = reversed_bits(round, rounds);
        Sum sum[R][M][V];
        STRATA_UNROLL
        for (int k = 0; k < R * M * V; ++k) sum[k / (M * V)][k / V % M][k % V] = Sum(0);
        T const* b = columns.first + (columns.round < 0 ? first * p.b_k : round * columns.round);
        // The next block's rows come from afar: on their way while these are multiplied.
        constexpr int ahead_rows = (M + rounds - 1) / rounds;
        T const* ahead[ahead_rows];
        STRATA_UNROLL
        for (int u = 0; u < ahead_rows; ++u)
            ahead[u] = p.a + (std::min)(m + M + round * ahead_rows + u, stop - 1) * p.a_row - first;
        for (int k = first; k < full; k += N, b += columns.row) {
            STRATA_UNROLL
            for (int u = 0; u < ahead_rows; ++u) __builtin_prefetch(ahead[u] + k, 0, 2);
            STRATA_UNROLL
            for (int r = 0; r < R; ++r)
                outer_step<M, V, L>(sum[r], RowFactors<L, M>{row, k + r * rounds}, b + r * columns.sum, p.a);
        }
        // From here on loops over memory: little time beside the multiplications, and much code if unrolled.
        STRATA_UNROLL
        for (int k = 0; k < M * V; ++k) {
            Sum& to = sum[0][k / V][k % V];
            if constexpr (R == 2) to = to + sum[1][k / V][k % V];
            store_lane(block + k * N, to);
        }
        int level = 0;
        for (; (round >> level & 1) != 0; ++level) {
            STRATA_ROLLED
            for (int k = 0; k < M * V * N; k += N)
                store_lane(block + k, load_lane<Sum>(waiting[level] + k) + load_lane<Sum>(block + k));
        }
        if (round + 1 < rounds) std::memcpy(waiting[level], block, sizeof block);
    }
    STRATA_ROLLED
    for (int u = 0; u < M; ++u) {
        if (m + u >= stop) break;
        Sum const bias(p.bias ? p.bias[m + u] : T(0));
        STRATA_ROLLED
        for (int v = 0; v < V * N; v += N) {
            Sum total = load_lane<Sum>(block + u * V * N + v) + bias;
            STRATA_ROLLED
            for (int k = full; k < p.depth; ++k)
                total = multiply_add(L(row[u][k]), load_lane<L>(p.b + k * p.b_k + n + v), total);
            store_lane(p.out + (m + u) * p.out_row + n + v, p.relu ? ReLU::forward(total) : total);
        }
    }
}

/// Rows [begin, end) of a product of whole vectors of columns with a_k = 1, in dot_products' order. `panel` is scratch
/// memory for a vector of B's columns.
template <class L, class T>
void dot_ordered_rows(Product<T> const& p, T* panel, int begin, int end, int columns) {
    constexpr int N = width_of<L>, rows = vector_bytes >= 64 ? 6 : 2, narrow_rows = vector_bytes >= 64 ? 8 : 4,
                  sums = N > 1 ? 2 : 1, rounds = N / sums;
    int const depth = p.depth / N;
    int n = 0;
    for (; n + 4 * N <= columns; n += 4 * N)
        for (int m = begin; m < end; m += rows)
            dot_ordered_block<rows, 4, 1, L>(p, {p.b + n, -1, 0, N * p.b_k}, m, end, n);
    for (; n < columns; n += N) {
        // Side by side, in the order in which they are read: rows N apart share a few sets of a cache.
        T* to = panel;
        for (int round = 0; round < rounds; ++round)
            for (int k = 0; k < depth; ++k)
                for (int r = 0; r < sums; ++r, to += N)
                    store_lane(to, load_lane<L>(p.b + (k * N + reversed_bits(round, rounds) + r * rounds) * p.b_k + n));
        for (int m = begin; m < end; m += narrow_rows)
            dot_ordered_block<narrow_rows, 1, sums, L>(
                p, {panel, static_cast<std::ptrdiff_t>(depth) * sums * N, N, sums * N}, m, end, n);
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
