// Compares a layer's fast kernels with the generic kernels in double, which are the oracle.
#pragma once

#include "layer_run.hpp"

namespace strata {

inline double largest_difference(std::vector<double> const& a, std::vector<double> const& b) {
    double most = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        double const difference = std::abs(a[i] - b[i]);
        if (!(difference <= most)) most = difference;  // NaN too
    }
    return most;
}

template <class Precision>
void compare_kernels(LayerKernels<Precision> const& fast, LayerKernels<Float64> const& oracle, double tolerance) {
    constexpr int batch = 3;
    std::vector<double> parameters;
    std::uint32_t seed = 2;
    for (auto const& p : fast.parameters) {
        auto const values = reference_values(seed++, static_cast<std::size_t>(p.size));
        parameters.insert(parameters.end(), values.begin(), values.end());
    }
    auto const x = reference_values(1, static_cast<std::size_t>(batch * fast.in)),
               dy = reference_values(9, static_cast<std::size_t>(batch * fast.out));
    auto const expected = run_layer(oracle, x, parameters, dy), whole = run_layer(fast, x, parameters, dy);
    CAPTURE(fast.lanes);
    CHECK(largest_difference(whole.y, expected.y) < tolerance);
    CHECK(largest_difference(whole.dx, expected.dx) < tolerance);
    CHECK(largest_difference(whole.dparameters, expected.dparameters) < tolerance);
    for (int const parts : {2, 7}) {  // a team may split a kernel anywhere: the same bits
        auto const split = run_layer(fast, x, parameters, dy, parts);
        CHECK(split.y == whole.y);
        CHECK(split.dx == whole.dx);
        CHECK(split.dparameters == whole.dparameters);
    }
}

/// The fast kernels of a convolution on every tile size against the generic ones in double.
template <class Layer, class X>
void compare_fast_with_generic() {
    using Op = typename Layer::template On<X>;
    using G = typename Op::Geometry;
    auto const oracle = generic_kernels_of<Op, Float64, 1>();
    // Products have random signs: partial sums grow with the root of their number, and so does the sum of their
    // roundings, 2^-24 (2^-53) each. The worst of some thousand sums still is within the number of terms times that.
    constexpr int window = G::kernel_height * G::kernel_width * std::max(G::group_channels, G::group_out_channels),
                  terms = std::max(window, 3 * G::out_height * G::out_width);
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_kernels(kernels_of<Op, Float32, S>(), oracle, terms * 0x1p-24), ...);
    }(std::integer_sequence<int, 1, 2, 4, 8, 16, 32>{});
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_kernels(kernels_of<Op, Float64, S>(), oracle, terms * 0x1p-53), ...);
    }(DoubleTiles{});
}

}  // namespace strata
