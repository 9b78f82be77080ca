// The rounds of an exchange of gradients: who sends which numbers to whom, and when. Exchange (exchange.hpp) carries them
// out, wire.hpp counts them and simulate.hpp runs them on modelled links.
//
// Where every rank's leaves add up to one complete node of the tree, ranks halve: at distance 1, 2, 4, … two of them
// exchange halves of what they still hold and add. These are the tree's own additions, in log2 R messages. Otherwise the
// nodes go straight to whoever owns a part. On the way back ranks double what they have, if they are a power of two, or
// send it straight to all others. Source: Thakur, Rabenseifner, Gropp, "Optimization of collective communication
// operations in MPICH", 2005; the order of distances is the tree's.
#pragma once

#include <bit>

#include "../backend/leaf_tree.hpp"
#include "../network/parameter_groups.hpp"

namespace strata::inline STRATA_ABI {

/// Which part of the numbers a rank owns, from the left: where the ranks are a power of two its number with the bits in
/// reverse, as halving at distance 1, 2, 4, … leaves them; else its number.
constexpr int part_of(int rank, int ranks) {
    if (!std::has_single_bit(static_cast<unsigned>(ranks))) return rank;
    int part = 0;
    for (int bit = 1; bit < ranks; bit *= 2) part = 2 * part + ((rank & bit) != 0 ? 1 : 0);
    return part;
}
/// Parts [from, to) of `count` numbers that are cut into `parts`, as even as can be: whole chunks, but for the last one.
constexpr OwnedRange range_of_parts(int from, int to, int parts, std::size_t count, std::size_t chunk = 4096) {
    std::size_t const chunks = (count + chunk - 1) / chunk;
    auto const begin = [&](int part) {
        return (std::min)(count, chunks * static_cast<std::size_t>(part) / static_cast<std::size_t>(parts) * chunk);
    };
    return {begin(from), begin(to)};
}
/// What a rank owns of `count` numbers: part_of(rank, ranks) of them.
constexpr OwnedRange owned_range(int rank, int ranks, std::size_t count, std::size_t chunk = 4096) {
    int const part = part_of(rank, ranks);
    return range_of_parts(part, part + 1, ranks, count, chunk);
}

/// One rank's share of a round: arrays of numbers to a rank and from one, often the same.
struct Transfer {
    int to, from;
    OwnedRange sent, received;
    int sent_arrays = 1, received_arrays = 1;  ///< each of them is a message, where its range has numbers
    [[nodiscard]] constexpr std::size_t numbers_sent() const {
        return static_cast<std::size_t>(sent_arrays) * sent.size();
    }
    [[nodiscard]] constexpr std::size_t messages_sent() const {
        return sent.size() > 0 ? static_cast<std::size_t>(sent_arrays) : 0;
    }
};
/// What a rank sends.
struct Traffic {
    std::size_t numbers = 0, messages = 0;
};

/// The rounds in which a rank reduces and gathers `count` numbers, the gradients of `leaves` leaves. The transfers of a
/// round are under way at the same time; the next round waits for all of them.
class ExchangeRounds {
public:
    /// With `one_round` gradients go straight to their owners whatever the ranks are: all messages are under way at once,
    /// while the ranks compute.
    constexpr ExchangeRounds(int rank, int ranks, int leaves, std::size_t count, bool one_round = false)
        : rank_(rank), ranks_(ranks), leaves_(leaves), count_(count) {
        doubles_ = std::has_single_bit(static_cast<unsigned>(ranks));
        halves_ = !one_round && doubles_ && ranks <= leaves &&
                  (ranks == 1 || std::has_single_bit(static_cast<unsigned>(leaves)));
    }

    /// Whether gradients are added by halving.
    [[nodiscard]] constexpr bool halves() const { return halves_; }
    /// Whether they come back by doubling.
    [[nodiscard]] constexpr bool doubles() const { return doubles_; }
    [[nodiscard]] constexpr int reduce_rounds() const { return halves_ ? logarithm() : ranks_ > 1 ? 1 : 0; }
    [[nodiscard]] constexpr int gather_rounds() const { return doubles_ ? logarithm() : ranks_ > 1 ? 1 : 0; }

    /// f(transfer) for what this rank sends and receives in a round.
    template <class F>
    constexpr void for_each_reduce(int round, F const& f) const {
        if (halves_) return f(halving(round));
        int const nodes = nodes_of(rank_).count();
        for (int distance = 1; distance < ranks_; ++distance) {
            Transfer transfer = direct(distance);
            transfer.sent = owned_range(transfer.to, ranks_, count_);
            transfer.received = owned_range(rank_, ranks_, count_);
            transfer.sent_arrays = nodes;
            transfer.received_arrays = nodes_of(transfer.from).count();
            f(transfer);
        }
    }
    template <class F>
    constexpr void for_each_gather(int round, F const& f) const {
        if (doubles_) {
            Transfer transfer = halving(gather_rounds() - 1 - round);
            std::swap(transfer.sent, transfer.received);
            return f(transfer);
        }
        for (int distance = 1; distance < ranks_; ++distance) {
            Transfer transfer = direct(distance);
            transfer.sent = owned_range(rank_, ranks_, count_);
            transfer.received = owned_range(transfer.from, ranks_, count_);
            f(transfer);
        }
    }
    [[nodiscard]] constexpr Traffic reduce_traffic() const {
        Traffic traffic;
        for (int round = 0; round < reduce_rounds(); ++round)
            for_each_reduce(round, [&](Transfer const& transfer) { add(traffic, transfer); });
        return traffic;
    }
    [[nodiscard]] constexpr Traffic gather_traffic() const {
        Traffic traffic;
        for (int round = 0; round < gather_rounds(); ++round)
            for_each_gather(round, [&](Transfer const& transfer) { add(traffic, transfer); });
        return traffic;
    }
    /// Numbers of room that a rank needs for what arrives.
    [[nodiscard]] constexpr std::size_t buffer() const {
        if (halves_) return ranks_ > 1 ? halving(0).received.size() : 0;
        std::size_t nodes = 0;
        for (int peer = 0; peer < ranks_; ++peer) nodes += static_cast<std::size_t>(nodes_of(peer).count());
        return nodes * owned_range(rank_, ranks_, count_).size();
    }
    /// The nodes that a rank brings.
    [[nodiscard]] constexpr TreeNodes nodes_of(int rank) const {
        return TreeNodes(leaves_of(rank, ranks_, leaves_), leaves_);
    }

private:
    [[nodiscard]] constexpr int logarithm() const {
        return static_cast<int>(std::bit_width(static_cast<unsigned>(ranks_))) - 1;
    }
    /// Two ranks that differ in one bit hold the same parts and keep a half each.
    [[nodiscard]] constexpr Transfer halving(int round) const {
        int const part = part_of(rank_, ranks_), width = ranks_ >> (round + 1);
        int const kept = part / width, given = kept ^ 1, peer = rank_ ^ (1 << round);
        return {peer, peer, range_of_parts(given * width, (given + 1) * width, ranks_, count_),
                range_of_parts(kept * width, (kept + 1) * width, ranks_, count_)};
    }
    /// Every rank begins with its neighbour, so that not all of them send to one.
    [[nodiscard]] constexpr Transfer direct(int distance) const {
        return {(rank_ + distance) % ranks_, (rank_ + ranks_ - distance) % ranks_, {}, {}};
    }
    static constexpr void add(Traffic& traffic, Transfer const& transfer) {
        traffic.numbers += transfer.numbers_sent();
        traffic.messages += transfer.messages_sent();
    }

    int rank_, ranks_, leaves_;
    std::size_t count_;
    bool doubles_ = false, halves_ = false;
};

}  // namespace strata::inline STRATA_ABI
