// Pairs of bfloat16 and the instruction of AVX512-BF16 that multiplies them: 16 lanes, each the sum of two products of
// bfloat16 in float. Which two terms of a sum make a pair is the kernels' choice: two channels, two inputs of a Linear,
// two samples. Empty without AVX512-BF16: mixed_kernel.hpp then has the only kernels.
#pragma once

#include <cstring>

#include "../../../../core/bfloat16.hpp"
#include "../../../../layer/relu.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

namespace strata::inline STRATA_ABI::detail {

/// The lanes of sums.
using PairLane = Lane<float, 16>;
/// Two neighbouring bfloat16, the first in the lower half.
using Pair = std::uint32_t;

/// sum + first(a) first(b) + second(a) second(b), lane by lane.
STRATA_INLINE PairLane multiply_add_pairs(PairLane a, PairLane b, PairLane sum) {
    return PairLane(_mm512_dpbf16_ps(sum.v, std::bit_cast<__m512bh>(a.v), std::bit_cast<__m512bh>(b.v)));
}
/// 16 pairs, carried in the lanes of a register.
STRATA_INLINE PairLane load_pairs(Pair const* from) { return PairLane(_mm512_castsi512_ps(_mm512_loadu_si512(from))); }
/// The same pair 16 times.
STRATA_INLINE PairLane broadcast_pair(Pair const* from) {
    int bits;
    std::memcpy(&bits, from, sizeof bits);
    return PairLane(_mm512_castsi512_ps(_mm512_set1_epi32(bits)));
}

/// to[k] = (a[k], b[k]) for `count` numbers; b may be null and stands for zeros then.
inline void interleave(bfloat16 const* a, bfloat16 const* b, Pair* to, int count) {
    int k = 0;
    __m512i const low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    __m512i const high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (; k + 32 <= count; k += 32) {
        __m512i const first = _mm512_loadu_si512(a + k),
                      second = b ? _mm512_loadu_si512(b + k) : _mm512_setzero_si512();
        _mm512_storeu_si512(to + k, _mm512_permutex2var_epi16(first, low, second));
        _mm512_storeu_si512(to + k + 16, _mm512_permutex2var_epi16(first, high, second));
    }
    for (; k < count; k += 16) {
        auto const mask = static_cast<__mmask16>(count - k >= 16 ? 0xffff : (1 << (count - k)) - 1);
        __m512i const first =
                          _mm512_maskz_cvtepu16_epi32(lane_detail::all_lanes, _mm256_maskz_loadu_epi16(mask, a + k)),
                      second = _mm512_maskz_cvtepu16_epi32(
                          lane_detail::all_lanes, _mm256_maskz_loadu_epi16(b ? mask : __mmask16(0), b ? b + k : a));
        _mm512_mask_storeu_epi32(to + k, mask,
                                 _mm512_or_si512(first, _mm512_maskz_slli_epi32(lane_detail::all_lanes, second, 16)));
    }
}
/// 16 pairs (a[k], b[k]) of floats, rounded; of both only the first `count`, zeros beyond; b may be null.
STRATA_INLINE void round_pairs(float const* a, float const* b, Pair* to, int count = 16) {
    auto const mask = static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1);
    __m512 const first = _mm512_maskz_loadu_ps(mask, a),
                 second = _mm512_maskz_loadu_ps(b ? mask : __mmask16(0), b ? b : a);
    __m512i const low = _mm512_maskz_cvtepu16_epi32(lane_detail::all_lanes,
                                                    std::bit_cast<__m256i>(_mm512_cvtneps_pbh(first))),
                  high = _mm512_maskz_cvtepu16_epi32(lane_detail::all_lanes,
                                                     std::bit_cast<__m256i>(_mm512_cvtneps_pbh(second)));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_maskz_slli_epi32(lane_detail::all_lanes, high, 16)));
}

/// Rows of pairs and where a product's results go: out[m][n] = init + sum_k a(m, k) . b[k][n].
template <class Out>
struct PairProduct {
    Pair const* a;
    std::ptrdiff_t a_row, a_k;
    Pair const* b;
    std::ptrdiff_t b_k;
    Out* out;
    std::ptrdiff_t out_row;
    int depth;                    ///< pairs
    float const* bias = nullptr;  ///< [m], null for zeros
    bool add = false;             ///< to what `out` holds
    bool relu = false;            ///< out is the product's ReLU
};

/// Rows [m, m + M), V vectors of columns from n on.
template <int M, int V, class Out>
STRATA_INLINE void pair_product_block(PairProduct<Out> const& p, int m, int n) {
    PairLane sum[M][V];
    STRATA_UNROLL
    for (int u = 0; u < M; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) sum[u][v] = PairLane(p.bias ? p.bias[m + u] : 0.0f);
    }
    Pair const* a = p.a + m * p.a_row;
    Pair const* b = p.b + n;
    for (int k = 0; k < p.depth; ++k, a += p.a_k, b += p.b_k) {
        PairLane x[V];
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) {
            x[v] = load_pairs(b + v * 16);
            hold_in_register(x[v]);
        }
        STRATA_UNROLL
        for (int u = 0; u < M; ++u) {
            PairLane const w = broadcast_pair(a + u * p.a_row);
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[u][v] = multiply_add_pairs(w, x[v], sum[u][v]);
        }
    }
    STRATA_UNROLL
    for (int u = 0; u < M; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) {
            Out* const to = p.out + (m + u) * p.out_row + n + v * 16;
            PairLane const value = p.relu ? ReLU::forward(sum[u][v]) : sum[u][v];
            store_lane(to, p.add ? load_lane<PairLane>(to) + value : value);
        }
    }
}

/// Rows [begin, end) of columns [0, columns), whole vectors. Each element's sum runs over k in order,
/// whatever block it stands in.
template <class Out>
STRATA_ONE_COPY void pair_product(PairProduct<Out> const& p, int begin, int end, int columns) {
    int n = 0;
    for (; n + 64 <= columns; n += 64) {
        int m = begin;
        for (; m + 6 <= end; m += 6) pair_product_block<6, 4>(p, m, n);
        for (; m < end; ++m) pair_product_block<1, 4>(p, m, n);
    }
    for (; n < columns; n += 16) {
        int m = begin;
        for (; m + 12 <= end; m += 12) pair_product_block<12, 1>(p, m, n);
        for (; m + 4 <= end; m += 4) pair_product_block<4, 1>(p, m, n);
        for (; m < end; ++m) pair_product_block<1, 1>(p, m, n);
    }
}

}  // namespace strata::inline STRATA_ABI::detail
#endif

#pragma GCC diagnostic pop
