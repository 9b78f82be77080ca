// Groups of neighbouring layers: what ranks that do not keep all gradients or parameters work on at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace strata::inline STRATA_ABI {

/// Parameters, gradients or their like [begin, end) of an arena.
struct OwnedRange {
    std::size_t begin, end;
    [[nodiscard]] constexpr std::size_t size() const { return end - begin; }
    friend bool operator==(OwnedRange const&, OwnedRange const&) = default;
};

/// The operations of a network, cut into groups of neighbours whose parameters are no more than those of the largest
/// operation, but for the last one where it takes less, and for all uses of what is Shared, which are in one group.
/// Gradients of a group are reduced in whole chunks (of codes, of the update): what a chunk has of two groups is reduced
/// with the first of them, whose gradients come last.
template <class Net>
struct ParameterGroups {
    static constexpr std::size_t chunk = 4096;
    static constexpr auto operations = static_cast<std::size_t>(Net::operation_count);

private:
    /// Uses of parameters that are Shared stay in one group.
    static constexpr bool is_shared_across(int operation) {
        for (int later = operation; Net::has_shared && later < Net::operation_count; ++later)
            if (Net::owner(later) < operation) return true;
        return false;
    }
    struct Cut {
        std::array<int, operations> group{};              ///< of each operation
        std::array<std::size_t, operations + 2> begin{};  ///< the first parameter of each group, and their end
        int count = 1;
    };
    static constexpr Cut cut = [] {
        Cut all;
        std::size_t largest = chunk;
        for (std::size_t i = 0; i < operations; ++i)
            largest =
                (std::max)(largest, static_cast<std::size_t>(Net::parameter_offset[i + 1] - Net::parameter_offset[i]));
        for (std::size_t i = 0; i < operations; ++i) {
            auto const end = static_cast<std::size_t>(Net::parameter_offset[i + 1]);
            auto& begin = all.begin[static_cast<std::size_t>(all.count - 1)];
            if (end - begin > largest && !is_shared_across(static_cast<int>(i)))
                all.begin[static_cast<std::size_t>(all.count++)] = static_cast<std::size_t>(Net::parameter_offset[i]);
            all.group[i] = all.count - 1;
        }
        all.begin[static_cast<std::size_t>(all.count)] = static_cast<std::size_t>(Net::parameter_count);
        return all;
    }();
    static constexpr std::size_t rounded_up(std::size_t number) {
        return (std::min)((number + chunk - 1) / chunk * chunk, static_cast<std::size_t>(Net::parameter_count));
    }

public:
    static constexpr int count = cut.count;
    /// Of an operation.
    static constexpr int of(int operation) { return cut.group[static_cast<std::size_t>(operation)]; }
    /// The parameters of a group.
    static constexpr OwnedRange parameters(int group) {
        return {cut.begin[static_cast<std::size_t>(group)], cut.begin[static_cast<std::size_t>(group) + 1]};
    }
    /// What is reduced when a group's gradients are there, in whole chunks; together they are all numbers.
    static constexpr std::array<OwnedRange, static_cast<std::size_t>(count)> reduced = [] {
        std::array<OwnedRange, static_cast<std::size_t>(count)> ranges{};
        for (int g = 0; g < count; ++g) {
            auto const range = parameters(g);
            ranges[static_cast<std::size_t>(g)] = {g == 0 ? 0 : rounded_up(range.begin), rounded_up(range.end)};
        }
        return ranges;
    }();
    /// Where a group's gradients lie: its own numbers, and those of the group before it in the backward pass that wait.
    static constexpr OwnedRange window(int group) {
        return {parameters(group).begin, reduced[static_cast<std::size_t>(group)].end};
    }
    /// Numbers of the largest window.
    static constexpr std::size_t largest_window = [] {
        std::size_t largest = 0;
        for (int g = 0; g < count; ++g) largest = (std::max)(largest, window(g).size());
        return largest;
    }();
};

}  // namespace strata::inline STRATA_ABI
