// The tree in which gradients are added, seen from the ranks that hold its leaves.
//
// A batch's leaves are merged at distance 1, 2, 4, …: leaf k takes in leaf k + distance where k is a multiple of twice
// the distance. What a run of neighbouring leaves adds up to without the others are a few nodes of this tree, complete
// ones or the one at the end; so a rank sums its leaves to those, and whoever owns a part of the gradient adds the nodes
// of all ranks, in the order of the tree. The sum has the bits of one rank's, however the leaves were dealt out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../core/error.hpp"
#include "ranks.hpp"

namespace strata::inline STRATA_ABI {

using detail::LeafRange;
/// The leaves of a rank: neighbours, as many as others' or one more or less. Empty where there are more ranks than
/// leaves.
constexpr LeafRange leaves_of(int rank, int ranks, int leaves) {
    auto const from = [&](int r) { return static_cast<int>(static_cast<long>(leaves) * r / ranks); };
    return {from(rank), from(rank + 1)};
}

/// A node of the tree: leaves [first, first + size), those that there are; size is a power of two that divides first.
struct TreeNode {
    int first, size;
    friend bool operator==(TreeNode const&, TreeNode const&) = default;
};
/// The nodes that a run of leaves adds up to, from left to right.
class TreeNodes {
public:
    constexpr TreeNodes(LeafRange range, int leaves) {
        for (int at = range.begin; at < range.end; at += nodes_[count_++].size) {
            int size = 1;
            while (at % (2 * size) == 0 && size < range.end - at && (at + 2 * size <= range.end || range.end == leaves))
                size *= 2;
            nodes_[count_] = {at, size};
        }
    }
    [[nodiscard]] constexpr int count() const { return count_; }
    [[nodiscard]] constexpr TreeNode operator[](int k) const { return nodes_[k]; }

private:
    TreeNode nodes_[64] = {};
    int count_ = 0;
};

/// Puts neighbouring nodes, from left to right, together as far as the tree of `leaves` does: calls merge(a, b), indices
/// of `nodes`, where the first one's sum takes in the second one's. Returns how many are left; left[k] is where the sum
/// of the k-th then is.
template <class Merge>
constexpr int merge_nodes(std::span<TreeNode const> nodes, int leaves, int* left, Merge const& merge) {
    TreeNode waiting[64] = {};
    int count = 0;
    for (std::size_t k = 0; k < nodes.size(); ++k) {
        waiting[count] = nodes[k];
        left[count++] = static_cast<int>(k);
        while (count > 1) {
            TreeNode& a = waiting[count - 2];
            TreeNode const b = waiting[count - 1];
            bool const last = b.first + b.size >= leaves;  // siblings are missing on its right
            if (a.first % (2 * a.size) != 0 || (b.size != a.size && !last)) break;
            merge(left[count - 2], left[count - 1]);
            a.size *= 2;
            --count;
        }
    }
    return count;
}

/// Adds the numbers of nodes, [nodes][count], that cover a tree: the sum is in the first array then, and the others hold
/// parts of it. Throws Error where they do not lie side by side.
template <class T>
STRATA_HOT void add_nodes(std::span<TreeNode const> nodes, std::span<T* const> numbers, std::size_t count) {
    for (std::size_t k = 1; k < nodes.size(); ++k)
        if (nodes[k].first != nodes[k - 1].first + nodes[k - 1].size)
            fail("add_nodes: a node from leaf ", nodes[k].first, ", expected ", nodes[k - 1].first + nodes[k - 1].size);
    if (nodes.empty()) return;
    int left[64];
    merge_nodes(nodes, nodes.back().first + 1, left, [&](int to, int from) {
        T *const into = numbers[static_cast<std::size_t>(to)], *const other = numbers[static_cast<std::size_t>(from)];
        for (std::size_t i = 0; i < count; ++i) into[i] += other[i];
    });
}

}  // namespace strata::inline STRATA_ABI
