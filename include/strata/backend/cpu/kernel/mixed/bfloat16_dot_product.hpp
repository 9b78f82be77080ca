// Linear of Mixed<bfloat16> by products of pairs where a sample's bits may not depend on the tile: small tiles have pairs
// of inputs in the lanes, wide ones the samples, in one order of additions (dot_product.hpp). Inputs are padded with
// zeros to whole vectors of pairs.
#pragma once

#include "bfloat16_pairs.hpp"
#include "mixed_kernel.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

namespace strata::inline STRATA_ABI::detail {

/// Outputs whose weights are rounded at a time; so many that a block stays in the cache.
inline constexpr int pair_rows = 12;

/// Pairs of inputs in whole vectors.
constexpr int padded_pairs(int inputs) { return (inputs + 31) / 32 * 16; }

/// y(o, s) = bias(o) + weight(o) . x(s), or its ReLU, for outputs [o, stop), at most four, and Q samples of `pairs`
/// padded pairs each: lanes along the pairs of inputs.
template <int Q>
STRATA_ONE_COPY void pair_dot_products(float const* weight, float const* bias, Pair const* x, bfloat16* y, int inputs,
                                       int S, int o, int stop, bool relu) {
    int const rows = stop - o, pairs = padded_pairs(inputs);
    PairLane total[4][Q];
    float const* row[4];
    STRATA_UNROLL
    for (int u = 0; u < 4; ++u) {
        row[u] = weight + static_cast<std::ptrdiff_t>(o + (u < rows ? u : 0)) * inputs;
        STRATA_UNROLL
        for (int s = 0; s < Q; ++s) total[u][s] = PairLane(0.0f);
    }
    for (int k = 0; k < pairs; k += 16) {
        int const left = inputs - 2 * k;
        auto const low = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1),
                   high = static_cast<__mmask16>(left >= 32   ? 0xffff
                                                 : left <= 16 ? 0
                                                              : (1 << (left - 16)) - 1);
        PairLane value[Q];
        STRATA_UNROLL
        for (int s = 0; s < Q; ++s) value[s] = load_pairs(x + s * pairs + k);
        STRATA_UNROLL
        for (int u = 0; u < 4; ++u) {
            PairLane const w(std::bit_cast<__m512>(_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, row[u] + 2 * k + 16),
                                                                       _mm512_maskz_loadu_ps(low, row[u] + 2 * k))));
            STRATA_UNROLL
            for (int s = 0; s < Q; ++s) total[u][s] = multiply_add_pairs(w, value[s], total[u][s]);
        }
    }
    float values[4][Q];
    STRATA_UNROLL
    for (int u = 0; u < 4; ++u) {
        STRATA_UNROLL
        for (int s = 0; s < Q; ++s) values[u][s] = sum(total[u][s]);
    }
    for (int u = 0; u < rows; ++u)
        for (int s = 0; s < Q; ++s) {
            float const result = values[u][s] + (bias ? bias[o + u] : 0.0f);
            y[(o + u) * S + s] = bfloat16(relu ? ReLU::forward(result) : result);
        }
}

/// Rows [m, m + M), those before `stop`, and a vector of samples from n on of y, in pair_dot_products' order
/// (dot_product.hpp). x lies [rank of the sum][pair of it][16], weights [row][pair].
template <int M>
STRATA_ONE_COPY void pair_dot_ordered_block(PairProduct<bfloat16> const& p, int m, int stop, int n) {
    constexpr int N = 16;
    Pair const* row[M];
    STRATA_UNROLL
    for (int u = 0; u < M; ++u) row[u] = p.a + (std::min)(m + u, stop - 1) * p.a_row;
    float waiting[4][M * N];
    PairLane sum[M];
    Pair const* b = p.b;
    for (int round = 0; round < N; ++round) {
        STRATA_UNROLL
        for (int u = 0; u < M; ++u) sum[u] = PairLane(0.0f);
        for (int k = reversed_bits(round, N); k < p.depth; k += N, b += N) {
            PairLane const x = load_pairs(b);
            STRATA_UNROLL
            for (int u = 0; u < M; ++u) sum[u] = multiply_add_pairs(broadcast_pair(row[u] + k), x, sum[u]);
        }
        int level = 0;
        for (; (round >> level & 1) != 0; ++level) {
            STRATA_UNROLL
            for (int u = 0; u < M; ++u) sum[u] = load_lane<PairLane>(waiting[level] + u * N) + sum[u];
        }
        if (round + 1 < N) {
            STRATA_UNROLL
            for (int u = 0; u < M; ++u) store_lane(waiting[level] + u * N, sum[u]);
        }
    }
    STRATA_UNROLL
    for (int u = 0; u < M; ++u) {
        if (m + u >= stop) continue;
        PairLane const result = sum[u] + PairLane(p.bias ? p.bias[m + u] : 0.0f);
        store_lane(p.out + (m + u) * p.out_row + n, p.relu ? ReLU::forward(result) : result);
    }
}

/// pair_affine_forward with the same bits for every S. `scratch` holds padded_pairs(inputs) (S + 12) pairs, where S is
/// at least 16 or less than that.
STRATA_ONE_COPY inline void invariant_pair_affine_forward(float const* weight, float const* bias, bfloat16 const* x,
                                                          bfloat16* y, int inputs, int S, Pair* scratch, int begin,
                                                          int end, bool relu) {
    constexpr int N = 16;
    int const pairs = padded_pairs(inputs);
    if (S % N != 0) {
        auto* const samples = reinterpret_cast<bfloat16*>(scratch);
        for (int s = 0; s < S; ++s) {
            bfloat16* const to = samples + 2 * s * pairs;
            for (int i = 0; i < inputs; ++i) to[i] = x[i * S + s];
            std::fill(to + inputs, to + 2 * pairs, bfloat16(0));
        }
        for (int o = begin; o < end; o += 4) {
            int const stop = (std::min)(o + 4, end);
            int s = 0;
            for (; s + 4 <= S; s += 4)
                pair_dot_products<4>(weight, bias, scratch + s * pairs, y + s, inputs, S, o, stop, relu);
            for (; s < S; ++s) pair_dot_products<1>(weight, bias, scratch + s * pairs, y + s, inputs, S, o, stop, relu);
        }
        return;
    }
    // [vector of samples][rank of a sum][pair of it][sample]
    for (int n = 0; n < S; n += N) {
        Pair* to = scratch + n * pairs;
        for (int round = 0; round < N; ++round)
            for (int k = reversed_bits(round, N); k < pairs; k += N, to += N) {
                bfloat16 const* const from = x + 2 * k * S + n;
                if (2 * k < inputs)
                    interleave(from, 2 * k + 1 < inputs ? from + S : nullptr, to, N);
                else
                    std::fill_n(to, N, Pair(0));
            }
    }
    auto* const rows = reinterpret_cast<bfloat16*>(scratch + static_cast<std::ptrdiff_t>(pairs) * S);
    for (int o = begin; o < end; o += pair_rows) {
        int const count = (std::min)(pair_rows, end - o);
        for (int u = 0; u < count; ++u) {
            bfloat16* const row = rows + 2 * u * pairs;
            convert_numbers(weight + static_cast<std::ptrdiff_t>(o + u) * inputs, row, inputs);
            std::fill(row + inputs, row + 2 * pairs, bfloat16(0));
        }
        PairProduct<bfloat16> p{reinterpret_cast<Pair const*>(rows),
                                pairs,
                                1,
                                scratch,
                                N,
                                y + static_cast<std::ptrdiff_t>(o) * S,
                                S,
                                pairs,
                                bias ? bias + o : nullptr,
                                false,
                                relu};
        for (int n = 0; n < S; n += N, p.b += N * pairs) pair_dot_ordered_block<pair_rows>(p, 0, count, n);
    }
}

}  // namespace strata::inline STRATA_ABI::detail
#endif

#pragma GCC diagnostic pop
