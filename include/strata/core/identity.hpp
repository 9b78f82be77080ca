// The name that all code of Strata carries: `namespace strata::inline STRATA_ABI`, an inline namespace made of Strata's
// version and of whatever else decides what the compiler makes of these headers. Units of one program that differ in it
// share no function, no type and no table, so that networks compiled for several instruction sets, and several versions
// of Strata, work side by side; a type handed from one to another is a name that the linker does not find, or an
// overload that does not exist, never other numbers.
//
//   v0_1_0_fff0000030   version, and a bit for each macro below
//
// Debug and release units, and those of other sanitizers or exception flags, have the same name: they compute the same.
#pragma once

#include <version>  // libstdc++'s settings

#define STRATA_VERSION_MAJOR 0
#define STRATA_VERSION_MINOR 1
#define STRATA_VERSION_PATCH 0

// 1 where the macro is defined as 1 or as nothing, else 0: STRATA_ONE_1 is two arguments, every other STRATA_ONE_… is
// one.
#define STRATA_ONE_ 0, 1
#define STRATA_ONE_1 0, 1
#define STRATA_SECOND(first, second, ...) second
#define STRATA_SECOND_OF(...) STRATA_SECOND(__VA_ARGS__)
#define STRATA_BIT_OF(value) STRATA_SECOND_OF(STRATA_ONE_##value, 0, 0)
#define STRATA_BIT(macro) STRATA_BIT_OF(macro)

// Four bits as a hexadecimal digit.
#define STRATA_HEX_0000 0
#define STRATA_HEX_0001 1
#define STRATA_HEX_0010 2
#define STRATA_HEX_0011 3
#define STRATA_HEX_0100 4
#define STRATA_HEX_0101 5
#define STRATA_HEX_0110 6
#define STRATA_HEX_0111 7
#define STRATA_HEX_1000 8
#define STRATA_HEX_1001 9
#define STRATA_HEX_1010 a
#define STRATA_HEX_1011 b
#define STRATA_HEX_1100 c
#define STRATA_HEX_1101 d
#define STRATA_HEX_1110 e
#define STRATA_HEX_1111 f
#define STRATA_HEX_OF_BITS(a, b, c, d) STRATA_HEX_##a##b##c##d
#define STRATA_HEX_OF(a, b, c, d) STRATA_HEX_OF_BITS(a, b, c, d)
#define STRATA_HEX(a, b, c, d) STRATA_HEX_OF(STRATA_BIT(a), STRATA_BIT(b), STRATA_BIT(c), STRATA_BIT(d))

#if __has_include(<zlib.h>)
#define STRATA_HAS_ZLIB 1
#endif

#if defined(__x86_64__) || defined(__i386__)
#define STRATA_INSTRUCTIONS_1 STRATA_HEX(__SSE3__, __SSSE3__, __SSE4_1__, __SSE4_2__)
#define STRATA_INSTRUCTIONS_2 STRATA_HEX(__POPCNT__, __AVX__, __F16C__, __FMA__)
#define STRATA_INSTRUCTIONS_3 STRATA_HEX(__AVX2__, __BMI__, __BMI2__, __LZCNT__)
#define STRATA_INSTRUCTIONS_4 STRATA_HEX(__AVX512F__, __AVX512CD__, __AVX512BW__, __AVX512DQ__)
#define STRATA_INSTRUCTIONS_5 STRATA_HEX(__AVX512VL__, __AVX512IFMA__, __AVX512VBMI__, __AVX512VBMI2__)
#define STRATA_INSTRUCTIONS_6 STRATA_HEX(__AVX512VNNI__, __AVX512BITALG__, __AVX512VPOPCNTDQ__, __AVX512BF16__)
#define STRATA_INSTRUCTIONS_7 STRATA_HEX(__AVX512FP16__, __AVXVNNI__, __GFNI__, __MOVBE__)
#define STRATA_INSTRUCTIONS_8 STRATA_HEX(__XOP__, __FMA4__, __AVX10_2__, __APX_F__)
#elif defined(__aarch64__)
#define STRATA_INSTRUCTIONS_1 STRATA_HEX(__ARM_NEON, __ARM_FEATURE_FMA, __ARM_FEATURE_DOTPROD, __ARM_FEATURE_ATOMICS)
#define STRATA_INSTRUCTIONS_2 \
    STRATA_HEX(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC, __ARM_FEATURE_BF16, __ARM_FEATURE_MATMUL_INT8, __ARM_FEATURE_SVE)
#define STRATA_INSTRUCTIONS_3 STRATA_HEX(__ARM_FEATURE_SVE2, __ARM_FEATURE_SME, 0, 0)
#define STRATA_INSTRUCTIONS_4 0
#define STRATA_INSTRUCTIONS_5 0
#define STRATA_INSTRUCTIONS_6 0
#define STRATA_INSTRUCTIONS_7 0
#define STRATA_INSTRUCTIONS_8 0
#else
#define STRATA_INSTRUCTIONS_1 0
#define STRATA_INSTRUCTIONS_2 0
#define STRATA_INSTRUCTIONS_3 0
#define STRATA_INSTRUCTIONS_4 0
#define STRATA_INSTRUCTIONS_5 0
#define STRATA_INSTRUCTIONS_6 0
#define STRATA_INSTRUCTIONS_7 0
#define STRATA_INSTRUCTIONS_8 0
#endif
// Where AVX512-BF16's products of pairs are faster than those of floats: on AMD's cores (machine.hpp in
// backend/cpu/kernel/micro has the figures). Compilers that do not know Zen 4 yet tune for Zen 3 there.
#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__) &&                                \
    (defined(__tune_znver3__) || defined(__tune_znver4__) || defined(__tune_znver5__) || defined(__znver3__) || \
     defined(__znver4__) || defined(__znver5__))
#define STRATA_PAIRS_PAY 1
#endif
#define STRATA_SETTINGS_1 STRATA_HEX(__FAST_MATH__, __FINITE_MATH_ONLY__, STRATA_HAS_ZLIB, __SSE2__)
// libstdc++'s checked containers are larger than its plain ones, its strings have two forms, and a class that has one
// does not say so in its name.
#define STRATA_SETTINGS_2 STRATA_HEX(_GLIBCXX_DEBUG, _GLIBCXX_USE_CXX11_ABI, STRATA_PAIRS_PAY, 0)

#define STRATA_PASTED(major, minor, patch, a, b, c, d, e, f, g, h, i, j) \
    v##major##_##minor##_##patch##_##a##b##c##d##e##f##g##h##i##j
#define STRATA_PASTE(...) STRATA_PASTED(__VA_ARGS__)
#define STRATA_ABI                                                                                           \
    STRATA_PASTE(STRATA_VERSION_MAJOR, STRATA_VERSION_MINOR, STRATA_VERSION_PATCH, STRATA_INSTRUCTIONS_1,    \
                 STRATA_INSTRUCTIONS_2, STRATA_INSTRUCTIONS_3, STRATA_INSTRUCTIONS_4, STRATA_INSTRUCTIONS_5, \
                 STRATA_INSTRUCTIONS_6, STRATA_INSTRUCTIONS_7, STRATA_INSTRUCTIONS_8, STRATA_SETTINGS_1,     \
                 STRATA_SETTINGS_2)
