// Whether a number is finite, read off its bits: with -ffast-math compilers take std::isfinite(x) for true and x != x
// for false, and healthy or broken, every training would pass for finite.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "config.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
/// The bits of infinity: those of finite numbers without their sign are less, those of NaN are more.
template <class T>
inline constexpr BitsOf<T> infinity_bits = sizeof(T) == 4 ? 0x7f800000u : static_cast<BitsOf<T>>(0x7ff0000000000000u);

/// The bits of |x|.
template <class T>
STRATA_INLINE constexpr BitsOf<T> magnitude_bits(T x) {
    auto bits = std::bit_cast<BitsOf<T>>(x);
#if STRATA_FINITE_MATH && !defined(__CUDA_ARCH__)
    if (!std::is_constant_evaluated()) asm("" : "+r"(bits));  // nobody knows any more that they are a number's
#endif
    return bits & ~(BitsOf<T>(1) << (8 * sizeof(T) - 1));
}
}  // namespace detail

/// True where x is neither NaN nor infinite; other number types convert.
STRATA_INLINE constexpr bool is_finite(float x) { return detail::magnitude_bits(x) < detail::infinity_bits<float>; }
STRATA_INLINE constexpr bool is_finite(double x) { return detail::magnitude_bits(x) < detail::infinity_bits<double>; }
/// True where x is not a number.
STRATA_INLINE constexpr bool is_nan(float x) { return detail::magnitude_bits(x) > detail::infinity_bits<float>; }
STRATA_INLINE constexpr bool is_nan(double x) { return detail::magnitude_bits(x) > detail::infinity_bits<double>; }

}  // namespace strata::inline STRATA_ABI
