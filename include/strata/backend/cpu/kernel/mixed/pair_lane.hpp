// Pairs of bfloat16 as lanes of the register blocks: a number is two neighbouring terms of a sum, carried as they are in
// the 32 bits of a float, the first in the lower half; products are exact, sums are float. So the kernels of floats
// serve, on half as many numbers. One instruction where there is AVX512-BF16, which takes numbers below the smallest
// normal one (1.2e-38) for zero; elsewhere two multiplications of floats, for tests: no list takes them.
#pragma once

#include "../../../../core/bfloat16.hpp"
#include "../micro/register_block.hpp"

namespace strata::inline STRATA_ABI::detail {

/// N pairs side by side.
template <int N>
struct PairLane {
    using Scalar = float;
    using Vector = typename Lane<float, N>::Vector;
    using Bits = typename Lane<float, N>::Bits;
    static constexpr int width = N;
    Vector v;

    PairLane() = default;
    STRATA_INLINE explicit PairLane(Vector vector) : v(vector) {}
    /// The same pair N times. By its bits: as a float it may be any kind of NaN.
    STRATA_INLINE explicit PairLane(float pair)
        : v(reinterpret_cast<Vector>(Bits{} + std::bit_cast<std::int32_t>(pair))) {}

    STRATA_INLINE Lane<float, N> first() const { return Lane<float, N>::from_bits(reinterpret_cast<Bits>(v) << 16); }
    STRATA_INLINE Lane<float, N> second() const {
        return Lane<float, N>::from_bits(reinterpret_cast<Bits>(v) & -0x10000);
    }
    /// sum + second(a) second(b) + first(a) first(b), the instruction's order.
    friend STRATA_INLINE Lane<float, N> multiply_add(PairLane a, PairLane b, Lane<float, N> sum) {
#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
        if constexpr (N == 16)
            return Lane<float, N>(_mm512_dpbf16_ps(sum.v, std::bit_cast<__m512bh>(a.v), std::bit_cast<__m512bh>(b.v)));
        else
#endif
            return multiply_add(a.first(), b.first(), multiply_add(a.second(), b.second(), sum));
    }
};

/// One pair, for columns that fill no vector.
struct OnePair {
    float pair;
    STRATA_INLINE explicit OnePair(float carried) : pair(carried) {}
    STRATA_INLINE OnePair() = default;
    friend STRATA_INLINE float multiply_add(OnePair a, OnePair b, float sum) {
        using L = Lane<float, vector_bytes >= 16 ? vector_bytes / 4 : 2>;
        using P = PairLane<width_of<L>>;
        return multiply_add(P(a.pair), P(b.pair), L(sum)).v[0];
    }
};

template <int N>
struct ElementOf<PairLane<N>> {
    using Sum = Lane<float, N>;
    using One = OnePair;
};
template <>
struct ElementOf<OnePair> {
    using Sum = float;
    using One = OnePair;
};

/// The widest lane of pairs.
using widest_pairs = PairLane<vector_bytes >= 16 ? vector_bytes / 4 : 2>;

}  // namespace strata::inline STRATA_ABI::detail

namespace strata::inline STRATA_ABI {
template <>
struct LaneTraits<detail::OnePair> {
    using Scalar = float;
    static constexpr int width = 1;
};
}  // namespace strata::inline STRATA_ABI
