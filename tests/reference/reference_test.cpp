// Tests the reference values themselves: the loader, and that a reader who follows the naming scheme at the top of
// generate.cpp arrives at LibTorch's numbers with loops written straight from the formulas.
#include "reference.hpp"

#include <doctest/doctest.h>

#include "../temporary_directory.hpp"

using namespace strata;

namespace {
struct Case {
    char const* name;
    int channels, out, kernel_h, kernel_w, stride, padding, dilation, groups;
};
constexpr int samples = 3, height = 7, width = 6;

std::size_t at(int n, int channels, int c, int h, int w) {
    return static_cast<std::size_t>(((n * channels + c) * height + h) * width + w);
}

std::string message_of(std::string const& text) {
    TemporaryDirectory const directory;
    auto const path = directory.write("values.txt", text);
    std::string message;
    try {
        detail::read_reference_values(path);
    } catch (Error const& error) { message = std::string(error.what()).substr(path.size()); }
    return message;
}
}  // namespace

TEST_CASE("reference inputs lie on their grids and are centred") {
    double sum = 0, smallest = 1, largest = -1;
    for (std::uint32_t i = 0; i < 10000; ++i) {
        double const v = reference_value(1, i), coarse = reference_coarse_value(1, i);
        CHECK(v * 2048 == std::floor(v * 2048));
        CHECK(coarse * 4 == std::floor(coarse * 4));
        sum += v;
        smallest = std::min(smallest, v);
        largest = std::max(largest, v);
    }
    CHECK(smallest >= -1);
    CHECK(smallest < -0.99);
    CHECK(largest < 1);
    CHECK(largest > 0.99);
    CHECK(std::abs(sum / 10000) < 0.02);  // the mean of 10000 uniform values has standard deviation 0.006
}

TEST_CASE("the loader refuses what it cannot read") {
    CHECK(message_of("a 2 1 -2e-3\nb 1 0\n") == "");
    CHECK(message_of("a 2 1\n") == ":1: expected 2 values and the end of the line for a");
    CHECK(message_of("a 1 1\nb 1 1 2\n") == ":2: expected 1 values and the end of the line for b");
    CHECK(message_of("a 1 1") == ":1: expected 1 values and the end of the line for a");
    CHECK(message_of("a 1 1\na 1 1\n") == ":2: expected a new name and its number of values");
    CHECK(message_of("a\n") == ":1: expected a new name and its number of values");
    CHECK_THROWS_AS(detail::read_reference_values("/nowhere/values.txt"), Error);
    CHECK_THROWS_AS(reference("conv2d/no_such_case/y"), Error);
    CHECK_THROWS_AS(reference_difference(std::vector<double>(2), "mse/5x4/loss"), Error);
    CHECK(std::isinf(reference_difference(std::vector<double>{std::nan("")}, "mse/5x4/loss")));
}

TEST_CASE("convolutions follow the stated inputs") {
    for (auto const& c :
         {Case{"3x7x6_o4_k3_s1_p0", 3, 4, 3, 3, 1, 0, 1, 1}, Case{"3x7x6_o4_k3_s2_p2", 3, 4, 3, 3, 2, 2, 1, 1},
          Case{"3x7x6_o4_k3_s3_p1", 3, 4, 3, 3, 3, 1, 1, 1}, Case{"3x7x6_o4_k3x2_s2_p1", 3, 4, 3, 2, 2, 1, 1, 1},
          Case{"3x7x6_o4_k3_s2_p2_d2", 3, 4, 3, 3, 2, 2, 2, 1}, Case{"4x7x6_o6_k3_s1_p1_g2", 4, 6, 3, 3, 1, 1, 1, 2},
          Case{"4x7x6_o8_k3_s2_p1_g4", 4, 8, 3, 3, 2, 1, 1, 4}}) {
        CAPTURE(c.name);
        int const rows = (height + 2 * c.padding - c.dilation * (c.kernel_h - 1) - 1) / c.stride + 1;
        int const columns = (width + 2 * c.padding - c.dilation * (c.kernel_w - 1) - 1) / c.stride + 1;
        int const inputs = c.channels / c.groups, outputs = c.out / c.groups;
        std::vector<double> y, dx(samples * static_cast<std::size_t>(c.channels) * height * width),
            dweight(static_cast<std::size_t>(c.out * inputs * c.kernel_h * c.kernel_w)),
            dbias(static_cast<std::size_t>(c.out));
        for (int n = 0; n < samples; ++n)
            for (int o = 0; o < c.out; ++o)
                for (int row = 0; row < rows; ++row)
                    for (int column = 0; column < columns; ++column) {
                        double const dy = reference_value(4, static_cast<std::uint32_t>(y.size()));
                        double sum = reference_value(3, static_cast<std::uint32_t>(o));
                        dbias[static_cast<std::size_t>(o)] += dy;
                        for (int i = 0; i < inputs; ++i)
                            for (int p = 0; p < c.kernel_h; ++p)
                                for (int q = 0; q < c.kernel_w; ++q) {
                                    int const h = row * c.stride + p * c.dilation - c.padding;
                                    int const w = column * c.stride + q * c.dilation - c.padding;
                                    if (h < 0 || h >= height || w < 0 || w >= width) continue;
                                    auto const x = at(n, c.channels, o / outputs * inputs + i, h, w);
                                    auto const k =
                                        static_cast<std::size_t>(((o * inputs + i) * c.kernel_h + p) * c.kernel_w + q);
                                    double const weight = reference_value(2, static_cast<std::uint32_t>(k));
                                    double const value = reference_value(1, static_cast<std::uint32_t>(x));
                                    sum += weight * value;
                                    dx[x] += weight * dy;
                                    dweight[k] += value * dy;
                                }
                        y.push_back(sum);
                    }
        auto const name = std::string("conv2d/") + c.name;
        // Inputs are multiples of 1/2048, so every product and sum is exact in double: no tolerance.
        CHECK(reference_difference(y, name + "/y") == 0);
        CHECK(reference_difference(dx, name + "/dx") == 0);
        CHECK(reference_difference(dweight, name + "/dweight") == 0);
        CHECK(reference_difference(dbias, name + "/dbias") == 0);
    }
}

TEST_CASE("in a tie of max pooling the first maximum wins") {
    std::vector<double> y, dx(samples * 2 * height * width);
    int ties = 0;
    for (int n = 0; n < samples; ++n)
        for (int c = 0; c < 2; ++c)
            for (int row = 0; row < height / 2; ++row)
                for (int column = 0; column < width / 2; ++column) {
                    double largest = -2;
                    std::size_t place = 0;
                    for (int p = 0; p < 2; ++p)
                        for (int q = 0; q < 2; ++q) {
                            auto const i = at(n, 2, c, 2 * row + p, 2 * column + q);
                            double const x = reference_coarse_value(1, static_cast<std::uint32_t>(i));
                            ties += x == largest;
                            if (x > largest) largest = x, place = i;
                        }
                    dx[place] += reference_value(4, static_cast<std::uint32_t>(y.size()));
                    y.push_back(largest);
                }
    CHECK(ties > 5);
    CHECK(reference_difference(y, "maxpool2d/2x7x6_k2_s2_p0_ties/y") == 0);
    CHECK(reference_difference(dx, "maxpool2d/2x7x6_k2_s2_p0_ties/dx") == 0);
}

TEST_CASE("SGD with momentum and a learning rate of 0.1 / t follows the stated gradients") {
    auto parameter = reference_values(1, 7);
    std::vector<double> buffer(7);
    for (std::uint32_t t = 1; t <= 5; ++t) {
        for (std::size_t i = 0; i < 7; ++i) {
            buffer[i] = 0.9 * buffer[i] + reference_value(100 + t, static_cast<std::uint32_t>(i));
            parameter[i] -= 0.1 / t * buffer[i];
        }
        // A few roundings a step, in another order than LibTorch's.
        CHECK(reference_difference(parameter, concatenate("sgd/momentum_schedule/step", t)) < 1e-14);
    }
}

TEST_CASE("cross entropy with label smoothing follows the stated logits and labels") {
    std::vector<double> dx;
    double loss = 0;
    for (std::uint32_t n = 0; n < 5; ++n) {
        double sum = 0;
        for (std::uint32_t k = 0; k < 10; ++k) sum += std::exp(4 * reference_value(1, 10 * n + k));
        for (std::uint32_t k = 0; k < 10; ++k) {
            double const logit = 4 * reference_value(1, 10 * n + k);
            double const target = 0.1 / 10 + (static_cast<int>(k) == reference_label(5, n, 10) ? 0.9 : 0.0);
            loss -= target * (logit - std::log(sum)) / 5;
            dx.push_back((std::exp(logit) / sum - target) / 5);
        }
    }
    // Sums of 50 terms of size 1 round to about 50 * 1e-16 of another order of summation.
    CHECK(reference_difference(std::vector{loss}, "cross_entropy/5x10_smooth0.1/loss") < 1e-14);
    CHECK(reference_difference(dx, "cross_entropy/5x10_smooth0.1/dx") < 1e-14);
}
