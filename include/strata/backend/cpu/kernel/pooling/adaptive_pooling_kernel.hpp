// AdaptiveAvgPool2d and AdaptiveMaxPool2d on the CPU: the kernels of AvgPool2d and MaxPool2d where windows are all alike, of
// GlobalAvgPool2d where there is one. Others are left to the generic kernels.
#pragma once

#include "../../../../layer/adaptive_avg_pool2d.hpp"
#include "../../../../layer/adaptive_max_pool2d.hpp"
#include "global_average_kernel.hpp"
#include "padded_pooling_kernel.hpp"

namespace strata::inline STRATA_ABI {

template <class Win>
struct ServedAs<EvenAveragePooling<Win>> {
    using type = AveragePooling<Win, true>;
};
template <class Win>
struct ServedAs<EvenMaxPooling<Win>> {
    using type = MaxPooling<Win>;
};
template <class X>
struct ServedAs<WholeAveragePooling<X>> {
    using type = GlobalAveragePooling<X>;
};

}  // namespace strata::inline STRATA_ABI
