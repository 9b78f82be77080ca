// Which part of an arena's numbers a rank keeps where ranks share them.
#pragma once

#include <span>

#include "exchange_rounds.hpp"

namespace strata::inline STRATA_ABI {

/// What each rank owns of numbers that are cut into ranges, one behind the other: a part of every range, in whole chunks.
/// A rank keeps its parts side by side.
class OwnedParts {
public:
    constexpr OwnedParts(int rank, int ranks, std::span<OwnedRange const> ranges)
        : rank_(rank), ranks_(ranks), ranges_(ranges) {}

    [[nodiscard]] constexpr int rank() const { return rank_; }
    [[nodiscard]] constexpr int ranks() const { return ranks_; }
    [[nodiscard]] constexpr int ranges() const { return static_cast<int>(ranges_.size()); }
    [[nodiscard]] constexpr OwnedRange range(int index) const { return ranges_[static_cast<std::size_t>(index)]; }
    /// What a rank owns of a range.
    [[nodiscard]] constexpr OwnedRange part_of(int rank, int index) const {
        OwnedRange const all = range(index), part = owned_range(rank, ranks_, all.size());
        return {all.begin + part.begin, all.begin + part.end};
    }
    /// What this rank does.
    [[nodiscard]] constexpr OwnedRange part(int index) const { return part_of(rank_, index); }
    /// Where this rank keeps it, among its numbers.
    [[nodiscard]] constexpr std::size_t place(int index) const {
        std::size_t at = 0;
        for (int k = 0; k < index; ++k) at += part(k).size();
        return at;
    }
    /// All numbers.
    [[nodiscard]] constexpr std::size_t numbers() const { return ranges_.back().end; }
    /// Numbers that this rank keeps.
    [[nodiscard]] constexpr std::size_t size() const { return place(ranges()); }
    /// Where in the arena the k-th of them is.
    [[nodiscard]] constexpr std::size_t number(std::size_t k) const {
        for (int index = 0; index < ranges(); ++index) {
            OwnedRange const own = part(index);
            if (k < own.size()) return own.begin + k;
            k -= own.size();
        }
        return numbers();
    }
    /// This rank's parts of all numbers, side by side, and back to their places.
    template <class T>
    void copy_own(T const* all, T* own) const {
        for (int k = 0; k < ranges(); ++k, own += part(k - 1).size())
            std::copy_n(all + part(k).begin, part(k).size(), own);
    }
    template <class T>
    void put_back(T const* own, T* all) const {
        for (int k = 0; k < ranges(); ++k, own += part(k - 1).size())
            std::copy_n(own, part(k).size(), all + part(k).begin);
    }
    /// f(rank, range, numbers that it owns) for the pieces of some of the arena's numbers, in their order.
    template <class F>
    constexpr void for_each_piece(OwnedRange numbers, F const& f) const {
        for (int index = 0; index < ranges(); ++index)
            for (int rank = 0; rank < ranks_; ++rank) {
                OwnedRange const its = part_of(rank, index);
                OwnedRange const piece{(std::max)(its.begin, numbers.begin), (std::min)(its.end, numbers.end)};
                if (piece.begin < piece.end) f(rank, index, piece);
            }
    }

private:
    int rank_, ranks_;
    std::span<OwnedRange const> ranges_;
};

}  // namespace strata::inline STRATA_ABI
