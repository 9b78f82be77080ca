// Threads: ranks that are threads of one process, for tests, for a look at what is exchanged, and for faults.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "communicator.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Where the ranks of a process meet. One mutex guards everything.
class ThreadHub {
public:
    explicit ThreadHub(int size) : ranks_(static_cast<std::size_t>(size)) {
        for (auto& rank : ranks_) rank.inbox.resize(ranks_.size());
    }

    [[nodiscard]] int size() const { return static_cast<int>(ranks_.size()); }

    void post_send(int me, int to, std::span<std::byte const> bytes) {
        std::lock_guard const lock(mutex_);
        ++of(me).sends;
        of(to).inbox[index(me)].push_back(bytes);
        of(to).changed.notify_all();
    }
    void post_receive(int me, int from, std::span<std::byte> bytes) {
        std::lock_guard const lock(mutex_);
        of(me).receives.push_back({from, bytes});
    }
    bool poll(int me) {
        std::unique_lock lock(mutex_);
        return is_done(me);
    }
    void revoke() {
        std::lock_guard const lock(mutex_);
        revoked_ = true;
        for (auto& rank : ranks_) rank.changed.notify_all();
    }
    void wait(int me) {
        std::unique_lock lock(mutex_);
        while (!is_done(me)) {
            if (revoked_ || waits_for_the_gone(me)) {
                revoked_ = true;
                for (auto& rank : ranks_) rank.changed.notify_all();
                forget(me);
                throw RankLost(concatenate("rank ", me, ": another rank is gone"));
            }
            of(me).changed.wait(lock);
        }
    }
    /// Nobody reads this rank's memory or writes to it any more.
    void give_up(int me) {
        std::lock_guard const lock(mutex_);
        forget(me);
    }
    bool agree(int me, bool ok) {
        std::unique_lock lock(mutex_);
        std::size_t const round = round_;
        agreed_ = agreed_ && ok;
        of(me).arrived = true;
        end_round();
        while (round == round_) of(me).changed.wait(lock);
        return last_agreed_;
    }
    /// The hub of those who are left, and the caller's rank there.
    std::pair<std::shared_ptr<ThreadHub>, int> shrink(int me) {
        agree(me, true);
        std::lock_guard const lock(mutex_);
        if (!next_) {
            next_ = std::make_shared<ThreadHub>(
                static_cast<int>(std::count_if(ranks_.begin(), ranks_.end(), [](auto const& r) { return !r.gone; })));
            survivors_.clear();
            for (int rank = 0; rank < size(); ++rank)
                if (!of(rank).gone) survivors_.push_back(rank);
        }
        auto const at = std::find(survivors_.begin(), survivors_.end(), me) - survivors_.begin();
        return {next_, static_cast<int>(at)};
    }
    void leave(int me) {
        std::lock_guard const lock(mutex_);
        forget(me);
        of(me).gone = true;
        for (auto& rank : ranks_) rank.changed.notify_all();
        end_round();
    }

private:
    struct Receive {
        int from;
        std::span<std::byte> bytes;
    };
    struct Rank {
        std::vector<std::deque<std::span<std::byte const>>> inbox;  // by sender
        std::vector<Receive> receives;
        int sends = 0;  // that nobody has taken yet
        bool gone = false, arrived = false;
        std::condition_variable changed;
    };

    static std::size_t index(int rank) { return static_cast<std::size_t>(rank); }
    Rank& of(int rank) { return ranks_[index(rank)]; }

    /// Takes what is there.
    bool is_done(int me) {
        auto& rank = of(me);
        for (std::size_t i = 0; i < rank.receives.size();) {
            auto const [from, bytes] = rank.receives[i];
            auto& inbox = rank.inbox[index(from)];
            bool const first =
                std::none_of(rank.receives.begin(), rank.receives.begin() + static_cast<std::ptrdiff_t>(i),
                             [&, from = from](Receive const& r) { return r.from == from; });
            if (!first || inbox.empty()) {
                ++i;
                continue;
            }
            auto const sent = inbox.front();
            inbox.pop_front();
            rank.receives.erase(rank.receives.begin() + static_cast<std::ptrdiff_t>(i));
            --of(from).sends;
            of(from).changed.notify_all();
            if (sent.size() != bytes.size()) {
                forget(me);
                fail("rank ", me, ": rank ", from, " sent ", sent.size(), " bytes, expected ", bytes.size(),
                     ": all ranks have to make the same calls");
            }
            if (!bytes.empty()) std::memcpy(bytes.data(), sent.data(), bytes.size());
        }
        return rank.receives.empty() && rank.sends == 0;
    }
    bool waits_for_the_gone(int me) {
        auto& rank = of(me);
        for (auto const& receive : rank.receives)
            if (of(receive.from).gone && rank.inbox[index(receive.from)].empty()) return true;
        for (auto& peer : ranks_)
            if (peer.gone && !peer.inbox[index(me)].empty()) return true;
        return false;
    }
    void forget(int me) {
        auto& rank = of(me);
        rank.receives.clear();
        rank.sends = 0;
        for (auto& peer : ranks_) peer.inbox[index(me)].clear();
    }
    /// Ends a round of agree where all who are left have arrived.
    void end_round() {
        bool any = false;
        for (auto const& rank : ranks_) {
            if (!rank.gone && !rank.arrived) return;
            any = any || rank.arrived;
        }
        if (!any) return;
        last_agreed_ = std::exchange(agreed_, true);
        ++round_;
        for (auto& rank : ranks_) {
            rank.arrived = false;
            rank.changed.notify_all();
        }
    }

    std::mutex mutex_;
    std::vector<Rank> ranks_;
    bool revoked_ = false, agreed_ = true, last_agreed_ = true;
    std::size_t round_ = 0;
    std::shared_ptr<ThreadHub> next_;
    std::vector<int> survivors_;
};

}  // namespace detail

/// A rank among the threads of this process; run_ranks makes them. A rank whose communicator is destroyed is gone: who
/// still waits for it is told so by RankLost.
class Threads {
public:
    Threads(Threads&&) noexcept = default;
    Threads& operator=(Threads&& other) noexcept {
        std::swap(hub_, other.hub_);
        std::swap(rank_, other.rank_);
        return *this;
    }
    ~Threads() {
        if (hub_) hub_->leave(rank_);
    }

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] int size() const { return hub_->size(); }
    void post_send(int to, std::span<std::byte const> bytes) { hub_->post_send(rank_, checked(to), bytes); }
    void post_receive(int from, std::span<std::byte> bytes) { hub_->post_receive(rank_, checked(from), bytes); }
    bool poll() { return hub_->poll(rank_); }
    void wait() { hub_->wait(rank_); }
    /// From now on whoever waits for what has not arrived gets RankLost, until they shrink: though none is gone, as where
    /// a connection is broken.
    void revoke() { hub_->revoke(); }
    bool agree(bool ok) { return hub_->agree(rank_, ok); }
    Threads shrink() {
        auto [hub, rank] = hub_->shrink(rank_);
        return Threads(std::move(hub), rank);
    }

    /// Calls f(communicator) on `size` threads, one a rank; when all have ended, what the first of them threw is thrown
    /// again here, RankLost only where there is nothing else, and RankKilled not at all.
    template <class F>
    static void run_ranks(int size, F const& f) {
        if (size < 1) fail("run_ranks: ", size, " ranks, expected at least 1");
        auto const hub = std::make_shared<detail::ThreadHub>(size);
        std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(size));
        std::vector<char> lost(thrown.size());
        std::vector<std::thread> threads;
        auto const body = [&](int rank) {
            auto const at = static_cast<std::size_t>(rank);
            try {
                f(Threads(hub, rank));
            } catch (RankKilled) {  // as planned
            } catch (RankLost const&) {
                thrown[at] = std::current_exception();
                lost[at] = 1;
            } catch (...) { thrown[at] = std::current_exception(); }
        };
        for (int rank = 0; rank < size; ++rank) try {
                threads.emplace_back(body, rank);
            } catch (...) {
                thrown[static_cast<std::size_t>(rank)] = std::current_exception();
                hub->leave(rank);
            }
        for (auto& thread : threads) thread.join();
        for (bool const only_lost : {false, true})
            for (std::size_t rank = 0; rank < thrown.size(); ++rank)
                if (thrown[rank] && (lost[rank] != 0) == only_lost) std::rethrow_exception(thrown[rank]);
    }

private:
    Threads(std::shared_ptr<detail::ThreadHub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}
    [[nodiscard]] int checked(int peer) const {
        if (peer >= 0 && peer < size() && peer != rank_) return peer;
        hub_->give_up(rank_);
        fail("rank ", rank_, ": a message with rank ", peer, ", expected another one of ", size());
    }

    std::shared_ptr<detail::ThreadHub> hub_;
    int rank_;
};

}  // namespace strata::inline STRATA_ABI
