// labels: isa
// bfloat16: every bit pattern, rounding, and lanes of every width against the scalar conversion.
#include "strata/core/bfloat16.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "strata/core/random.hpp"
#include "strata/core/tensor.hpp"
#include "strata/io/convert.hpp"

using namespace strata;

namespace {
bool is_nan(bfloat16 x) { return (x.bits & 0x7fff) > 0x7f80; }

/// Floats of all kinds: ties and their neighbours, random bits, special values. Without subnormal ones, which the
/// instruction of AVX512-BF16 takes for zero.
std::vector<float> floats() {
    std::vector<float> values{0.0f,
                              -0.0f,
                              1.0f,
                              std::numeric_limits<float>::max(),
                              -std::numeric_limits<float>::max(),
                              std::numeric_limits<float>::min(),
                              std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN(),
                              std::bit_cast<float>(0x7f800001u),  // a signalling NaN with a payload in the lower half
                              std::bit_cast<float>(0xffffffffu)};
    Random random(5, Purpose::user);
    for (int k = 0; k < 4096; ++k) {
        auto const bits = static_cast<std::uint32_t>(random.below(1u << 16)) << 16;
        for (std::uint32_t const low : {0x0000u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, random.below(1u << 16)})
            if (float const value = std::bit_cast<float>(bits | low); !(std::fabs(value) < 0x1p-126f))
                values.push_back(value);
    }
    while (values.size() % 64 != 0) values.push_back(0.5f);
    return values;
}

template <class L>
int wrong_conversions() {
    constexpr int N = width_of<L>;
    auto const values = floats();
    int wrong = 0;
    std::vector<bfloat16> memory(static_cast<std::size_t>(N) + 2);
    for (std::size_t at = 0; at + N <= values.size(); at += N) {
        memory.front() = memory.back() = bfloat16(7);
        store_lane(memory.data() + 1, load_lane<L>(values.data() + at));
        float back[static_cast<std::size_t>(N)];
        store_lane(static_cast<float*>(back), load_lane<L>(static_cast<bfloat16 const*>(memory.data() + 1)));
        for (std::size_t k = 0; k < N; ++k) {
            bfloat16 const expected(values[at + k]), got = memory[k + 1];
            bool const same = is_nan(expected) ? is_nan(got) && back[k] != back[k]
                                               : got.bits == expected.bits && back[k] == static_cast<float>(expected);
            wrong += same ? 0 : 1;
        }
        wrong += memory.front() == 7.0f && memory.back() == 7.0f ? 0 : 1;  // neighbours are left alone
    }
    return wrong;
}
}  // namespace

/// AVX512-BF16's instruction takes subnormal numbers for zero, so code compiled for it does so everywhere.
static std::uint32_t kept(std::uint32_t bits) {
#ifdef __AVX512BF16__
    if ((bits & 0x7f80u) == 0) return bits & 0x8000u;
#endif
    return bits;
}

TEST_CASE("every bfloat16 is a float and comes back") {
    int wrong = 0;
    for (std::uint32_t bits = 0; bits < 1u << 16; ++bits) {
        auto const x = bfloat16::from_bits(static_cast<std::uint16_t>(bits));
        float const value = x;
        if (value != value)
            wrong += is_nan(x) && is_nan(bfloat16(value)) ? 0 : 1;
        else
            wrong += bfloat16(value).bits == kept(bits) && value == bfloat16_value(x.bits) ? 0 : 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE("rounding is to the nearest, ties to even, as files are converted") {
    CHECK(bfloat16(1.0f + 0x1p-8f).bits == 0x3f80);             // a tie, to even
    CHECK(bfloat16(1.0f + 0x1p-7f + 0x1p-8f).bits == 0x3f82);   // a tie, to even
    CHECK(bfloat16(1.0f + 0x1p-8f + 0x1p-20f).bits == 0x3f81);  // above a tie
    CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
    CHECK(static_cast<float>(std::numeric_limits<bfloat16>::epsilon()) == 0x1p-7f);
    CHECK(static_cast<float>(std::numeric_limits<bfloat16>::min()) == std::numeric_limits<float>::min());
    int wrong = 0;
    for (float const value : floats())
        if (value == value) wrong += bfloat16(value).bits == kept(bfloat16_bits(static_cast<double>(value))) ? 0 : 1;
    CHECK(wrong == 0);
}

TEST_CASE("lanes of every width convert like scalars, wherever they lie") {
    CHECK(wrong_conversions<float>() == 0);
    if constexpr (vector_bytes >= 16) CHECK(wrong_conversions<Lane<float, 4>>() == 0);
    if constexpr (vector_bytes >= 32) CHECK(wrong_conversions<Lane<float, 8>>() == 0);
    if constexpr (vector_bytes >= 64) CHECK(wrong_conversions<Lane<float, 16>>() == 0);
}
