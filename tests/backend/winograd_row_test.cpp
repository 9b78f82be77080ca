// labels: isa
// Winograd convolution along the row, five taps wide, against plain loops: forward pass and input gradient, and the
// same bits for every split of the items.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "../layer/oracle_run.hpp"
#include "correlation_case.hpp"
#include "strata/backend/cpu/kernel/winograd/winograd_kernel.hpp"

using namespace strata;
using namespace strata::detail;

namespace {

/// What the reference adds up in: its own rounding must not count.
using Exact = long double;

struct Case {
    int in_channels, out_channels, height, width, kernel_rows, top, bottom, left, right;
};

Correlation forward(Case const& c) {
    return correlation_case(c.in_channels, c.out_channels, c.height, c.width, c.kernel_rows, 5,
                            {c.top, c.bottom, c.left, c.right});
}

/// y by the definition.
template <class T>
std::vector<Exact> by_definition(Correlation const& g, std::vector<T> const& x, std::vector<T> const& w, int S) {
    std::vector<Exact> y(out_size(g, S));
    for (int o = 0; o < g.out_channels; ++o)
        for (int c = 0; c < g.in_channels; ++c)
            for (int p = 0; p < g.taps_height; ++p)
                for (int q = 0; q < g.taps_width; ++q)
                    for (int i = 0; i < g.out_height; ++i)
                        for (int j = 0; j < g.out_width; ++j) {
                            int const h = i + p - g.pad_top, column = j + q - g.pad_left;
                            if (h < 0 || h >= g.in_height || column < 0 || column >= g.in_width) continue;
                            Exact const weight =
                                w[static_cast<std::size_t>(g.first_weight + o * g.out_weights + c * g.in_weights +
                                                           p * g.row_weights + q * g.tap_weights)];
                            auto const from =
                                static_cast<std::size_t>(((c * g.in_height + h) * g.in_width + column) * S);
                            auto const to = static_cast<std::size_t>(((o * g.out_height + i) * g.out_width + j) * S);
                            for (std::size_t s = 0; s < static_cast<std::size_t>(S); ++s)
                                y[to + s] += weight * static_cast<Exact>(x[from + s]);
                        }
    return y;
}

/// The largest difference, in units of the last place of a sum of `terms` products of normal numbers.
template <class T>
double largest_error(T const* got, std::vector<Exact> const& expected, int terms) {
    double most = 0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
        // A NaN is an error without limit: comparisons with it are false.
        auto const error = static_cast<double>(std::abs(static_cast<Exact>(got[k]) - expected[k]));
        most = error <= most ? most : error == error ? error : 1e300;
    }
    return most / std::sqrt(terms) / static_cast<double>(std::numeric_limits<T>::epsilon());
}

/// What rounding may do to the worst of some ten thousand sums: the values at the points are some times as large as
/// the results, and so are their roundings. Measured: 138 at most.
constexpr double tolerance = 280;

template <class L>
void compare_correlation(Correlation const& g, int S) {
    using T = scalar_of<L>;
    WinogradRowWeights<L> const layout(g);
    int const scratch_size = WinogradRowLayout<L>(g, S).scratch();
    T const nan = std::numeric_limits<T>::quiet_NaN(), guard = T(12345);
    auto const x = normal<T>(in_size(g, S), 1), w = normal<T>(static_cast<std::size_t>(g.group_weights), 2),
               bias = normal<T>(static_cast<std::size_t>(g.out_channels), 3), before = normal<T>(out_size(g, S), 4);
    auto const products = by_definition(g, x, w, S);
    int const terms = g.in_channels * g.taps_height * g.taps_width + 1;
    AlignedVector<T> weights(static_cast<std::size_t>(layout.size()), nan), split_weights(weights);
    winograd_row_weights<L>(g, w.data(), weights.data(), 0, layout.blocks);
    for (int block = layout.blocks - 1; block >= 0; --block)
        winograd_row_weights<L>(g, w.data(), split_weights.data(), block, block + 1);
    CHECK(std::memcmp(weights.data(), split_weights.data(), weights.size() * sizeof(T)) == 0);

    enum { with_bias, with_relu, added };
    for (int const way : {with_bias, with_relu, added}) {
        CAPTURE(way);
        auto expected = products;
        for (std::size_t k = 0; k < expected.size(); ++k) {
            expected[k] +=
                way == added ? before[k] : bias[k * static_cast<std::size_t>(g.out_channels) / products.size()];
            if (way == with_relu && expected[k] < 0) expected[k] = 0;
        }
        constexpr std::size_t margin = 64;
        auto const fresh = [&] {
            std::vector<T> y(before.size() + 2 * margin, guard);
            std::copy(before.begin(), before.end(), y.begin() + margin);
            if (way != added) std::fill_n(y.begin() + margin, before.size(), nan);
            return y;
        };
        auto const run = [&](std::vector<T>& y, int begin, int end) {
            // A guard behind the scratch memory too.
            AlignedVector<T> scratch(static_cast<std::size_t>(scratch_size) + 1, nan);
            scratch[static_cast<std::size_t>(scratch_size)] = guard;
            winograd_row_correlate<L>(g, x.data(), weights.data(), way == added ? nullptr : bias.data(),
                                      y.data() + margin, S, scratch.data(), way == added, begin, end, way == with_relu);
            CHECK(scratch[static_cast<std::size_t>(scratch_size)] == guard);
        };
        auto whole = fresh();
        run(whole, 0, g.out_height);
        CHECK(largest_error(whole.data() + margin, expected, terms) < tolerance);
        for (std::size_t k = 0; k < margin; ++k) {
            CHECK(whole[k] == guard);
            CHECK(whole[whole.size() - 1 - k] == guard);
        }
        auto split = fresh();
        for (int begin = 0, part = 1; begin < g.out_height; begin += part, part = part % 3 + 1)
            run(split, begin, std::min(begin + part, g.out_height));
        CHECK(std::memcmp(whole.data(), split.data(), whole.size() * sizeof(T)) == 0);
    }
}

/// LeNet's, odd sizes, one to nine columns, every padding, channels around the sizes of a block, more rows of padding
/// than rows, and more channels than a band has memory for.
constexpr Case cases[] = {
    {3, 6, 12, 32, 5, 0, 0, 0, 0}, {6, 16, 14, 14, 5, 0, 0, 0, 0}, {1, 1, 5, 5, 5, 0, 0, 0, 0},
    {3, 7, 9, 6, 3, 0, 0, 0, 0},   {7, 3, 4, 7, 1, 0, 0, 0, 0},    {17, 17, 6, 3, 5, 4, 4, 4, 4},
    {2, 5, 7, 9, 5, 2, 2, 2, 2},   {5, 13, 3, 8, 3, 1, 0, 3, 0},   {1, 6, 6, 1, 3, 0, 2, 0, 4},
    {4, 12, 1, 5, 5, 4, 4, 1, 2},  {3, 1, 2, 13, 1, 0, 0, 2, 2},   {2, 3, 3, 2, 5, 7, 6, 6, 5},
    {70, 8, 12, 8, 5, 0, 1, 0, 0}, {6, 8, 12, 4, 5, 8, 8, 8, 8},   {3, 4, 5, 9, 3, 1, 1, 30, 27},
    {2, 5, 4, 6, 1, 0, 0, 6, 41},
};

template <class L>
void compare_all(int S) {
    for (Case const& c : cases) {
        CAPTURE(c.in_channels);
        CAPTURE(c.out_channels);
        CAPTURE(c.height);
        CAPTURE(c.width);
        CAPTURE(c.kernel_rows);
        CAPTURE(c.left);
        CAPTURE(S);
        Correlation const g = forward(c), d = backward_phase(g, 0, 0).correlation;
        compare_correlation<L>(g, S);
        compare_correlation<L>(d, S);
    }
}

struct Winograd64 : Float64 {
    static constexpr bool winograd = true;
};
struct Always32 : Float32 {
    static constexpr double winograd = 1e9;
};
struct Direct32 : Float32 {
    static constexpr bool winograd = false;
};
template <class Layer, class X>
using OpOf = typename Layer::template On<X>;
template <class Kernel>
constexpr bool prepares = requires { Kernel::prepare_items; };

/// The kernels of a layer against the generic ones in double, on tiles that take it and small ones that do not.
template <class Layer, class X>
void compare_layer() {
    using Op = OpOf<Layer, X>;
    using G = typename Op::Geometry;
    auto const oracle = generic_kernels_of<Op, Float64, 1>();
    // The most products of a sum: compare_fast_with_generic's tolerance, and Winograd's worst roundings are a few times
    // those of direct convolution.
    constexpr int window = G::kernel_height * G::kernel_width * std::max(G::channels, G::out_channels),
                  terms = 3 * std::max(window, 3 * G::out_height * G::out_width);
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_kernels(kernels_of<Op, Float32, S>(), oracle, terms * 0x1p-24), ...);
#ifndef STRATA_SANITIZED
        (compare_kernels(kernels_of<Op, Winograd64, S>(), oracle, terms * 0x1p-53), ...);
#endif
    }(std::integer_sequence<int, 1, 8, 16, 32>{});
}

}  // namespace

TEST_CASE_TEMPLATE("tiles of whole vectors", T, STRATA_TESTED_TYPES) {
    for (int const S : {16, 32, 48}) compare_all<widest_lane<T>>(S);
}

TEST_CASE_TEMPLATE("tiles of fewer samples than a vector has places", T, STRATA_TESTED_TYPES) {
    using L = widest_lane<T>;
    for (int S = 1; S < width_of<L>; S *= 2) { compare_all<L>(S); }
}

TEST_CASE_TEMPLATE("scalar lanes, any number of samples", T, STRATA_TESTED_TYPES) { compare_all<T>(3); }

TEST_CASE("kernels of layers") {
    compare_layer<Conv2d<6, 5>, Shape<3, 32, 32>>();
    compare_layer<Conv2d<16, 5>, Shape<6, 14, 14>>();
    compare_layer<Conv2d<9, Size{3, 5}, Padding<2>, NoBias>, Shape<5, 9, 11>>();
}

TEST_CASE("which convolutions take it") {
    using Small = OpOf<Conv2d<16, 5>, Shape<6, 14, 14>>;
    CHECK(prepares<ForwardKernel<Small, Float32>>);
    CHECK(prepares<InputGradientKernel<Small, Float32>>);
    CHECK(prepares<ForwardKernel<Small, Winograd64>>);
    CHECK_FALSE(prepares<ForwardKernel<Small, Direct32>>);
    CHECK_FALSE(prepares<InputGradientKernel<Small, Direct32>>);
    CHECK_FALSE(prepares<ForwardKernel<Small, Float64>>);
    CHECK_FALSE(prepares<ForwardKernel<OpOf<Conv2d<1, 5>, Shape<6, 14, 14>>, Float32>>);
    CHECK(prepares<ForwardKernel<OpOf<Conv2d<1, 5>, Shape<6, 14, 14>>, Always32>>);
    CHECK_FALSE(prepares<ForwardKernel<OpOf<Conv2d<16, 5, Stride<2>>, Shape<6, 14, 14>>, Float32>>);
    CHECK_FALSE(prepares<ForwardKernel<OpOf<Conv2d<16, 5, Dilation<2>>, Shape<6, 14, 14>>, Float32>>);
    CHECK_FALSE(prepares<ForwardKernel<OpOf<Conv2d<16, 5, Groups<2>>, Shape<6, 14, 14>>, Float32>>);
    CHECK_FALSE(prepares<ForwardKernel<OpOf<Conv2d<16, 7>, Shape<6, 14, 14>>, Float32>>);
    // On small tiles it depends on whether transformed weights are kept.
    using Kernel = ForwardKernel<Small, Float32>;
    CHECK(Kernel::prepared(16) > 0);
    if constexpr (vector_bytes == 64) {
        CHECK_FALSE(Kernel::choice.takes(1, false));
        CHECK(Kernel::choice.takes(1, true));
        CHECK(Kernel::choice.takes(4, false));
        CHECK(Kernel::choice.takes(8, false));
    }
}
