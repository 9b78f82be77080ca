// The lane vocabulary: layers are written once over a lane, which is a SIMD vector of samples on the CPU, one thread's
// scalar on the GPU, and a double in a gradient check.
//
//   arithmetic        + - * / and unary -, with lanes or scalars on either side
//   multiply_add      a * b + c in one rounding where the hardware has it
//   comparisons       < <= > >= == != give a mask; masks know & | !
//   select            select(mask, yes, no)
//   functions         maximum minimum absolute exp log sqrt is_finite is_nan; functions.hpp has more
//   memory            load_lane<L>(pointer), store_lane(pointer, lane), sum(lane), transpose, deinterleave,
//                     interleave, lane_index, first_lanes
//
// Widths come from the instruction set's macros, which are part of the namespace's name (identity.hpp): units compiled
// for different ones never share a kernel. The vectors themselves are those of g++ and clang++ (vector.hpp).
#pragma once

#include <cmath>
#include <concepts>
#include <cstring>
#include <type_traits>

#include "config.hpp"
#include "exponential.hpp"
#include "finite.hpp"
#include "scalar_lane.hpp"
#include "vector.hpp"

namespace strata::inline STRATA_ABI {

// ---- SIMD lanes ----------------------------------------------------------------------------------------------------

/// Bytes of the widest vector of the instruction set this translation unit is compiled for (0: none).
#if defined(__AVX512F__) && defined(__AVX512DQ__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
#elif defined(__SSE2__) || defined(__ARM_NEON)
inline constexpr int vector_bytes = 16;
#else
inline constexpr int vector_bytes = 0;
#endif

/// N samples side by side in one SIMD register.
template <class T, int N>
struct Lane {
    using Scalar = T;
    using Vector = lane_detail::Vector<T, N>;
    using Bits = decltype(Vector{} < Vector{});  // integers of the same size
    static constexpr int width = N;
    static constexpr auto infinity = static_cast<std::make_signed_t<detail::BitsOf<T>>>(detail::infinity_bits<T>);
    Vector v;

    Lane() = default;
    STRATA_INLINE explicit Lane(Vector vector) : v(vector) {}
#if defined(__clang__) && STRATA_FINITE_MATH  // to which infinity - 0 could be anything
    STRATA_INLINE Lane(T scalar) {            // NOLINT: scalars broadcast
        for (int k = 0; k < N; ++k) v[k] = scalar;
    }
#else
    STRATA_INLINE Lane(T scalar) : v(scalar - Vector{}) {}  // NOLINT: scalars broadcast; x - 0 is x, the sign of 0 too
#endif
    template <class U>
    requires(std::is_arithmetic_v<U> && !std::same_as<U, T>)
    STRATA_INLINE Lane(U scalar) : Lane(static_cast<T>(scalar)) {}  // NOLINT: as above; literals may be int or double

    STRATA_INLINE Lane& operator+=(Lane b) { return *this = *this + b; }
    STRATA_INLINE Lane& operator-=(Lane b) { return *this = *this - b; }
    STRATA_INLINE Lane& operator*=(Lane b) { return *this = *this * b; }
    STRATA_INLINE Lane& operator/=(Lane b) { return *this = *this / b; }

    /// True where a comparison held.
    struct Mask {
        Bits v;
        friend STRATA_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
        friend STRATA_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
        friend STRATA_INLINE Mask operator!(Mask a) { return {~a.v}; }
        template <class M = Mask>
        explicit operator bool() const {
            static_assert(sizeof(M) == 0,
                          "lanes compare sample by sample: write select(mask, yes, no) instead of if and ?:, and & | ! "
                          "instead of && ||");
            return false;
        }
    };

    friend STRATA_INLINE Lane operator+(Lane a, Lane b) { return Lane(a.v + b.v); }
    friend STRATA_INLINE Lane operator-(Lane a, Lane b) { return Lane(a.v - b.v); }
    friend STRATA_INLINE Lane operator*(Lane a, Lane b) { return Lane(a.v * b.v); }
    friend STRATA_INLINE Lane operator/(Lane a, Lane b) { return Lane(a.v / b.v); }
    friend STRATA_INLINE Lane operator-(Lane a) { return Lane(-a.v); }
    friend STRATA_INLINE Mask operator<(Lane a, Lane b) { return {a.v < b.v}; }
    friend STRATA_INLINE Mask operator<=(Lane a, Lane b) { return {a.v <= b.v}; }
    friend STRATA_INLINE Mask operator>(Lane a, Lane b) { return {a.v > b.v}; }
    friend STRATA_INLINE Mask operator>=(Lane a, Lane b) { return {a.v >= b.v}; }
    friend STRATA_INLINE Mask operator==(Lane a, Lane b) { return {a.v == b.v}; }
    friend STRATA_INLINE Mask operator!=(Lane a, Lane b) { return {a.v != b.v}; }

    friend STRATA_INLINE Lane multiply_add(Lane a, Lane b, Lane c) {
        return Lane(lane_detail::multiply_add(a.v, b.v, c.v));
    }
    friend STRATA_INLINE Lane select(Mask mask, Lane yes, Lane no) { return Lane(mask.v ? yes.v : no.v); }
    // Like the scalar forms: the second operand where either is NaN.
    friend STRATA_INLINE Lane maximum(Lane a, Lane b) { return Lane(a.v > b.v ? a.v : b.v); }
    friend STRATA_INLINE Lane minimum(Lane a, Lane b) { return Lane(a.v < b.v ? a.v : b.v); }
    // As those of scalars, with -ffast-math too.
    friend STRATA_INLINE Mask is_finite(Lane a) { return {absolute(a).bits() < Bits{} + infinity}; }
    friend STRATA_INLINE Mask is_nan(Lane a) {
        if constexpr (STRATA_FINITE_MATH)
            return {absolute(a).bits() > Bits{} + infinity};
        else
            return {a.v != a.v};
    }
    friend STRATA_INLINE Lane absolute(Lane a) { return from_bits(a.bits() & ~Lane(T(-0.0)).bits()); }
    friend STRATA_INLINE Lane exp(Lane a) { return lane_detail::exponential(a); }
    friend STRATA_INLINE Lane log(Lane a) { return lane_detail::logarithm(a); }
    friend STRATA_INLINE Lane sqrt(Lane a) { return Lane(lane_detail::square_root(a.v)); }
    /// The sum of the samples, in a fixed order.
    friend STRATA_INLINE T sum(Lane a) {
        if constexpr (N == 2) {
            return a.v[0] + a.v[1];
        } else {
            Lane<T, N / 2> half[2];
            std::memcpy(half, &a, sizeof a);
            return sum(half[0] + half[1]);
        }
    }

    /// The numbers' bits, and the reverse.
    STRATA_INLINE Bits bits() const { return reinterpret_cast<Bits>(v); }
    static STRATA_INLINE Lane from_bits(Bits bits) { return Lane(reinterpret_cast<Vector>(bits)); }
};

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
        return L(*reinterpret_cast<typename lane_detail::Of<T, width_of<L>>::unaligned const*>(from));
    }
}
/// Writes width_of<L> neighbouring values.
template <class T, class L>
STRATA_HD STRATA_INLINE void store_lane(T* to, L lane) {
    if constexpr (width_of<L> == 1) {
        *to = static_cast<T>(lane);
    } else {
        static_assert(std::same_as<T, scalar_of<L>>);
        *reinterpret_cast<typename lane_detail::Of<T, width_of<L>>::unaligned*>(to) = lane.v;
    }
}

/// Holds a lane in a register: GCC likes to read it from memory again for every use, which the load
/// ports do not keep up with.
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

/// Lane of numbers Pattern::of(k) of a and b, those of b after those of a.
template <class Pattern, class L>
STRATA_INLINE L shuffle(L a, L b) {
    if constexpr (width_of<L> == 1)
        return Pattern::of(0) == 0 ? a : b;
    else
        return L(lane_detail::shuffle<Pattern, width_of<L>>(a.v, b.v));
}

namespace lane_detail {
/// From First on, numbers of the first lane and of the second in turn, N / 2 of each.
template <int N, int First>
struct InTurn {
    static constexpr int of(int k) { return First + k / 2 + k % 2 * N; }
};
/// Every second number, from First on.
template <int First>
struct EverySecond {
    static constexpr int of(int k) { return First + 2 * k; }
};
}  // namespace lane_detail

/// The numbers of two lanes, one after the other, apart: those in even places and those in odd places.
template <class L>
STRATA_INLINE void deinterleave(L a, L b, L& even, L& odd) {
    even = shuffle<lane_detail::EverySecond<0>>(a, b);
    odd = shuffle<lane_detail::EverySecond<1>>(a, b);
}
/// The reverse: the numbers of two lanes in turn.
template <class L>
STRATA_INLINE void interleave(L even, L odd, L& a, L& b) {
    constexpr int N = width_of<L>;
    a = shuffle<lane_detail::InTurn<N, 0>>(even, odd);
    b = shuffle<lane_detail::InTurn<N, (N + 1) / 2>>(even, odd);
}

/// Transposes width_of<L> lanes: element k of lane j becomes element j of lane k.
template <class L>
STRATA_INLINE void transpose(L (&rows)[static_cast<std::size_t>(width_of<L>)]) {
    // Each round puts rows of the two halves in turn: a number's row and place, read as one binary number, move up by
    // one bit. After log2(N) rounds row and place have changed places. The rounds stay a loop: unrolled they save
    // little time and cost much to compile.
    constexpr int N = width_of<L>;
    if constexpr (N > 1) {
        STRATA_ROLLED
        for (int round = 1; round < N; round *= 2) {
            L turned[static_cast<std::size_t>(N)];
            STRATA_UNROLL
            for (int k = 0; k < N / 2; ++k) interleave(rows[k], rows[k + N / 2], turned[2 * k], turned[2 * k + 1]);
            STRATA_UNROLL
            for (int k = 0; k < N; ++k) rows[k] = turned[k];
        }
    }
}

namespace lane_detail {
template <class L>
STRATA_INLINE L counted() {
    L lane;
    STRATA_UNROLL
    for (int k = 0; k < width_of<L>; ++k) lane.v[k] = static_cast<scalar_of<L>>(k);
    return lane;
}
}  // namespace lane_detail
/// 0, 1, 2, … in the lane's samples, plus `first`.
template <class L>
STRATA_HD STRATA_INLINE L lane_index(int first) {
    if constexpr (width_of<L> == 1)
        return static_cast<L>(first);
    else
        return lane_detail::counted<L>() + static_cast<scalar_of<L>>(first);
}
/// Mask of the lanes that hold real samples when `count` samples remain.
template <class L>
STRATA_HD STRATA_INLINE auto first_lanes(int count) {
    return lane_index<L>(0) < static_cast<L>(static_cast<scalar_of<L>>(count));
}

}  // namespace strata::inline STRATA_ABI
