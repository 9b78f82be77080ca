// The end of a training step: the gradients of a batch's leaves become one, and the parameters move.
#pragma once

#include <cstddef>

#include "../../core/lane.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

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

/// In double. Sums side by side: a single one would wait for every addition.
template <class Gradient>
STRATA_ONE_COPY double sum_of_squares(Gradient const* values, std::ptrdiff_t count) {
    constexpr int side = 32;
    double sums[side] = {};
    std::ptrdiff_t i = 0;
    for (; i + side <= count; i += side)
        for (int k = 0; k < side; ++k) {
            auto const value = static_cast<double>(values[i + k]);
            sums[k] = multiply_add(value, value, sums[k]);
        }
    for (; i < count; ++i)
        sums[0] = multiply_add(static_cast<double>(values[i]), static_cast<double>(values[i]), sums[0]);
    for (int half = side / 2; half > 0; half /= 2)
        for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
    return sums[0];
}

/// Merges numbers [from, to) of the gradients [leaves][size] into the first one's, in a binary tree over the leaf
/// index, and divides them by the loss scale. Returns the sum of their squares.
template <class Gradient>
STRATA_COLD double merge_gradients(Gradient* gradients, std::ptrdiff_t size, int leaves, double loss_scale,
                                   std::ptrdiff_t from, std::ptrdiff_t to) {
    for (int distance = 1; distance < leaves; distance *= 2)
        for (int leaf = 0; leaf + distance < leaves; leaf += 2 * distance) {
            Gradient* const into = gradients + leaf * size;
            Gradient const* const other = into + distance * size;
            for_lanes<Gradient>(from, to, [&]<class L>(std::ptrdiff_t i) {
                store_lane(into + i, load_lane<L>(into + i) + load_lane<L>(other + i));
            });
        }
    if (loss_scale != 1) {
        auto const unscale = static_cast<Gradient>(1 / loss_scale);
        for_lanes<Gradient>(from, to, [&]<class L>(std::ptrdiff_t i) {
            store_lane(gradients + i, load_lane<L>(gradients + i) * L(unscale));
        });
    }
    return sum_of_squares(gradients + from, to - from);
}

/// Updates parameters [from, to) of `count` with what an optimizer prepared for this step; its state is [States][count].
template <int States, class Apply, class Scalar, class Gradient>
void update_parameters(Apply const& apply, Scalar* parameters, Gradient const* gradient, Scalar* state,
                       std::ptrdiff_t count, std::ptrdiff_t from, std::ptrdiff_t to) {
    for_lanes<Scalar>(from, to, [&]<class L>(std::ptrdiff_t at) {
        L value = load_lane<L>(parameters + at);
        if constexpr (States == 0) {
            apply(value, load_lane<L>(gradient + at));
        } else {
            L states[States];
            for (int k = 0; k < States; ++k) states[k] = load_lane<L>(state + k * count + at);
            apply(value, load_lane<L>(gradient + at), states);
            for (int k = 0; k < States; ++k) store_lane(state + k * count + at, states[k]);
        }
        store_lane(parameters + at, value);
    });
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
