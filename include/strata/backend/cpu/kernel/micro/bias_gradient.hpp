// The gradient of a bias: the sum of a channel's output gradients, for convolutions and Linear.
#pragma once

#include "../../../../core/lane.hpp"

namespace strata::inline STRATA_ABI::detail {

/// dbias(o) += sum_s dy(o, s), or set.
template <class L, class T>
STRATA_ONE_COPY void bias_gradient(T const* dy, scalar_of<L>* dbias, int outputs, int values, bool set = false) {
    for (int o = 0; o < outputs; ++o) {
        T const* const row = dy + static_cast<std::ptrdiff_t>(o) * values;
        L total(0);
        int at = 0;
        for (; at + width_of<L> <= values; at += width_of<L>) total = total + load_lane<L>(row + at);
        scalar_of<L> rest = sum(total);
        for (; at < values; ++at) {
            STRATA_SCALAR;
            rest += row[at];
        }
        dbias[o] = (set ? scalar_of<L>(0) : dbias[o]) + rest;
    }
}

}  // namespace strata::inline STRATA_ABI::detail
