// What kernels assume of the processor: constants of the instruction set that a program is compiled for, never of the
// machine that it runs on, because what is chosen by them may change bits.
#pragma once

#include "../../../../core/lane.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Bytes of a core's data caches. Second level: Zen 3 has 512 KB, and Intel's clients with AVX2 1.25 MB or more; with
/// AVX-512 Zen 4 and Skylake's servers have 1 MB, Sapphire Rapids 2 MB.
inline constexpr int first_level_cache = 32 << 10, second_level_cache = vector_bytes >= 64 ? 1 << 20 : 512 << 10;

}  // namespace strata::inline STRATA_ABI::detail
