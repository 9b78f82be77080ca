// What kernels assume of the processor: constants of what a program is compiled for (-march, -mtune), never of the machine
// that it runs on, because what is chosen by them may change bits.
#pragma once

#include "../../../../core/lane.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Bytes of a core's data caches. Second level: Zen 3 has 512 KB, and Intel's clients with AVX2 1.25 MB or more; with
/// AVX-512 Zen 4 and Skylake's servers have 1 MB, Sapphire Rapids 2 MB.
inline constexpr int first_level_cache = 32 << 10, second_level_cache = vector_bytes >= 64 ? 1 << 20 : 512 << 10;

/// Products that the processor does of pairs of bfloat16 (AVX512-BF16) while it does one of floats, in registers. By what the
/// compiler tunes for: a processor that it does not name is taken for one of Intel's.
///
///   Zen 4      230 GFLOP/s of a core, floats 116
///   Intel       86, floats 176 (Emerald Rapids): the instruction is on one port, and so it is on its other cores
///   the rest   has none
#ifdef STRATA_PAIRS_PAY  // identity.hpp: units that differ in it share no kernel
inline constexpr double pair_rate = 2;
#elif defined(__AVX512BF16__)
inline constexpr double pair_rate = 0.5;
#else
inline constexpr double pair_rate = 0;
#endif
/// Whether Mixed<bfloat16> multiplies pairs; elsewhere numbers are widened to float.
inline constexpr bool pairs_pay = pair_rate > 1;
/// How many times as fast as Float32's the direct kernels are then, measured: they also pack, and round what they store.
inline constexpr double pair_speed = 0.9 * pair_rate;

}  // namespace strata::inline STRATA_ABI::detail
