// Recorded: a communicator that notes what goes over the wire, to be held against what was predicted.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "communicator.hpp"

namespace strata::inline STRATA_ABI {

/// A message as it was posted.
struct PostedMessage {
    int peer;
    bool sent;  ///< or received
    std::uint64_t bytes;
    friend bool operator==(PostedMessage const&, PostedMessage const&) = default;
};

/// Passes everything on, and keeps the order and sizes of what is posted. shrink begins with an empty record.
template <Communicator C>
class Recorded {
public:
    explicit Recorded(C communicator) : communicator_(std::move(communicator)) {}

    [[nodiscard]] std::vector<PostedMessage> const& messages() const { return messages_; }
    [[nodiscard]] std::uint64_t bytes_sent() const { return total(true); }
    [[nodiscard]] std::uint64_t bytes_received() const { return total(false); }
    /// How often this rank waited.
    [[nodiscard]] int waits() const { return waits_; }
    void clear() {
        messages_.clear();
        waits_ = 0;
    }

    [[nodiscard]] int rank() const { return communicator_.rank(); }
    [[nodiscard]] int size() const { return communicator_.size(); }
    void post_send(int to, std::span<std::byte const> bytes) {
        messages_.push_back({to, true, bytes.size()});
        communicator_.post_send(to, bytes);
    }
    void post_receive(int from, std::span<std::byte> bytes) {
        messages_.push_back({from, false, bytes.size()});
        communicator_.post_receive(from, bytes);
    }
    bool poll() { return communicator_.poll(); }
    void wait() {
        ++waits_;
        communicator_.wait();
    }
    void revoke()
    requires requires(C& c) { c.revoke(); }
    {
        communicator_.revoke();
    }
    bool agree(bool ok) { return communicator_.agree(ok); }
    Recorded shrink() { return Recorded(communicator_.shrink()); }

private:
    [[nodiscard]] std::uint64_t total(bool sent) const {
        std::uint64_t bytes = 0;
        for (auto const& message : messages_) bytes += message.sent == sent ? message.bytes : 0;
        return bytes;
    }

    C communicator_;
    std::vector<PostedMessage> messages_;
    int waits_ = 0;
};

}  // namespace strata::inline STRATA_ABI
