// Conversion between the element types of files. Loads and stores go through memcpy: data in a
// file need not be aligned.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../core/error.hpp"
#include "../core/finite.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI {

/// The value of IEEE 754 binary16 bits (exact).
[[nodiscard]] inline float float16_value(std::uint16_t bits) {
    std::uint32_t const sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, mantissa = bits & 1023u;
    if (exponent == 0) return std::copysign(static_cast<float>(mantissa) * 0x1p-24f, std::bit_cast<float>(sign));
    return std::bit_cast<float>(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13);
}

/// The value of bfloat16 bits: the upper half of a float (exact).
[[nodiscard]] inline float bfloat16_value(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

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
inline void convert_elements(DataType from_type, void const* source, DataType to_type, void* destination,
                             std::size_t n) {
    if (!is_convertible(from_type, to_type)) fail("convert_elements: no conversion between these element types");
    if (n == 0) return;
    if (from_type == to_type) {
        std::memcpy(destination, source, n * size_of(to_type));
        return;
    }
    auto const* from = static_cast<std::byte const*>(source);
    auto* to = static_cast<std::byte*>(destination);
    // By way of double, which holds every value of every type: eight loops instead of sixteen.
    constexpr std::size_t most = 256;
    double values[most];
    while (n > 0) {
        std::size_t const count = n < most ? n : most;
        switch (from_type) {
            case DataType::float16:
                detail::decode<std::uint16_t>(from, values, count, float16_value);
                break;
            case DataType::bfloat16:
                detail::decode<std::uint16_t>(from, values, count, bfloat16_value);
                break;
            case DataType::float32:
                detail::decode<float>(from, values, count, [](float x) { return x; });
                break;
            default:
                detail::decode<double>(from, values, count, [](double x) { return x; });
                break;
        }
        switch (to_type) {
            case DataType::float16:
                detail::encode<std::uint16_t>(values, to, count, float16_bits);
                break;
            case DataType::bfloat16:
                detail::encode<std::uint16_t>(values, to, count, bfloat16_bits);
                break;
            case DataType::float32:  // out of range becomes infinity (IEEE 754)
                detail::encode<float>(values, to, count, [](double x) { return static_cast<float>(x); });
                break;
            default:
                detail::encode<double>(values, to, count, [](double x) { return x; });
                break;
        }
        from += count * size_of(from_type);
        to += count * size_of(to_type);
        n -= count;
    }
}

}  // namespace strata::inline STRATA_ABI
