// How work is cut into threads. There are two kinds of work, and a device runs both:
//
//   elementwise   body(thread) for thread in [0, threads): independent of each other, in any order
//   reduction     a block of block_threads threads makes one result: each thread sums its part, a fixed tree combines
//                 the parts, thread 0 stores the result. No atomics, so the same input gives the same bits.
//
// A body is a named functor without CUDA in it: the kernels of cuda_device.hpp and the loops of
// host_device.hpp run the same one.
#pragma once

#include "../../core/config.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Threads that share one reduction; a power of two, fixed, because the summation order follows from it.
inline constexpr int block_threads = 128;

/// Runs one block of a reduction body. `values` holds block_threads entries that the block shares; threads.each(f)
/// calls f for every thread of the block and returns when all have finished (a GPU thread calls it for itself and waits
/// at the barrier).
///
/// A reduction body has `Value`, `part(block, thread)`, `combine(a, b)` and `finish(block, total)`. Those that call
/// bodies of users are STRATA_DEVICE, and so is everything above them: nvcc checks such calls, and only such.
template <class Body, class Threads>
STRATA_DEVICE void run_block(Body const& body, long block, typename Body::Value* values, Threads threads) {
    threads.each([&](int thread) { values[thread] = body.part(block, thread); });
    for (int distance = block_threads / 2; distance > 0; distance /= 2)
        threads.each([&](int thread) {
            if (thread < distance) values[thread] = body.combine(values[thread], values[thread + distance]);
        });
    threads.each([&](int thread) {
        if (thread == 0) body.finish(block, values[0]);
    });
}

}  // namespace strata::inline STRATA_ABI::detail
