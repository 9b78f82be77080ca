// The gradients of a batch's leaves, and where they are summed: like a binary counter, with an arena for a carry of each
// height instead of one for every leaf.
#pragma once

#include <bit>
#include <span>

#include "../../../core/aligned.hpp"
#include "../../../core/fixed_array.hpp"
#include "../../../network/parameter_groups.hpp"
#include "program_step.hpp"
#include "update.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Right halves of a node wait in arenas of their own while its left half is summed, one for each height.
constexpr int carry_arenas(TreeNodes const& nodes) {
    int levels = 0;
    for (int k = 0; k < nodes.count(); ++k)
        while ((1 << levels) < nodes[k].size) ++levels;
    return levels;
}
/// The part, of `shards`, of a batch that a leaf belongs to.
constexpr int shard_of(int leaf, int shards, int leaves) {
    int shard = static_cast<int>(static_cast<long>(leaf) * shards / leaves);
    while (leaves_of(shard, shards, leaves).end <= leaf) ++shard;
    return shard;
}
/// Calls node(node of the tree) for what the leaves of each run, and in it of each shard, add up to, and then run(arenas
/// for its carries).
template <class Node, class Run>
constexpr void for_nodes_of_runs(LeafRange own, int leaves, Assignment const& assignment, int shards, Node const& node,
                                 Run const& run) {
    for (int k = 0; k < assignment.runs(); ++k) {
        int carries = 0;
        for (int end = own.begin + assignment.run(k).end, from = own.begin + assignment.run(k).begin; from < end;) {
            int const to = (std::min)(end, leaves_of(shard_of(from, shards, leaves), shards, leaves).end);
            TreeNodes const nodes({from, to}, leaves);
            for (int i = 0; i < nodes.count(); ++i) node(nodes[i]);
            carries = (std::max)(carries, carry_arenas(nodes));
            from = to;
        }
        run(carries);
    }
}
/// Arenas for a rank's leaves: one a node, and those for carries.
STRATA_COLD constexpr int arenas_of(LeafRange own, int leaves, Assignment const& assignment, int shards = 1) {
    int arenas = 0;
    for_nodes_of_runs(
        own, leaves, assignment, shards, [&](TreeNode) { ++arenas; }, [&](int carries) { arenas += carries; });
    return arenas > 0 ? arenas : 1;
}
/// Arenas for any batch of at most that many leaves, on one rank.
STRATA_COLD constexpr int most_arenas(int most_leaves, int workers, int groups) {
    int arenas = 1;
    for (int leaves = 1; leaves <= most_leaves; ++leaves)
        arenas = (std::max)(arenas, arenas_of({0, leaves}, leaves, Assignment{leaves, workers, true, false, groups}));
    return arenas;
}
/// How many teams sum runs of their own, of `workers`: as many as 256 MiB of arenas allow, and 64 more for each worker.
STRATA_COLD constexpr int groups_of(int most_leaves, int workers, std::size_t arena_bytes) {
    std::size_t const budget = (std::size_t{256} << 20) + static_cast<std::size_t>(workers) * (std::size_t{64} << 20);
    int groups = workers;
    while (groups > 1 && static_cast<std::size_t>(most_arenas(most_leaves, workers, groups)) * arena_bytes > budget)
        --groups;
    return groups;
}

/// Adds numbers [from, to) of one array to another's.
template <class Gradient>
STRATA_ONE_COPY void add_numbers(Gradient* into, Gradient const* other, std::ptrdiff_t from, std::ptrdiff_t to) {
    for_lanes<Gradient>(from, to, [&]<class L>(std::ptrdiff_t i) {
        store_lane(into + i, load_lane<L>(into + i) + load_lane<L>(other + i));
    });
}

/// Adds the gradients that the steps made in one arena to those in another, which begin with the network's number
/// `first`: a share of them.
template <class Precision, class Loss>
STRATA_ONE_COPY void add_gradients_of(std::span<ProgramStep<Precision, Loss> const> steps,
                                      typename Precision::accumulation* into,
                                      typename Precision::accumulation const* other, std::ptrdiff_t first,
                                      Share share) {
    for (auto const& step : steps)
        if (auto const made = step.parameters.gradients; made > 0) {
            std::ptrdiff_t const at = step.offsets.parameters - first;
            add_numbers(into, other, at + share.begin(made), at + share.end(made));
        }
}

/// Sums of `count` gradients over leaves, of all that a network has or of as many at a time. All members of a team make
/// the same calls for a run.
template <class Gradient>
class LeafGradients {
public:
    STRATA_COLD LeafGradients(std::ptrdiff_t count, int most_leaves, int workers)
        : count_(count),
          groups_(groups_of(most_leaves, workers, static_cast<std::size_t>(count) * sizeof(Gradient))),
          most_arenas_(most_arenas(most_leaves, workers, groups_)),
          nodes_(static_cast<std::size_t>(most_leaves)),
          first_(static_cast<std::size_t>(most_leaves) + 1),
          runs_(static_cast<std::size_t>(most_leaves) + 1) {}

    [[nodiscard]] int groups() const { return groups_; }
    /// The first arena: the gradient of the batch, when all is done.
    [[nodiscard]] std::span<Gradient> gradient() {
        return {arenas_.data(), arenas_.size() == 0 ? 0 : static_cast<std::size_t>(count_)};
    }
    [[nodiscard]] std::span<Gradient const> gradient() const {
        return const_cast<LeafGradients*>(this)->gradient();  // NOLINT: the same array
    }
    [[nodiscard]] std::size_t memory_bytes() const { return arenas_.size() * sizeof(Gradient); }

    /// What the leaves of the next batch are, in `shards` parts of the batch that are not added. Forgets all sums.
    STRATA_COLD void begin(LeafRange own, int leaves, Assignment const& assignment, int shards = 1) {
        leaves_ = leaves;
        shards_ = shards;
        std::size_t at = 0, run = 0;
        int arena = 0;
        runs_[0] = 0;
        for_nodes_of_runs(
            own, leaves, assignment, shards,
            [&](TreeNode node) {
                nodes_[at] = node;
                first_[at++] = arena++;
            },
            [&](int carries) {
                runs_[++run] = static_cast<int>(at);
                arena += carries;
            });
        node_count_ = static_cast<int>(at);
        auto const arenas = static_cast<std::size_t>((std::max)(arena, own.size() == leaves ? most_arenas_ : 1));
        if (arenas_.size() >= arenas * static_cast<std::size_t>(count_)) return;
        arenas_ = {};
        arenas_ = AlignedVector<Gradient>(arenas * static_cast<std::size_t>(count_));
    }
    /// Sums a run: leaf(number of a leaf of the batch, arena) for each, merge(arena, other) where one sum takes in another.
    template <class Leaf, class Merge>
    STRATA_COLD void sum_run(int run, bool backwards, Leaf const& leaf, Merge const& merge) {
        int const begin = runs_[static_cast<std::size_t>(run)], end = runs_[static_cast<std::size_t>(run) + 1];
        int const carries = first_[static_cast<std::size_t>(end) - 1] + 1;
        for (int k = begin; k < end; ++k) {
            auto const node = static_cast<std::size_t>(backwards ? begin + end - 1 - k : k);
            sum_node(nodes_[node], first_[node], carries, backwards, leaf, merge);
        }
    }
    /// Adds what the runs summed of the first `count` numbers, chunk by chunk: a share of them. Nodes of this rank are left
    /// then.
    STRATA_COLD void merge_runs(Share share, std::ptrdiff_t count) {
        int const chunks = parameter_chunks(count);
        for (int chunk = share.begin(chunks); chunk < share.end(chunks); ++chunk) {
            std::ptrdiff_t const from = std::ptrdiff_t{chunk} * parameter_chunk,
                                 to = (std::min)(from + parameter_chunk, count);
            for_each_sum([&](int into, int other) { add_numbers(sum_at(into), sum_at(other), from, to); }, [](int) {});
        }
    }
    /// The sums of the nodes that this rank's leaves add up to, or of each of its shards with leaves, in at most 64
    /// arrays; returns how many.
    STRATA_COLD int sums(Gradient** arrays) {
        int count = 0;
        for_each_sum([](int, int) {}, [&](int node) { arrays[count++] = sum_at(node); });
        return count;
    }

private:
    [[nodiscard]] Gradient* arena(int index) { return arenas_.data() + index * count_; }
    [[nodiscard]] Gradient* sum_at(int node) { return arena(first_[static_cast<std::size_t>(node)]); }
    /// Calls merge(node, other) for what has to be added, then sum(node) for every sum that is left.
    template <class Merge, class Sum>
    void for_each_sum(Merge const& merge, Sum const& sum) const {
        int left[64];
        for (int begin = 0, end = 0; begin < node_count_; begin = end) {
            int const shard =
                shards_ > 1 ? shard_of(nodes_[static_cast<std::size_t>(begin)].first, shards_, leaves_) : 0;
            while (end < node_count_ &&
                   (shards_ == 1 || shard_of(nodes_[static_cast<std::size_t>(end)].first, shards_, leaves_) == shard))
                ++end;
            int const count = merge_nodes({nodes_.data() + begin, static_cast<std::size_t>(end - begin)}, leaves_, left,
                                          [&](int into, int other) { merge(begin + into, begin + other); });
            if (shards_ > 1)  // a shard is one sum, whatever its nodes
                for (int k = 1; k < count; ++k) merge(begin + left[0], begin + left[k]);
            for (int k = 0; k < (shards_ > 1 ? 1 : count); ++k) sum(begin + left[k]);
        }
    }
    template <class Leaf, class Merge>
    STRATA_COLD void sum_node(TreeNode node, int to, int carries, bool backwards, Leaf const& leaf,
                              Merge const& merge) {
        if (node.size == 1) return leaf(node.first, arena(to));
        int const half = node.size / 2, middle = node.first + half;
        if (middle >= leaves_) return sum_node({node.first, half}, to, carries, backwards, leaf, merge);
        int const carry = carries + std::countr_zero(static_cast<unsigned>(half));
        sum_node({backwards ? middle : node.first, half}, to, carries, backwards, leaf, merge);
        sum_node({backwards ? node.first : middle, half}, carry, carries, backwards, leaf, merge);
        merge(arena(to), arena(carry));
    }

    std::ptrdiff_t count_;
    int groups_, most_arenas_, leaves_ = 0, shards_ = 1, node_count_ = 0;
    AlignedVector<Gradient> arenas_;
    FixedArray<TreeNode> nodes_;  // of the runs, from left to right
    FixedArray<int> first_;       // their arenas
    FixedArray<int> runs_;        // where the nodes of each run begin
};

/// Divides numbers [begin, end) of `count`, whole chunks, of a batch's gradient by the loss scale, a share of them;
/// largest[chunk] is their largest magnitude, NaN where a number is NaN, and 0 of the other chunks.
template <class Gradient>
STRATA_COLD void unscale(Gradient* gradient, std::ptrdiff_t count, double loss_scale, Share share, std::ptrdiff_t begin,
                         std::ptrdiff_t end, double* largest) {
    int const chunks = parameter_chunks(count);
    auto const factor = static_cast<Gradient>(1 / loss_scale);
    for (int chunk = share.begin(chunks); chunk < share.end(chunks); ++chunk) {
        std::ptrdiff_t const from = std::ptrdiff_t{chunk} * parameter_chunk,
                             to = (std::min)(from + parameter_chunk, count);
        LargestMagnitude<Gradient> magnitude;
        for_lanes<Gradient>((std::max)(from, begin), (std::min)(to, end), [&]<class L>(std::ptrdiff_t i) {
            L const number = loss_scale != 1 ? load_lane<L>(gradient + i) * L(factor) : load_lane<L>(gradient + i);
            if (loss_scale != 1) store_lane(gradient + i, number);
            magnitude.take(number);
        });
        largest[chunk] = static_cast<double>(magnitude.value());
    }
}

/// The batch's gradient of those of all ranks, or the part of it that this rank keeps.
template <class Ranks, class Gradient>
STRATA_COLD void sum_over_ranks(Ranks& ranks, LeafGradients<Gradient>& gradients, int leaves) {
    Gradient* sums[64];
    int const count = gradients.sums(sums);
    std::span<Gradient> const gradient = gradients.gradient();
    ranks.sum(std::span<Gradient* const>(sums, static_cast<std::size_t>(count)), gradient.data(), gradient.size(),
              leaves);
}
/// Divides what this rank has of the batch's gradient, in the arena or apart from it, by the loss scale.
template <class Ranks, class Gradient>
STRATA_COLD void unscale_own(Ranks& ranks, std::span<Gradient> arena, WorkerPool& pool, int workers, double loss_scale,
                             double* largest) {
    std::span<Gradient> all = arena;
    OwnedRange own{0, 0};
    if constexpr (Ranks::by_groups) {
        all = ranks.shard().gradient();
        own.end = all.size();
        // After a loss the part may be another one, with fewer chunks.
        std::fill_n(largest, parameter_chunks(static_cast<std::ptrdiff_t>(ranks.parts().numbers())), 0.0);
    } else {
        own = ranks.summed(all.size());
    }
    pool.run(workers, [&](int worker, int members) {
        unscale(all.data(), static_cast<std::ptrdiff_t>(all.size()), ranks.scale_left(loss_scale), {worker, members},
                static_cast<std::ptrdiff_t>(own.begin), static_cast<std::ptrdiff_t>(own.end), largest);
    });
}

}  // namespace strata::inline STRATA_ABI::detail
