// A parameter server: owns a range of the weights and their optimizer state, takes gradients from workers and gives them
// weights (docs/parameter_server.md).
//
//     ParameterServer<Net, SGD> server({.address = "tcp://127.0.0.1:5555", .workers = 4}, SGD{.momentum = 0.9});
//     server.run();
//
// and on each of the workers, with its own number for `worker`:
//
//     auto trainer = train<Net>(Cpu{}, Served{.servers = {"tcp://127.0.0.1:5555"}, .worker = 0, .workers = 4},
//                               SGD{.learning_rate = 0.1, .momentum = 0.9});
#pragma once

#include <atomic>
#include <chrono>

#include "server/served_executor.hpp"
#include "server/stored_shard.hpp"
#include "server/transport.hpp"

namespace strata::inline STRATA_ABI {

template <class Net, class Optimizer, class Precision = Float32>
class ParameterServer {
public:
    using Scalar = typename Precision::master;

    /// Listens, and goes on from what is in the storage. Learning rate and schedule are the workers'; the optimizer's
    /// other options have to be theirs. Throws Error where an option makes no sense or the storage is of another training.
    explicit ParameterServer(ServerOptions const& options, Optimizer const& optimizer = {})
        : shard_(options, optimizer), socket_(options.address, options.key) {}

    /// Serves until all workers have left, or stop was called. Where they had left already, in what was in the storage, it
    /// waits ServerOptions::patience seconds for one to come again.
    void run() {
        auto const begun = std::chrono::steady_clock::now();
        std::chrono::duration<double> const patience(shard_.options().patience);
        while (!stopped_.load(std::memory_order_relaxed) && !ended_ && shard_.all_left())
            if (!serve(100)) ended_ = shard_.all_left() && std::chrono::steady_clock::now() - begun > patience;
        while (!stopped_.load(std::memory_order_relaxed) && !ended_) serve(100);
    }
    /// Makes run return soon; from any thread, or a signal's handler.
    void stop() { stopped_.store(true, std::memory_order_relaxed); }

    /// Waits for a message, some milliseconds at most, and answers it. False where there was none.
    bool serve(long milliseconds) {
        std::vector<std::byte> from;
        detail::ReceivedMessage message;
        if (!socket_.receive(from, message, milliseconds)) return false;
        handle(from, message.bytes());
        return true;
    }

    /// Where it listens.
    [[nodiscard]] std::string address() const { return socket_.address(); }
    /// What it owns of Model::parameters().
    [[nodiscard]] OwnedRange range() const { return shard_.range(); }
    /// Clocks whose updates it has made; with Asp, updates.
    [[nodiscard]] std::int64_t clock() const { return shard_.clock(); }
    /// Its weights; empty before the first worker came.
    [[nodiscard]] std::span<Scalar const> weights() const {
        return shard_.shard() ? shard_.shard()->weights() : std::span<Scalar const>();
    }
    /// Its optimizer state, [states][range().size()].
    [[nodiscard]] std::span<Scalar const> state() const {
        return shard_.shard() ? shard_.shard()->state() : std::span<Scalar const>();
    }

private:
    /// A read that waits for other workers.
    struct Waiting {
        std::vector<std::byte> from;
        std::uint32_t worker, piece;
        detail::PieceRead read;
    };

    void handle(std::vector<std::byte> const& from, std::span<std::byte const> bytes) {
        using detail::MessageKind;
        bool taken = false;
        detail::PushMessage push;
        try {
            switch (detail::message_kind(bytes)) {
                case MessageKind::hello:
                    return send(from, shard_.hello(detail::message_from<detail::HelloMessage>(bytes), bytes));
                case MessageKind::push:
                    push = detail::message_from<detail::PushMessage>(bytes);
                    taken = shard_.is_new(push);
                    break;
                case MessageKind::pull: {
                    auto const pull = detail::message_from<detail::PullMessage>(bytes);
                    shard_.check_session(pull.worker, pull.session);
                    return read(from, pull.worker, pull.piece, pull.read);
                }
                case MessageKind::compare:
                    shard_.compare(detail::message_from<detail::CompareMessage>(bytes));
                    return send(from, detail::DoneMessage{shard_.server(), std::uint8_t(MessageKind::compare)});
                case MessageKind::leave:
                    shard_.leave(detail::message_from<detail::LeaveMessage>(bytes), bytes);
                    ended_ = shard_.all_left();
                    send(from, detail::DoneMessage{shard_.server(), std::uint8_t(MessageKind::leave)});
                    return answer_waiting({});
                default:
                    fail("a server is asked, not answered");
            }
        } catch (Error const& error) {
            if (shard_.storage_failed()) throw;
            return send(from, detail::RefusedMessage{error.what()});
        }
        if (taken) shard_.take(push, bytes);
        try {
            read(from, push.worker, push.piece, push.read);
        } catch (Error const& error) { send(from, detail::RefusedMessage{error.what()}); }
        if (taken) answer_waiting(push.piece);
    }
    void read(std::vector<std::byte> const& from, std::uint32_t worker, std::uint32_t piece,
              detail::PieceRead const& read) {
        std::erase_if(waiting_, [&](Waiting const& w) { return w.worker == worker && w.piece == piece; });
        if (shard_.shard()->is_gone(piece, read)) return;  // sent twice
        if (auto const weights = shard_.answer(worker, piece, read)) return send(from, *weights);
        send(from, detail::AcceptedMessage{shard_.server(), piece, read.clock, shard_.shard()->slowest(piece),
                                           shard_.shard()->made(piece)});
        waiting_.push_back({from, worker, piece, read});
    }
    /// Of a piece, or of all.
    void answer_waiting(std::optional<std::uint32_t> piece) {
        std::erase_if(waiting_, [&](Waiting const& w) {
            if (piece && w.piece != *piece) return false;
            auto const weights = shard_.answer(w.worker, w.piece, w.read);
            if (weights) send(w.from, *weights);
            return weights.has_value();
        });
    }
    template <class Message>
    void send(std::vector<std::byte> const& to, Message const& message) {
        socket_.send(to, detail::to_bytes(message));
    }

    detail::StoredShard<Net, Optimizer, Precision> shard_;
    detail::ServerSocket socket_;
    std::vector<Waiting> waiting_;
    std::atomic<bool> stopped_ = false;
    bool ended_ = false;
};

}  // namespace strata::inline STRATA_ABI
