// Ranks of a simulation that step together: the rounds of an exchange on modelled links.
#pragma once

#include <vector>

#include "exchange_rounds.hpp"
#include "simulation.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Clocks of all ranks, and the rounds that they go through in a step.
class SimulatedExchange {
public:
    explicit SimulatedExchange(Simulation const& simulation)
        : s_(simulation), ports_(static_cast<std::size_t>(s_.ranks)) {
        if (s_.ranks > 1) {
            reduce_ = phase_of(true);
            gather_ = phase_of(false);
        }
    }

    [[nodiscard]] std::vector<Port>& ports() { return ports_; }
    void reduce() { run(reduce_); }
    void gather() { run(gather_); }
    /// Bytes that a rank sends in both, in the mean.
    [[nodiscard]] double bytes() const { return (reduce_.bytes + gather_.bytes) / static_cast<double>(s_.ranks); }

private:
    /// Every rank sends one message and waits for one, in each round.
    struct Message {
        int from;
        double sent, received;
    };
    using Round = std::vector<Message>;  // [rank]
    /// Either such rounds, `repeated` each, or one of messages from everybody to everybody.
    struct Phase {
        std::vector<Round> rounds;
        int repeated = 1;
        bool all_to_all = false, reduces = false;
        double bytes = 0;  // that all ranks send
    };

    /// More ranks' messages to everybody are not followed one by one.
    static constexpr int followed_ranks = 256;

    /// Whether everybody sends to everybody.
    [[nodiscard]] bool straight(bool reduces) const {
        if (s_.collective == Collective::direct || (reduces && s_.shards > 0)) return true;
        return reduces ? !rounds_of(0).halves() : !rounds_of(0).doubles();
    }
    [[nodiscard]] ExchangeRounds rounds_of(int rank) const {
        return ExchangeRounds(rank, s_.ranks, s_.leaves > 0 ? s_.leaves : s_.ranks, s_.parameters);
    }
    [[nodiscard]] double width(bool reduces) const { return reduces ? s_.gradient_bytes : s_.parameter_bytes; }

    [[nodiscard]] Phase phase_of(bool reduces) const {
        Phase phase;
        phase.reduces = reduces;
        double const width = this->width(reduces);
        auto const bytes = [&](OwnedRange range) { return static_cast<double>(range.size()) * width; };
        if (s_.collective == Collective::ring) {
            double const part = static_cast<double>(s_.parameters) * width / s_.ranks;
            phase.repeated = s_.ranks - 1;
            Round round;
            for (int rank = 0; rank < s_.ranks; ++rank) round.push_back({(rank + s_.ranks - 1) % s_.ranks, part, part});
            phase.rounds.push_back(std::move(round));
            phase.bytes = part * s_.ranks * phase.repeated;
            return phase;
        }
        phase.all_to_all = straight(reduces);
        if (phase.all_to_all) {
            for (int rank = 0; rank < s_.ranks; ++rank)
                phase.bytes += reduces ? nodes(rank) * (bytes({0, s_.parameters}) - bytes(owned(rank)))
                                       : (s_.ranks - 1) * bytes(owned(rank));
            return phase;
        }
        phase.rounds.resize(
            static_cast<std::size_t>(reduces ? rounds_of(0).reduce_rounds() : rounds_of(0).gather_rounds()));
        for (int rank = 0; rank < s_.ranks; ++rank) {
            auto const rounds = rounds_of(rank);
            for (std::size_t k = 0; k < phase.rounds.size(); ++k) {
                auto const add = [&](Transfer const& transfer) {
                    phase.rounds[k].push_back({transfer.from, bytes(transfer.sent), bytes(transfer.received)});
                    phase.bytes += bytes(transfer.sent);
                };
                if (reduces)
                    rounds.for_each_reduce(static_cast<int>(k), add);
                else
                    rounds.for_each_gather(static_cast<int>(k), add);
            }
        }
        return phase;
    }

    void run(Phase const& phase) {
        if (s_.ranks == 1) return;
        if (phase.all_to_all) return s_.ranks > followed_ranks ? send_in_bulk(phase) : send_to_all(phase);
        heads_.resize(ports_.size());
        for (int repetition = 0; repetition < phase.repeated; ++repetition)
            for (Round const& round : phase.rounds) {
                for (std::size_t rank = 0; rank < ports_.size(); ++rank)
                    if (round[rank].sent > 0) heads_[rank] = ports_[rank].send(s_.link, round[rank].sent);
                for (std::size_t rank = 0; rank < ports_.size(); ++rank) {
                    if (round[rank].received > 0)
                        ports_[rank].receive(
                            s_.link, {heads_[static_cast<std::size_t>(round[rank].from)], round[rank].received});
                    ports_[rank].settle();
                }
            }
    }
    /// As Exchange posts them: to the neighbour first, and so on.
    void send_to_all(Phase const& phase) {
        arrivals_.resize(ports_.size());
        for (auto& list : arrivals_) list.clear();
        for (int rank = 0; rank < s_.ranks; ++rank)
            for (int distance = 1; distance < s_.ranks; ++distance) {
                int const to = (rank + distance) % s_.ranks;
                double const bytes =
                    static_cast<double>(owned(phase.reduces ? to : rank).size()) * width(phase.reduces);
                if (!(bytes > 0)) continue;
                for (int k = 0; k < (phase.reduces ? nodes(rank) : 1); ++k)
                    arrivals_[static_cast<std::size_t>(to)].push_back({port(rank).send(s_.link, bytes), bytes});
            }
        for (int rank = 0; rank < s_.ranks; ++rank) {
            auto& list = arrivals_[static_cast<std::size_t>(rank)];
            std::stable_sort(list.begin(), list.end(), [](auto const& a, auto const& b) { return a.head < b.head; });
            for (Arrival const& arrival : list) port(rank).receive(s_.link, arrival);
            port(rank).settle();
        }
    }
    /// All end when the last message of the slowest is there: what it is without jitter, and at most that late with it.
    void send_in_bulk(Phase const& phase) {
        double last = 0;
        for (int rank = 0; rank < s_.ranks; ++rank) {
            int const messages = (s_.ranks - 1) * (phase.reduces ? nodes(rank) : 1);
            double const bytes = phase.bytes / s_.ranks;
            port(rank).advance((messages - 1) * s_.link.seconds_per_message);
            last = (std::max)(last, port(rank).send(s_.link, bytes) + bytes / s_.link.bandwidth);
        }
        for (int rank = 0; rank < s_.ranks; ++rank) {
            double const bytes = phase.bytes / s_.ranks;
            port(rank).receive(s_.link, {last - bytes / s_.link.bandwidth, bytes});
            port(rank).settle();
        }
    }

    [[nodiscard]] Port& port(int rank) { return ports_[static_cast<std::size_t>(rank)]; }
    [[nodiscard]] OwnedRange owned(int rank) const { return owned_range(rank, s_.ranks, s_.parameters); }
    /// Arrays that a rank sends to each owner.
    [[nodiscard]] int nodes(int rank) const {
        return s_.shards > 0 ? s_.shards / s_.ranks : rounds_of(0).nodes_of(rank).count();
    }

    Simulation s_;
    std::vector<Port> ports_;
    Phase reduce_, gather_;
    std::vector<double> heads_;
    std::vector<std::vector<Arrival>> arrivals_;
};

}  // namespace strata::inline STRATA_ABI::detail
