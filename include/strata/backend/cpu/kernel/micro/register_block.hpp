// The loops of products: blocks of sums that live in registers. Correlations, matrix products, Linear, Winograd's products
// and the weight gradients run on them. Not so depthwise convolutions (../convolution/depthwise_block.hpp: a vector serves
// other rows at each tap, and weights stay in registers) and windows (window_band.hpp: a tap has one number for all sums). `outer` broadcasts numbers of one side and multiplies
// vectors of the other; `dot` multiplies vectors of both sides and adds along the lanes at the end. A source says where
// the operands of each step come from, an epilogue how sums begin and where they go, and the lane what its numbers are:
// floats, doubles, or pairs of bfloat16 (../mixed/pair_lane.hpp). A sum runs over a source's steps in order, wherever
// it stands in a block.
#pragma once

#include "../../../../core/lane.hpp"
#include "../../../../layer/relu.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// What lanes of operands add up to, and a lane of one of them.
template <class L>
struct ElementOf {
    using Sum = L;
    using One = scalar_of<L>;
};
template <class L>
using sum_lane = typename ElementOf<L>::Sum;

// ---- sources -------------------------------------------------------------------------------------------------------
// steps(f) calls f(vectors, factors) for each step: vector v of it begins at vectors + vector(v), row u's factor is
// factor(factors, u), or factor(factors, u, v) where each vector has its own. `holds`: vectors are kept in registers against GCC, which likes to read them again for every row.

/// Step k has its vectors at b + k b_k, one behind the other, and its factors at a + k a_k.
template <class L, bool Holds>
struct StridedSource {
    using T = scalar_of<L>;
    static constexpr bool holds = Holds;
    T const* a;
    std::ptrdiff_t a_row, a_k;
    T const* b;
    std::ptrdiff_t b_k;
    int depth;

    STRATA_INLINE static constexpr int vector(int v) { return v * width_of<L>; }
    [[nodiscard]] STRATA_INLINE T factor(T const* factors, int u) const { return factors[u * a_row]; }
    template <class F>
    STRATA_INLINE void steps(F const& f) const {
        T const *factors = a, *vectors = b;
        for (int k = 0; k < depth; ++k, factors += a_k, vectors += b_k) f(vectors, factors);
    }
};

/// Vectors of a block: what the registers hold besides six rows of sums.
inline constexpr int block_vectors = vector_bytes >= 64 ? 4 : 2;

// ---- the blocks ----------------------------------------------------------------------------------------------------

/// One step: sum(u, v) += factor(u) vector(v), `vectors` and `factors` being what a source gives.
template <int R, int V, class L, class Source, class T>
STRATA_INLINE void outer_step(sum_lane<L> (&sum)[R][V], Source const& source, T const* vectors, T const* factors) {
    L x[V];
    STRATA_UNROLL
    for (int v = 0; v < V; ++v) {
        x[v] = load_lane<L>(vectors + source.vector(v));
        if constexpr (Source::holds) hold_in_register(x[v]);
    }
    if constexpr (requires { source.factor(factors, 0, 0); }) {
        STRATA_UNROLL
        for (int k = 0; k < R * V; ++k)
            sum[k % R][k / R] = multiply_add(L(source.factor(factors, k % R, k / R)), x[k / R], sum[k % R][k / R]);
    } else {
        STRATA_UNROLL
        for (int u = 0; u < R; ++u) {
            L const factor(source.factor(factors, u));
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[u][v] = multiply_add(factor, x[v], sum[u][v]);
        }
    }
}

/// sum(u, v) = epilogue.start(u) + the steps' factor(u) vector(v); then epilogue.store(sum). An epilogue whose sums go on
/// from others says start(u, v) and gives lanes.
template <int R, int V, class L, class Source, class Epilogue>
STRATA_INLINE void outer(Source const& source, Epilogue const& epilogue) {
    sum_lane<L> sum[R][V];
    STRATA_UNROLL
    for (int u = 0; u < R; ++u) {
        if constexpr (requires { epilogue.template start<sum_lane<L>>(u, 0); }) {
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[u][v] = epilogue.template start<sum_lane<L>>(u, v);
        } else {
            sum_lane<L> const start(epilogue.start(u));
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[u][v] = start;
        }
    }
    source.steps([&](auto const* vectors, auto const* factors)
                     STRATA_INLINED { outer_step<R, V, L>(sum, source, vectors, factors); });
    epilogue.store(sum);
}

/// Rows of a block's sums in memory: sums that begin there are added to what lies there, those that do not, with zero.
template <class T>
struct RowsOfSums {
    T* out;
    std::ptrdiff_t row;
    bool first;

    template <class Sum>
    [[nodiscard]] STRATA_INLINE Sum start(int u, int v) const {
        return first ? Sum(T(0)) : load_lane<Sum>(out + u * row + v * width_of<Sum>);
    }
    template <int R, int V, class Sum>
    STRATA_INLINE void store(Sum const (&sum)[R][V]) const {
        STRATA_UNROLL
        for (int k = 0; k < R * V; ++k) store_lane(out + k / V * row + k % V * width_of<Sum>, sum[k / V][k % V]);
    }
};

/// The products of vectors of A rows with vectors of B rows: steps(f) calls f(a, b), a(u) and b(v) being where a step's
/// vector of a row begins. Lane by lane in `total`.
template <int A, int B, class L, class Source, class Sum>
STRATA_INLINE void dot_lanes(Source const& steps, Sum (&total)[A][B]) {
    STRATA_UNROLL
    for (int u = 0; u < A; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < B; ++v) total[u][v] = Sum(0);
    }
    steps([&](auto const& a, auto const& b) STRATA_INLINED {
        L first[A];
        STRATA_UNROLL
        for (int u = 0; u < A; ++u) first[u] = load_lane<L>(a(u));
        STRATA_UNROLL
        for (int v = 0; v < B; ++v) {
            L second = load_lane<L>(b(v));
            if constexpr (A > 1) hold_in_register(second);
            STRATA_UNROLL
            for (int u = 0; u < A; ++u) total[u][v] = multiply_add(first[u], second, total[u][v]);
        }
    });
}
/// The same, and store(u, v, sum) gets the sums over steps and lanes, for u < rows and v < columns.
template <int A, int B, class L, class Source, class Store>
STRATA_INLINE void dot(Source const& steps, int rows, int columns, Store const& store) {
    using Sum = sum_lane<L>;
    constexpr int N = width_of<L>;
    Sum total[A][B];
    dot_lanes<A, B, L>(steps, total);
    scalar_of<Sum> values[A][B][N];  // through memory: one copy of the sum over the lanes
    STRATA_UNROLL
    for (int u = 0; u < A; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < B; ++v) store_lane(values[u][v], total[u][v]);
    }
    STRATA_ROLLED
    for (int u = 0; u < rows; ++u) {
        STRATA_ROLLED
        for (int v = 0; v < columns; ++v) {
            STRATA_SCALAR;
            store(u, v, sum(load_lane<Sum>(values[u][v])));
        }
    }
}

/// The sums of a block through memory, [row][vector][lane]: what is done with them is a loop, which over registers would
/// keep them in memory all along.
template <int R, int V, class Sum, class T>
STRATA_INLINE void spill(Sum const (&sum)[R][V], T* values) {
    STRATA_UNROLL
    for (int u = 0; u < R; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) store_lane(values + (u * V + v) * width_of<Sum>, sum[u][v]);
    }
}

/// Writes `count` numbers or adds them, up to four at a time: a call's cost is more than a short row's.
template <class T>
STRATA_INLINE void put_numbers(T const* from, int count, T* to, bool add) {
    constexpr int N = vector_bytes >= 4 * static_cast<int>(sizeof(T)) ? 4 : 2;  // not more than a register holds
    using Few = Lane<T, N>;
    int k = 0;
    for (; k + N <= count; k += N) {
        STRATA_SCALAR;  // nor does GCC make a call of memcpy of it
        Few const value = load_lane<Few>(from + k);
        store_lane(to + k, add ? load_lane<Few>(to + k) + value : value);
    }
    for (; k < count; ++k) {
        STRATA_SCALAR;
        to[k] = add ? to[k] + from[k] : from[k];
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
