// labels: isa
// Winograd convolution against plain loops: forward pass, input gradient and weight gradient, on tiles of
// every size, and the same bits for every split of the items.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "../tested_types.hpp"
#include "correlation_case.hpp"
#include "strata/backend/cpu/kernel/winograd/winograd_choice.hpp"
#include "strata/core/aligned.hpp"

using namespace strata;
using namespace strata::detail;

namespace {

/// What the reference adds up in: its own rounding must not count.
using Exact = long double;

struct Case {
    int in_channels, out_channels, height, width, pad;
};

/// 3x3 taps, stride 1.
Correlation forward(Case const& c) {
    return correlation_case(c.in_channels, c.out_channels, c.height, c.width, 3, 3, {c.pad, c.pad, c.pad, c.pad});
}
/// Its input gradient: channels exchanged, taps reversed.
Correlation backward(Case const& c) {
    Correlation g = forward(c);
    std::swap(g.in_height, g.out_height);
    std::swap(g.in_width, g.out_width);
    std::swap(g.in_channels, g.out_channels);
    std::swap(g.in_weights, g.out_weights);
    g.pad_top = g.pad_left = 2 - c.pad;
    g.row_weights = -3;
    g.tap_weights = -1;
    g.first_weight = 8;
    return g;
}

/// y(o, i, j) by the definition; `each(o, c, p, q, x index, y index)` for every product.
template <class F>
void for_each_product(Correlation const& g, int S, F const& each) {
    for (int o = 0; o < g.out_channels; ++o)
        for (int c = 0; c < g.in_channels; ++c)
            for (int p = 0; p < 3; ++p)
                for (int q = 0; q < 3; ++q)
                    for (int i = 0; i < g.out_height; ++i)
                        for (int j = 0; j < g.out_width; ++j) {
                            int const h = i + p - g.pad_top, w = j + q - g.pad_left;
                            if (h < 0 || h >= g.in_height || w < 0 || w >= g.in_width) continue;
                            auto const weight =
                                static_cast<std::size_t>(g.first_weight + o * g.out_weights + c * g.in_weights +
                                                         p * g.row_weights + q * g.tap_weights);
                            auto const x = static_cast<std::size_t>(((c * g.in_height + h) * g.in_width + w) * S);
                            auto const y = static_cast<std::size_t>(((o * g.out_height + i) * g.out_width + j) * S);
                            for (std::size_t s = 0; s < static_cast<std::size_t>(S); ++s) each(weight, x + s, y + s);
                        }
}

/// The largest difference, relative to the root mean square of the reference.
template <class T>
double largest_error(std::vector<T> const& got, std::vector<Exact> const& expected) {
    double most = 0, squares = 0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
        // A NaN is an error without limit: comparisons with it are false.
        auto const error = static_cast<double>(std::abs(static_cast<Exact>(got[k]) - expected[k]));
        most = error <= most ? most : error == error ? error : 1e300;
        squares += static_cast<double>(expected[k] * expected[k]);
    }
    return most / std::sqrt(squares / static_cast<double>(expected.size()));
}

/// What rounding may do, relative to the results' root mean square: units of the last place. The intermediate values of
/// F(4x4) are some ten times the results, and sums of the weight gradient are long. Measured: 65 and 33 at most.
template <class T, int M>
constexpr double tolerance = (M == 4 ? 130 : 70) * static_cast<double>(std::numeric_limits<T>::epsilon());

template <int M, class L>
void compare_correlation(Correlation const& g, int S) {
    using T = scalar_of<L>;
    WinogradLayout<M, L> const layout(g, S);
    auto const x = normal<T>(in_size(g, S), 1), w = normal<T>(static_cast<std::size_t>(g.group_weights), 2),
               bias = normal<T>(static_cast<std::size_t>(g.out_channels), 3), before = normal<T>(out_size(g, S), 4);
    std::vector<Exact> products(out_size(g, S));
    for_each_product(g, S, [&](std::size_t weight, std::size_t at_x, std::size_t at_y) {
        products[at_y] += static_cast<Exact>(w[weight]) * static_cast<Exact>(x[at_x]);
    });
    AlignedVector<T> scratch(static_cast<std::size_t>(layout.scratch()));
    WinogradWeights<M, L> const transformed(g);
    T const nan = std::numeric_limits<T>::quiet_NaN();
    AlignedVector<T> weights(static_cast<std::size_t>(transformed.size()), nan), split_weights(weights);
    winograd_weights<M, L>(g, w.data(), weights.data(), 0, transformed.blocks);
    for (int block = transformed.blocks - 1; block >= 0; --block)
        winograd_weights<M, L>(g, w.data(), split_weights.data(), block, block + 1);
    for (bool const add : {false, true}) {
        auto expected = products;
        for (std::size_t k = 0; k < expected.size(); ++k)
            expected[k] +=
                add ? static_cast<double>(before[k])
                    : static_cast<Exact>(bias[k * static_cast<std::size_t>(g.out_channels) / products.size()]);
        auto const run = [&](std::vector<T>& y, int begin, int end) {
            std::fill(scratch.begin(), scratch.end(), nan);
            winograd_correlate<M, L>(g, x.data(), (begin == 0 ? weights : split_weights).data(),
                                     add ? nullptr : bias.data(), y.data(), S, scratch.data(), add, begin, end);
        };
        auto whole = before;
        run(whole, 0, layout.items());
        CHECK(largest_error(whole, expected) < (tolerance<T, M>));
        auto split = before;
        for (int begin = 0, part = 1; begin < layout.items(); begin += part, part = part % 3 + 1)
            run(split, begin, std::min(begin + part, layout.items()));
        CHECK(std::memcmp(whole.data(), split.data(), whole.size() * sizeof(T)) == 0);
    }
}

template <int M, class L>
void compare_weight_gradient(Correlation const& g, int S) {
    using T = scalar_of<L>;
    WinogradGradientLayout<M, L> const layout(g, S);
    auto const x = normal<T>(in_size(g, S), 1), dy = normal<T>(out_size(g, S), 2),
               before = normal<T>(static_cast<std::size_t>(g.group_weights), 3);
    std::vector<Exact> expected(before.begin(), before.end());
    for_each_product(g, S, [&](std::size_t weight, std::size_t at_x, std::size_t at_y) {
        expected[weight] += static_cast<Exact>(dy[at_y]) * static_cast<Exact>(x[at_x]);
    });
    AlignedVector<T> scratch(static_cast<std::size_t>(layout.scratch()));
    auto const run = [&](std::vector<T>& dw, int begin, int end) {
        std::fill(scratch.begin(), scratch.end(), std::numeric_limits<T>::quiet_NaN());
        winograd_weight_gradient<M, L>(g, x.data(), dy.data(), dw.data(), S, scratch.data(), begin, end);
    };
    auto whole = before;
    run(whole, 0, layout.items());
    CHECK(largest_error(whole, expected) < (tolerance<T, M>));
    auto split = before;
    for (int item = layout.items() - 1; item >= 0; --item) run(split, item, item + 1);
    CHECK(std::memcmp(whole.data(), split.data(), whole.size() * sizeof(T)) == 0);
}

/// Odd sizes, every padding, channels around the sizes of blocks and chunks, images below a tile.
constexpr Case cases[] = {{1, 1, 3, 3, 1},  {3, 16, 9, 7, 1},  {16, 3, 8, 8, 1}, {17, 17, 5, 6, 0}, {2, 5, 4, 11, 2},
                          {5, 34, 1, 2, 1}, {4, 8, 12, 12, 1}, {33, 9, 2, 2, 1}, {1, 3, 13, 1, 2}};

template <class L>
void compare_all(int S) {
    for (Case const& c : cases) {
        CAPTURE(c.in_channels);
        CAPTURE(c.out_channels);
        CAPTURE(c.height);
        CAPTURE(c.width);
        CAPTURE(c.pad);
        CAPTURE(S);
        compare_correlation<4, L>(forward(c), S);
        compare_correlation<4, L>(backward(c), S);
        compare_correlation<2, L>(forward(c), S);
        compare_correlation<2, L>(backward(c), S);
        compare_weight_gradient<4, L>(forward(c), S);
        compare_weight_gradient<2, L>(forward(c), S);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("tiles of every size", T, STRATA_TESTED_TYPES) {
    for (int const S : {1, 2, 4, 8, 16, 32}) compare_all<widest_lane<T>>(S);
}

TEST_CASE_TEMPLATE("scalar lanes, any number of samples", T, STRATA_TESTED_TYPES) { compare_all<T>(3); }

TEST_CASE("blocks of channels") {
    using L = widest_lane<double>;
    compare_correlation<4, L>(forward({20, 70, 5, 5, 1}), 4);
    compare_weight_gradient<4, L>(forward({40, 70, 5, 5, 1}), 4);
}

TEST_CASE("Winograd is chosen where it is faster") {
    using L = widest_lane<float>;
    Correlation const wide = forward({64, 64, 8, 8, 1}), narrow = forward({1, 2, 8, 8, 1});
    CHECK(winograd_tile<L>(wide, 16, 1) == 4);
    CHECK(winograd_tile<L>(wide, 16, 1, true) == 4);
    CHECK(winograd_tile<L>(backward({64, 64, 8, 8, 1}), 16, 1) == 4);
    CHECK(winograd_tile<L>(narrow, 16, 1, true) == 0);
    CHECK(winograd_tile<L>(wide, 17, 1) == 0);
    Correlation strided = wide, dilated = wide, five = wide;
    strided.stride_height = 2;
    dilated.dilation_width = 2;
    five.taps_height = 5;
    for (Correlation const& g : {strided, dilated, five}) {
        CHECK(winograd_tile<L>(g, 16, 1) == 0);
        CHECK(winograd_tile<L>(g, 16, 1, true) == 0);
    }
}

TEST_CASE("scratch memory is counted as it is handed out") {
    struct Parts {
        float* numbers;
        double const** pointers;
        std::int8_t* rest;
        constexpr explicit Parts(Carver& memory)
            : numbers(memory.take<float>(3)),
              pointers(memory.take<double const*>(9)),
              rest(memory.take<std::int8_t>(5)) {}
    };
    constexpr int count = carved_numbers<float, Parts>();
    static_assert(count == (64 + 128 + 5 + 3) / 4);
    AlignedVector<float> scratch(count);
    Carver memory(scratch.data());
    Parts const parts(memory);
    CHECK(parts.numbers == scratch.data());
    CHECK(static_cast<void*>(parts.pointers) == scratch.data() + 16);
    CHECK(static_cast<void*>(parts.rest) == scratch.data() + 48);
    CHECK(memory.numbers<float>() == count);
    Carver counting;  // what no int counts is an error, and no small number
    counting.take<float>(std::ptrdiff_t{1} << 30);
    CHECK(counting.numbers<float>() == 1 << 30);
    CHECK_THROWS_AS(static_cast<void>(counting.numbers<std::int16_t>()), Error);
}
