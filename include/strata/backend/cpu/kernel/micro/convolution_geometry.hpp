// A convolution as correlations: one for the forward pass, for the input gradient one a phase of the stride.
#pragma once

#include <numeric>

#include "correlation_rows.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class G>
constexpr Correlation forward_correlation = {
    .in_height = G::height,
    .in_width = G::width,
    .out_height = G::out_height,
    .out_width = G::out_width,
    .in_channels = G::group_channels,
    .out_channels = G::group_out_channels,
    .taps_height = G::kernel_height,
    .taps_width = G::kernel_width,
    .stride_height = G::stride_height,
    .stride_width = G::stride_width,
    .dilation_height = G::dilation_height,
    .dilation_width = G::dilation_width,
    .pad_top = G::pad_top,
    .pad_left = G::pad_left,
    .group_weights = G::group_out_channels * G::group_channels * G::kernel_height * G::kernel_width,
    .out_weights = G::group_channels * G::kernel_height * G::kernel_width,
    .in_weights = G::kernel_height * G::kernel_width,
    .row_weights = G::kernel_width,
    .tap_weights = 1,
    .first_weight = 0};

/// dx as a correlation of dy, channels exchanged. A stride s splits the pixels of dx into phases (h + pad) mod s. With
/// dilation d, a phase sees those taps p for which p d lies in it: every (s / gcd)-th one from the first on, reversed,
/// d / gcd rows of dy apart, or none; gcd is that of s and d. `row0` and `column0` are a phase's first pixel.
struct BackwardPhase {
    Correlation correlation;
    int row0, column0, stride_height;

    /// The rows of the phase before row h of dx.
    [[nodiscard]] constexpr int rows_before(int h) const {
        return h <= row0 ? 0 : (std::min)(correlation.out_height, (h - row0 + stride_height - 1) / stride_height);
    }
    /// Pixels that no tap reaches: rows [from, to) of S samples each, a row and a column of the phase so far apart in y.
    template <class T>
    void fill(T* y, int from, int to, std::ptrdiff_t row, int column, int S, T value) const {
        for (int i = from; i < to; ++i)
            for (int j = 0; j < correlation.out_width; ++j) std::fill_n(y + i * row + j * column, S, value);
    }
};
constexpr BackwardPhase backward_phase(Correlation const& f, int phase_row, int phase_column) {
    struct Axis {
        int step;           // from one tap of a phase to the next
        int dilation;       // rows of dy between them
        int tap = 0, taps;  // the first one, how many
        int first, count, pad;
        constexpr Axis(int phase, int kernel, int stride, int dilated, int padding, int extent)
            : step(stride / std::gcd(stride, dilated)), dilation(dilated / std::gcd(stride, dilated)) {
            while (tap < step && tap * dilated % stride != phase) ++tap;
            taps = tap < (std::min)(step, kernel) ? (kernel - tap + step - 1) / step : 0;
            first = ((phase - padding) % stride + stride) % stride;
            count = first < extent ? (extent - first + stride - 1) / stride : 0;
            pad = dilation * (taps - 1) - (first + padding - tap * dilated) / stride;
        }
    };
    Axis const h(phase_row, f.taps_height, f.stride_height, f.dilation_height, f.pad_top, f.in_height),
        w(phase_column, f.taps_width, f.stride_width, f.dilation_width, f.pad_left, f.in_width);
    return {{.in_height = f.out_height,
             .in_width = f.out_width,
             .out_height = h.count,
             .out_width = w.count,
             .in_channels = f.out_channels,
             .out_channels = f.in_channels,
             .taps_height = h.taps,
             .taps_width = w.taps,
             .stride_height = 1,
             .stride_width = 1,
             .dilation_height = h.dilation,
             .dilation_width = w.dilation,
             .pad_top = h.pad,
             .pad_left = w.pad,
             .group_weights = f.group_weights,
             .out_weights = f.in_weights,
             .in_weights = f.out_weights,
             .row_weights = -f.row_weights * h.step,
             .tap_weights = -f.tap_weights * w.step,
             .first_weight = (h.tap + h.step * (h.taps - 1)) * f.row_weights + w.tap + w.step * (w.taps - 1)},
            h.first,
            w.first,
            f.stride_height};
}
/// The most that of(correlation) says of the phases.
template <class F>
constexpr int most_of_phases(Correlation const& f, F const& of) {
    int most = 0;
    for (int row = 0; row < f.stride_height; ++row)
        for (int column = 0; column < f.stride_width; ++column)
            most = (std::max)(most, of(backward_phase(f, row, column).correlation));
    return most;
}

}  // namespace strata::inline STRATA_ABI::detail
