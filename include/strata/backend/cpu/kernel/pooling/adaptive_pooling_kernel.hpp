// AdaptiveAvgPool2d on the CPU: the kernels of AvgPool2d where windows are all alike, of GlobalAvgPool2d where there is
// one. Others are left to the generic kernels.
#pragma once

#include "../../../../layer/adaptive_avg_pool2d.hpp"
#include "global_average_kernel.hpp"
#include "padded_pooling_kernel.hpp"

namespace strata::inline STRATA_ABI {

template <class Win, class Precision>
struct ForwardKernel<EvenAveragePooling<Win>, Precision> : ForwardKernel<AveragePooling<Win, true>, Precision> {};
template <class Win, class Precision>
struct InputGradientKernel<EvenAveragePooling<Win>, Precision>
    : InputGradientKernel<AveragePooling<Win, true>, Precision> {};
template <class X, class Precision>
struct ForwardKernel<WholeAveragePooling<X>, Precision> : ForwardKernel<GlobalAveragePooling<X>, Precision> {};
template <class X, class Precision>
struct InputGradientKernel<WholeAveragePooling<X>, Precision>
    : InputGradientKernel<GlobalAveragePooling<X>, Precision> {};

}  // namespace strata::inline STRATA_ABI
