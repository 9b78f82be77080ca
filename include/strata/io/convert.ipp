// The functions of convert.hpp that no network type touches.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../core/error.hpp"
#include "../core/finite.hpp"
#include "../core/tensor.hpp"
#include "convert.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE float float16_value(std::uint16_t bits) {
    std::uint32_t const sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, mantissa = bits & 1023u;
    if (exponent == 0) return std::copysign(static_cast<float>(mantissa) * 0x1p-24f, std::bit_cast<float>(sign));
    return std::bit_cast<float>(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13);
}

STRATA_DEFINE float bfloat16_value(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

STRATA_DEFINE void convert_elements(DataType from_type, void const* source, DataType to_type, void* destination,
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
