// A flat array of numbers, vector by vector.
#pragma once

#include <cstddef>

#include "lane.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Calls f<L>(i) for whole vectors of the numbers [begin, end), then f<T>(i) for each that is left.
template <class T, class F>
STRATA_INLINE void for_lanes(std::ptrdiff_t begin, std::ptrdiff_t end, F const& f) {
    using L = widest_lane<T>;
    for (; begin + width_of<L> <= end; begin += width_of<L>) f.template operator()<L>(begin);
    for (; begin < end; ++begin) {
        STRATA_SCALAR;
        f.template operator()<T>(begin);
    }
}

}  // namespace strata::inline STRATA_ABI::detail
