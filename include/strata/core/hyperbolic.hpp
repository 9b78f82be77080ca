// e^x - 1, ln(1 + x), tanh and the logistic function of lanes of any width, a scalar included: one sequence of operations
// for all of them, so that a number gets the same bits in a vector and in what is left over from one. For that no product
// stands beside an addition that a compiler could fuse it into, unless it is exact. After exponential.hpp, whose
// approximations do the rest; functions.hpp has the errors.
#pragma once

#include <bit>

#include "lane.hpp"

namespace strata::inline STRATA_ABI::lane_detail {

template <class T>
using SignedBits = std::make_signed_t<detail::BitsOf<T>>;

/// A lane's numbers as integers, and the reverse.
template <ScalarLane L>
STRATA_INLINE SignedBits<L> bits_of(L x) {
    return std::bit_cast<SignedBits<L>>(x);
}
template <class T, int N>
STRATA_INLINE auto bits_of(Lane<T, N> x) {
    return x.bits();
}
template <class L, class Bits>
STRATA_INLINE L from_bits(Bits bits) {
    if constexpr (width_of<L> == 1)
        return std::bit_cast<L>(bits);
    else
        return L::from_bits(bits);
}

/// y with the sign bit of x, where y has none or the same.
template <class L>
STRATA_INLINE L with_sign(L y, L x) {
    constexpr auto sign = (std::numeric_limits<SignedBits<scalar_of<L>>>::min)();
    return from_bits<L>(bits_of(y) | (bits_of(x) & sign));
}

/// 2^exponent, for exponents of normal numbers.
template <class L, class Bits>
STRATA_INLINE L power_of_two(Bits exponent) {
    using C = Cephes<scalar_of<L>>;
    return from_bits<L>((exponent + SignedBits<scalar_of<L>>(C::bias)) << C::mantissa_bits);
}

/// c[0] x^(N-1) + c[1] x^(N-2) + … + c[N-1].
template <class L, class T, std::size_t N>
STRATA_INLINE L polynomial(L x, T const (&c)[N]) {
    L sum(c[0]);
    STRATA_UNROLL
    for (std::size_t k = 1; k < N; ++k) sum = multiply_add(sum, x, L(c[k]));
    return sum;
}

/// x = n ln(2) + r with |r| <= ln(2) / 2.
template <class L>
struct SplitExponent {
    using T = scalar_of<L>;
    using C = Cephes<T>;
    L r;
    decltype(bits_of(L())) n;

    STRATA_INLINE explicit SplitExponent(L x) {
        L rounded = multiply_add(x, L(static_cast<T>(1.44269504088896340736)), L(rounding<T>));  // times log2(e)
        hold_in_register(rounded);  // or -ffast-math would cancel the sum and lose the rounding
        L const whole = rounded - L(rounding<T>);
        r = multiply_add(whole, L(-C::ln2_low), multiply_add(whole, L(-C::ln2_high), x));
        n = bits_of(rounded) - bits_of(L(rounding<T>));
    }
    /// e^r - 1. For doubles the quotient of exponential.hpp is not good enough: its errors are small beside e^r.
    STRATA_INLINE L less_one() const {
        if constexpr (sizeof(T) == 4) {
            return C::exponential_less_one(r);
        } else {
            constexpr double c[] = {2.09147553258932e-9,
                                    2.5105312729622103e-8,
                                    2.755727347871858e-7,
                                    2.755725517000089e-6,
                                    2.480158732567746e-5,
                                    1.984126987500228e-4,
                                    1.3888888888883711e-3,
                                    8.333333333326084e-3,
                                    4.166666666666667e-2,
                                    1.666666666666667e-1,
                                    0.5};  // Chebyshev's of (e^r - 1 - r) / r^2
            return multiply_add(r * r, polynomial(r, c), r);
        }
    }
};

/// e^x for x <= 0, denormal results included; NaN gives any number.
template <class L>
STRATA_INLINE L exponential_of_negative(L x) {
    using T = scalar_of<L>;
    SplitExponent<L> const s(maximum(x, L(Cephes<T>::lowest)));
    auto const half = s.n >> 1;
    return (s.less_one() + L(T(1))) * power_of_two<L>(half) * power_of_two<L>(s.n - half);
}

/// e^x - 1.
template <class L>
STRATA_INLINE L exponential_minus_one(L x) {
    using T = scalar_of<L>;
    using C = Cephes<T>;
    constexpr T lowest = sizeof(T) == 4 ? T(-18) : T(-38);  // -1 to rounding
    SplitExponent<L> const s(minimum(maximum(x, L(lowest)), L(C::highest)));
    // (e^r - 1) 2^n + 2^n - 1, divided by 2^b while it is added: n = a + b may lie beyond the exponents of normal numbers.
    auto const a = s.n >> 1, b = s.n - a;
    L const first = power_of_two<L>(a);
    L const y = multiply_add(s.less_one(), first, first - power_of_two<L>(-b)) * power_of_two<L>(b);
    return select(is_nan(x), x, with_sign(y, x));
}

/// tanh(x) = t / (t + 2) with t = e^2x - 1, for |x|.
template <class L>
STRATA_INLINE L hyperbolic_tangent(L x) {
    using T = scalar_of<L>;
    constexpr T highest = sizeof(T) == 4 ? T(20) : T(40);  // 1 to rounding
    L const a = absolute(x);
    SplitExponent<L> const s(minimum(a + a, L(highest)));
    L const power = power_of_two<L>(s.n), t = multiply_add(s.less_one(), power, power - L(T(1)));
    return select(is_nan(x), x, with_sign(t / (t + L(T(2))), x));
}

/// 1 / (1 + e^-x), by way of e^-|x|, which does not overflow.
template <class L>
STRATA_INLINE L logistic(L x) {
    using T = scalar_of<L>;
    L const e = exponential_of_negative(-absolute(x));
    return select(is_nan(x), x, select(x < L(T(0)), e, L(T(1))) / (e + L(T(1))));
}

/// ln(1 + x).
template <class L>
STRATA_INLINE L logarithm_of_one_plus(L x) {
    using T = scalar_of<L>;
    using C = Cephes<T>;
    using Limits = std::numeric_limits<T>;
    // 1 + x = m 2^n with sqrt(1/2) <= m < sqrt(2). m - 1 is x 2^-n + (2^-n - 1), exact but for one rounding, where x has
    // bits that 1 + x has lost, else the bits of 1 + x.
    L const sum = x + L(T(1));
    L const positive = select(sum > L(T(0)), sum, L(T(1)));
    auto const n = (bits_of(positive) - bits_of(L(static_cast<T>(0.70710678118654752440)))) >> C::mantissa_bits;
    L const scale = power_of_two<L>(-n), whole = from_bits<L>(n + bits_of(L(rounding<T>))) - L(rounding<T>);
    L const of_bits = from_bits<L>(bits_of(positive) - (n << C::mantissa_bits)) - L(T(1));
    L const f = select(sum > L(T(4) / Limits::epsilon()), of_bits, multiply_add(x, scale, scale - L(T(1))));
    L y = multiply_add(whole, L(C::ln2_low), C::logarithm_rest(f));
    y = multiply_add(f * f, L(T(-0.5)), y);
    y = with_sign(multiply_add(whole, L(C::ln2_high), f + y), x);
    y = select(is_finite(x), y, x);
    return select(sum > L(T(0)), y, select(sum == L(T(0)), L(-Limits::infinity()), L(Limits::quiet_NaN())));
}

}  // namespace strata::inline STRATA_ABI::lane_detail
