// The norm of a tensor, as optimizers need it that scale their steps by it.
#pragma once

#include "../core/for_lanes.hpp"
#include "optimizer.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The root of the sum of the squares of value<L>(i), the numbers i to i + width_of<L> of `count` in type T; in double,
/// also where that sum is no number of it. The order of the additions depends on `count` alone.
template <class T, class F>
[[nodiscard]] STRATA_INLINE double tensor_norm(std::ptrdiff_t count, F const& value) {
    auto const each = [&](auto const& take) {
        for_lanes<T>(0, count, [&]<class L>(std::ptrdiff_t i) {
            T numbers[static_cast<std::size_t>(width_of<L>)];
            store_lane(numbers, value.template operator()<L>(i));
            for (int k = 0; k < width_of<L>; ++k) take(k, static_cast<double>(numbers[k]));
        });
    };
    auto const norm = [&](double factor) {
        double parts[static_cast<std::size_t>(width_of<widest_lane<T>>)] = {}, sum = 0;
        each([&](int k, double x) { parts[k] += (x * factor) * (x * factor); });
        for (double const part : parts) sum += part;
        return std::sqrt(sum) / factor;
    };
    double const plain = norm(1);
    if constexpr (sizeof(T) == sizeof(double)) {
        if (plain > 1e-140 && plain < 1e150) return plain;
        // A power of 2 on the other side of the numbers' middle.
        double largest = 0;
        each([&](int, double x) { largest = std::fabs(x) > largest ? std::fabs(x) : largest; });
        return norm(largest > 1 ? 0x1p-600 : 0x1p+600);
    }
    return plain;
}

/// What a step that is as long as `step` is multiplied by to be `share` of the weights' norm: 1 where one of them is 0.
[[nodiscard]] inline double trust_ratio(double share, double weights, double step) {
    return weights > 0 && step > 0 ? share * weights / step : 1.0;
}

}  // namespace strata::inline STRATA_ABI::detail
