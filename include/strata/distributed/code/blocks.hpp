// What the codes of gradients share: numbers are worked on in blocks of a constant size, whose loops compilers make
// vectors of, whatever they are told about optimisation.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "../../core/error.hpp"
#include "../../core/exact_text.hpp"
#include "../../core/lane.hpp"

namespace strata::inline STRATA_ABI {

/// A code is one of at most so many numbers: the chunks in which the optimizer works, too.
inline constexpr std::size_t code_chunk = 4096;

namespace detail {

inline constexpr std::size_t code_block = 64;  // numbers
static_assert(std::endian::native == std::endian::little,
              "codes of gradients lie in memory as in little-endian machines");

/// Bytes of `count` numbers of so many bits each.
constexpr std::size_t bytes_of_bits(std::size_t count, std::size_t bits) { return (count * bits + 7) / 8; }

/// Calls f(gradient, state, code) with blocks of 64 numbers of a chunk, the last of them filled up with zeros, and their
/// codes of Bits bits each.
template <std::size_t Bits, class T, class F>
STRATA_INLINE void encode_blocks(std::span<T const> gradient, T* state, std::byte* code, F const& f) {
    std::size_t const count = gradient.size();
    std::size_t at = 0;
    for (; at + code_block <= count; at += code_block) f(gradient.data() + at, state + at, code + at * Bits / 8);
    if (std::size_t const rest = count - at; rest > 0) {
        T last[code_block] = {}, its_state[code_block] = {};
        std::byte its_code[code_block * Bits / 8];
        std::memcpy(last, gradient.data() + at, rest * sizeof(T));
        std::memcpy(its_state, state + at, rest * sizeof(T));
        f(static_cast<T const*>(last), static_cast<T*>(its_state), static_cast<std::byte*>(its_code));
        std::memcpy(state + at, its_state, rest * sizeof(T));
        std::memcpy(code + at * Bits / 8, its_code, bytes_of_bits(rest, Bits));
    }
}
/// Calls f(code, numbers) with the same blocks.
template <std::size_t Bits, class T, class F>
STRATA_INLINE void decode_blocks(std::byte const* code, std::span<T> numbers, F const& f) {
    std::size_t const count = numbers.size();
    std::size_t at = 0;
    for (; at + code_block <= count; at += code_block) f(code + at * Bits / 8, numbers.data() + at);
    if (std::size_t const rest = count - at; rest > 0) {
        T last[code_block];
        std::byte its_code[code_block * Bits / 8] = {};
        std::memcpy(its_code, code + at * Bits / 8, bytes_of_bits(rest, Bits));
        f(static_cast<std::byte const*>(its_code), static_cast<T*>(last));
        std::memcpy(numbers.data() + at, last, rest * sizeof(T));
    }
}
/// Calls f(gradient, state) with the same blocks, which it does not change.
template <class T, class F>
STRATA_INLINE void look_at_blocks(std::span<T const> gradient, T const* state, F const& f) {
    std::size_t at = 0;
    for (; at + code_block <= gradient.size(); at += code_block) f(gradient.data() + at, state + at);
    if (std::size_t const rest = gradient.size() - at; rest > 0) {
        T last[code_block] = {}, its_state[code_block] = {};
        std::memcpy(last, gradient.data() + at, rest * sizeof(T));
        std::memcpy(its_state, state + at, rest * sizeof(T));
        f(static_cast<T const*>(last), static_cast<T const*>(its_state));
    }
}

/// The bits of the largest |gradient + state|: those of NaN and infinity are larger than all others.
template <class T>
BitsOf<T> largest_magnitude(std::span<T const> gradient, T const* state) {
    using Signed = std::make_signed_t<BitsOf<T>>;  // of which processors know the larger one
    Signed largest = 0;
    look_at_blocks(gradient, state, [&](T const* g, T const* s) STRATA_INLINED {
        for (std::size_t i = 0; i < code_block; ++i) {
            auto const magnitude = static_cast<Signed>(magnitude_bits(g[i] + s[i]));
            largest = magnitude > largest ? magnitude : largest;
        }
    });
    return static_cast<BitsOf<T>>(largest);
}

/// A finite number, brought to -largest … largest.
template <class T>
STRATA_INLINE T limited(T x, T largest) {
    T const below = x > largest ? largest : x;
    return below < -largest ? -largest : below;
}

/// The signs of 64 numbers as bits, the first of them lowest.
STRATA_INLINE std::uint64_t sign_bits(std::int32_t const (&numbers)[code_block]) {
    std::uint64_t bits = 0;
    STRATA_UNROLL
    for (int at = 0; at < static_cast<int>(code_block);) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
        bits |= std::uint64_t{_mm512_movepi32_mask(_mm512_loadu_si512(numbers + at))} << at;
        at += 16;
#elif defined(__AVX__)
        auto const* const from = reinterpret_cast<__m256i const*>(numbers + at);
        int const eight = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_loadu_si256(from)));
        bits |= static_cast<std::uint64_t>(eight) << at;
        at += 8;
#elif defined(__SSE2__)
        auto const* const from = reinterpret_cast<__m128i const*>(numbers + at);
        int const four = _mm_movemask_ps(_mm_castsi128_ps(_mm_loadu_si128(from)));
        bits |= static_cast<std::uint64_t>(four) << at;
        at += 4;
#else
        bits |= std::uint64_t{numbers[at] < 0} << at;
        ++at;
#endif
    }
    return bits;
}

/// Throws Error where the parts of a chunk do not fit together.
template <class T, class Code>
void check_encode(Code const& code, std::size_t count, std::size_t state, std::size_t bytes) {
    if (count > code_chunk) fail(Code::name, ": a chunk of ", count, " numbers, expected ", code_chunk, " at most");
    if (state != count * static_cast<std::size_t>(Code::states))
        fail(Code::name, ": ", state, " numbers of state, expected ", count * static_cast<std::size_t>(Code::states));
    if (bytes != code.template bytes<T>(count))
        fail(Code::name, ": room for ", bytes, " bytes, expected ", code.template bytes<T>(count));
}
template <class T, class Code>
void check_decode(Code const& code, std::size_t bytes, std::size_t count) {
    if (count > code_chunk) fail(Code::name, ": a chunk of ", count, " numbers, expected ", code_chunk, " at most");
    if (bytes != code.template bytes<T>(count))
        fail(Code::name, ": ", bytes, " bytes for ", count, " numbers, expected ", code.template bytes<T>(count));
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
