// What the tests of Winograd's kernels are given: correlations of stride 1, and numbers.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

#include "strata/backend/cpu/kernel/micro/correlation_rows.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Rows above and below, columns left and right.
struct CasePadding {
    int top, bottom, left, right;
};

/// A forward correlation of an image of height x width, one group, weights in PyTorch's layout.
inline Correlation correlation_case(int in_channels, int out_channels, int height, int width, int rows, int columns,
                                    CasePadding pad) {
    return {.in_height = height,
            .in_width = width,
            .out_height = height + pad.top + pad.bottom - rows + 1,
            .out_width = width + pad.left + pad.right - columns + 1,
            .in_channels = in_channels,
            .out_channels = out_channels,
            .taps_height = rows,
            .taps_width = columns,
            .stride_height = 1,
            .stride_width = 1,
            .dilation_height = 1,
            .dilation_width = 1,
            .pad_top = pad.top,
            .pad_left = pad.left,
            .group_weights = rows * columns * in_channels * out_channels,
            .out_weights = rows * columns * in_channels,
            .in_weights = rows * columns,
            .row_weights = columns,
            .tap_weights = 1,
            .first_weight = 0};
}

inline std::size_t in_size(Correlation const& g, int S) {
    return static_cast<std::size_t>(g.in_channels * g.in_height * g.in_width * S);
}
inline std::size_t out_size(Correlation const& g, int S) {
    return static_cast<std::size_t>(g.out_channels * g.out_height * g.out_width * S);
}

/// Normal numbers, rounded to float: the same data for either precision.
template <class T>
std::vector<T> normal(std::size_t n, unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> distribution;
    std::vector<T> values(n);
    for (T& v : values) v = static_cast<T>(distribution(engine));
    return values;
}

}  // namespace strata::inline STRATA_ABI::detail
