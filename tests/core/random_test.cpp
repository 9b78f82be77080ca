// labels: libcxx
// Counter-based random numbers: Philox4x32-10 against Random123's known answers, and the streams made from it.
#include "strata/core/random.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace strata;
using Words = std::array<std::uint32_t, 4>;

// The lines philox4x32 10 of Random123's kat_vectors. The last uses the digits of pi.
TEST_CASE("Philox4x32-10 gives Random123's known answers") {
    CHECK(philox({0, 0, 0, 0}, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    std::uint32_t const ones = 0xffffffff;
    CHECK(philox({ones, ones, ones, ones}, ~std::uint64_t{0}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    std::uint64_t const key = std::uint64_t{0x299f31d0} << 32 | 0xa4093822;
    CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, key) ==
          Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
    static_assert(philox({0, 0, 0, 0}, 0)[0] == 0x6627e8d5, "Philox is usable at compile time");
}

TEST_CASE("a stream hands out all four words of each block, block after block") {
    Random random(7, Purpose::shuffle, 3, 4);
    for (std::uint32_t block = 0; block < 3; ++block)
        for (std::uint32_t const word : philox({block, static_cast<std::uint32_t>(Purpose::shuffle), 3, 4}, 7))
            CHECK(random() == word);
}

TEST_CASE("seed, purpose and both positions each give a stream of their own") {
    std::set<std::uint32_t> first;
    for (std::uint64_t const seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 40})
        for (Purpose const purpose :
             {Purpose::initialization, Purpose::shuffle, Purpose::augmentation, Purpose::dropout, Purpose::user})
            for (std::uint32_t a = 0; a < 3; ++a)
                for (std::uint32_t b = 0; b < 3; ++b) first.insert(Random(seed, purpose, a, b)());
    CHECK(first.size() == 3 * 5 * 3 * 3);
}

TEST_CASE("uniform_float takes 24 bits and never reaches 1") {
    CHECK(uniform_float(0) == 0.0f);
    CHECK(uniform_float(0xff) == 0.0f);
    CHECK(uniform_float(0x100) == 0x1p-24f);
    CHECK(uniform_float(0x80000000u) == 0.5f);
    CHECK(uniform_float(0xffffffffu) < 1.0f);
}

TEST_CASE("uniform and normal numbers have the moments they should") {
    Random random(1, Purpose::user);
    double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0;
    int const count = 40'000;
    for (int i = 0; i < count; ++i) {
        double const u = random.uniform(), z = random.normal();
        REQUIRE(u >= 0);
        REQUIRE(u < 1);
        sum += u;
        squares += (u - 0.5) * (u - 0.5);
        normal_sum += z;
        normal_squares += z * z;
    }
    // Five standard errors of each estimate.
    CHECK(std::abs(sum / count - 0.5) < 5 * std::sqrt(1.0 / 12 / count));
    CHECK(std::abs(squares / count - 1.0 / 12) < 5 * std::sqrt(1.0 / 180 / count));
    CHECK(std::abs(normal_sum / count) < 5 * std::sqrt(1.0 / count));
    CHECK(std::abs(normal_squares / count - 1) < 5 * std::sqrt(2.0 / count));
}

TEST_CASE("below(n) reaches every number under n, evenly") {
    Random random(2, Purpose::user);
    CHECK(random.below(1) == 0);
    int counts[6] = {};
    for (int i = 0; i < 12'000; ++i) {
        auto const k = random.below(6);
        REQUIRE(k < 6);
        ++counts[k];
    }
    for (int const c : counts) CHECK(std::abs(c - 2000) < 5 * 41);  // five standard deviations of a binomial count
    // Without rejection numbers below 2^30 would come up twice as often as the others here.
    int low = 0;
    for (int i = 0; i < 6000; ++i) low += random.below(3u << 30) < (1u << 30) ? 1 : 0;
    CHECK(std::abs(low - 2000) < 5 * 37);
}
