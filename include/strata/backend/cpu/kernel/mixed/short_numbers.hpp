// Between short numbers in memory and what the kernels of Float32 work on: floats, or pairs of terms (pair_lane.hpp).
#pragma once

#include <algorithm>

#include "../../../../precision/mixed.hpp"
#include "../generic.hpp"
#include "../micro/carver.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Mixed<…>, or a policy of one's own that derives from it.
template <class P>
concept MixedPrecision = std::is_base_of_v<Mixed<typename P::storage>, P>;

/// to[k] = from[k], rounded where the target is short; or added.
template <class From, class To>
STRATA_ONE_COPY void convert_numbers(From const* from, To* to, std::ptrdiff_t count, bool add = false) {
    using L = widest_lane<float>;
    std::ptrdiff_t k = 0;
    if (!add)
        for (; k + width_of<L> <= count; k += width_of<L>) store_lane(to + k, load_lane<L>(from + k));
    for (; k + width_of<L> <= count; k += width_of<L>)
        store_lane(to + k, load_lane<L>(to + k) + load_lane<L>(from + k));
    for (; k < count; ++k) {
        STRATA_SCALAR;
        float const value = load_lane<float>(from + k);
        store_lane(to + k, add ? load_lane<float>(to + k) + value : value);
    }
}

/// A worker that does a part of a kernel's items does not know which of the results are its own: those that are no longer
/// this, a signalling NaN. No arithmetic gives one, and widened numbers have zeros in its place.
inline constexpr std::uint32_t not_written = 0x7fa5a5a5;

/// convert_numbers of those numbers that have been written.
template <class Short>
STRATA_ONE_COPY void convert_written(float const* from, Short* to, std::ptrdiff_t count, bool add) {
    for (std::ptrdiff_t k = 0; k < count; ++k) {
        std::uint32_t bits;
        std::memcpy(&bits, from + k, sizeof bits);
        if (bits != not_written) to[k] = Short(add ? static_cast<float>(to[k]) + from[k] : from[k]);
    }
}

/// Float copies of what an operation reads and writes, or its gradients, and the memory of the kernel that works on them.
struct FloatCopies {
    float *first, *second, *kernel;
    constexpr FloatCopies(Carver& memory, int firsts, int seconds, int kernels)
        : first(memory.take<float>(firsts)), second(memory.take<float>(seconds)), kernel(memory.take<float>(kernels)) {}
    /// Of which a kernel takes as much as it needs.
    FloatCopies(Carver memory, int firsts, int seconds) : FloatCopies(memory, firsts, seconds, 0) {}
};

/// Calls run(results) to write `count` numbers, of which all or some are written, and gives them to `to`, or adds them.
template <class Short, class F>
STRATA_INLINE void round_results(float* results, Short* to, int count, bool all, bool add, F const& run) {
    if (!all) std::fill_n(reinterpret_cast<std::uint32_t*>(results), count, not_written);
    run(results);
    if (all)
        convert_numbers(results, to, count, add);
    else
        convert_written(results, to, count, add);
}

/// Rows 2k and 2k + 1 of `length` numbers as row k of pairs; the last one may be alone, with zeros.
template <class From, class L = widest_lane<float>>
STRATA_ONE_COPY void pair_rows(From const* from, float* to, int rows, int length) {
    constexpr int N = width_of<L>, piece = 256;
    for (int row = 0; row < rows; row += 2, from += 2 * length, to += length)
        for (int at = 0, count = 0; at < length; at += count) {
            count = (std::min)(piece, length - at);
            bfloat16 pairs[2][piece];
            convert_numbers(from + at, pairs[0], count);
            if (row + 1 < rows)
                convert_numbers(from + length + at, pairs[1], count);
            else
                std::fill_n(pairs[1], count, bfloat16(0));
            int k = 0;
            if constexpr (N > 1)
                for (; k + N <= count; k += N) {
                    using Bits = typename lane_detail::Of<std::uint32_t, N>::type;
                    auto const first = reinterpret_cast<Bits>(load_lane<L>(pairs[0] + k).v),
                               second = reinterpret_cast<Bits>(load_lane<L>(pairs[1] + k).v);
                    store_lane(to + at + k, L(reinterpret_cast<typename L::Vector>(first >> 16 | second)));
                }
            for (; k < count; ++k) {
                bfloat16 const pair[2] = {pairs[0][k], pairs[1][k]};
                std::memcpy(to + at + k, pair, sizeof pair);
            }
        }
}

}  // namespace strata::inline STRATA_ABI::detail
