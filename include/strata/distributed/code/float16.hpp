// Float16: gradients as IEEE 754 half-precision numbers.
#pragma once

#include "../../io/convert.hpp"
#include "two_bytes.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

// The same as float16_bits and float16_value, but without branches, so that loops over them become vectors: compilers
// do not choose between numbers of which one was computed in vain, but they mask bits.

STRATA_INLINE std::uint32_t chosen(bool first, std::uint32_t a, std::uint32_t b) {
    std::uint32_t const mask = 0u - static_cast<std::uint32_t>(first);
    return (a & mask) | (b & ~mask);
}
/// The half-precision bits nearest to x, ties to even; |x| is 65,504 at most.
STRATA_INLINE std::uint16_t half_bits(float x) {
    auto const bits = std::bit_cast<std::uint32_t>(x), magnitude = bits & 0x7fffffffu;
    std::uint32_t const normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - (112u << 23)) >> 13;
    // Beside 0.5 a float's last bit is 2^-24, as that of the smallest half-precision numbers.
    std::uint32_t const small =
        std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000u) | chosen(magnitude < (113u << 23), small, normal));
}
STRATA_INLINE float half_value(std::uint16_t half) {
    std::uint32_t const magnitude = half & 0x7fffu, sign = (half & 0x8000u) << 16;
    auto const small =
        std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f);
    std::uint32_t const normal = (magnitude << 13) + (112u << 23), not_finite = magnitude << 13 | 0x7f800000u;
    return std::bit_cast<float>(chosen(magnitude < 0x400u, small, chosen(magnitude < 0x7c00u, normal, not_finite)) |
                                sign);
}

}  // namespace detail

/// Two bytes a number, with 11 bits of precision between 6.1e-5 and 65,504 and fewer below. What is larger than that or
/// too small is sent by and by.
struct Float16 : detail::TwoBytes<Float16> {
    static constexpr char const* name = "Float16";
    static constexpr float largest = 65504;

    static std::uint16_t any_bits(double x) { return float16_bits(x); }
    static STRATA_INLINE std::uint16_t bits(float x) { return detail::half_bits(x); }
    static STRATA_INLINE float value(std::uint16_t bits) { return detail::half_value(bits); }
};

}  // namespace strata::inline STRATA_ABI
