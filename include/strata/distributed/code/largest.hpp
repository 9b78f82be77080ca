// Which of a chunk's numbers are the largest, in time that grows as their number.
#pragma once

#include "blocks.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Which keys of a block are above a key, as bits; neither is below -1.
STRATA_INLINE std::uint64_t above(std::int32_t const* keys, std::int32_t key) {
    std::int32_t block[code_block];
    std::memcpy(block, keys, sizeof block);
    for (std::size_t i = 0; i < code_block; ++i) block[i] = key - block[i];
    return sign_bits(block);
}

/// Which of `count` keys, none of them negative, are the k largest: those above `key`, and the first `ties` of those
/// equal to it. k is 1 … count; count is a multiple of 64, 4096 at most.
struct Largest {
    std::int32_t key;
    std::size_t ties;

    static Largest of(std::int32_t const* keys, std::size_t count, std::size_t k) {
        // Of more than k groups the k-th largest number among the groups' largest ones is no larger than the k-th of
        // all: few have to be looked at one by one.
        std::size_t const groups = std::bit_ceil(3 * k / 2 < code_block ? code_block : 3 * k / 2);
        if (count < 4 * groups) return by_bits(keys, count, k);
        std::int32_t largest[code_chunk / 4], candidates[code_chunk];
        for (std::size_t block = 0; block < groups; block += code_block) {
            std::int32_t top[code_block] = {};
            for (std::size_t row = block; row < count; row += groups) {
                std::int32_t its[code_block];
                std::memcpy(its, keys + row, sizeof its);
                for (std::size_t i = 0; i < code_block; ++i) top[i] = its[i] > top[i] ? its[i] : top[i];
            }
            std::memcpy(largest + block, top, sizeof top);
        }
        std::int32_t const bound = by_bits(largest, groups, k).key;
        std::size_t found = 0;
        for (std::size_t from = 0; from < count; from += code_block)
            for (std::uint64_t bits = above(keys + from, bound - 1); bits != 0; bits &= bits - 1)
                candidates[found++] = keys[from + static_cast<std::size_t>(std::countr_zero(bits))];
        return by_bits(candidates, found, k);
    }

private:
    /// Counts what the keys' upper bits are, then, of those that have the k-th one's, the next ones.
    static Largest by_bits(std::int32_t const* keys, std::size_t count, std::size_t k) {
        constexpr struct {
            int shift, mask;
        } rounds[] = {{20, 2047}, {12, 255}, {4, 255}, {0, 15}};
        std::int32_t chosen[code_chunk];
        std::int32_t key = 0;
        for (auto const& [shift, mask] : rounds) {
            std::uint16_t bins[2][2048];  // neighbours are often equal: two counters wait less for each other
            for (auto& half : bins) std::memset(half, 0, static_cast<std::size_t>(mask + 1) * sizeof *half);
            std::int32_t bin = 0;
            for (std::size_t i = 0; i < count; ++i) {
                std::int32_t const its = keys[i] >> shift & mask;
                ++bins[i & 1][its];
                bin = its > bin ? its : bin;
            }
            for (;; --bin) {
                std::size_t const inside = std::size_t{bins[0][bin]} + bins[1][bin];
                if (inside >= k) break;
                k -= inside;
            }
            key |= bin << shift;
            std::size_t next = 0;
            for (std::size_t i = 0; i < count; ++i) {
                std::int32_t const candidate = keys[i];  // may lie where the next one is written
                chosen[next] = candidate;
                next += (candidate >> shift & mask) == bin ? 1 : 0;
            }
            keys = chosen;
            count = next;
        }
        return {key, k};
    }
};

}  // namespace strata::inline STRATA_ABI::detail
