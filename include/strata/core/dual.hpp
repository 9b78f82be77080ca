// Dual<L>: a lane that carries a derivative along. Where f is written over lanes, f(Dual(x, 1)).slope is f'(x), by the
// rules of differentiation, without a second formula (forward-mode automatic differentiation; Griewank and Walther,
// Evaluating Derivatives, 2008, chapter 3).
//
// It has the arithmetic, comparisons and functions of the lanes of lane.hpp and functions.hpp. Comparisons look at values
// alone. At a kink the slope is that of the branch that is taken: of maximum(a, b) and minimum(a, b) where a = b that of
// b; of absolute(x) at 0 it is 0. A branch of a select that is not taken may be infinite or NaN; otherwise what forward
// computes on the way has to be finite for the slope to be a number: write sigmoid(x), not 1 / (1 + exp(-x)).
#pragma once

#include "functions.hpp"

namespace strata::inline STRATA_ABI {

/// A number and its derivative; L is a lane.
template <class L>
struct Dual {
    using Scalar = scalar_of<L>;
    using Mask = decltype(L() < L());
    static constexpr int width = width_of<L>;
    L value, slope;

    Dual() = default;
    STRATA_HD STRATA_INLINE Dual(L constant) : value(constant), slope(L(Scalar(0))) {}  // NOLINT: constants convert
    STRATA_HD STRATA_INLINE Dual(L v, L derivative) : value(v), slope(derivative) {}
    template <class U>
    requires(std::is_arithmetic_v<U> && !std::same_as<U, L>)
    STRATA_HD STRATA_INLINE Dual(U constant) : Dual(L(static_cast<Scalar>(constant))) {}  // NOLINT: as lanes

    STRATA_HD STRATA_INLINE Dual& operator+=(Dual b) { return *this = *this + b; }
    STRATA_HD STRATA_INLINE Dual& operator-=(Dual b) { return *this = *this - b; }
    STRATA_HD STRATA_INLINE Dual& operator*=(Dual b) { return *this = *this * b; }
    STRATA_HD STRATA_INLINE Dual& operator/=(Dual b) { return *this = *this / b; }

    friend STRATA_HD STRATA_INLINE Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
    friend STRATA_HD STRATA_INLINE Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
    friend STRATA_HD STRATA_INLINE Dual operator*(Dual a, Dual b) {
        return {a.value * b.value, multiply_add(a.slope, b.value, a.value * b.slope)};
    }
    friend STRATA_HD STRATA_INLINE Dual operator/(Dual a, Dual b) {
        L const quotient = a.value / b.value;
        return {quotient, multiply_add(-quotient, b.slope, a.slope) / b.value};
    }
    // With plain numbers, whose slope of 0 is not multiplied by what may be infinite.
    template <class U>
    requires std::is_arithmetic_v<U>
    friend STRATA_HD STRATA_INLINE Dual operator*(Dual a, U b) {
        return {a.value * L(static_cast<Scalar>(b)), a.slope * L(static_cast<Scalar>(b))};
    }
    template <class U>
    requires std::is_arithmetic_v<U>
    friend STRATA_HD STRATA_INLINE Dual operator*(U a, Dual b) {
        return b * a;
    }
    template <class U>
    requires std::is_arithmetic_v<U>
    friend STRATA_HD STRATA_INLINE Dual operator/(Dual a, U b) {
        return {a.value / L(static_cast<Scalar>(b)), a.slope / L(static_cast<Scalar>(b))};
    }
    friend STRATA_HD STRATA_INLINE Dual operator-(Dual a) { return {-a.value, -a.slope}; }
    friend STRATA_HD STRATA_INLINE Mask operator<(Dual a, Dual b) { return a.value < b.value; }
    friend STRATA_HD STRATA_INLINE Mask operator<=(Dual a, Dual b) { return a.value <= b.value; }
    friend STRATA_HD STRATA_INLINE Mask operator>(Dual a, Dual b) { return a.value > b.value; }
    friend STRATA_HD STRATA_INLINE Mask operator>=(Dual a, Dual b) { return a.value >= b.value; }
    friend STRATA_HD STRATA_INLINE Mask operator==(Dual a, Dual b) { return a.value == b.value; }
    friend STRATA_HD STRATA_INLINE Mask operator!=(Dual a, Dual b) { return a.value != b.value; }
    friend STRATA_HD STRATA_INLINE Mask is_finite(Dual a) { return is_finite(a.value); }
    friend STRATA_HD STRATA_INLINE Mask is_nan(Dual a) { return is_nan(a.value); }

    friend STRATA_HD STRATA_INLINE Dual select(Mask mask, Dual yes, Dual no) {
        return {select(mask, yes.value, no.value), select(mask, yes.slope, no.slope)};
    }
    friend STRATA_HD STRATA_INLINE Dual multiply_add(Dual a, Dual b, Dual c) {
        return {multiply_add(a.value, b.value, c.value),
                multiply_add(a.slope, b.value, multiply_add(a.value, b.slope, c.slope))};
    }
    friend STRATA_HD STRATA_INLINE Dual maximum(Dual a, Dual b) { return select(a > b, a, b); }
    friend STRATA_HD STRATA_INLINE Dual minimum(Dual a, Dual b) { return select(a < b, a, b); }
    friend STRATA_HD STRATA_INLINE Dual absolute(Dual a) {
        L const zero = L(Scalar(0));
        return {absolute(a.value), select(a.value < zero, -a.slope, select(a.value > zero, a.slope, zero))};
    }
    friend STRATA_HD STRATA_INLINE Dual sqrt(Dual a) {
        L const y = sqrt(a.value);
        return {y, L(Scalar(0.5)) * a.slope / y};
    }
    friend STRATA_HD STRATA_INLINE Dual rsqrt(Dual a) {
        L const y = rsqrt(a.value);
        return {y, L(Scalar(-0.5)) * a.slope * y / a.value};
    }
    friend STRATA_HD STRATA_INLINE Dual exp(Dual a) {
        L const y = exp(a.value);
        return {y, y * a.slope};
    }
    friend STRATA_HD STRATA_INLINE Dual expm1(Dual a) {
        L const y = expm1(a.value);
        return {y, (y + one()) * a.slope};
    }
    friend STRATA_HD STRATA_INLINE Dual log(Dual a) { return {log(a.value), a.slope / a.value}; }
    friend STRATA_HD STRATA_INLINE Dual log1p(Dual a) { return {log1p(a.value), a.slope / (one() + a.value)}; }
    friend STRATA_HD STRATA_INLINE Dual tanh(Dual a) {
        L const y = tanh(a.value);
        return {y, multiply_add(-y, y, one()) * a.slope};
    }
    friend STRATA_HD STRATA_INLINE Dual sigmoid(Dual a) {
        L const y = sigmoid(a.value);
        return {y, y * (one() - y) * a.slope};
    }
    friend STRATA_HD STRATA_INLINE Dual erf(Dual a) {  // 2 / sqrt(pi) e^-x^2
        return {erf(a.value), L(static_cast<Scalar>(1.12837916709551257390)) * exp(-a.value * a.value) * a.slope};
    }
    friend STRATA_HD STRATA_INLINE Dual sin(Dual a) { return {sin(a.value), cos(a.value) * a.slope}; }
    friend STRATA_HD STRATA_INLINE Dual cos(Dual a) { return {cos(a.value), -sin(a.value) * a.slope}; }

private:
    STRATA_HD static STRATA_INLINE L one() { return L(Scalar(1)); }
};

}  // namespace strata::inline STRATA_ABI
