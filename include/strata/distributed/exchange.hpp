// The exchange of a data-parallel step: gradients to the ranks that own them, added in the tree's order, and what the
// owners make of them back to all.
#pragma once

#include <vector>

#include "../backend/leaf_tree.hpp"
#include "../core/aligned.hpp"
#include "communicator.hpp"
#include "exchange_rounds.hpp"

namespace strata::inline STRATA_ABI {

/// How `count` numbers of type T, the gradients of a batch of `leaves`, are added over the ranks and come back. It may
/// be kept from step to step, with its memory.
template <class T>
class Exchange {
public:
    Exchange() = default;
    Exchange(int rank, int ranks, int leaves, std::size_t count) { deal(rank, ranks, leaves, count); }

    /// For another batch, or other ranks; with `one_round` for post and finish.
    void deal(int rank, int ranks, int leaves, std::size_t count, bool one_round = false) {
        rank_ = rank;
        ranks_ = ranks;
        count_ = count;
        rounds_ = ExchangeRounds(rank, ranks, leaves, count, one_round);
    }

    [[nodiscard]] OwnedRange owned() const { return owned_range(rank_, ranks_, count_); }
    /// The nodes whose sums this rank has to bring.
    [[nodiscard]] TreeNodes nodes() const { return rounds_.nodes_of(rank_); }
    [[nodiscard]] ExchangeRounds const& rounds() const { return rounds_; }

    /// Adds the nodes of all ranks. own[k] are the numbers [count] of nodes()[k], which hold parts of sums afterwards;
    /// result [owned().size()] is the sum of this rank's part, and may lie in them, where owned() does. Throws RankLost.
    template <Communicator C>
    void reduce(C& communicator, std::span<T* const> own, T* result) {
        if (!rounds_.halves()) {
            post(communicator, own);
            communicator.wait();
            return finish(result);
        }
        check(own);
        T const* const sum = halve(communicator, own[0]);
        if (sum != result) std::copy_n(sum, owned().size(), result);
    }
    /// The same in two parts, of an exchange in one round: own[k] stay as they are until the communicator has done all that
    /// was posted; then finish adds.
    template <Communicator C>
    void post(C& communicator, std::span<T* const> own) {
        check(own);
        post_nodes(communicator, own);
    }
    void finish(T* result) {
        add_nodes<T>(nodes_, numbers_, owned().size());
        if (!numbers_.empty() && numbers_[0] != result) std::copy_n(numbers_[0], owned().size(), result);
    }

    /// Every rank's part of numbers [count] goes to all others. Throws RankLost.
    template <Communicator C>
    void gather(C& communicator, T* numbers) const {
        for (int round = 0; round < rounds_.gather_rounds(); ++round) {
            rounds_.for_each_gather(round, [&](Transfer const& transfer) {
                receive(communicator, transfer.from, numbers + transfer.received.begin, transfer.received.size());
                send(communicator, transfer.to, numbers, transfer.sent);
            });
            communicator.wait();
        }
    }

    /// Bytes and messages that this rank sends in reduce and in gather.
    [[nodiscard]] std::size_t reduce_bytes() const { return rounds_.reduce_traffic().numbers * sizeof(T); }
    [[nodiscard]] std::size_t gather_bytes() const { return rounds_.gather_traffic().numbers * sizeof(T); }
    [[nodiscard]] std::size_t reduce_messages() const { return rounds_.reduce_traffic().messages; }
    [[nodiscard]] std::size_t gather_messages() const { return rounds_.gather_traffic().messages; }

private:
    template <Communicator C>
    static void send(C& communicator, int to, T const* numbers, OwnedRange range) {
        if (range.size() > 0) communicator.post_send(to, std::as_bytes(std::span(numbers + range.begin, range.size())));
    }
    template <Communicator C>
    static void receive(C& communicator, int from, T* numbers, std::size_t count) {
        if (count > 0) communicator.post_receive(from, std::as_writable_bytes(std::span(numbers, count)));
    }

    void check(std::span<T* const> own) {
        if (own.size() != static_cast<std::size_t>(nodes().count()))
            fail("Exchange: ", own.size(), " nodes, expected ", nodes().count());
        if (arrived_.size() < rounds_.buffer()) arrived_ = AlignedVector<T>(rounds_.buffer());
    }
    /// A rank's node becomes the sum in ever smaller parts.
    template <Communicator C>
    STRATA_HOT T const* halve(C& communicator, T* node) {
        for (int round = 0; round < rounds_.reduce_rounds(); ++round)
            rounds_.for_each_reduce(round, [&](Transfer const& transfer) {
                OwnedRange const kept = transfer.received;
                receive(communicator, transfer.from, arrived_.data(), kept.size());
                send(communicator, transfer.to, node, transfer.sent);
                communicator.wait();
                for (std::size_t i = 0; i < kept.size(); ++i) node[kept.begin + i] += arrived_[i];
            });
        return node + owned().begin;
    }
    /// The owned part of all ranks' nodes comes here.
    template <Communicator C>
    void post_nodes(C& communicator, std::span<T* const> own) {
        OwnedRange const range = owned();
        nodes_.clear();
        numbers_.clear();
        first_.clear();
        for (int peer = 0; peer < ranks_; ++peer) {
            TreeNodes const theirs = rounds_.nodes_of(peer);
            first_.push_back(nodes_.size());
            for (int k = 0; k < theirs.count(); ++k) {
                numbers_.push_back(arrived_.data() + nodes_.size() * range.size());
                nodes_.push_back(theirs[k]);
            }
        }
        for (std::size_t k = 0; k < own.size(); ++k)
            std::copy_n(own[k] + range.begin, range.size(), numbers_[first_[static_cast<std::size_t>(rank_)] + k]);
        for (int round = 0; round < rounds_.reduce_rounds(); ++round)
            rounds_.for_each_reduce(round, [&](Transfer const& transfer) {
                std::size_t const first = first_[static_cast<std::size_t>(transfer.from)];
                for (int k = 0; k < transfer.received_arrays; ++k)
                    receive(communicator, transfer.from, numbers_[first + static_cast<std::size_t>(k)],
                            transfer.received.size());
                for (T const* const node : own) send(communicator, transfer.to, node, transfer.sent);
            });
    }

    int rank_ = 0, ranks_ = 1;
    std::size_t count_ = 0;
    ExchangeRounds rounds_{0, 1, 1, 0};
    AlignedVector<T> arrived_;
    std::vector<TreeNode> nodes_;     // of all ranks, from left to right,
    std::vector<T*> numbers_;         // their part that is owned here
    std::vector<std::size_t> first_;  // and where each rank's begin
};

}  // namespace strata::inline STRATA_ABI
