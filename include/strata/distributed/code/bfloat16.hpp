// BFloat16: gradients as the upper halves of floats.
#pragma once

#include "../../io/convert.hpp"
#include "two_bytes.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

inline constexpr float largest_brain = 0x1.fep127f;

/// The bfloat16 bits nearest to x, ties to even; |x| is the largest bfloat16 at most. As bfloat16_bits, but without
/// branches; small numbers are kept on all processors, as those of bfloat16 are not.
STRATA_INLINE std::uint16_t brain_bits(float x) {
    auto const bits = std::bit_cast<std::uint32_t>(x);
    return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
STRATA_INLINE float brain_value(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace detail

/// Two bytes a number, with 8 bits of precision and float's range.
struct BFloat16 : detail::TwoBytes<BFloat16> {
    static constexpr char const* name = "BFloat16";
    static constexpr float largest = detail::largest_brain;

    static std::uint16_t any_bits(double x) { return bfloat16_bits(x); }
    static STRATA_INLINE std::uint16_t bits(float x) { return detail::brain_bits(x); }
    static STRATA_INLINE float value(std::uint16_t bits) { return detail::brain_value(bits); }
};

}  // namespace strata::inline STRATA_ABI
