// labels: isa
// The weight gradient by Winograd along the row, five taps wide, against plain loops; the same bits for every split of
// the items; where it is chosen, and what the kernel of a convolution gives.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "../layer/layer_run.hpp"
#include "correlation_case.hpp"
#include "strata/backend/cpu/kernel/winograd/winograd_kernel.hpp"

using namespace strata;
using namespace strata::detail;

namespace {

/// What the reference adds up in: its own rounding must not count.
using Exact = long double;

struct Case {
    int in_channels, out_channels, out_height, out_width, kernel_rows, top, bottom, left, right;
};

Correlation forward(Case const& c) {
    return correlation_case(c.in_channels, c.out_channels, c.out_height + c.kernel_rows - 1 - c.top - c.bottom,
                            c.out_width + 4 - c.left - c.right, c.kernel_rows, 5, {c.top, c.bottom, c.left, c.right});
}

/// Adds the gradients by the definition: weights, then biases.
template <class T>
void add_by_definition(Correlation const& g, std::vector<T> const& x, std::vector<T> const& dy, int S,
                       std::vector<Exact>& gradient) {
    auto const at = [](std::vector<T> const& v, int k) { return static_cast<Exact>(v[static_cast<std::size_t>(k)]); };
    for (int o = 0; o < g.out_channels; ++o)
        for (int i = 0; i < g.out_height; ++i)
            for (int j = 0; j < g.out_width; ++j)
                for (int s = 0; s < S; ++s) {
                    Exact const d = at(dy, ((o * g.out_height + i) * g.out_width + j) * S + s);
                    gradient[static_cast<std::size_t>(g.group_weights + o)] += d;
                    for (int c = 0; c < g.in_channels; ++c)
                        for (int p = 0; p < g.taps_height; ++p)
                            for (int q = 0; q < 5; ++q) {
                                int const h = i + p - g.pad_top, w = j + q - g.pad_left;
                                if (h < 0 || h >= g.in_height || w < 0 || w >= g.in_width) continue;
                                gradient[static_cast<std::size_t>(((o * g.in_channels + c) * g.taps_height + p) * 5 +
                                                                  q)] +=
                                    d * at(x, ((c * g.in_height + h) * g.in_width + w) * S + s);
                            }
                }
}

/// What rounding may do to the worst of some thousand sums, in units of the last place, relative to the root of the
/// number of products (of normal numbers): the values at the points are some times as large as the results, and the
/// sums are long. Measured: 65 at most (without AVX: narrow lanes make the longest sums).
constexpr double tolerance = 130;

/// The last `empty` samples of the tile have a gradient of zero.
template <class L>
void compare(Case const& c, int S, int empty = 0) {
    using T = scalar_of<L>;
    CAPTURE(c.in_channels);
    CAPTURE(c.out_channels);
    CAPTURE(c.out_height);
    CAPTURE(c.out_width);
    CAPTURE(c.kernel_rows);
    CAPTURE(c.left);
    CAPTURE(S);
    empty = std::min(empty, S - 1);
    Correlation const g = forward(c);
    WinogradRowGradientLayout<L> const layout(g, S);
    auto const x = normal<T>(in_size(g, S), 1);
    auto dy = normal<T>(out_size(g, S), 2);
    for (std::size_t k = 0; k < dy.size(); ++k)
        if (static_cast<int>(k) % S >= S - empty) dy[k] = T(0);

    // Gradients are added, between guards.
    constexpr std::size_t margin = 32;
    T const guard = T(12345), nan = std::numeric_limits<T>::quiet_NaN();
    auto const count = static_cast<std::size_t>(g.group_weights + g.out_channels);
    auto const before = normal<T>(static_cast<std::size_t>(count + 2 * margin), 3);
    auto const run = [&](std::vector<T>& gradient, int begin, int end, bool bias = true) {
        auto const size = static_cast<std::size_t>(layout.scratch());
        AlignedVector<T> scratch(size + 16, guard);
        std::fill_n(scratch.begin(), size, nan);
        T* const dw = gradient.data() + margin;
        winograd_row_weight_gradient<L>(g, x.data(), dy.data(), dw, bias ? dw + g.group_weights : nullptr, S,
                                        scratch.data(), begin, end);
        CHECK(std::all_of(scratch.begin() + layout.scratch(), scratch.end(), [&](T v) { return v == guard; }));
    };
    auto whole = before;
    run(whole, 0, layout.items());
    CHECK(std::memcmp(whole.data(), before.data(), margin * sizeof(T)) == 0);
    CHECK(std::memcmp(&whole[margin + count], &before[margin + count], margin * sizeof(T)) == 0);
    std::vector<Exact> expected(before.begin() + margin, before.begin() + static_cast<std::ptrdiff_t>(margin + count));
    add_by_definition(g, x, dy, S, expected);
    double const unit = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                        std::sqrt(1.0 + g.out_height * g.out_width * (S - empty));
    double most = 0;
    for (std::size_t k = 0; k < count; ++k) {
        auto const error = static_cast<double>(std::abs(static_cast<Exact>(whole[margin + k]) - expected[k])) / unit;
        most = error <= most ? most : error == error ? error : 1e300;  // NaN too
    }
    CHECK(most < tolerance);

    auto split = before;
    for (int item = layout.items() - 1; item >= 0; --item) run(split, item, item + 1);
    CHECK(std::memcmp(whole.data(), split.data(), whole.size() * sizeof(T)) == 0);
    split = before;
    for (int begin = 0, part = 2; begin < layout.items(); begin += part, part = part * 2 % 5 + 1)
        run(split, begin, std::min(begin + part, layout.items()));
    CHECK(std::memcmp(whole.data(), split.data(), whole.size() * sizeof(T)) == 0);
    auto unbiased = before;
    run(unbiased, 0, layout.items(), false);
    CHECK(std::memcmp(unbiased.data(), whole.data(),
                      (margin + count) * sizeof(T) - static_cast<std::size_t>(g.out_channels) * sizeof(T)) == 0);
    CHECK(std::equal(before.begin() + static_cast<std::ptrdiff_t>(margin) + g.group_weights, before.end(),
                     unbiased.begin() + static_cast<std::ptrdiff_t>(margin) + g.group_weights));
}

constexpr int tile_sizes[] = {1, 2, 4, 8, 16, 32, 48};

}  // namespace

TEST_CASE_TEMPLATE("rows of every width", T, STRATA_TESTED_TYPES) {
    using L = widest_lane<T>;
    for (int const S : tile_sizes)
        for (int width = 1; width <= 9; ++width) {
            compare<L>({3, 7, 3, width, 5, 0, 0, 0, 0}, S);
            compare<L>({2, 3, 4, width, 3, 1, 1, std::min(width, 2), 2}, S, 3);
            compare<L>({1, 17, 5, width, 1, 0, 0, 1, std::min(width, 3)}, S);
            compare<L>({3, 1, 2, width + 4, 5, 2, 1, 4, 4}, S, 13);
        }
}

TEST_CASE_TEMPLATE("channels, padding of rows, kernel rows", T, STRATA_TESTED_TYPES) {
    using L = widest_lane<T>;
    for (int const S : tile_sizes) {
        compare<L>({1, 1, 6, 6, 5, 0, 0, 0, 0}, S);
        compare<L>({7, 3, 6, 5, 5, 4, 4, 0, 0}, S);
        compare<L>({17, 7, 1, 4, 5, 2, 2, 2, 2}, S);
        compare<L>({7, 17, 5, 8, 3, 3, 0, 0, 3}, S, 1);
        compare<L>({2, 4, 7, 3, 7, 0, 6, 4, 0}, S);
        compare<L>({5, 6, 2, 1, 2, 0, 0, 0, 0}, S);
    }
}

TEST_CASE_TEMPLATE("several chunks of channels, bands of rows and slices of samples", T, STRATA_TESTED_TYPES) {
    using L = widest_lane<T>;
    for (int const S : {1, 4, 16}) {
        compare<L>({14, 50, 3, 4, 5, 2, 2, 2, 2}, S);
        compare<L>({27, 25, 4, 5, 3, 1, 1, 2, 2}, S, 5);
    }
    compare<L>({3, 6, 28, 28, 5, 0, 0, 0, 0}, 1);
    compare<L>({12, 12, 128, 52, 3, 1, 1, 0, 0}, 4);
    CHECK(WinogradRowGradientLayout<L>(forward({12, 12, 128, 52, 3, 1, 1, 0, 0}), 4).band < 128);
    compare<L>({3, 6, 28, 28, 5, 0, 0, 0, 0}, 16);
    compare<L>({6, 16, 10, 10, 5, 0, 0, 0, 0}, 32, 7);
    compare<L>({1, 2, 40, 40, 5, 0, 0, 0, 0}, 48);
    Case const image{12, 12, 28, 28, 3, 1, 1, 0, 0};
    compare<L>(image, 16);
    CHECK(WinogradRowGradientLayout<L>(forward(image), 32).band < 28);
    CHECK(WinogradRowGradientLayout<L>(forward(image), 32).samples < 32);
}

namespace {

template <class Layer, class X, class Precision>
using Gradient = ParameterGradientKernel<typename Layer::template On<X>, Precision>;
template <class Layer, class X, class Precision>
constexpr bool along_rows = std::is_base_of_v<WinogradRowParameterGradient<typename Layer::template On<X>, Precision>,
                                              Gradient<Layer, X, Precision>>;

struct Direct : Float32 {
    static constexpr bool winograd = false;
};
struct Always : Float32 {
    static constexpr double winograd = 1e9;
};
struct Double : Float64 {
    static constexpr bool winograd = true;
};
using Conv1 = Conv2d<6, 5>;
using Image1 = Shape<3, 32, 32>;
using Conv2 = Conv2d<16, 5>;
using Image2 = Shape<6, 14, 14>;

}  // namespace

TEST_CASE("chosen where it is faster and allowed") {
    CHECK(along_rows<Conv1, Image1, Float32>);
    CHECK(along_rows<Conv2, Image2, Float32>);
    CHECK(along_rows<Conv2, Image2, Double>);
    CHECK(along_rows<Conv2d<6, 5, Padding<2>>, Shape<1, 28, 28>, Float32>);
    CHECK_FALSE(along_rows<Conv2d<4, 5, Padding<2>>, Shape<1, 28, 28>, Float32>);  // a depthwise kernel's
    CHECK_FALSE(along_rows<Conv2, Image2, Float64>);
    CHECK_FALSE(along_rows<Conv2, Image2, Direct>);
    CHECK_FALSE(along_rows<Conv2d<6, 5, Stride<2>>, Image1, Float32>);
    CHECK_FALSE(along_rows<Conv2d<6, 5, Dilation<2>>, Image1, Float32>);
    CHECK_FALSE(along_rows<Conv2d<6, 3>, Image1, Float32>);
    CHECK_FALSE(along_rows<Conv2d<6, 5, Groups<3>>, Image1, Float32>);
    CHECK_FALSE(along_rows<Conv2d<6, 5>, Shape<3, 5, 5>, Float32>);  // one column: five products become eight
    CHECK(along_rows<Conv2d<6, 5>, Shape<3, 5, 5>, Always>);
    // A band of a row of ten seconds of sound does not stay in the cache.
    using Sound = Conv2d<24, Size{1, 5}, Padding<0, 2>>;
    CHECK(along_rows<Sound, Shape<12, 1, 64>, Float32>);
    CHECK_FALSE(along_rows<Sound, Shape<12, 1, 160000>, Float32>);
    CHECK_FALSE(along_rows<Sound, Shape<12, 1, 2000000>, Always>);
    using K = Gradient<Conv2, Image2, Float32>;
    for (int const S : {1, 2, 4, 8, 16, 32}) CHECK(K::choice.takes(S));
    CHECK_FALSE(K::choice.takes(3 * width_of<widest_lane<float>> / 2));
}

namespace {

/// A convolution's gradients over a batch of two tiles, the second one ragged, against the generic kernel in double.
template <class Layer, class X, class Precision>
void compare_layer(int S) {
    using Op = typename Layer::template On<X>;
    CAPTURE(S);
    int const batch = S + S / 2 + 1;
    auto const x = reference_values(1, static_cast<std::size_t>(batch * Op::Input::size)),
               parameters = reference_values(2, static_cast<std::size_t>(Op::Parameters::size)),
               dy = reference_values(9, static_cast<std::size_t>(batch * Op::Output::size));
    auto const oracle = run_layer(generic_kernels_of<Op, Float64, 1>(), x, parameters, dy);
    auto const fast = assembled_kernels<Op, Precision, ForwardKernel<Op, Precision>, InputGradientKernel<Op, Precision>,
                                        ParameterGradientKernel<Op, Precision>>(S);
    auto const whole = run_layer(fast, x, parameters, dy);
    double most = 0;
    for (std::size_t k = 0; k < oracle.dparameters.size(); ++k) {
        double const error = std::abs(whole.dparameters[k] - oracle.dparameters[k]);
        most = error <= most ? most : error == error ? error : 1e300;
    }
    // Products of numbers from -1 to 1: a third of the normal numbers' above.
    double const unit = sizeof(typename Precision::compute) == 4 ? 0x1p-23 : 0x1p-52;
    CHECK(most < tolerance / 3 * unit * std::sqrt(1.0 * batch * Op::Output::size));
    for (int const parts : {2, 3, 7}) {
        auto const split = run_layer(fast, x, parameters, dy, parts);
        CHECK(split.dparameters == whole.dparameters);
    }
}

}  // namespace

TEST_CASE("kernels of convolutions") {
    for (int const S : {1, 4, 16, 32}) {
        compare_layer<Conv2, Image2, Float32>(S);
        compare_layer<Conv2, Image2, Double>(S);
        compare_layer<Conv2d<6, 5, Padding<2>, NoBias>, Shape<3, 9, 11>, Float32>(S);
        compare_layer<Conv2d<6, 5, Padding<2>>, Shape<1, 12, 12>, Float32>(S);
    }
}
