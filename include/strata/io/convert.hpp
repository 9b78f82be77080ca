// Conversion between the element types of files. Loads and stores go through memcpy: data in a
// file need not be aligned.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "../core/error.hpp"
#include "../core/finite.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI {

/// The value of IEEE 754 binary16 bits (exact).
[[nodiscard]] float float16_value(std::uint16_t bits);

/// The value of bfloat16 bits: the upper half of a float (exact).
[[nodiscard]] float bfloat16_value(std::uint16_t bits);

namespace detail {
// x rounded to the nearest 16-bit number with this many mantissa bits, ties to even, overflow to infinity. From double
// in one step: by way of float it would round twice.
template <int mantissa_bits>
std::uint16_t rounded_bits(double x) {
    constexpr int exponent_bits = 15 - mantissa_bits, bias = (1 << (exponent_bits - 1)) - 1, smallest_normal = 1 - bias;
    constexpr std::uint64_t infinity = ((std::uint64_t{1} << exponent_bits) - 1) << mantissa_bits;
    constexpr std::uint64_t hidden = std::uint64_t{1} << 52, one = std::uint64_t{1} << mantissa_bits;
    auto const bits = std::bit_cast<std::uint64_t>(x);
    std::uint64_t const sign = bits >> 63 << 15, magnitude = bits & ~(std::uint64_t{1} << 63);
    auto const signed_result = [&](std::uint64_t result) { return static_cast<std::uint16_t>(sign | result); };
    if (is_nan(x))  // quiet, with the upper bits of the payload
        return signed_result(infinity | one >> 1 | ((magnitude & (hidden - 1)) >> (52 - mantissa_bits)));
    int const exponent = static_cast<int>(magnitude >> 52) - 1023;
    if (exponent > bias) return signed_result(infinity);
    int const shift = 52 - mantissa_bits + (exponent < smallest_normal ? smallest_normal - exponent : 0);
    if (shift > 53) return signed_result(0);  // below half of the smallest subnormal
    std::uint64_t const significand = (magnitude & (hidden - 1)) | hidden;
    std::uint64_t const rest = significand & ((std::uint64_t{1} << shift) - 1), tie = std::uint64_t{1} << (shift - 1);
    std::uint64_t result = significand >> shift;
    if (exponent >= smallest_normal) result += (static_cast<std::uint64_t>(exponent + bias) << mantissa_bits) - one;
    if (rest > tie || (rest == tie && (result & 1) != 0)) ++result;  // a carry runs into the exponent, as it should
    return signed_result(result);
}

template <class T, class Value>
void decode(std::byte const* from, double* values, std::size_t n, Value value) {
    for (std::size_t i = 0; i < n; ++i) {
        T element;
        std::memcpy(&element, from + i * sizeof(T), sizeof(T));
        values[i] = static_cast<double>(value(element));
    }
}

template <class T, class Element>
void encode(double const* values, std::byte* to, std::size_t n, Element element_of) {
    for (std::size_t i = 0; i < n; ++i) {
        T const element = element_of(values[i]);
        std::memcpy(to + i * sizeof(T), &element, sizeof(T));
    }
}
}  // namespace detail

/// The binary16 bits nearest to x, ties to even.
[[nodiscard]] inline std::uint16_t float16_bits(double x) { return detail::rounded_bits<10>(x); }

/// The bfloat16 bits nearest to x, ties to even.
[[nodiscard]] inline std::uint16_t bfloat16_bits(double x) { return detail::rounded_bits<7>(x); }

/// Whether convert_elements can do it: any floating type to any other, and every type to itself.
[[nodiscard]] constexpr bool is_convertible(DataType from, DataType to) {
    auto const is_float = [](DataType type) { return type != DataType::uint8 && type != DataType::int64; };
    return from == to || (is_float(from) && is_float(to));
}

/// Converts n elements; equal types are copied bit by bit. The ranges must not overlap. Throws Error when
/// is_convertible says no.
void convert_elements(DataType from_type, void const* source, DataType to_type, void* destination, std::size_t n);

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "convert.ipp"
#endif
