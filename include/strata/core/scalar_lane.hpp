// The lane vocabulary of lane.hpp for one sample: a float or a double.
#pragma once

#include <cmath>
#include <concepts>

#include "config.hpp"
#include "finite.hpp"

namespace strata::inline STRATA_ABI {

template <class L>
concept ScalarLane = std::same_as<L, float> || std::same_as<L, double>;

template <ScalarLane L>
STRATA_HD STRATA_INLINE L multiply_add(L a, L b, L c) {
#if defined(__CUDA_ARCH__) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return std::fma(a, b, c);
#else
    return a * b + c;
#endif
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L select(bool mask, L yes, L no) {
    return mask ? yes : no;
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L maximum(L a, L b) {
    return a > b ? a : b;
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L minimum(L a, L b) {
    return a < b ? a : b;
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L absolute(L a) {
    return std::fabs(a);
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L exp(L a) {
    return std::exp(a);
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L log(L a) {
    return std::log(a);
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L sqrt(L a) {
    return std::sqrt(a);
}
template <ScalarLane L>
STRATA_HD STRATA_INLINE L sum(L a) {
    return a;
}

}  // namespace strata::inline STRATA_ABI
