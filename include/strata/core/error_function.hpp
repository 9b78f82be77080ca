// The error function of lanes of any width, by the rules of hyperbolic.hpp.
//
// float: x + x P(x^2) below 0.927, 1 - e^p(|x|) above, p fitted to the logarithm of 1 - erf, as N. Juffa does it.
// double: x + x P(x^2) up to 1, P Chebyshev's, 1 - e^-x^2 P(|x|) / Q(|x|) above, as Cephes (ndtr.c).
#pragma once

#include "hyperbolic.hpp"

namespace strata::inline STRATA_ABI::lane_detail {

template <class L>
requires std::same_as<scalar_of<L>, float>
STRATA_INLINE L error_function(L x) {
    constexpr float near[] = {-5.96761703e-4f, 4.99119423e-3f,  -2.67681349e-2f,
                              1.12819925e-1f,  -3.76125336e-1f, 1.28379166e-1f};
    constexpr float far[] = {-1.72853470e-5f, 3.83197126e-4f,  -3.88396438e-3f, 2.42546219e-2f,
                             -1.06777877e-1f, -6.34846687e-1f, -1.28717512e-1f};
    L const a = absolute(x), t = minimum(a, L(4.0f));  // 1 to rounding from there on
    L const small = multiply_add(polynomial(x * x, near), a, a);
    SplitExponent<L> const s(multiply_add(polynomial(t, far), t, -t));
    L const large = L(1.0f) - (s.less_one() + L(1.0f)) * power_of_two<L>(s.n);
    return select(is_nan(x), x, with_sign(select(a > L(0.927734375f), large, small), x));
}

template <class L>
requires std::same_as<scalar_of<L>, double>
STRATA_INLINE L error_function(L x) {
    constexpr double P[] = {2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687e0,
                            4.86371970985681366614e1,   1.96520832956077098242e2,  5.26445194995477358631e2,
                            9.34528527171957607540e2,   1.02755188689515710272e3,  5.57535335369399327526e2};
    constexpr double Q[] = {1.0,
                            1.32281951154744992508e1,
                            8.67072140885989742329e1,
                            3.54937778887819891062e2,
                            9.75708501743205489753e2,
                            1.82390916687909736289e3,
                            2.24633760818710981792e3,
                            1.65666309194161350182e3,
                            5.57535340817727675546e2};
    constexpr double near[] = {5.957176147748911e-11,   -1.1372848856791674e-09, 1.4659775274047436e-08,
                               -1.6350312701054695e-07, 1.6461000484121368e-06,  -1.4925595266831182e-05,
                               0.0001205533111164271,   -0.000854832698083379,   0.0052239776248180145,
                               -0.026866170645076792,   0.11283791670954879,     -0.3761263890318375,
                               0.1283791670955126};
    L const a = absolute(x), t = minimum(a, L(6.0));  // 1 to rounding from there on
    L const z = t * t, small = multiply_add(polynomial(z, near), a, a);
    L const large = L(1.0) - exponential_of_negative(-z) * polynomial(t, P) / polynomial(t, Q);
    return select(is_nan(x), x, with_sign(select(a > L(1.0), large, small), x));
}

}  // namespace strata::inline STRATA_ABI::lane_detail
