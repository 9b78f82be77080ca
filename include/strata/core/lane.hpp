// The lane vocabulary: layers are written once over a lane, which is a SIMD vector of samples on the CPU, one thread's
// scalar on the GPU, and a double in a gradient check.
//
//   arithmetic        + - * / and unary -, with lanes or scalars on either side
//   multiply_add      a * b + c in one rounding where the hardware has it
//   comparisons       < <= > >= == != give a mask; masks know & | !
//   select            select(mask, yes, no)
//   functions         maximum minimum absolute exp log tanh sqrt
//   memory            load_lane<L>(pointer), store_lane(pointer, lane), sum(lane), transpose, deinterleave,
//                     interleave, lane_index, first_lanes
//
// Widths come from the instruction set's macros, never from Eigen (which drops its vectorisation in .cu files), and the
// types sit in a namespace named after the instruction set, so that translation units compiled for different ones never
// share a kernel. The packets themselves are Eigen's: one spelling for SSE, AVX, AVX-512 and NEON, with exp, log and
// tanh.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "config.hpp"
#include "eigen.hpp"
#include "scalar_lane.hpp"

namespace strata {

// ---- SIMD lanes ----------------------------------------------------------------------------------------------------

#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define STRATA_ISA avx512bf16
#define STRATA_VECTOR_BYTES 64
#elif defined(__AVX512F__) && defined(__AVX512DQ__)
#define STRATA_ISA avx512
#define STRATA_VECTOR_BYTES 64
#elif defined(__AVX__)
#define STRATA_ISA avx
#define STRATA_VECTOR_BYTES 32
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define STRATA_ISA simd128
#define STRATA_VECTOR_BYTES 16
#else
#define STRATA_ISA scalar
#define STRATA_VECTOR_BYTES 0
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wignored-attributes"  // packets as template arguments lose only their alignment attribute
#endif
inline namespace STRATA_ISA {

/// Bytes of the widest vector of the instruction set this translation unit is compiled for (0: none).
inline constexpr int vector_bytes = STRATA_VECTOR_BYTES;

namespace packet = Eigen::internal;
namespace lane_detail {
/// Eigen's packet of N scalars of type T: the widest one or one of its halves.
template <class T, int N, class Packet = typename packet::packet_traits<T>::type>
struct PacketOf : PacketOf<T, N, typename packet::unpacket_traits<Packet>::half> {};
template <class T, int N, class Packet>
requires(packet::unpacket_traits<Packet>::size == N) struct PacketOf<T, N, Packet> {
    using type = Packet;
};

// Eigen's square roots are approximations for some widths, and NaN for infinity: results would depend on the width.
template <class Packet>
STRATA_INLINE Packet square_root(Packet a) {
    return packet::psqrt(a);
}
#ifdef __SSE2__
STRATA_INLINE __m128 square_root(__m128 a) { return _mm_sqrt_ps(a); }
STRATA_INLINE __m128d square_root(__m128d a) { return _mm_sqrt_pd(a); }
#endif
#ifdef __AVX__
STRATA_INLINE __m256 square_root(__m256 a) { return _mm256_sqrt_ps(a); }
STRATA_INLINE __m256d square_root(__m256d a) { return _mm256_sqrt_pd(a); }
#endif
#ifdef __AVX512F__
STRATA_INLINE __m512 square_root(__m512 a) { return _mm512_sqrt_ps(a); }
STRATA_INLINE __m512d square_root(__m512d a) { return _mm512_sqrt_pd(a); }
#endif

/// Comparisons of a packet: masks are packets of all or no bits, and registers of their own where the hardware has
/// them.
template <class Packet>
struct Compare {
    using Mask = Packet;
    static STRATA_INLINE Mask less(Packet a, Packet b) { return packet::pcmp_lt(a, b); }
    static STRATA_INLINE Mask less_equal(Packet a, Packet b) { return packet::pcmp_le(a, b); }
    static STRATA_INLINE Mask equal(Packet a, Packet b) { return packet::pcmp_eq(a, b); }
    static STRATA_INLINE Mask both(Mask a, Mask b) { return packet::pand(a, b); }
    static STRATA_INLINE Mask either(Mask a, Mask b) { return packet::por(a, b); }
    static STRATA_INLINE Mask negated(Mask a) { return packet::pandnot(packet::ptrue(a), a); }
    static STRATA_INLINE Packet select(Mask mask, Packet yes, Packet no) { return packet::pselect(mask, yes, no); }
};
#if STRATA_VECTOR_BYTES == 64
template <class Bits>
struct CompareBits {
    using Mask = Bits;
    static STRATA_INLINE Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
    static STRATA_INLINE Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
    static STRATA_INLINE Mask negated(Mask a) { return static_cast<Mask>(~a); }
};
template <>
struct Compare<__m512> : CompareBits<__mmask16> {
    static STRATA_INLINE Mask less(__m512 a, __m512 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
    static STRATA_INLINE Mask less_equal(__m512 a, __m512 b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
    static STRATA_INLINE Mask equal(__m512 a, __m512 b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
    static STRATA_INLINE __m512 select(Mask mask, __m512 yes, __m512 no) { return _mm512_mask_blend_ps(mask, no, yes); }
};
template <>
struct Compare<__m512d> : CompareBits<__mmask8> {
    static STRATA_INLINE Mask less(__m512d a, __m512d b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
    static STRATA_INLINE Mask less_equal(__m512d a, __m512d b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
    static STRATA_INLINE Mask equal(__m512d a, __m512d b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
    static STRATA_INLINE __m512d select(Mask mask, __m512d yes, __m512d no) {
        return _mm512_mask_blend_pd(mask, no, yes);
    }
};
#endif
}  // namespace lane_detail

/// N samples side by side in one SIMD register.
template <class T, int N>
struct Lane {
    using Scalar = T;
    using Packet = typename lane_detail::PacketOf<T, N>::type;
    using Compare = lane_detail::Compare<Packet>;
    static constexpr int width = N;
    Packet v;

    Lane() = default;
    STRATA_INLINE explicit Lane(Packet packet) : v(packet) {}
    STRATA_INLINE Lane(T scalar) : v(packet::pset1<Packet>(scalar)) {}  // NOLINT: scalars broadcast
    template <class U>
    requires(std::is_arithmetic_v<U> && !std::same_as<U, T>) STRATA_INLINE Lane(U scalar)
        : Lane(static_cast<T>(scalar)) {}  // NOLINT: as above; literals may be int or double

    STRATA_INLINE Lane& operator+=(Lane b) { return *this = *this + b; }
    STRATA_INLINE Lane& operator-=(Lane b) { return *this = *this - b; }
    STRATA_INLINE Lane& operator*=(Lane b) { return *this = *this * b; }
    STRATA_INLINE Lane& operator/=(Lane b) { return *this = *this / b; }

    /// True where a comparison held.
    struct Mask {
        typename Compare::Mask v;
        friend STRATA_INLINE Mask operator&(Mask a, Mask b) { return {Compare::both(a.v, b.v)}; }
        friend STRATA_INLINE Mask operator|(Mask a, Mask b) { return {Compare::either(a.v, b.v)}; }
        friend STRATA_INLINE Mask operator!(Mask a) { return {Compare::negated(a.v)}; }
    };

    friend STRATA_INLINE Lane operator+(Lane a, Lane b) { return Lane(packet::padd(a.v, b.v)); }
    friend STRATA_INLINE Lane operator-(Lane a, Lane b) { return Lane(packet::psub(a.v, b.v)); }
    friend STRATA_INLINE Lane operator*(Lane a, Lane b) { return Lane(packet::pmul(a.v, b.v)); }
    friend STRATA_INLINE Lane operator/(Lane a, Lane b) { return Lane(packet::pdiv(a.v, b.v)); }
    friend STRATA_INLINE Lane operator-(Lane a) { return Lane(packet::pnegate(a.v)); }
    friend STRATA_INLINE Mask operator<(Lane a, Lane b) { return {Compare::less(a.v, b.v)}; }
    friend STRATA_INLINE Mask operator<=(Lane a, Lane b) { return {Compare::less_equal(a.v, b.v)}; }
    friend STRATA_INLINE Mask operator>(Lane a, Lane b) { return b < a; }
    friend STRATA_INLINE Mask operator>=(Lane a, Lane b) { return b <= a; }
    friend STRATA_INLINE Mask operator==(Lane a, Lane b) { return {Compare::equal(a.v, b.v)}; }
    friend STRATA_INLINE Mask operator!=(Lane a, Lane b) { return !(a == b); }

    friend STRATA_INLINE Lane multiply_add(Lane a, Lane b, Lane c) { return Lane(packet::pmadd(a.v, b.v, c.v)); }
    friend STRATA_INLINE Lane select(Mask mask, Lane yes, Lane no) {
        return Lane(Compare::select(mask.v, yes.v, no.v));
    }
    // Like the scalar forms: the second operand where either is NaN.
    friend STRATA_INLINE Lane maximum(Lane a, Lane b) { return select(a > b, a, b); }
    friend STRATA_INLINE Lane minimum(Lane a, Lane b) { return select(a < b, a, b); }
    friend STRATA_INLINE Lane absolute(Lane a) { return Lane(packet::pabs(a.v)); }
    friend STRATA_INLINE Lane exp(Lane a) { return Lane(packet::pexp(a.v)); }
    friend STRATA_INLINE Lane log(Lane a) { return Lane(packet::plog(a.v)); }
    friend STRATA_INLINE Lane tanh(Lane a) {
        return by_element(a, [](T x) { return std::tanh(x); });
    }
    friend STRATA_INLINE Lane sqrt(Lane a) { return Lane(lane_detail::square_root(a.v)); }
    /// The sum of the samples, in a fixed order.
    friend STRATA_INLINE T sum(Lane a) { return packet::predux(a.v); }

private:
    template <class F>
    static STRATA_INLINE Lane by_element(Lane a, F f) {
        T elements[static_cast<std::size_t>(N)];
        packet::pstoreu(elements, a.v);
        for (T& e : elements) e = f(e);
        return Lane(packet::ploadu<Packet>(elements));
    }
};

}  // namespace STRATA_ISA
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#undef STRATA_ISA
#undef STRATA_VECTOR_BYTES

// ---- what both kinds of lane share ---------------------------------------------------------------------------------

template <class L>
struct LaneTraits {
    using Scalar = typename L::Scalar;
    static constexpr int width = L::width;
};
template <>
struct LaneTraits<float> {
    using Scalar = float;
    static constexpr int width = 1;
};
template <>
struct LaneTraits<double> {
    using Scalar = double;
    static constexpr int width = 1;
};
template <class L>
using scalar_of = typename LaneTraits<L>::Scalar;
template <class L>
inline constexpr int width_of = LaneTraits<L>::width;

template <class T, int Width>
consteval auto lane_of_width() {
    if constexpr (Width == 1)
        return std::type_identity<T>{};
    else
        return std::type_identity<Lane<T, Width>>{};
}
/// The lane for tiles of S samples: the widest vector of T where it divides S, else four samples or one: three widths
/// at most, because every width is a copy of every kernel.
template <class T, int S>
inline constexpr int lane_width = [] {
    constexpr int widest = vector_bytes / static_cast<int>(sizeof(T));
    if (widest > 1 && S % widest == 0) return widest;
    return widest >= 4 && S % 4 == 0 ? 4 : 1;
}();
template <class T, int S>
using lane_for = typename decltype(lane_of_width<T, lane_width<T, S>>())::type;

/// The widest lane there is for T, a scalar where there is no SIMD.
template <class T>
using widest_lane = lane_for<T, vector_bytes == 0 ? 1 : vector_bytes / static_cast<int>(sizeof(T))>;

/// Calls f<L>() with the lane for tiles of S samples: the widest vector of T where it divides S, else four samples or
/// one. Three widths at most, because every width is a copy of every kernel.
template <class T, class F>
STRATA_INLINE void with_lane(int S, F const& f) {
    using Widest = widest_lane<T>;
    if (S % width_of<Widest> == 0) return f.template operator()<Widest>();
    if constexpr (width_of < Widest >> 4)
        if (S % 4 == 0) return f.template operator()<Lane<T, 4>>();
    if constexpr (width_of < Widest >> 1) f.template operator()<T>();
}

/// Reads width_of<L> neighbouring values, converting storage to the lane's scalar type where they differ.
template <class L, class T>
STRATA_HD STRATA_INLINE L load_lane(T const* from) {
    if constexpr (width_of<L> == 1) {
        return static_cast<L>(*from);
    } else {
        static_assert(std::same_as<T, scalar_of<L>>);
        return L(Eigen::internal::ploadu<typename L::Packet>(from));
    }
}
/// Writes width_of<L> neighbouring values.
template <class T, class L>
STRATA_HD STRATA_INLINE void store_lane(T* to, L lane) {
    if constexpr (width_of<L> == 1) {
        *to = static_cast<T>(lane);
    } else {
        static_assert(std::same_as<T, scalar_of<L>>);
        Eigen::internal::pstoreu(to, lane.v);
    }
}

/// Holds a lane in a register: GCC likes to read it from memory again for every use, which the load ports do not keep
/// up with.
template <class L>
STRATA_INLINE void hold_in_register(L& lane) {
#if defined(__GNUC__) && defined(__SSE2__)
    if constexpr (width_of < L >> 1)
        asm("" : "+v"(lane.v));
    else
        asm("" : "+v"(lane));
#elif defined(__GNUC__) && defined(__ARM_NEON)
    if constexpr (width_of < L >> 1) asm("" : "+w"(lane.v));
#endif
}

/// Transposes width_of<L> lanes: element k of lane j becomes element j of lane k.
template <class L>
STRATA_INLINE void transpose(L (&rows)[static_cast<std::size_t>(width_of<L>)]) {
    if constexpr (width_of < L >> 1) {
        Eigen::internal::PacketBlock<typename L::Packet, width_of<L>> block;
        STRATA_UNROLL
        for (int k = 0; k < width_of<L>; ++k) block.packet[k] = rows[k].v;
        Eigen::internal::ptranspose(block);
        STRATA_UNROLL
        for (int k = 0; k < width_of<L>; ++k) rows[k].v = block.packet[k];
    }
}

/// The numbers of two lanes, one after the other, apart: those in even places and those in odd places.
template <class L>
STRATA_INLINE void deinterleave(L a, L b, L& even, L& odd) {
    constexpr int N = width_of<L>;
    scalar_of<L> numbers[2 * N], apart[2 * N];
    store_lane(numbers, a);
    store_lane(numbers + N, b);
    for (int k = 0; k < N; ++k) {
        apart[k] = numbers[2 * k];
        apart[N + k] = numbers[2 * k + 1];
    }
    even = load_lane<L>(apart);
    odd = load_lane<L>(apart + N);
}
/// The reverse: the numbers of two lanes in turn.
template <class L>
STRATA_INLINE void interleave(L even, L odd, L& a, L& b) {
    constexpr int N = width_of<L>;
    scalar_of<L> apart[2 * N], numbers[2 * N];
    store_lane(apart, even);
    store_lane(apart + N, odd);
    for (int k = 0; k < N; ++k) {
        numbers[2 * k] = apart[k];
        numbers[2 * k + 1] = apart[N + k];
    }
    a = load_lane<L>(numbers);
    b = load_lane<L>(numbers + N);
}
#if defined(__AVX512F__) && defined(__AVX512DQ__)
STRATA_INLINE void deinterleave(Lane<float, 16> a, Lane<float, 16> b, Lane<float, 16>& even, Lane<float, 16>& odd) {
    __m512i const places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    even.v = _mm512_permutex2var_ps(a.v, places, b.v);
    odd.v = _mm512_permutex2var_ps(a.v, _mm512_add_epi32(places, _mm512_set1_epi32(1)), b.v);
}
STRATA_INLINE void interleave(Lane<float, 16> even, Lane<float, 16> odd, Lane<float, 16>& a, Lane<float, 16>& b) {
    __m512i const places = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    a.v = _mm512_permutex2var_ps(even.v, places, odd.v);
    b.v = _mm512_permutex2var_ps(even.v, _mm512_add_epi32(places, _mm512_set1_epi32(8)), odd.v);
}
#elif defined(__AVX__)
STRATA_INLINE void deinterleave(Lane<float, 8> a, Lane<float, 8> b, Lane<float, 8>& even, Lane<float, 8>& odd) {
    __m256 const low = _mm256_permute2f128_ps(a.v, b.v, 0x20), high = _mm256_permute2f128_ps(a.v, b.v, 0x31);
    even.v = _mm256_shuffle_ps(low, high, 0x88);
    odd.v = _mm256_shuffle_ps(low, high, 0xDD);
}
STRATA_INLINE void interleave(Lane<float, 8> even, Lane<float, 8> odd, Lane<float, 8>& a, Lane<float, 8>& b) {
    __m256 const low = _mm256_unpacklo_ps(even.v, odd.v), high = _mm256_unpackhi_ps(even.v, odd.v);
    a.v = _mm256_permute2f128_ps(low, high, 0x20);
    b.v = _mm256_permute2f128_ps(low, high, 0x31);
}
#endif

/// 0, 1, 2, … in the lane's samples, plus `first`.
template <class L>
STRATA_HD STRATA_INLINE L lane_index(int first) {
    if constexpr (width_of<L> == 1)
        return static_cast<L>(first);
    else
        return L(Eigen::internal::plset<typename L::Packet>(static_cast<scalar_of<L>>(first)));
}
/// Mask of the lanes that hold real samples when `count` samples remain.
template <class L>
STRATA_HD STRATA_INLINE auto first_lanes(int count) {
    return lane_index<L>(0) < static_cast<L>(static_cast<scalar_of<L>>(count));
}

}  // namespace strata
