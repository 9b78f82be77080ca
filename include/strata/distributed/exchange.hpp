// The exchange of a data-parallel step: gradients to the ranks that own them, added in the tree's order, and what the
// owners make of them back to all.
#pragma once

#include <vector>

#include "../core/aligned.hpp"
#include "communicator.hpp"
#include "../backend/leaf_tree.hpp"

namespace strata::inline STRATA_ABI {

/// Numbers [begin, end) of an arena.
struct OwnedRange {
    std::size_t begin, end;
    [[nodiscard]] constexpr std::size_t size() const { return end - begin; }
};
/// What a rank owns of `count` numbers: whole chunks, but for the last one.
constexpr OwnedRange owned_range(int rank, int ranks, std::size_t count, std::size_t chunk = 4096) {
    std::size_t const chunks = (count + chunk - 1) / chunk;
    auto const from = [&](int r) {
        return (std::min)(count, chunks * static_cast<std::size_t>(r) / static_cast<std::size_t>(ranks) * chunk);
    };
    return {from(rank), from(rank + 1)};
}

/// How `count` numbers of type T, the gradients of a batch of `leaves`, are added over the ranks and come back.
template <class T>
class Exchange {
public:
    Exchange(int rank, int ranks, int leaves, std::size_t count)
        : rank_(rank), ranks_(ranks), leaves_(leaves), count_(count) {}

    [[nodiscard]] OwnedRange owned() const { return owned_by(rank_); }
    /// The nodes whose sums this rank has to bring.
    [[nodiscard]] TreeNodes nodes() const { return nodes_of(rank_); }

    /// Adds the nodes of all ranks. own[k] are the numbers [count] of nodes()[k], which are not changed; result
    /// [owned().size()] is the sum of this rank's part. Throws RankLost.
    template <Communicator C>
    void reduce(C& communicator, std::span<T const* const> own, T* result) {
        TreeNodes const mine = nodes();
        if (own.size() != static_cast<std::size_t>(mine.count()))
            fail("Exchange: ", own.size(), " nodes, expected ", mine.count());
        OwnedRange const range = owned();
        std::vector<TreeNode> all;
        for (int peer = 0; peer < ranks_; ++peer) {
            TreeNodes const theirs = nodes_of(peer);
            for (int k = 0; k < theirs.count(); ++k) all.push_back(theirs[k]);
        }
        if (arrived_.size() < all.size() * range.size()) arrived_ = AlignedVector<T>(all.size() * range.size());
        std::vector<T*> numbers(all.size());
        std::size_t next = 0;
        for (int peer = 0; peer < ranks_; ++peer)
            for (int k = 0; k < nodes_of(peer).count(); ++k, ++next) {
                numbers[next] = arrived_.data() + next * range.size();
                if (peer == rank_)
                    std::copy_n(own[static_cast<std::size_t>(k)] + range.begin, range.size(), numbers[next]);
                else if (range.size() > 0)
                    communicator.post_receive(peer, std::as_writable_bytes(std::span(numbers[next], range.size())));
            }
        for (int peer = 0; peer < ranks_; ++peer) {
            OwnedRange const theirs = owned_by(peer);
            if (peer == rank_ || theirs.size() == 0) continue;
            for (T const* const node : own)
                communicator.post_send(peer, std::as_bytes(std::span(node + theirs.begin, theirs.size())));
        }
        communicator.wait();
        add_nodes<T>(all, numbers, range.size());
        if (!numbers.empty()) std::copy_n(numbers[0], range.size(), result);
    }

    /// Every rank's part of numbers [count] goes to all others. Throws RankLost.
    template <Communicator C>
    void gather(C& communicator, T* numbers) const {
        OwnedRange const mine = owned();
        for (int peer = 0; peer < ranks_; ++peer) {
            if (peer == rank_) continue;
            OwnedRange const theirs = owned_by(peer);
            if (theirs.size() > 0)
                communicator.post_receive(peer,
                                          std::as_writable_bytes(std::span(numbers + theirs.begin, theirs.size())));
            if (mine.size() > 0)
                communicator.post_send(peer, std::as_bytes(std::span<T const>(numbers + mine.begin, mine.size())));
        }
        communicator.wait();
    }

    /// Bytes that this rank sends in reduce and in gather.
    [[nodiscard]] std::size_t reduce_bytes() const {
        return static_cast<std::size_t>(nodes().count()) * (count_ - owned().size()) * sizeof(T);
    }
    [[nodiscard]] std::size_t gather_bytes() const {
        return static_cast<std::size_t>(ranks_ - 1) * owned().size() * sizeof(T);
    }

private:
    [[nodiscard]] OwnedRange owned_by(int rank) const { return owned_range(rank, ranks_, count_); }
    [[nodiscard]] TreeNodes nodes_of(int rank) const { return TreeNodes(leaves_of(rank, ranks_, leaves_), leaves_); }

    int rank_, ranks_, leaves_;
    std::size_t count_;
    AlignedVector<T> arrived_;  // the owned part of all ranks' nodes
};

}  // namespace strata::inline STRATA_ABI
