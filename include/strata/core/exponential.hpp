// e^x and the natural logarithm of SIMD lanes, after Cephes (Moshier, Methods and Programs for Mathematical Functions,
// 1989: expf.c, exp.c, logf.c, log.c): the power of two is split off through the bits of the number, a polynomial or a
// quotient of two does the rest. Within 2 units in the last place; denormal numbers, infinities and NaN included.
#pragma once

#include <limits>

#include "config.hpp"
#include "vector.hpp"

namespace strata::inline STRATA_ABI::lane_detail {

/// Where a number of type T has its exponent, and Cephes' approximations.
template <class T>
struct Cephes;

template <>
struct Cephes<float> {
    static constexpr int mantissa_bits = 23, bias = 127;
    static constexpr float lowest = -104, highest = 89;  // e^x is 0 below, infinite above
    // ln(2) in two parts, of which multiples of the first are exact.
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;

    /// e^r - 1 for |r| <= ln(2) / 2.
    template <class L>
    static STRATA_INLINE L exponential_less_one(L r) {
        L y = multiply_add(r, 1.9875691500e-4f, 1.3981999507e-3f);
        y = multiply_add(y, r, 8.3334519073e-3f);
        y = multiply_add(y, r, 4.1665795894e-2f);
        y = multiply_add(y, r, 1.6666665459e-1f);
        y = multiply_add(y, r, 5.0000001201e-1f);
        return multiply_add(y, r * r, r);
    }
    /// ln(1 + x) - x + x^2 / 2 for sqrt(1/2) <= 1 + x < sqrt(2).
    template <class L>
    static STRATA_INLINE L logarithm_rest(L x) {
        L y = multiply_add(x, 7.0376836292e-2f, -1.1514610310e-1f);
        y = multiply_add(y, x, 1.1676998740e-1f);
        y = multiply_add(y, x, -1.2420140846e-1f);
        y = multiply_add(y, x, 1.4249322787e-1f);
        y = multiply_add(y, x, -1.6668057665e-1f);
        y = multiply_add(y, x, 2.0000714765e-1f);
        y = multiply_add(y, x, -2.4999993993e-1f);
        y = multiply_add(y, x, 3.3333331174e-1f);
        return y * (x * x * x);
    }
};

template <>
struct Cephes<double> {
    static constexpr int mantissa_bits = 52, bias = 1023;
    static constexpr double lowest = -746, highest = 710;
    static constexpr double ln2_high = 0.693145751953125, ln2_low = 1.42860682030941723212e-6;

    template <class L>
    static STRATA_INLINE L exponential_less_one(L r) {
        L const z = r * r;
        L p = multiply_add(z, 1.26177193074810590878e-4, 3.02994407707441961300e-2);
        p = multiply_add(p, z, 9.99999999999999999910e-1) * r;
        L q = multiply_add(z, 3.00198505138664455042e-6, 2.52448340349684104192e-3);
        q = multiply_add(q, z, 2.27265548208155028766e-1);
        q = multiply_add(q, z, 2.0);
        L const quotient = p / (q - p);
        return quotient + quotient;
    }
    template <class L>
    static STRATA_INLINE L logarithm_rest(L x) {
        L p = multiply_add(x, 1.01875663804580931796e-4, 4.97494994976747001425e-1);
        p = multiply_add(p, x, 4.70579119878881725854e0);
        p = multiply_add(p, x, 1.44989225341610930846e1);
        p = multiply_add(p, x, 1.79368678507819816313e1);
        p = multiply_add(p, x, 7.70838733755885391666e0);
        L q = x + 1.12873587189167450590e1;
        q = multiply_add(q, x, 4.52279145837532221105e1);
        q = multiply_add(q, x, 8.29875266912776603211e1);
        q = multiply_add(q, x, 7.11544750618563894466e1);
        q = multiply_add(q, x, 2.31251620126765340583e1);
        return x * x * x * (p / q);
    }
};

/// A number whose last bits count whole units: added and taken away again, it rounds to the nearest one.
template <class T>
inline constexpr T rounding = static_cast<T>(3ull << (Cephes<T>::mantissa_bits - 1));

template <class L>
STRATA_INLINE L exponential(L x) {
    using T = typename L::Scalar;
    using C = Cephes<T>;
    L const limited = minimum(maximum(x, L(C::lowest)), L(C::highest));
    L rounded = multiply_add(limited, static_cast<T>(1.44269504088896340736), rounding<T>);  // times log2(e)
    hold_in_register(rounded);  // or -ffast-math would cancel the sum and lose the rounding
    L const n = rounded - rounding<T>;
    L const r = multiply_add(n, -C::ln2_low, multiply_add(n, -C::ln2_high, limited));
    L const y = C::exponential_less_one(r) + T(1);
    // y 2^n, in two factors: n may lie beyond the exponents of normal numbers.
    auto const power = rounded.bits() - L(rounding<T>).bits(), half = power >> 1;
    auto const factor = [](auto exponent) { return L::from_bits((exponent + C::bias) << C::mantissa_bits); };
    return select(is_nan(x), x, y * factor(half) * factor(power - half));
}

template <class L>
STRATA_INLINE L logarithm(L x) {
    using T = typename L::Scalar;
    using C = Cephes<T>;
    using Limits = std::numeric_limits<T>;
    constexpr T denormal_scale = T(1) / Limits::epsilon();
    auto const is_denormal = x < (Limits::min)();
    L const normal = select(is_denormal, x * denormal_scale, x);
    // x = m 2^e with 1/2 <= m < 1. The exponent becomes a number as the last bits of a larger one.
    auto const number = normal.bits(), mantissa = number & (L((Limits::min)()).bits() - 1);
    L e = L::from_bits((number >> C::mantissa_bits) + L(denormal_scale).bits()) - (denormal_scale + T(C::bias - 1));
    e = select(is_denormal, e - T(C::mantissa_bits), e);
    L m = L::from_bits(mantissa | L(T(0.5)).bits());
    auto const is_low = m < static_cast<T>(0.70710678118654752440);
    e = select(is_low, e - T(1), e);
    m = select(is_low, m + m, m) - T(1);
    L y = multiply_add(e, C::ln2_low, C::logarithm_rest(m));
    y = multiply_add(m * m, T(-0.5), y);
    y = multiply_add(e, C::ln2_high, m + y);
    y = select(is_finite(x), y, x);
    return select(x > T(0), y, select(x == T(0), L(-Limits::infinity()), L(Limits::quiet_NaN())));
}

}  // namespace strata::inline STRATA_ABI::lane_detail
