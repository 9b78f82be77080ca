// Faulty: a communicator that breaks where it is told to, for tests of what happens then.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "communicator.hpp"

namespace strata::inline STRATA_ABI {

/// What goes wrong on a rank. Messages are those it sends, from 0 on.
struct Fault {
    static constexpr std::uint64_t never = (std::numeric_limits<std::uint64_t>::max)();
    /// The rank is killed when it has sent so many bytes, in the message that would go beyond them.
    std::uint64_t kill_at_byte = never;
    /// This message is lost with its connection: it never arrives, and every rank that waits for anything gets RankLost,
    /// though none is gone. After shrink all are there.
    std::uint64_t drop_message = never;
    /// This message, and those behind it to the same rank, are sent only when the rank has polled so many times; other
    /// ranks' messages overtake them. wait polls, too.
    std::uint64_t delay_message = never;
    std::uint64_t delay_polls = 3;
};

/// Passes everything on until the fault strikes. What it has sent is counted over shrink. An engine whose messages may be
/// dropped has a function revoke(), after which whatever ranks wait for throws RankLost.
template <Communicator C>
class Faulty {
public:
    explicit Faulty(C communicator, Fault fault = {}) : communicator_(std::move(communicator)), fault_(fault) {}

    [[nodiscard]] int rank() const { return communicator_.rank(); }
    [[nodiscard]] int size() const { return communicator_.size(); }
    void post_send(int to, std::span<std::byte const> bytes) {
        sent_ += bytes.size();
        std::uint64_t const message = messages_++;
        if (sent_ > fault_.kill_at_byte) {
            { C const gone = std::move(communicator_); }  // before the memory of what was posted
            throw RankKilled();
        }
        if (message == fault_.drop_message) return drop();
        if (message == fault_.delay_message) polls_left_ = fault_.delay_polls;
        if (message == fault_.delay_message || (!held_.empty() && held_.front().to == to))
            held_.push_back({to, bytes});
        else
            communicator_.post_send(to, bytes);
    }
    void post_receive(int from, std::span<std::byte> bytes) { communicator_.post_receive(from, bytes); }
    bool poll() {
        bool const late = !held_.empty();
        if (late && polls_left_-- == 0) release();
        return passed_on([&] { return communicator_.poll(); }) && !late;
    }
    void wait() {
        while (!held_.empty()) poll();
        communicator_.wait();
    }
    bool agree(bool ok) { return communicator_.agree(ok); }
    Faulty shrink() {
        Faulty rest(communicator_.shrink(), fault_);
        rest.sent_ = sent_;
        rest.messages_ = messages_;
        return rest;
    }

private:
    struct Message {
        int to;
        std::span<std::byte const> bytes;
    };

    void drop() {
        if constexpr (requires { communicator_.revoke(); })
            communicator_.revoke();
        else
            fail("Faulty: this communicator has no revoke(), so nobody would notice a message that is dropped");
    }
    void release() {
        passed_on([&] {
            for (auto const& [to, bytes] : held_) communicator_.post_send(to, bytes);
        });
        held_.clear();
    }
    /// What throws has given up all that was posted.
    auto passed_on(auto const& action) {
        try {
            return action();
        } catch (...) {
            held_.clear();
            throw;
        }
    }

    C communicator_;
    Fault fault_;
    std::vector<Message> held_;
    std::uint64_t sent_ = 0, messages_ = 0, polls_left_ = 0;
};

}  // namespace strata::inline STRATA_ABI
