// Faulty: a communicator that breaks where it is told to, for tests of what happens then.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "communicator.hpp"

namespace strata::inline STRATA_ABI {

/// What goes wrong on a rank.
struct Fault {
    static constexpr std::uint64_t never = (std::numeric_limits<std::uint64_t>::max)();
    /// The rank is killed when it has sent so many bytes, in the message that would go beyond them.
    std::uint64_t kill_at_byte = never;
};

/// Passes everything on until the fault strikes. What it has sent is counted over shrink.
template <Communicator C>
class Faulty {
public:
    explicit Faulty(C communicator, Fault fault = {}) : communicator_(std::move(communicator)), fault_(fault) {}

    [[nodiscard]] int rank() const { return communicator_.rank(); }
    [[nodiscard]] int size() const { return communicator_.size(); }
    void post_send(int to, std::span<std::byte const> bytes) {
        sent_ += bytes.size();
        if (sent_ > fault_.kill_at_byte) {
            { C const gone = std::move(communicator_); }  // before the memory of what was posted
            throw RankKilled();
        }
        communicator_.post_send(to, bytes);
    }
    void post_receive(int from, std::span<std::byte> bytes) { communicator_.post_receive(from, bytes); }
    bool poll() { return communicator_.poll(); }
    void wait() { communicator_.wait(); }
    bool agree(bool ok) { return communicator_.agree(ok); }
    Faulty shrink() {
        Faulty rest(communicator_.shrink(), fault_);
        rest.sent_ = sent_;
        return rest;
    }

private:
    C communicator_;
    Fault fault_;
    std::uint64_t sent_ = 0;
};

}  // namespace strata::inline STRATA_ABI
