// Instruction sets: which of them this unit is compiled for, and which the processor has that runs it.
#pragma once

#include <cstdint>
#include <string>

#include "config.hpp"
#include "error.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace strata::inline STRATA_ABI {

namespace processor_detail {

/// An instruction set beyond the architecture's first, and where the processor says that it has it.
struct InstructionSet {
    char const* name;
    bool used;           ///< by this unit
    int word, bit;       ///< of processor_words
    unsigned state = 0;  ///< registers that the system must save (bits of XCR0)
};

#if defined(__x86_64__) || defined(__i386__)
enum Word {
    leaf_1_ecx,
    leaf_1_edx,
    leaf_7_ebx,
    leaf_7_ecx,
    leaf_7_edx,
    leaf_7_1_eax,
    leaf_7_1_edx,
    extended_ecx,
    avx10,
    words
};
inline constexpr unsigned ymm = 0x6, zmm = 0xe6, apx = 0x80000;
/// Intel's Software Developer's Manual, volume 2, CPUID; AMD's Architecture Programmer's Manual, volume 3, appendix E.
inline constexpr InstructionSet instruction_sets[] = {
    {"sse2", STRATA_BIT(__SSE2__), leaf_1_edx, 26},
    {"sse3", STRATA_BIT(__SSE3__), leaf_1_ecx, 0},
    {"ssse3", STRATA_BIT(__SSSE3__), leaf_1_ecx, 9},
    {"sse4.1", STRATA_BIT(__SSE4_1__), leaf_1_ecx, 19},
    {"sse4.2", STRATA_BIT(__SSE4_2__), leaf_1_ecx, 20},
    {"sse4a", STRATA_BIT(__SSE4A__), extended_ecx, 6},
    {"popcnt", STRATA_BIT(__POPCNT__), leaf_1_ecx, 23},
    {"movbe", STRATA_BIT(__MOVBE__), leaf_1_ecx, 22},
    {"lzcnt", STRATA_BIT(__LZCNT__), extended_ecx, 5},
    {"bmi", STRATA_BIT(__BMI__), leaf_7_ebx, 3},
    {"bmi2", STRATA_BIT(__BMI2__), leaf_7_ebx, 8},
    {"adx", STRATA_BIT(__ADX__), leaf_7_ebx, 19},
    {"tbm", STRATA_BIT(__TBM__), extended_ecx, 21},
    {"avx", STRATA_BIT(__AVX__), leaf_1_ecx, 28, ymm},
    {"f16c", STRATA_BIT(__F16C__), leaf_1_ecx, 29, ymm},
    {"fma", STRATA_BIT(__FMA__), leaf_1_ecx, 12, ymm},
    {"fma4", STRATA_BIT(__FMA4__), extended_ecx, 16, ymm},
    {"xop", STRATA_BIT(__XOP__), extended_ecx, 11, ymm},
    {"avx2", STRATA_BIT(__AVX2__), leaf_7_ebx, 5, ymm},
    {"avxvnni", STRATA_BIT(__AVXVNNI__), leaf_7_1_eax, 4, ymm},
    {"avxifma", STRATA_BIT(__AVXIFMA__), leaf_7_1_eax, 23, ymm},
    {"avxvnniint8", STRATA_BIT(__AVXVNNIINT8__), leaf_7_1_edx, 4, ymm},
    {"avxneconvert", STRATA_BIT(__AVXNECONVERT__), leaf_7_1_edx, 5, ymm},
    {"avxvnniint16", STRATA_BIT(__AVXVNNIINT16__), leaf_7_1_edx, 10, ymm},
    {"gfni", STRATA_BIT(__GFNI__), leaf_7_ecx, 8},
    {"vaes", STRATA_BIT(__VAES__), leaf_7_ecx, 9, ymm},
    {"vpclmulqdq", STRATA_BIT(__VPCLMULQDQ__), leaf_7_ecx, 10, ymm},
    {"avx512f", STRATA_BIT(__AVX512F__), leaf_7_ebx, 16, zmm},
    {"avx512dq", STRATA_BIT(__AVX512DQ__), leaf_7_ebx, 17, zmm},
    {"avx512ifma", STRATA_BIT(__AVX512IFMA__), leaf_7_ebx, 21, zmm},
    {"avx512cd", STRATA_BIT(__AVX512CD__), leaf_7_ebx, 28, zmm},
    {"avx512bw", STRATA_BIT(__AVX512BW__), leaf_7_ebx, 30, zmm},
    {"avx512vl", STRATA_BIT(__AVX512VL__), leaf_7_ebx, 31, zmm},
    {"avx512vbmi", STRATA_BIT(__AVX512VBMI__), leaf_7_ecx, 1, zmm},
    {"avx512vbmi2", STRATA_BIT(__AVX512VBMI2__), leaf_7_ecx, 6, zmm},
    {"avx512vnni", STRATA_BIT(__AVX512VNNI__), leaf_7_ecx, 11, zmm},
    {"avx512bitalg", STRATA_BIT(__AVX512BITALG__), leaf_7_ecx, 12, zmm},
    {"avx512vpopcntdq", STRATA_BIT(__AVX512VPOPCNTDQ__), leaf_7_ecx, 14, zmm},
    {"avx512vp2intersect", STRATA_BIT(__AVX512VP2INTERSECT__), leaf_7_edx, 8, zmm},
    {"avx512fp16", STRATA_BIT(__AVX512FP16__), leaf_7_edx, 23, zmm},
    {"avx512bf16", STRATA_BIT(__AVX512BF16__), leaf_7_1_eax, 5, zmm},
    {"avx10.2", STRATA_BIT(__AVX10_2__), avx10, 1, zmm},
    {"apx", STRATA_BIT(__APX_F__), leaf_7_1_edx, 21, apx},
};
#elif defined(__aarch64__)
enum Word { hwcap, hwcap2, words };
/// Linux, arch/arm64/include/uapi/asm/hwcap.h.
inline constexpr InstructionSet instruction_sets[] = {
    {"atomics", STRATA_BIT(__ARM_FEATURE_ATOMICS), hwcap, 8},
    {"fp16", STRATA_BIT(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC), hwcap, 10},
    {"dotprod", STRATA_BIT(__ARM_FEATURE_DOTPROD), hwcap, 20},
    {"sve", STRATA_BIT(__ARM_FEATURE_SVE), hwcap, 22},
    {"sve2", STRATA_BIT(__ARM_FEATURE_SVE2), hwcap2, 1},
    {"i8mm", STRATA_BIT(__ARM_FEATURE_MATMUL_INT8), hwcap2, 13},
    {"bf16", STRATA_BIT(__ARM_FEATURE_BF16), hwcap2, 14},
    {"sme", STRATA_BIT(__ARM_FEATURE_SME), hwcap2, 23},
};
#else
enum Word { words = 1 };
inline constexpr InstructionSet instruction_sets[] = {{"", false, 0, 0}};
#endif

/// What the processor says about itself, and which registers the system saves.
struct ProcessorWords {
    unsigned word[words] = {}, state = 0;
};
STRATA_COLD inline ProcessorWords processor_words() {
    ProcessorWords now;
#if defined(__x86_64__) || defined(__i386__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        now.word[leaf_1_ecx] = c;
        now.word[leaf_1_edx] = d;
        if (c >> 27 & 1) {  // the system uses XSAVE
            unsigned high = 0;
            asm volatile("xgetbv" : "=a"(now.state), "=d"(high) : "c"(0));
        }
    }
    unsigned leaves = 0;
    if (__get_cpuid_count(7, 0, &leaves, &b, &c, &d)) {
        now.word[leaf_7_ebx] = b;
        now.word[leaf_7_ecx] = c;
        now.word[leaf_7_edx] = d;
        if (leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
            now.word[leaf_7_1_eax] = a;
            now.word[leaf_7_1_edx] = d;
            if (d >> 19 & 1 && __get_cpuid_count(0x24, 0, &a, &b, &c, &d)) now.word[avx10] = (b & 0xff) >= 2 ? 3 : 1;
        }
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) now.word[extended_ecx] = c;
#elif defined(__aarch64__) && defined(__linux__)
    now.word[hwcap] = static_cast<unsigned>(getauxval(AT_HWCAP));
    now.word[hwcap2] = static_cast<unsigned>(getauxval(AT_HWCAP2));
#endif
    return now;
}

}  // namespace processor_detail

/// The instruction sets that this unit is compiled for, one bit each; a constant, so that asking takes none of them.
inline constexpr std::uint64_t used_instruction_sets = [] {
    std::uint64_t used = 0, bit = 1;
    for (auto const& set : processor_detail::instruction_sets) {
        if (set.used) used |= bit;
        bit <<= 1;
    }
    return used;
}();

/// Those of `wanted` that the processor does not have, or the system does not support, one bit each.
[[nodiscard]] STRATA_COLD inline std::uint64_t missing_instruction_sets(std::uint64_t wanted) {
    processor_detail::ProcessorWords const now = processor_detail::processor_words();
    std::uint64_t missing = 0, bit = 1;
    for (auto const& set : processor_detail::instruction_sets) {
        bool const there = (now.word[set.word] >> set.bit & 1) && (now.state & set.state) == set.state;
        if (!there) missing |= wanted & bit;
        bit <<= 1;
    }
    return missing;
}

/// Their names, with commas between them.
[[nodiscard]] STRATA_COLD inline std::string instruction_set_names(std::uint64_t sets) {
    std::string names;
    for (auto const& set : processor_detail::instruction_sets) {
        if (sets & 1) append(names, names.empty() ? "" : ", ", set.name);
        sets >>= 1;
    }
    return names;
}

}  // namespace strata::inline STRATA_ABI
