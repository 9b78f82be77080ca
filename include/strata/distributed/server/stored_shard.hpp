// A parameter server without its socket: messages change the shard it owns, and what it accepts is in the storage first.
#pragma once

#include <map>
#include <memory>

#include "../../io/model_file.hpp"
#include "../../network/model.hpp"
#include "served_code.hpp"
#include "served_identity.hpp"
#include "server_storage.hpp"
#include "shard.hpp"

namespace strata::inline STRATA_ABI {

/// What a parameter server is told.
struct ServerOptions {
    /// Where it listens: tcp://address:port or ipc://file. On other addresses than this machine's own it takes a key.
    std::string address = "tcp://127.0.0.1:5555";
    int server = 0, servers = 1;  ///< which one of how many it is: they own a range of the weights each
    Synchronisation mode = Bsp{};
    ServedCode code = {};
    int workers = 1;            ///< for Asp those that have to leave before run ends; 0: run goes on until stop
    std::string weights = {};   ///< file of the first weights; else they are made of the workers' seed
    std::string storage = {};   ///< directory of snapshot and log; empty: what it owns ends with it
    int snapshot_every = 1000;  ///< clocks; 0: never but at the beginning, so that the log is that of all pushes
    bool durable = false;       ///< what was accepted survives a power cut too: one flush of the disk a push
    std::string key = {};       ///< server_key() makes one; workers need the same
    double patience = 120;      ///< seconds that run waits for a worker where all have left before it began

    STRATA_COLD void check() const {
        if (servers < 1 || server < 0 || server >= servers)
            fail("ParameterServer: server ", server, " of ", servers, ", expected one of at least 1");
        if (workers < (mode.is_asynchronous() ? 0 : 1) || workers > static_cast<int>(detail::most_workers))
            fail("ParameterServer: workers is ", workers, ", expected 1 to ", detail::most_workers);
        code.check();
        if (snapshot_every < 0) fail("ParameterServer: snapshot_every is ", snapshot_every, ", expected at least 0");
        if (!(patience >= 0)) fail("ParameterServer: patience is ", patience, ", expected at least 0 seconds");
        if (durable && storage.empty()) fail("ParameterServer: durable is for a storage, which is not given");
    }
};

namespace detail {

template <class Net, class Optimizer, class Precision>
class StoredShard {
public:
    using Scalar = typename Precision::master;
    using Gradient = typename Precision::accumulation;
    using ShardType = Shard<Scalar, Gradient, Optimizer>;
    static_assert(
        !Net::is_batch_wide,
        "ParameterServer: passes over the batch (BatchNorm) need the whole batch, whose parts its workers never "
        "see together: use DataParallel");
    static_assert(strata::Optimizer<Optimizer>,
                  "ParameterServer: its optimizer moves weights one by one, as SGD, Adam and AdamW do; a matrix "
                  "optimizer needs whole tensors: use DataParallel");

    /// Goes on from what is in the storage. Throws Error where that is of another training.
    StoredShard(ServerOptions const& options, Optimizer const& optimizer)
        : options_(options),
          optimizer_(optimizer),
          range_(owned_range(options.server, options.servers, std::size_t{Net::parameter_count})) {
        options_.check();
        if constexpr (requires { optimizer.check(); }) optimizer.check();
        if (options_.storage.empty()) return;
        storage_ = std::make_unique<ServerStorage>(options_.storage, server(), servers(), options_.durable);
        if (storage_->is_there()) load();
    }

    [[nodiscard]] ServerOptions const& options() const { return options_; }
    [[nodiscard]] OwnedRange range() const { return range_; }
    /// Null before the first worker said hello.
    [[nodiscard]] ShardType const* shard() const { return shard_.get(); }
    [[nodiscard]] std::int64_t clock() const { return shard_ ? shard_->made() : 0; }
    /// Whether all workers have left, or as many as the options say.
    [[nodiscard]] bool all_left() const {
        auto const left = std::count(left_.begin(), left_.end(), char{1});
        return options_.workers > 0 && left >= options_.workers;
    }

    /// Throws Error where the worker does not fit.
    WelcomeMessage hello(HelloMessage const& hello, std::span<std::byte const> bytes) {
        check(hello);
        if (!shard_) {
            make_shard(hello);
            hello_.assign(bytes.begin(), bytes.end());
            safely([&] { save(); });
        } else if (worker_left(hello.worker)) {
            append(bytes);
        }
        note(hello);
        set_session(hello.worker, hello.session);
        return {server(), range_.begin, range_.end, shard_->clock_of(hello.worker)};
    }
    /// Whether a push was a new one. Throws Error, nothing changed, where it cannot be taken.
    bool is_new(PushMessage const& push) {
        check_session(push.worker, push.session);
        return shard_->check(push);
    }
    /// Takes a push that is_new. What is thrown here is the storage's: the server cannot go on.
    void take(PushMessage const& push, std::span<std::byte const> bytes) {
        append(bytes);
        shard_->take(push, bytes);
        if (storage_ && options_.snapshot_every > 0 && shard_->made() >= saved_ + options_.snapshot_every)
            safely([&] { save(); });
    }
    [[nodiscard]] std::optional<WeightsMessage> answer(std::uint32_t worker, std::uint32_t piece,
                                                       PieceRead const& read) const {
        auto weights = shard_->answer(worker, piece, read);
        if (weights) weights->server = server();
        return weights;
    }
    /// Throws Error where a worker that was at this clock said otherwise.
    void compare(CompareMessage const& compare) {
        check_session(compare.worker, compare.session);
        if (range_.size() == 0) return;  // it has no clock, and others compare the same
        if (compare.clock < 0 || compare.clock > shard_->clock_of(compare.worker))
            fail("worker ", compare.worker, " is at clock ", compare.clock, ", and has pushed up to ",
                 shard_->clock_of(compare.worker));
        if (asynchronous() || compare.clock < shard_->made()) return;  // nobody else will be there
        std::erase_if(said_, [&](auto const& said) { return said.first < shard_->made(); });
        compare_items(said_[compare.clock], compare.items, compare.worker, most_items);
    }
    void leave(LeaveMessage const& leave, std::span<std::byte const> bytes) {
        check_session(leave.worker, leave.session);
        if (!worker_left(leave.worker)) append(bytes);
        note(leave);
    }
    /// Throws Error unless it is this process that is the worker.
    void check_session(std::uint32_t worker, std::uint64_t session) {
        if (!shard_) fail("this server knows of no training: was it started again without its storage?");
        if (worker >= most()) fail("worker ", worker, ", expected one of ", most());
        if (worker >= sessions_.size() || sessions_[worker] == 0) set_session(worker, session);
        if (sessions_[worker] != session) fail("another process has joined as worker ", worker);
    }
    /// The storage cannot be written: the server has to end.
    [[nodiscard]] bool storage_failed() const { return storage_failed_; }
    [[nodiscard]] std::uint32_t server() const { return static_cast<std::uint32_t>(options_.server); }

private:
    [[nodiscard]] std::uint32_t servers() const { return static_cast<std::uint32_t>(options_.servers); }
    [[nodiscard]] std::uint32_t workers() const { return static_cast<std::uint32_t>(options_.workers); }
    [[nodiscard]] bool asynchronous() const { return options_.mode.is_asynchronous(); }
    [[nodiscard]] std::uint32_t most() const { return asynchronous() ? most_workers : workers(); }
    [[nodiscard]] bool worker_left(std::uint32_t worker) const { return worker < left_.size() && left_[worker] != 0; }

    void check(HelloMessage const& hello) {
        if (hello.server != server() || hello.servers != servers())
            fail("this is server ", server(), " of ", servers(), ", worker ", hello.worker, " takes it for ",
                 hello.server, " of ", hello.servers, ": give all of them in their order");
        if (hello.staleness != options_.mode.staleness())
            fail("the mode is ", Synchronisation::text(options_.mode.staleness()), ", worker ", hello.worker, "'s ",
                 Synchronisation::text(hello.staleness));
        if (hello.code != options_.code.text())
            fail("the code is ", options_.code.text(), ", worker ", hello.worker, "'s ", hello.code);
        if (!asynchronous() && hello.workers != workers())
            fail("there are ", workers(), " workers, on worker ", hello.worker, " there are ", hello.workers);
        if (hello.worker >= most()) fail("worker ", hello.worker, ", expected one of ", most());
        if (items_.empty()) items_ = identity_items<Net, Precision>(optimizer_);
        compare_items(items_, hello.items, hello.worker, most_items);
    }
    void make_shard(HelloMessage const& hello) {
        Model<Net, Precision> model(hello.seed);
        if (!options_.weights.empty()) load_into(model, options_.weights);
        shard_ = std::make_unique<ShardType>(range_, std::as_const(model).parameters(), optimizer_,
                                             asynchronous() ? 0 : workers(), options_.mode, options_.code);
    }
    void note(HelloMessage const& hello) {
        if (!worker_left(hello.worker)) return;
        left_[hello.worker] = 0;
        shard_->join(hello.worker);
    }
    void note(LeaveMessage const& leave) {
        if (left_.size() <= leave.worker) left_.resize(leave.worker + 1);
        left_[leave.worker] = 1;
        shard_->leave(leave.worker);
    }
    void set_session(std::uint32_t worker, std::uint64_t session) {
        if (sessions_.size() <= worker) sessions_.resize(worker + 1);
        sessions_[worker] = session;
    }
    void append(std::span<std::byte const> bytes) {
        if (storage_) safely([&] { storage_->append(bytes); });
    }
    /// f(); after what it throws nothing is to be accepted any more.
    template <class F>
    void safely(F const& f) {
        storage_failed_ = true;
        f();
        storage_failed_ = false;
    }

    void save() {
        if (!storage_) return;
        std::vector<TensorView> tensors;
        auto counters = shard_->counters();
        tensors.push_back({"counters", {static_cast<std::int64_t>(counters.size())}, DataType::int64, counters.data()});
        auto left_out = shard_->left_out();
        if (!left_out.empty())
            tensors.push_back(
                {"left_out", {static_cast<std::int64_t>(left_out.size())}, DataType::int64, left_out.data()});
        shard_->for_each_array([&](char const* name, std::span<Scalar> numbers) {
            if (!numbers.empty())
                tensors.push_back(
                    {name, {static_cast<std::int64_t>(numbers.size())}, data_type_of<Scalar>, numbers.data()});
        });
        storage_->begin(tensors, {}, [&](auto const& append) {
            append(std::span<std::byte const>(hello_));
            for (std::size_t worker = 0; worker < left_.size(); ++worker)
                if (left_[worker]) append(to_bytes(LeaveMessage{0, static_cast<std::uint32_t>(worker)}));
            shard_->for_each_pending(append);
        });
        saved_ = shard_->made();
    }
    void load() {
        CheckpointFile const* snapshot = nullptr;
        storage_->load([&](CheckpointFile const& file) { snapshot = &file; },
                       [&](std::span<std::byte const> bytes) { replay(bytes, *snapshot); });
        if (!shard_) fail(storage_->snapshot(), ": its log does not begin with a worker");
    }
    void replay(std::span<std::byte const> bytes, CheckpointFile const& snapshot) {
        if (!shard_) {
            auto const hello = message_from<HelloMessage>(bytes);
            try {
                check(hello);
            } catch (Error const& error) {
                fail(storage_->snapshot(), " was written for other options: ", error.what());
            }
            make_shard(hello);
            hello_.assign(bytes.begin(), bytes.end());
            fill(snapshot);
            return;
        }
        switch (message_kind(bytes)) {
            case MessageKind::hello:
                note(message_from<HelloMessage>(bytes));
                return;
            case MessageKind::leave:
                note(message_from<LeaveMessage>(bytes));
                return;
            case MessageKind::push: {
                auto const push = message_from<PushMessage>(bytes);
                if (shard_->check(push)) shard_->take(push, bytes);
                return;
            }
            default:
                fail(storage_->snapshot(), ": its log has a message that belongs to none");
        }
    }
    void fill(CheckpointFile const& snapshot) {
        auto const bytes_of = [&](char const* name) {
            auto const* const tensor = snapshot.tensors().find(name);
            if (!tensor) fail(storage_->snapshot(), ": the snapshot has no ", name);
            return snapshot.tensors().data(*tensor);
        };
        auto const integers_of = [&](char const* name) {
            auto const bytes = bytes_of(name);
            std::vector<std::int64_t> numbers(bytes.size() / sizeof(std::int64_t));
            std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(std::int64_t));
            return numbers;
        };
        shard_->set_counters(integers_of("counters"));
        if (snapshot.tensors().find("left_out")) shard_->set_left_out(integers_of("left_out"));
        shard_->for_each_array([&](char const* name, std::span<Scalar> into) {
            if (into.empty()) return;
            auto const from = bytes_of(name);
            if (from.size() != into.size_bytes())
                fail(storage_->snapshot(), ": ", name, " has ", from.size(), " bytes, expected ", into.size_bytes());
            std::memcpy(into.data(), from.data(), from.size());
        });
        saved_ = shard_->made();
    }

    ServerOptions options_;
    Optimizer optimizer_;
    OwnedRange range_;
    std::unique_ptr<ServerStorage> storage_;
    std::unique_ptr<ShardType> shard_;
    std::vector<std::byte> hello_;  // the first one's
    std::vector<MessageItem> items_;
    std::map<std::int64_t, std::vector<MessageItem>> said_;  // what workers that were at a clock said of it
    std::vector<std::uint64_t> sessions_;
    std::vector<char> left_;
    std::int64_t saved_ = 0;  // the clock of the last snapshot
    bool storage_failed_ = false;
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
