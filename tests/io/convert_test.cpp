// labels: libcxx
#include <strata/io/convert.hpp>

#include <array>
#include <limits>
#include <vector>

#include "files.hpp"

using namespace strata;

namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
bool same(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

// The definition: scan all finite numbers of the format for the nearest, ties to the even pattern.
template <class Value>
std::uint16_t nearest(double x, Value value, std::uint16_t infinity_bits) {
    std::uint16_t best = 0;
    double best_distance = infinity;
    for (std::uint32_t bits = 0; bits <= infinity_bits; ++bits) {
        // Infinity stands where the next finite number would be, as IEEE 754 rounds.
        double const candidate = bits == infinity_bits ? 2.0 * value(static_cast<std::uint16_t>(bits - 1)) -
                                                             value(static_cast<std::uint16_t>(bits - 2))
                                                       : value(static_cast<std::uint16_t>(bits));
        double const distance = std::abs(candidate - std::abs(x));
        if (distance < best_distance || (distance == best_distance && (bits & 1) == 0)) {
            best_distance = distance;
            best = static_cast<std::uint16_t>(bits);
        }
    }
    return static_cast<std::uint16_t>(best | (std::signbit(x) ? 0x8000u : 0u));
}
}  // namespace

TEST_CASE("known binary16 and bfloat16 values") {
    CHECK(float16_value(0x3c00) == 1.0f);
    CHECK(float16_value(0xc000) == -2.0f);
    CHECK(float16_value(0x7bff) == 65504.0f);
    CHECK(float16_value(0x0001) == 0x1p-24f);
    CHECK(float16_value(0x03ff) == 1023 * 0x1p-24f);
    CHECK(float16_value(0x0400) == 0x1p-14f);
    CHECK(float16_value(0x3555) == 0x1.554p-2f);
    CHECK(same(float16_value(0x8000), -0.0));
    CHECK(float16_value(0xfc00) == -infinity);
    CHECK(std::isnan(float16_value(0x7e00)));
    CHECK(std::isnan(float16_value(0x7c01)));
    CHECK(bfloat16_value(0x3f80) == 1.0f);
    CHECK(bfloat16_value(0xc049) == -3.140625f);
    CHECK(bfloat16_value(0x0001) == 0x1p-133f);
    CHECK(same(bfloat16_value(0x8000), -0.0));
    CHECK(bfloat16_value(0x7f80) == infinity);
    CHECK(std::isnan(bfloat16_value(0xff81)));
}

TEST_CASE("every 16-bit pattern comes back from its value") {
    for (std::uint32_t i = 0; i < 0x10000; ++i) {
        auto const bits = static_cast<std::uint16_t>(i);
        bool const half_is_nan = (bits & 0x7fff) > 0x7c00, brain_is_nan = (bits & 0x7fff) > 0x7f80;
        // A NaN keeps its sign and payload and becomes quiet.
        if (float16_bits(float16_value(bits)) != (half_is_nan ? bits | 0x0200 : bits)) FAIL("binary16 ", bits);
        if (bfloat16_bits(bfloat16_value(bits)) != (brain_is_nan ? bits | 0x0040 : bits)) FAIL("bfloat16 ", bits);
    }
}

TEST_CASE("rounding to nearest, ties to even, as the definition says") {
    std::vector<double> values{0.0, -0.0, 1.0 / 3.0, 65519.999, 65520.0, 65536.0, 1e300, -1e300, 0x1p-25, 0x1.1p-25,
                               0x1p-26, 1e-300, 5e-324, 3.39e38, 3.4e38, 0x1p-134, 0x1.8p-134, 0x1.002p-3, 0x1.006p0,
                               0x1.01p5, 0x1.03p5, 0x1.fffp-15, 0x1.ffep-15,
                               // the double lies just above a tie that float would round it to
                               0x1.0020000000001p0, 0x1.0100000000001p0, 0x1.0060000000001p0};
    for (double x : values)
        for (double const signed_x : {x, -x}) {
            INFO(signed_x);
            CHECK(float16_bits(signed_x) == nearest(signed_x, float16_value, 0x7c00));
            CHECK(bfloat16_bits(signed_x) == nearest(signed_x, bfloat16_value, 0x7f80));
        }
    CHECK(float16_bits(infinity) == 0x7c00);
    CHECK(bfloat16_bits(-infinity) == 0xff80);
    CHECK(float16_bits(0x1.0020000000001p0) == 0x3c01);  // by way of float it would be 0x3c00
}

TEST_CASE("arrays of every floating type to every other, longer than one block, unaligned") {
    constexpr std::size_t n = 1000;
    std::vector<double> exact(n);
    for (std::size_t i = 0; i < n; ++i) exact[i] = (static_cast<double>(i % 250) - 125.0) / 4.0;  // exact in all four
    std::array const types{DataType::float16, DataType::bfloat16, DataType::float32, DataType::float64};
    for (auto const from : types)
        for (auto const to : types) {
            std::vector<std::byte> source(n * 8 + 1), target(n * 8 + 9, std::byte{0xcd});
            convert_elements(DataType::float64, exact.data(), from, source.data() + 1, n);
            convert_elements(from, source.data() + 1, to, target.data() + 1, n);
            std::vector<double> back(n);
            convert_elements(to, target.data() + 1, DataType::float64, back.data(), n);
            CHECK(back == exact);
            CHECK(target[0] == std::byte{0xcd});
            CHECK(target[1 + n * size_of(to)] == std::byte{0xcd});
        }
}

TEST_CASE("float64 to float32 rounds, overflows to infinity and keeps subnormals and NaN") {
    std::array const source{0.1, 1e300, -1e300, 1e-45, std::numeric_limits<double>::quiet_NaN(), -0.0};
    std::array<float, 6> target{};
    convert_elements(DataType::float64, source.data(), DataType::float32, target.data(), source.size());
    CHECK(target[0] == 0.1f);
    CHECK(static_cast<double>(target[1]) == infinity);
    CHECK(static_cast<double>(target[2]) == -infinity);
    CHECK(target[3] == std::numeric_limits<float>::denorm_min());
    CHECK(std::isnan(target[4]));
    CHECK(std::signbit(target[5]));
}

TEST_CASE("equal types are copied bit by bit, others are refused") {
    std::uint32_t const signalling = 0x7f800001;
    std::uint32_t copy = 0;
    convert_elements(DataType::float32, &signalling, DataType::float32, &copy, 1);
    CHECK(copy == signalling);
    std::int64_t const number = std::numeric_limits<std::int64_t>::min();
    std::int64_t number_copy = 0;
    convert_elements(DataType::int64, &number, DataType::int64, &number_copy, 1);
    CHECK(number_copy == number);
    convert_elements(DataType::float32, nullptr, DataType::float64, nullptr, 0);
    CHECK_FALSE(is_convertible(DataType::int64, DataType::float64));
    CHECK_FALSE(is_convertible(DataType::float32, DataType::uint8));
    CHECK_CONTAINS(error_of([&] { convert_elements(DataType::int64, &number, DataType::float64, &number_copy, 1); }),
                   "no conversion");
}
