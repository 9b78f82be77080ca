// What workers and parameter servers say to each other.
//
// A message is a mark, its kind and its fields. A worker asks, a server answers: hello with welcome; push and pull with
// weights, or at once with accepted where the weights asked for are yet to be made; compare and leave with done; and
// anything with refused. A push says too what the worker wants to read next, so a step is one push and one answer a piece.
#pragma once

#include <limits>

#include "message_bytes.hpp"

namespace strata::inline STRATA_ABI::detail {

enum class MessageKind : std::uint8_t {
    hello = 1,
    push,
    pull,
    compare,
    leave,
    welcome,
    accepted,
    weights,
    done,
    refused
};

/// The numbers that a worker takes part with: of all kinds.
inline constexpr std::uint32_t most_workers = 1u << 16;

/// A worker begins.
struct HelloMessage {
    static constexpr MessageKind kind = MessageKind::hello;
    std::uint32_t worker = 0, workers = 0;
    std::uint32_t server = 0, servers = 0;  ///< the one that is meant, and how many there are
    std::int32_t staleness = 0;             ///< -1: Asp
    std::uint64_t session = 0;              ///< of the worker's process
    std::uint64_t seed = 0;                 ///< of the first weights
    std::string code;                       ///< of what is pushed and pulled
    std::vector<MessageItem> items;         ///< what has to be the same everywhere
    static void fields(auto& self, auto& f) {
        f(self.worker), f(self.workers), f(self.server), f(self.servers), f(self.staleness), f(self.session);
        f(self.seed), f(self.code), f(self.items);
    }
};
/// The server's answer.
struct WelcomeMessage {
    static constexpr MessageKind kind = MessageKind::welcome;
    std::uint32_t server = 0;
    std::uint64_t begin = 0, end = 0;  ///< what the server owns, in Model::parameters()
    std::int64_t clock = 0;            ///< which the worker goes on with
    static void fields(auto& self, auto& f) { f(self.server), f(self.begin), f(self.end), f(self.clock); }
};

/// What a worker wants to read of a piece.
struct PieceRead {
    std::int64_t clock = 0;  ///< that it is about to work on
    std::int64_t have = -1;  ///< the version of the numbers that it holds, -1: none
    static void fields(auto& self, auto& f) { f(self.clock), f(self.have); }
    friend bool operator==(PieceRead const&, PieceRead const&) = default;
};
/// A worker's gradient of a piece.
struct PushMessage {
    static constexpr MessageKind kind = MessageKind::push;
    std::uint64_t session = 0;
    std::uint32_t worker = 0, piece = 0;
    std::int64_t clock = 0;
    std::uint32_t leaves = 0, batch = 0;  ///< of all workers' batch together
    std::uint8_t skip = 0;                ///< 1: the worker's gradient is not finite, no update is made; no payload
    double learning_rate = 0;
    double momentum = std::numeric_limits<double>::quiet_NaN();  ///< NaN: the optimizer's
    PieceRead read;
    std::span<std::byte const> payload{};  ///< the nodes of the worker's leaves, [nodes][numbers], or their code
    static void fields(auto& self, auto& f) {
        f(self.session), f(self.worker), f(self.piece), f(self.clock), f(self.leaves), f(self.batch), f(self.skip);
        f(self.learning_rate), f(self.momentum);
        PieceRead::fields(self.read, f);
        f(self.payload);
    }
};
struct PullMessage {
    static constexpr MessageKind kind = MessageKind::pull;
    std::uint64_t session = 0;
    std::uint32_t worker = 0, piece = 0;
    PieceRead read;
    static void fields(auto& self, auto& f) {
        f(self.session), f(self.worker), f(self.piece);
        PieceRead::fields(self.read, f);
    }
};
/// A push is kept, or a pull noted; what it asks for has to wait for a worker.
struct AcceptedMessage {
    static constexpr MessageKind kind = MessageKind::accepted;
    std::uint32_t server = 0, piece = 0;
    std::int64_t clock = 0;  ///< that is to be read
    std::uint32_t waits_for = 0;
    std::int64_t waits_for_clock = 0;
    static void fields(auto& self, auto& f) {
        f(self.server), f(self.piece), f(self.clock), f(self.waits_for), f(self.waits_for_clock);
    }
};
/// Numbers of a piece, for who is about to work on `clock`.
struct WeightsMessage {
    static constexpr MessageKind kind = MessageKind::weights;
    std::uint32_t server = 0, piece = 0;
    std::int64_t clock = 0;
    std::int64_t version = 0;      ///< updates that are in them
    std::int64_t from = -1;        ///< -1: the numbers; else codes of what they changed by in each version since
    std::uint8_t fault = 0;        ///< an UpdateFault::Part: this version was to be one of numbers that are not finite
    std::uint8_t fault_state = 0;  ///< UpdateFault::state
    std::int64_t fault_index = 0;  ///< UpdateFault::index
    std::vector<std::int64_t> left_out{};  ///< the reader's last clocks of which no update was made
    std::span<std::byte const> payload{};
    static void fields(auto& self, auto& f) {
        f(self.server), f(self.piece), f(self.clock), f(self.version), f(self.from), f(self.fault), f(self.fault_state);
        f(self.fault_index), f(self.left_out), f(self.payload);
    }
};
/// What all workers that are at a clock have to say the same.
struct CompareMessage {
    static constexpr MessageKind kind = MessageKind::compare;
    std::uint64_t session = 0;
    std::uint32_t worker = 0;
    std::int64_t clock = 0;
    std::vector<MessageItem> items;
    static void fields(auto& self, auto& f) { f(self.session), f(self.worker), f(self.clock), f(self.items); }
};
/// A worker has done what it had to do.
struct LeaveMessage {
    static constexpr MessageKind kind = MessageKind::leave;
    std::uint64_t session = 0;
    std::uint32_t worker = 0;
    static void fields(auto& self, auto& f) { f(self.session), f(self.worker); }
};
struct DoneMessage {
    static constexpr MessageKind kind = MessageKind::done;
    std::uint32_t server = 0;
    std::uint8_t of = 0;  ///< the kind of message that it answers
    static void fields(auto& self, auto& f) { f(self.server), f(self.of); }
};
struct RefusedMessage {
    static constexpr MessageKind kind = MessageKind::refused;
    std::string why;
    static void fields(auto& self, auto& f) { f(self.why); }
};

/// The beginning of every message; the last digit is the protocol's version.
inline constexpr std::uint32_t message_mark = 0x32535053;  // "SPS2"

/// The kind of a message. Throws Error where it is none.
inline MessageKind message_kind(std::span<std::byte const> bytes) {
    MessageReader read(bytes);
    std::uint32_t mark = 0;
    std::uint8_t kind = 0;
    read(mark), read(kind);
    if (mark != message_mark) fail("these bytes are no message of this version's parameter server");
    if (kind < std::uint8_t(MessageKind::hello) || kind > std::uint8_t(MessageKind::refused))
        fail("a message is of kind ", kind, ", which is none");
    return static_cast<MessageKind>(kind);
}
template <class Message>
std::vector<std::byte> to_bytes(Message const& message) {
    std::size_t payload = 256;
    if constexpr (requires { message.payload; }) payload += message.payload.size();
    MessageWriter write(payload);
    write(message_mark), write(std::uint8_t(Message::kind));
    Message::fields(message, write);
    return write.take();
}
/// The message in some bytes, which its payload points into. Throws Error where it is another one.
template <class Message>
Message message_from(std::span<std::byte const> bytes) {
    if (message_kind(bytes) != Message::kind) fail("a message is of another kind than expected");
    Message message;
    MessageReader read(bytes.subspan(sizeof message_mark + 1));
    Message::fields(message, read);
    read.end();
    return message;
}

}  // namespace strata::inline STRATA_ABI::detail
