#include <strata/core/processor.hpp>
#include <strata/dispatch.hpp>

#include <doctest/doctest.h>
#include <cstdlib>
#include <string>

using namespace strata;

static int seven() { return 7; }
int (*choose_seven(std::string_view target))();
STRATA_DISPATCH(choose_seven, seven);

TEST_CASE("this processor has what this unit is compiled for") {
    CHECK(missing_instruction_sets(used_instruction_sets) == 0);
    CHECK(missing_instruction_sets(0) == 0);
}

#if defined(__x86_64__)
// Bit k of the table, by name.
static std::uint64_t bit_of(std::string_view name) {
    for (std::uint64_t bit = 1; bit != 0; bit <<= 1)
        if (instruction_set_names(bit) == name) return bit;
    return 0;
}
static bool has(std::string_view name) {
    std::uint64_t const bit = bit_of(name);
    REQUIRE(bit != 0);
    return missing_instruction_sets(bit) == 0;
}

TEST_CASE("the processor says what the compiler's runtime reads from it") {
    __builtin_cpu_init();
    CHECK(has("sse3") == !!__builtin_cpu_supports("sse3"));
    CHECK(has("ssse3") == !!__builtin_cpu_supports("ssse3"));
    CHECK(has("sse4.1") == !!__builtin_cpu_supports("sse4.1"));
    CHECK(has("sse4.2") == !!__builtin_cpu_supports("sse4.2"));
    CHECK(has("popcnt") == !!__builtin_cpu_supports("popcnt"));
    CHECK(has("avx") == !!__builtin_cpu_supports("avx"));
    CHECK(has("fma") == !!__builtin_cpu_supports("fma"));
    CHECK(has("fma4") == !!__builtin_cpu_supports("fma4"));
    CHECK(has("xop") == !!__builtin_cpu_supports("xop"));
    CHECK(has("bmi") == !!__builtin_cpu_supports("bmi"));
    CHECK(has("bmi2") == !!__builtin_cpu_supports("bmi2"));
    CHECK(has("avx2") == !!__builtin_cpu_supports("avx2"));
    CHECK(has("gfni") == !!__builtin_cpu_supports("gfni"));
    CHECK(has("vpclmulqdq") == !!__builtin_cpu_supports("vpclmulqdq"));
    CHECK(has("avx512f") == !!__builtin_cpu_supports("avx512f"));
    CHECK(has("avx512dq") == !!__builtin_cpu_supports("avx512dq"));
    CHECK(has("avx512cd") == !!__builtin_cpu_supports("avx512cd"));
    CHECK(has("avx512bw") == !!__builtin_cpu_supports("avx512bw"));
    CHECK(has("avx512vl") == !!__builtin_cpu_supports("avx512vl"));
    CHECK(has("avx512ifma") == !!__builtin_cpu_supports("avx512ifma"));
    CHECK(has("avx512vbmi") == !!__builtin_cpu_supports("avx512vbmi"));
    CHECK(has("avx512vbmi2") == !!__builtin_cpu_supports("avx512vbmi2"));
    CHECK(has("avx512vnni") == !!__builtin_cpu_supports("avx512vnni"));
    CHECK(has("avx512bitalg") == !!__builtin_cpu_supports("avx512bitalg"));
    CHECK(has("avx512vpopcntdq") == !!__builtin_cpu_supports("avx512vpopcntdq"));
    CHECK(has("avx512vp2intersect") == !!__builtin_cpu_supports("avx512vp2intersect"));
    CHECK(has("avx512bf16") == !!__builtin_cpu_supports("avx512bf16"));
}
TEST_CASE("the last target that the processor can run is chosen, or the one that is named") {
    unsetenv("STRATA_TARGET");
    constexpr std::uint64_t everything = ~std::uint64_t{0};  // no processor has AMD's and Intel's
    dispatch::Target const targets[] = {{"baseline", 0}, {"wide_2", 0}, {"of_tomorrow", everything}};
    CHECK(detail::choose_target(targets, {}) == 1);
    CHECK(detail::choose_target(targets, "baseline") == 0);
    CHECK(detail::choose_target(targets, "wide-2") == 1);
    setenv("STRATA_TARGET", "baseline", 1);
    CHECK(detail::choose_target(targets, {}) == 0);
    CHECK(detail::choose_target(targets, "wide_2") == 1);
    setenv("STRATA_TARGET", "", 1);
    CHECK(detail::choose_target(targets, {}) == 1);
    unsetenv("STRATA_TARGET");
    std::string const names = instruction_set_names(missing_instruction_sets(everything));
    CHECK_THROWS_WITH_AS(detail::choose_target(targets, "of-tomorrow"),
                         ("STRATA_TARGET: this processor cannot run of_tomorrow, it does not have " + names).c_str(),
                         Error);
    CHECK_THROWS_WITH_AS(detail::choose_target(std::span(targets).subspan(2), {}),
                         ("STRATA_TARGET: this processor can run none of of_tomorrow, the first needs " + names +
                          ", which it does not have")
                             .c_str(),
                         Error);
}
#endif

TEST_CASE("a file that is compiled for itself has the baseline") {
    unsetenv("STRATA_TARGET");
    CHECK(choose_seven({})() == 7);
    CHECK(choose_seven("baseline")() == 7);
    CHECK_THROWS_WITH_AS(choose_seven("x86-64-v3"),
                         "STRATA_TARGET: this program has no target x86-64-v3, it has baseline", Error);
}
