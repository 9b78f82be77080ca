// A worker's side of the parameter servers: pushes the gradient piece by piece and pulls the weights, sends again what was
// not answered, and survives servers that are started anew.
#pragma once

#include <chrono>
#include <random>

#include "../../core/aligned.hpp"
#include "code_residual.hpp"
#include "messages.hpp"
#include "served.hpp"
#include "shard.hpp"
#include "transport.hpp"
#include "wait_notice.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// What a worker has to push of a step.
template <class Gradient>
struct PushedStep {
    std::span<Gradient const* const> nodes;  ///< [parameters] each
    std::uint32_t leaves = 1, batch = 1;
    double learning_rate = 0, momentum = 0;  ///< NaN: the optimizer's
    bool skip = false;
};

template <class Scalar, class Gradient>
class ServedWorker {
    using Clock = std::chrono::steady_clock;

public:
    ServedWorker(Served const& options, std::size_t count)
        : options_(options), socket_(options.servers, options.key), servers_(options.servers.size()) {
        std::random_device random;
        while (session_ == 0) session_ = std::uint64_t{random()} << 32 | random();
        for (std::size_t server = 0; server < servers_.size(); ++server) {
            OwnedRange const range = owned_range(static_cast<int>(server), static_cast<int>(servers_.size()), count);
            servers_[server].range = range;
            servers_[server].first = pieces_.size();
            for (std::size_t piece = 0; piece < pieces_of(range.size()); ++piece) {
                OwnedRange const own = piece_range(piece, range.size());
                pieces_.push_back({.server = server,
                                   .index = static_cast<std::uint32_t>(piece),
                                   .begin = range.begin + own.begin,
                                   .end = range.begin + own.end,
                                   .residual = {options_.code, own.size()}});
            }
            servers_[server].end = pieces_.size();
        }
        if (keeps_view()) view_ = AlignedVector<Scalar>(count);
    }
    ServedWorker(ServedWorker const&) = delete;
    ServedWorker& operator=(ServedWorker const&) = delete;

    /// Says hello to all servers and pulls the weights [parameters]. Returns the clock that this worker goes on with.
    std::int64_t join(std::vector<MessageItem> const& items, std::uint64_t seed, std::span<Scalar> weights) {
        HelloMessage hello;
        hello.worker = worker();
        hello.workers = static_cast<std::uint32_t>(options_.workers);
        hello.servers = static_cast<std::uint32_t>(servers_.size());
        hello.staleness = options_.mode.staleness();
        hello.session = session_;
        hello.seed = seed;
        hello.code = options_.code.text();
        hello.items = items;
        clock_ = (std::numeric_limits<std::int64_t>::max)();
        ask_all(
            [&](std::size_t server) {
                hello.server = static_cast<std::uint32_t>(server);
                return to_bytes(hello);
            },
            MessageKind::welcome, options_.patience,
            [&](std::size_t server, std::span<std::byte const> bytes) {
                auto const welcome = message_from<WelcomeMessage>(bytes);
                auto const own = servers_[server].range;
                if (welcome.begin != own.begin || welcome.end != own.end)
                    fail(name(server), " owns weights ", welcome.begin, " to ", welcome.end, ", expected ", own.begin,
                         " to ", own.end);
                if (own.size() > 0) clock_ = (std::min)(clock_, welcome.clock);
            });
        transfer(nullptr, clock_, weights);
        return clock_;
    }
    /// All servers compare texts, and say what differs from other workers'.
    void compare(std::vector<MessageItem> items) {
        CompareMessage const message{session_, worker(), clock_, std::move(items)};
        ask_all([&](std::size_t) { return to_bytes(message); }, MessageKind::done, options_.patience,
                [](std::size_t, std::span<std::byte const>) {});
    }
    /// One step: the gradient goes out, weights [parameters] come back, which held those of the step before. Says which
    /// number a server would not write because it would not have been finite.
    UpdateFault step(PushedStep<Gradient> const& push, std::span<Scalar> weights) {
        fault_ = {};
        for (auto& piece : pieces_) piece.code.clear();
        if (!options_.code.is_exact() && !push.skip)
            for (auto& piece : pieces_)
                piece.residual.encode(options_.code, clock_, std::span(push.nodes[0] + piece.begin, piece.size()),
                                      piece.code);
        if (keeps_view() && !push.skip) remember(push, weights.size());
        transfer(&push, clock_ + 1, weights);
        ++clock_;
        return fault_;
    }
    /// Tells the servers that this worker has done its work. Does not wait for long: they may have ended.
    void leave() {
        LeaveMessage const message{session_, worker()};
        try {
            ask_all([&](std::size_t) { return to_bytes(message); }, MessageKind::done,
                    (std::min)(options_.patience, 10.0), [](std::size_t, std::span<std::byte const>) {});
        } catch (Error const&) {}
    }
    [[nodiscard]] std::int64_t clock() const { return clock_; }

private:
    /// Pieces that are on their way to a server at a time.
    static constexpr int most_under_way = 8;
    /// After so long without an answer a message is sent again.
    static constexpr std::chrono::milliseconds patience_for_answer{250};

    struct Server {
        OwnedRange range{};
        std::size_t first = 0, unsent = 0, end = 0;  // of pieces_
        int under_way = 0;
        Clock::time_point heard, asked;
        std::chrono::milliseconds quiet{patience_for_answer};
        std::uint32_t waits_for = 0;
        std::int64_t waits_for_clock = -1;  // -1: it waits for nobody
    };
    enum class Progress : unsigned char { unsent, sent, accepted, done };
    struct Piece {
        std::size_t server;
        std::uint32_t index;     // at its server
        std::size_t begin, end;  // in Model::parameters()
        std::int64_t have = -1;
        Progress progress = Progress::unsent;
        std::vector<std::byte> code = {};  // of this step's gradient
        CodeResidual<Gradient> residual;
        [[nodiscard]] std::size_t size() const { return end - begin; }
    };
    /// What this worker pushed, that the weights may lack yet.
    struct Share {
        std::int64_t clock;
        double learning_rate;
        AlignedVector<Gradient> gradient;
    };

    [[nodiscard]] std::uint32_t worker() const { return static_cast<std::uint32_t>(options_.worker); }
    [[nodiscard]] std::string name(std::size_t server) const {
        return concatenate("server ", server, " at ", options_.servers[server]);
    }
    /// Weights as the servers have them are kept where the worker's own ones differ.
    [[nodiscard]] bool keeps_view() const { return options_.mode.staleness() > 0; }

    /// Sends a message to every server until it has answered with one of that kind.
    template <class MakeMessage, class OnAnswer>
    void ask_all(MakeMessage const& message, MessageKind kind, double seconds, OnAnswer const& on_answer) {
        std::vector<char> answered(servers_.size());
        auto const start = Clock::now();
        notice_.begin(start);
        std::vector<Clock::time_point> asked(servers_.size(), start - 2 * patience_for_answer);  // at once
        for (std::size_t left = servers_.size(); left > 0;) {
            auto const now = Clock::now();
            for (std::size_t server = 0; server < servers_.size(); ++server) {
                if (answered[server]) continue;
                if (std::chrono::duration<double>(now - start).count() > seconds)
                    fail("worker ", options_.worker, ": no answer of ", name(server), " for ", seconds, " s");
                if (now - asked[server] > patience_for_answer) {
                    asked[server] = now;
                    socket_.send(server, message(server));
                }
            }
            ReceivedMessage got;
            auto const server = socket_.receive(got);
            if (!server) {
                socket_.wait(50);
                notice_.look(Clock::now(), seconds, [&] {
                    auto const silent = std::find(answered.begin(), answered.end(), char{0});
                    return concatenate("worker ", options_.worker, ": no answer of ",
                                       name(static_cast<std::size_t>(silent - answered.begin())));
                });
                continue;
            }
            MessageKind const its = message_kind(got.bytes());
            if (its == MessageKind::refused) refused(*server, got.bytes());
            if (its != kind || answered[*server]) continue;  // of something asked before
            on_answer(*server, got.bytes());
            answered[*server] = 1;
            --left;
        }
    }
    [[noreturn]] void refused(std::size_t server, std::span<std::byte const> bytes) const {
        fail("worker ", options_.worker, ": ", name(server), " says: ", message_from<RefusedMessage>(bytes).why);
    }

    /// Pushes all pieces, or none where push is null, and pulls them for `clock`.
    void transfer(PushedStep<Gradient> const* push, std::int64_t clock, std::span<Scalar> weights) {
        Scalar* const view = keeps_view() ? view_.data() : weights.data();
        auto const begun = Clock::now();
        notice_.begin(begun);
        for (auto& server : servers_) {
            server.under_way = 0;
            server.unsent = server.first;
            server.heard = server.asked = begun;
            server.quiet = patience_for_answer;
            server.waits_for_clock = -1;
        }
        for (auto& piece : pieces_) piece.progress = Progress::unsent;
        for (std::size_t left = pieces_.size(); left > 0;) {
            for (auto& server : servers_)
                while (server.unsent < server.end && server.under_way < most_under_way &&
                       send(pieces_[server.unsent], push, clock)) {
                    pieces_[server.unsent++].progress = Progress::sent;
                    ++server.under_way;
                }
            ReceivedMessage got;
            if (auto const server = socket_.receive(got)) {
                if (take(*server, got.bytes(), clock, view)) {
                    --left;
                    notice_.begin(Clock::now());
                }
                continue;
            }
            socket_.wait(50);
            auto const now = Clock::now();
            for (std::size_t k = 0; k < servers_.size(); ++k)
                if (now - (std::max)(servers_[k].heard, servers_[k].asked) > servers_[k].quiet)
                    ask_again(k, push, clock, now);
            notice_.look(now, options_.patience,
                         [&] { return concatenate("worker ", options_.worker, ": ", waited_for(now)); });
            if (notice_.seconds(now) > options_.patience)
                fail("worker ", options_.worker, ": ", waited_for(now), " for ", options_.patience, " s");
        }
        if (keeps_view()) see_own(weights);
    }
    bool send(Piece const& piece, PushedStep<Gradient> const* push, std::int64_t clock) {
        PieceRead const read{clock, piece.have};
        if (!push) return socket_.send(piece.server, to_bytes(PullMessage{session_, worker(), piece.index, read}));
        PushMessage message;
        message.session = session_;
        message.worker = worker();
        message.piece = piece.index;
        message.clock = clock - 1;
        message.leaves = push->leaves;
        message.batch = push->batch;
        message.skip = push->skip ? 1 : 0;
        message.learning_rate = push->learning_rate;
        message.momentum = push->momentum;
        message.read = read;
        if (!piece.code.empty()) {
            message.payload = piece.code;
            return socket_.send(piece.server, to_bytes(message));
        }
        if (push->skip || push->nodes.empty()) return socket_.send(piece.server, to_bytes(message));
        if (push->nodes.size() == 1) {
            message.payload = std::as_bytes(std::span(push->nodes[0] + piece.begin, piece.size()));
            return socket_.send(piece.server, to_bytes(message));
        }
        std::vector<std::byte> all;
        all.reserve(push->nodes.size() * piece.size() * sizeof(Gradient));
        for (auto const* node : push->nodes) {
            auto const bytes = std::as_bytes(std::span(node + piece.begin, piece.size()));
            all.insert(all.end(), bytes.begin(), bytes.end());
        }
        message.payload = all;
        return socket_.send(piece.server, to_bytes(message));
    }
    /// Takes in a message; true where a piece has come with it.
    bool take(std::size_t server, std::span<std::byte const> bytes, std::int64_t clock, Scalar* view) {
        servers_[server].heard = Clock::now();
        MessageKind const kind = message_kind(bytes);
        if (kind == MessageKind::refused) refused(server, bytes);
        switch (kind) {
            case MessageKind::accepted: {
                auto const accepted = message_from<AcceptedMessage>(bytes);
                auto* const piece = find(server, accepted.piece);
                if (accepted.clock != clock || piece->progress == Progress::done) return false;
                if (piece->progress == Progress::sent) --servers_[server].under_way;
                piece->progress = Progress::accepted;
                servers_[server].waits_for = accepted.waits_for;
                servers_[server].waits_for_clock = accepted.waits_for_clock;
                return false;
            }
            case MessageKind::weights: {
                auto const numbers = message_from<WeightsMessage>(bytes);
                auto* const piece = find(server, numbers.piece);
                if (numbers.clock != clock || piece->progress == Progress::done) return false;
                set_numbers(*piece, numbers, view + piece->begin);
                piece->residual.settle(options_.mode.is_asynchronous() ? clock : numbers.version, numbers.left_out);
                if (piece->progress == Progress::sent) --servers_[server].under_way;
                piece->have = numbers.version;
                piece->progress = Progress::done;
                if (numbers.fault != 0 && !fault_)
                    fault_ = {numbers.fault == std::uint8_t(UpdateFault::Part::state) ? UpdateFault::Part::state
                                                                                      : UpdateFault::Part::parameter,
                              numbers.fault_state, numbers.fault_index};
                return true;
            }
            default:
                return false;  // an answer that came twice
        }
    }
    /// Numbers of a piece, or what they have changed by since the version that was here.
    void set_numbers(Piece const& piece, WeightsMessage const& numbers, Scalar* view) const {
        auto rest = numbers.payload;
        if (numbers.from < 0) {
            if (rest.size() != piece.size() * sizeof(Scalar))
                fail(name(piece.server), " sent ", rest.size(), " bytes of weights, expected ",
                     piece.size() * sizeof(Scalar));
            std::memcpy(view, rest.data(), rest.size());
            return;
        }
        if (numbers.from != piece.have) fail(name(piece.server), " sent changes since version ", numbers.from);
        std::vector<Scalar> change(piece.size());
        for (std::int64_t version = numbers.from + 1; version <= numbers.version; ++version) {
            std::size_t const size = options_.code.template bytes<Scalar>(version, piece.size());
            if (size > rest.size()) fail(name(piece.server), " sent changes that end too early");
            options_.code.template decode<Scalar>(version, rest.first(size), change);
            for (std::size_t i = 0; i < piece.size(); ++i) view[i] += change[i];
            rest = rest.subspan(size);
        }
    }
    Piece* find(std::size_t server, std::uint32_t index) {
        if (index < servers_[server].end - servers_[server].first) return &pieces_[servers_[server].first + index];
        fail(name(server), " speaks of piece ", index, ", which it does not have");
    }
    /// A server was silent: it may have been started anew, and know nothing of reads that waited. What it has accepted it
    /// keeps.
    void ask_again(std::size_t server, PushedStep<Gradient> const* push, std::int64_t clock, Clock::time_point now) {
        servers_[server].asked = now;
        if (servers_[server].quiet < std::chrono::seconds(2)) servers_[server].quiet *= 2;
        for (auto const& piece : pieces_) {
            if (piece.server != server) continue;
            if (piece.progress == Progress::sent) send(piece, push, clock);
            if (piece.progress == Progress::accepted) send(piece, nullptr, clock);
        }
    }
    [[nodiscard]] std::string waited_for(Clock::time_point now) const {
        auto const piece = std::find_if(pieces_.begin(), pieces_.end(),
                                        [](Piece const& one) { return one.progress != Progress::done; });
        if (piece == pieces_.end()) return "nothing";
        auto const& server = servers_[piece->server];
        if (server.waits_for_clock >= 0 && now - server.heard < std::chrono::seconds(5))
            return concatenate("worker ", server.waits_for,
                               ", which has to be started again if it is gone, has not pushed "
                               "clock ",
                               server.waits_for_clock, " to ", name(piece->server));
        return concatenate("no answer of ", name(piece->server));
    }

    void remember(PushedStep<Gradient> const& push, std::size_t count) {
        auto& share = own_.emplace_back(Share{clock_, push.learning_rate, AlignedVector<Gradient>(count, Gradient(0))});
        for (auto const* node : push.nodes)
            for (std::size_t i = 0; i < count; ++i) share.gradient.data()[i] += node[i];
    }
    /// The worker's weights: the servers', and plain steps along its own gradients that they lack.
    void see_own(std::span<Scalar> weights) {
        std::copy_n(view_.begin(), weights.size(), weights.begin());
        std::int64_t oldest = clock_ + 1;
        for (auto const& piece : pieces_) {
            oldest = (std::min)(oldest, piece.have);
            for (auto const& share : own_) {
                if (share.clock < piece.have) continue;
                auto const rate = static_cast<Scalar>(share.learning_rate);
                for (std::size_t i = piece.begin; i < piece.end; ++i)
                    weights[i] -= rate * static_cast<Scalar>(share.gradient.data()[i]);
            }
        }
        std::erase_if(own_, [&](Share const& share) { return share.clock < oldest; });
    }

    Served options_;
    WorkerSocket socket_;
    std::vector<Server> servers_;
    std::vector<Piece> pieces_;
    std::uint64_t session_ = 0;
    std::int64_t clock_ = 0;
    AlignedVector<Scalar> view_;
    std::vector<Share> own_;
    UpdateFault fault_;
    WaitNotice notice_;
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
