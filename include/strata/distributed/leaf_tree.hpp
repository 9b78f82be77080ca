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

#include "../backend/ranks.hpp"
#include "../core/error.hpp"

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

/// Adds the numbers of nodes, [nodes][count], to what the tree makes of them; it is in the first array then, and the
/// others hold parts of it. The nodes lie side by side, from left to right. Throws Error where they do not.
template <class T>
void add_nodes(std::span<TreeNode const> nodes, std::span<T* const> numbers, std::size_t count) {
    struct Sum {
        TreeNode node;
        T* numbers;
    };
    Sum sums[64];
    int waiting = 0;
    auto const merge = [&] {
        --waiting;
        T *const into = sums[waiting - 1].numbers, *const from = sums[waiting].numbers;
        for (std::size_t i = 0; i < count; ++i) into[i] += from[i];
        sums[waiting - 1].node.size *= 2;
    };
    for (std::size_t k = 0; k < nodes.size(); ++k) {
        if (k > 0 && nodes[k].first != nodes[k - 1].first + nodes[k - 1].size)
            fail("add_nodes: a node from leaf ", nodes[k].first, ", expected ", nodes[k - 1].first + nodes[k - 1].size);
        sums[waiting++] = {nodes[k], numbers[k]};
        while (waiting > 1 && sums[waiting - 2].node.size == sums[waiting - 1].node.size &&
               sums[waiting - 2].node.first % (2 * sums[waiting - 2].node.size) == 0)
            merge();
    }
    while (waiting > 1) merge();  // on the right of the tree siblings are missing
}

}  // namespace strata::inline STRATA_ABI
