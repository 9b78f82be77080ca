// bfloat16: the upper half of a float, a type of storage. Arithmetic is done in float: load_lane and store_lane convert
// between bfloat16 in memory and float lanes, rounding to the nearest, ties to even.
//
// AVX512-BF16's instruction takes numbers below the smallest normal one (1.2e-38) for zero, so code compiled for it
// does so everywhere; elsewhere they are kept.
#pragma once

#include <bit>
#include <limits>

#include "lane.hpp"

namespace strata::inline STRATA_ABI {

/// A number with float's range and 8 bits of precision.
struct bfloat16 {
    std::uint16_t bits;

    bfloat16() = default;
    /// The nearest bfloat16, ties to even; too large numbers become infinite. By way of float.
    template <class T>
    requires std::is_arithmetic_v<T>
    constexpr explicit bfloat16(T value) : bits(nearest(static_cast<float>(value))) {}
    /// The same number as a float (exact).
    constexpr operator float() const {  // NOLINT: every bfloat16 is a float
        return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    }
    static constexpr bfloat16 from_bits(std::uint16_t bits) {
        bfloat16 value(0);
        value.bits = bits;
        return value;
    }

private:
    static constexpr std::uint16_t nearest(float value) {
        auto const all = std::bit_cast<std::uint32_t>(value);
#ifdef __AVX512BF16__
        if ((all & 0x7f800000u) == 0) return static_cast<std::uint16_t>(all >> 16 & 0x8000u);  // as the vectors
#endif
        if (is_nan(value)) return static_cast<std::uint16_t>(all >> 16 | 0x40u);  // quiet, or it would be infinity
        return static_cast<std::uint16_t>((all + 0x7fffu + (all >> 16 & 1u)) >> 16);
    }
};

/// Reads width_of<L> neighbouring numbers into a float lane.
template <class L>
requires std::same_as<scalar_of<L>, float>
STRATA_INLINE L load_lane(bfloat16 const* from) {
    constexpr int N = width_of<L>;
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    if constexpr (N == 16) {
        return L(_mm512_castsi512_ps(_mm512_maskz_slli_epi32(
            lane_detail::all_lanes,
            _mm512_maskz_cvtepu16_epi32(lane_detail::all_lanes,
                                        _mm256_loadu_si256(reinterpret_cast<__m256i const*>(from))),
            16)));
    } else
#endif
#ifdef __AVX2__
        if constexpr (N == 8) {
        return L(_mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(from))), 16)));
    } else
#endif
    {
        float values[static_cast<std::size_t>(N)];
        for (int k = 0; k < N; ++k) values[k] = static_cast<float>(from[k]);
        return load_lane<L>(static_cast<float const*>(values));
    }
}

/// Writes the numbers of a float lane, rounded.
template <class L>
requires std::same_as<scalar_of<L>, float>
STRATA_INLINE void store_lane(bfloat16* to, L lane) {
    constexpr int N = width_of<L>;
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    if constexpr (N == 16) {
        auto* const at = reinterpret_cast<__m256i*>(to);
#ifdef __AVX512BF16__
        _mm256_storeu_si256(at, std::bit_cast<__m256i>(_mm512_cvtneps_pbh(lane.v)));
#else
        __m512i const all = _mm512_castps_si512(lane.v);
        __m512i const odd =
            _mm512_and_si512(_mm512_maskz_srli_epi32(lane_detail::all_lanes, all, 16), _mm512_set1_epi32(1));
        __m512i const rounded = _mm512_add_epi32(_mm512_add_epi32(all, _mm512_set1_epi32(0x7fff)), odd);
        __m512i const quiet = _mm512_or_si512(all, _mm512_set1_epi32(0x400000));
        __mmask16 const nan = _mm512_cmp_ps_mask(lane.v, lane.v, _CMP_UNORD_Q);
        _mm256_storeu_si256(
            at, _mm512_maskz_cvtepi32_epi16(
                    lane_detail::all_lanes,
                    _mm512_maskz_srli_epi32(lane_detail::all_lanes, _mm512_mask_mov_epi32(rounded, nan, quiet), 16)));
#endif
    } else
#endif
#ifdef __AVX2__
        if constexpr (N == 8) {
        __m256i const all = _mm256_castps_si256(lane.v),
                      odd = _mm256_and_si256(_mm256_srli_epi32(all, 16), _mm256_set1_epi32(1));
        __m256i const rounded = _mm256_add_epi32(_mm256_add_epi32(all, _mm256_set1_epi32(0x7fff)), odd);
        __m256i const quiet = _mm256_or_si256(all, _mm256_set1_epi32(0x400000));
        auto const nan = std::bit_cast<__m256i>(is_nan(lane).v);
        __m256i const result = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                         _mm_packus_epi32(_mm256_castsi256_si128(result), _mm256_extracti128_si256(result, 1)));
    } else
#endif
    {
        float values[static_cast<std::size_t>(N)];
        store_lane(static_cast<float*>(values), lane);
        for (int k = 0; k < N; ++k) to[k] = static_cast<bfloat16>(values[k]);
    }
}

}  // namespace strata::inline STRATA_ABI

template <>
struct std::numeric_limits<strata::bfloat16> {
    static constexpr bool is_specialized = true, is_signed = true, has_infinity = true, has_quiet_NaN = true;
    static constexpr int digits = 8;
    static constexpr strata::bfloat16(min)() { return strata::bfloat16::from_bits(0x0080); }
    static constexpr strata::bfloat16(max)() { return strata::bfloat16::from_bits(0x7f7f); }
    static constexpr strata::bfloat16 lowest() { return strata::bfloat16::from_bits(0xff7f); }
    static constexpr strata::bfloat16 epsilon() { return strata::bfloat16::from_bits(0x3c00); }
    static constexpr strata::bfloat16 infinity() { return strata::bfloat16::from_bits(0x7f80); }
    static constexpr strata::bfloat16 quiet_NaN() { return strata::bfloat16::from_bits(0x7fc0); }
};
