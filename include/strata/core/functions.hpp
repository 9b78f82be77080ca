// The elementary functions of lanes beyond exp, log and sqrt (lane.hpp, scalar_lane.hpp). A number gets the same bits in
// a lane of any width, a scalar included; on GPUs they are CUDA's. NaN stays NaN, infinities, signed zeros and denormal
// numbers are as those of the standard library.
//
//   expm1(x)        e^x - 1            errors of at most 2 units in the last place of the result,
//   log1p(x)        ln(1 + x)          in float and in double
//   erf(x)
//   rsqrt(x)        1 / sqrt(x)
//   sin(x), cos(x)                     arguments beyond 8192, in double 2^20, are much slower
//   tanh(x)                            at most 3 units
//   sigmoid(x)      1 / (1 + e^-x)     at most 3 units
#pragma once

#include "sine.hpp"

namespace strata::inline STRATA_ABI {

#ifdef __CUDA_ARCH__
#define STRATA_ON_DEVICE(cuda, host) cuda
#else
#define STRATA_ON_DEVICE(cuda, host) host
#endif

template <ScalarLane L>
STRATA_HD STRATA_INLINE L expm1(L x) {
    return STRATA_ON_DEVICE(std::expm1(x), lane_detail::exponential_minus_one(x));
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L log1p(L x) {
    return STRATA_ON_DEVICE(std::log1p(x), lane_detail::logarithm_of_one_plus(x));
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L tanh(L x) {
    return STRATA_ON_DEVICE(std::tanh(x), lane_detail::hyperbolic_tangent(x));
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L sigmoid(L x) {
    return STRATA_ON_DEVICE((L(1) / (L(1) + std::exp(-x))), lane_detail::logistic(x));
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L erf(L x) {
    return STRATA_ON_DEVICE(std::erf(x), lane_detail::error_function(x));
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L rsqrt(L x) {
    return L(1) / std::sqrt(x);
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L sin(L x) {
    return STRATA_ON_DEVICE(std::sin(x), lane_detail::sine<false>(x));
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L cos(L x) {
    return STRATA_ON_DEVICE(std::cos(x), lane_detail::sine<true>(x));
}
#undef STRATA_ON_DEVICE

template <class T, int N>
STRATA_INLINE Lane<T, N> expm1(Lane<T, N> x) {
    return lane_detail::exponential_minus_one(x);
}
template <class T, int N>
STRATA_INLINE Lane<T, N> log1p(Lane<T, N> x) {
    return lane_detail::logarithm_of_one_plus(x);
}
template <class T, int N>
STRATA_INLINE Lane<T, N> tanh(Lane<T, N> x) {
    return lane_detail::hyperbolic_tangent(x);
}
template <class T, int N>
STRATA_INLINE Lane<T, N> sigmoid(Lane<T, N> x) {
    return lane_detail::logistic(x);
}
template <class T, int N>
STRATA_INLINE Lane<T, N> erf(Lane<T, N> x) {
    return lane_detail::error_function(x);
}
template <class T, int N>
STRATA_INLINE Lane<T, N> rsqrt(Lane<T, N> x) {
    return Lane<T, N>(T(1)) / sqrt(x);
}
template <class T, int N>
STRATA_INLINE Lane<T, N> sin(Lane<T, N> x) {
    return lane_detail::sine<false>(x);
}
template <class T, int N>
STRATA_INLINE Lane<T, N> cos(Lane<T, N> x) {
    return lane_detail::sine<true>(x);
}

}  // namespace strata::inline STRATA_ABI
