// How long ranks take to go on without those that are gone.
#pragma once

#include <chrono>
#include <strata/distributed/communicator.hpp>
#include <vector>

namespace strata {

/// From the first word of a loss to the first message of what is repeated; where a rank is alone then, to the end of the
/// next step.
class Recovery {
public:
    void notice() {
        if (!lost_) since_ = Clock::now();
        lost_ = true;
    }
    [[nodiscard]] bool has_noticed() const { return lost_; }
    void end() {
        if (lost_) milliseconds_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - since_).count());
        lost_ = false;
    }
    [[nodiscard]] std::vector<double> const& milliseconds() const { return milliseconds_; }

private:
    using Clock = std::chrono::steady_clock;
    bool lost_ = false;
    Clock::time_point since_;
    std::vector<double> milliseconds_;
};

/// A communicator that notes in its recovery when it has heard of a loss; its rank may be killed then, in the first message
/// behind it.
template <Communicator C>
struct Noticing {
    Recovery* recovery;
    C communicator;
    bool is_killed_then = false;

    [[nodiscard]] int rank() const { return communicator.rank(); }
    [[nodiscard]] int size() const { return communicator.size(); }
    void post_send(int to, std::span<std::byte const> bytes) {
        begin_message();
        noticing([&] { return communicator.post_send(to, bytes), true; });
    }
    void post_receive(int from, std::span<std::byte> bytes) {
        begin_message();
        noticing([&] { return communicator.post_receive(from, bytes), true; });
    }
    bool poll() {
        return noticing([&] { return communicator.poll(); });
    }
    void wait() {
        noticing([&] { return communicator.wait(), true; });
    }
    bool agree(bool ok) {
        bool const all = communicator.agree(ok);
        if (!all) recovery->notice();
        return all;
    }
    Noticing shrink() { return {recovery, communicator.shrink(), is_killed_then}; }

private:
    void begin_message() {
        if (is_killed_then && recovery->has_noticed()) {
            { C const gone = std::move(communicator); }
            throw RankKilled();
        }
        recovery->end();
    }
    bool noticing(auto const& action) {
        try {
            return action();
        } catch (RankLost const&) {
            recovery->notice();
            throw;
        }
    }
};

}  // namespace strata
