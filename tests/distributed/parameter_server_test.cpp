// labels: plain
// Parameter servers and their workers, in threads of this process over loopback: the bits of one process, exactly once, whatever
// is killed.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <strata/distributed.hpp>
#include <strata/distributed/parameter_server.hpp>
#include <thread>

#include "../train/small_training.hpp"

using namespace strata;

namespace {

using Mlp = Network<Input<2, 12, 12>, Flatten, Linear<128>, ReLU, Linear<5>>;  // two pieces

FitOptions options_of(int batch_size, int epochs = 2) {
    FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    options.progress = ProgressStyle::none;
    return options;
}
SGD const sgd{.learning_rate = 0.05, .momentum = 0.9};
AdamW const adamw{.learning_rate = 0.01, .weight_decay = 1e-3};

std::atomic<bool> any_thrown = false;

/// Servers of one training, each in a thread.
template <class Net, class Optimizer>
class Servers {
public:
    using Server = ParameterServer<Net, Optimizer>;

    Servers(int servers, ServerOptions options, Optimizer const& optimizer) {
        options.address = "tcp://127.0.0.1:*";
        options.servers = servers;
        for (options.server = 0; options.server < servers; ++options.server) {
            all.push_back(std::make_unique<Server>(options, optimizer));
            addresses.push_back(all.back()->address());
        }
        for (auto& server : all) threads_.emplace_back([&server] { server->run(); });
    }
    ~Servers() {
        for (auto& server : all) server->stop();
        join();
    }
    /// Until all workers have left; where one of them threw, it never will.
    void join() {
        if (any_thrown)
            for (auto& server : all) server->stop();
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }

    std::vector<std::unique_ptr<Server>> all;
    std::vector<std::string> addresses;

private:
    std::vector<std::thread> threads_;
};

/// Calls f(number) in a thread for each worker.
void run_workers(int workers, auto const& f) {
    std::vector<std::string> thrown(static_cast<std::size_t>(workers));
    std::vector<std::thread> threads;
    for (int worker = 0; worker < workers; ++worker)
        threads.emplace_back([&, worker] {
            try {
                f(worker);
            } catch (std::exception const& error) {
                thrown[static_cast<std::size_t>(worker)] = error.what();
                any_thrown = true;
            }
        });
    for (auto& thread : threads) thread.join();
    for (auto const& error : thrown) CHECK(error == "");
}

/// Weights, then the optimizer's states, as one process has them.
struct Bits {
    std::vector<float> weights, state;
    friend bool operator==(Bits const&, Bits const&) = default;
};
template <class Optimizer, class Trainer>
Bits bits_of_one(Trainer& trainer, TemporaryDirectory const& directory) {
    Bits bits;
    auto const weights = trainer.model().parameters();
    bits.weights.assign(weights.begin(), weights.end());
    trainer.save_checkpoint(directory / "one");
    CheckpointFile const file(directory / "one");
    auto model = trainer.snapshot();
    for (char const* state : Optimizer::state_names)
        for (auto const& tensor : model.tensors()) {
            auto const* const found = file.tensors().find(concatenate("optimizer.", state, ".", tensor.name));
            REQUIRE(found != nullptr);
            auto const bytes = file.tensors().data(*found);
            auto const* const numbers = reinterpret_cast<float const*>(bytes.data());
            bits.state.insert(bits.state.end(), numbers, numbers + bytes.size() / sizeof(float));
        }
    return bits;
}
template <class AllServers>
Bits bits_of(AllServers const& servers, int states) {
    Bits bits;
    for (auto const& server : servers)
        bits.weights.insert(bits.weights.end(), server->weights().begin(), server->weights().end());
    for (int k = 0; k < states; ++k)
        for (auto const& server : servers) {
            auto const part =
                server->state().subspan(static_cast<std::size_t>(k) * server->range().size(), server->range().size());
            bits.state.insert(bits.state.end(), part.begin(), part.end());
        }
    return bits;
}

/// Trains in one process and with servers.
template <class Net, class Optimizer>
void check_bits(Optimizer const& optimizer, int batch, std::size_t samples, Synchronisation mode,
                std::initializer_list<std::pair<int, int>> counts) {
    TemporaryDirectory const directory;
    auto const data = augmented_images(samples);
    auto alone = train<Net>(Cpu{.threads = 1}, Seed{7}, optimizer, CosineAnnealingLR{.t_max = 3});
    alone.fit(data, options_of(batch));
    Bits const expected = bits_of_one<Optimizer>(alone, directory);
    auto const tests = small_images(40, 2);
    auto const evaluation = alone.evaluate(tests, 30);
    for (auto const& count : counts) {
        int const servers = count.first, workers = count.second;
        CAPTURE(servers);
        CAPTURE(workers);
        Servers<Net, Optimizer> all(servers, {.mode = mode, .workers = workers}, optimizer);
        std::vector<char> same(static_cast<std::size_t>(workers));
        run_workers(workers, [&](int worker) {
            auto trainer =
                train<Net>(Cpu{.threads = 1}, Seed{7}, optimizer, CosineAnnealingLR{.t_max = 3},
                           Served{.servers = all.addresses, .worker = worker, .workers = workers, .mode = mode});
            trainer.fit(data, options_of(batch, 1));
            trainer.fit(data, options_of(batch));  // is compared behind the first steps
            auto const its = trainer.evaluate(tests, 30);
            same[static_cast<std::size_t>(worker)] = same_bits<float>(trainer.model().parameters(), expected.weights) &&
                                                     its.loss == evaluation.loss &&
                                                     its.predictions == evaluation.predictions;
        });
        all.join();
        CHECK(same == std::vector<char>(static_cast<std::size_t>(workers), 1));
        CHECK(bits_of(all.all, Optimizer::states) == expected);
    }
}

auto alone_trainer() { return train<Mlp>(Cpu{.threads = 1}, Seed{7}, sgd); }
auto worker_of(std::vector<std::string> const& servers, int worker, int workers, Synchronisation mode,
               std::uint64_t seed = 7, ServedCode const& code = {}) {
    return train<Mlp>(Cpu{.threads = 1}, Seed{seed}, sgd,
                      Served{.servers = servers, .worker = worker, .workers = workers, .mode = mode, .code = code});
}
/// What two workers with servers that nobody disturbs end with.
Bits bits_with(int servers, ServerOptions options, Dataset const& data, int epochs) {
    options.workers = 2;
    Servers<Mlp, SGD> all(servers, options, sgd);
    run_workers(2, [&](int worker) {
        auto trainer = worker_of(all.addresses, worker, 2, options.mode, 7, options.code);
        trainer.fit(data, options_of(64, epochs));
        if (trainer.evaluate(data).accuracy < 0.5) throw std::runtime_error("nothing was learnt");
    });
    all.join();
    return bits_of(all.all, 1);
}

std::string address_of(int server) { return concatenate("ipc://", std::getenv("STRATA_DIRECTORY"), "server-", server); }
ServerOptions stored_options() {
    return {.code = std::getenv("STRATA_INT8") ? ServedCode(Int8{}) : ServedCode(),
            .workers = 2,
            .storage = concatenate(std::getenv("STRATA_DIRECTORY"), "storage"),
            .snapshot_every = 3};
}
/// A server in a process of its own: this program, with a test that is skipped otherwise.
pid_t start_server(int server) {
    std::array<char, 4096> self{};
    REQUIRE(readlink("/proc/self/exe", self.data(), self.size() - 1) > 0);
    std::string const number = concatenate(server);
    pid_t const child = fork();
    if (child == 0) {
        setenv("STRATA_SERVER", number.c_str(), 1);
        execl(self.data(), self.data(), "--test-case=a server of*", "--no-skip", "--out=/dev/null", nullptr);
        _exit(127);
    }
    return child;
}

using Stored = detail::StoredShard<Mlp, SGD, Float32>;
/// Worker `worker` says hello to the only server. Returns its clock.
std::int64_t say_hello(Stored& server, std::uint32_t worker, std::uint32_t workers, int staleness = 0) {
    detail::HelloMessage hello;
    hello.worker = worker;
    hello.workers = workers;
    hello.servers = 1;
    hello.staleness = staleness;
    hello.session = worker + 5;
    hello.code = ServedCode{}.text();
    return server.hello(hello, detail::to_bytes(hello)).clock;
}
/// Pushes a gradient of equal numbers, with learning rate 1; of several leaves its own alone.
void push_to(Stored& server, std::uint32_t worker, std::uint32_t workers, std::int64_t clock, std::uint32_t piece,
             float number, bool skip = false) {
    auto const [begin, end] = detail::piece_range(piece, Mlp::parameter_count);
    std::vector<float> const gradient(end - begin, number);
    detail::PushMessage push;
    push.session = worker + 5;
    push.worker = worker;
    push.piece = piece;
    push.clock = clock;
    push.leaves = push.batch = workers;
    push.learning_rate = 1;
    push.skip = skip;
    if (!skip) push.payload = std::as_bytes(std::span(gradient));
    REQUIRE(server.is_new(push));
    server.take(push, detail::to_bytes(push));
}
std::vector<float> numbers_of(detail::WeightsMessage const& weights) {
    std::vector<float> numbers(weights.payload.size() / sizeof(float));
    std::memcpy(numbers.data(), weights.payload.data(), weights.payload.size());
    return numbers;
}
SGD const plain{.learning_rate = 1};

}  // namespace

TEST_CASE("Bsp has the bits of one process: weights, optimizer state, evaluation") {
    // 96 samples are six leaves, the last batch of 20 has two: three workers have uneven ones, one of four has none then.
    check_bits<SmallLeNet>(adamw, 96, 212, Bsp{}, {{1, 1}, {1, 2}, {2, 3}, {2, 4}});
    check_bits<Mlp>(sgd, 64, 128, Bsp{}, {{1, 1}, {2, 2}});
}

TEST_CASE("Bsp: the mean is divided by what the labels of the whole batch weigh, a worker's loss by its own") {
    using Net = Network<Input<6>, Linear<4>>;
    WeightedCrossEntropy<4> const loss{{1, 0.3, 2.7, 0.1}, 0.05};
    std::vector<float> x(64 * 6);
    std::vector<int> y(64);
    Random random(3, Purpose::user);
    for (float& value : x) value = static_cast<float>(random.normal());
    for (int& label : y) label = static_cast<int>(random.below(4));
    for (std::size_t i = 0; i < 40; ++i) y[i] = -100;  // all that the first worker has
    auto alone = train<Net>(Cpu{.threads = 1}, Seed{7}, sgd, loss);
    StepResult expected;
    for (int step = 0; step < 3; ++step) expected = alone.train_step(x, y);
    Servers<Net, SGD> all(1, {.workers = 2}, sgd);
    StepResult results[2];
    char same[2] = {};
    run_workers(2, [&](int worker) {
        auto trainer = train<Net>(Cpu{.threads = 1}, Seed{7}, sgd, loss,
                                  Served{.servers = all.addresses, .worker = worker, .workers = 2});
        for (int step = 0; step < 3; ++step) results[worker] = trainer.train_step(x, y);
        same[worker] = same_bits<float>(trainer.model().parameters(), alone.model().parameters());
    });
    all.join();
    CHECK(same[0] == 1);
    CHECK(same[1] == 1);
    CHECK(results[0].counted() == 0);
    CHECK(results[0].weight() == 0);
    CHECK(results[0].loss == 0);
    CHECK(results[1].ignored == 8);
    CHECK(results[1].weight() == doctest::Approx(expected.weight()).epsilon(1e-14));
    CHECK(results[1].loss == doctest::Approx(expected.loss).epsilon(1e-14));
}

TEST_CASE("Ssp without staleness, and with one worker, is Bsp") {
    check_bits<SmallLeNet>(adamw, 64, 150, Ssp{0}, {{2, 3}});
    check_bits<SmallLeNet>(adamw, 64, 150, Ssp{2}, {{1, 1}});
}

TEST_CASE("Ssp: a worker goes on without the others' last gradients and with its own, as far as its staleness") {
    Servers<Mlp, SGD> servers(2, {.mode = Ssp{2}, .workers = 2}, sgd);
    auto const data = small_images(64);
    constexpr int steps = 9;
    std::mutex mutex;
    std::condition_variable changed;
    std::array<int, 2> begun{}, done{};
    run_workers(2, [&](int worker) {
        auto const me = static_cast<std::size_t>(worker), other = 1 - me;
        auto trainer = worker_of(servers.addresses, worker, 2, Ssp{2});
        auto const before = trainer.snapshot();
        Loader loader(data, {.batch_size = 64, .threads = 0});
        loader.begin_epoch(0);
        Batch const& batch = *loader.next();
        for (int step = 0; step < steps; ++step) {
            {
                // The second worker begins when the first one has gone as far as it may.
                std::unique_lock lock(mutex);
                while (worker == 1 && done[0] < 2) changed.wait(lock);
                ++begun[me];
            }
            trainer.train_step(batch);
            std::lock_guard const lock(mutex);
            ++done[me];
            changed.notify_all();
            // Weights for clock step + 1 have all updates up to step - 2.
            if (begun[other] < step + 1 - 2) throw std::runtime_error("a worker has gone too far");
            if (worker == 0 && step == 0) {
                auto const share = trainer.executor().gradient();
                auto const got = trainer.model().parameters();
                for (std::size_t i = 0; i < got.size(); ++i)
                    if (got[i] != before.parameters()[i] - static_cast<float>(sgd.learning_rate) * share[i])
                        throw std::runtime_error("a worker does not see its own gradient");
            }
        }
    });
    servers.join();
    CHECK(servers.all[0]->clock() == steps);
    CHECK(servers.all[1]->clock() == steps);
}

TEST_CASE("Asp: workers come and go, and the log replays to the same bits") {
    TemporaryDirectory const directory;
    Bits ended;
    ServerOptions const options{.mode = Asp{}, .workers = 3, .storage = directory / "storage", .snapshot_every = 0};
    {
        Servers<Mlp, SGD> servers(2, options, sgd);
        auto const work = [&](int worker) {
            auto trainer = worker_of(servers.addresses, worker, 0, Asp{}, static_cast<std::uint64_t>(worker));
            trainer.fit(small_images(96, static_cast<std::uint64_t>(worker)), options_of(32, 1));
        };
        run_workers(2, work);
        run_workers(1, [&](int) { work(70); });
        servers.join();
        CHECK(servers.all[0]->clock() == 3 * 3);
        ended = bits_of(servers.all, 1);
    }
    Servers<Mlp, SGD> again(2, options, sgd);
    CHECK(bits_of(again.all, 1) == ended);
}

TEST_CASE("a worker that died is started again under its number, and the bits are those of one process") {
    TemporaryDirectory const directory;
    auto const data = small_images(192);
    auto alone = alone_trainer();
    alone.fit(data, options_of(64));
    Bits const expected = bits_of_one<SGD>(alone, directory);
    Servers<Mlp, SGD> servers(2, {.workers = 2}, sgd);
    run_workers(2, [&](int worker) {
        auto options = options_of(64);
        // In two parts, of which the one that is started again finds the first one done.
        auto const fit = [&](auto& trainer) {
            trainer.fit(data, options_of(64, 1));
            trainer.fit(data, options);
        };
        if (worker == 1) try {
                auto trainer = worker_of(servers.addresses, 1, 2, Bsp{});
                options.on_step = [](StepEvent const& event) {
                    if (event.step == 4) throw std::runtime_error("gone");  // in the second epoch
                };
                fit(trainer);
            } catch (std::runtime_error const&) { options.on_step = {}; }
        auto trainer = worker_of(servers.addresses, worker, 2, Bsp{});
        if (worker == 1 && trainer.state().step != 4) throw std::runtime_error("it begins elsewhere");
        fit(trainer);
    });
    servers.join();
    CHECK(bits_of(servers.all, 1) == expected);
}

TEST_CASE("a step of which one worker's gradient is not finite is left out by all") {
    TemporaryDirectory const directory;
    std::vector<int> const labels(64, 1);
    auto const steps = [&](auto& trainer) {
        for (int step = 0; step < 3; ++step) {
            std::vector<float> x(64 * 288, 0.5f);
            x[50 * 288] = step == 1 ? std::numeric_limits<float>::infinity() : 0.0f;  // the second worker's
            trainer.train_step(x, labels);
        }
    };
    auto alone = train<Mlp>(Cpu{.threads = 1}, Seed{7}, sgd, NonFinite{.skip = true});
    steps(alone);
    CHECK(alone.state().updates == 2);
    Bits const expected = bits_of_one<SGD>(alone, directory);
    Servers<Mlp, SGD> servers(1, {.workers = 2}, sgd);
    run_workers(2, [&](int worker) {
        auto trainer = train<Mlp>(Cpu{.threads = 1}, Seed{7}, sgd, NonFinite{.skip = true},
                                  Served{.servers = servers.addresses, .worker = worker, .workers = 2});
        steps(trainer);
    });
    servers.join();
    CHECK(bits_of(servers.all, 1) == expected);
}

TEST_CASE("a step that is left out takes nothing of what codes have to say yet") {
    std::vector<float> const x(64 * 288, 0.5f);
    std::vector<int> const labels(64, 1);
    // Each worker gives gradients of its own making, with which weights have nothing to do.
    auto const bits = [&](ServedCode const& code, std::vector<float> const& sizes) {
        Servers<Mlp, SGD> servers(1, {.code = code, .workers = 2}, sgd);
        run_workers(2, [&](int worker) {
            auto trainer =
                train<Mlp>(Cpu{.threads = 1}, Seed{7}, sgd, NonFinite{.skip = true},
                           Served{.servers = servers.addresses, .worker = worker, .workers = 2, .code = code});
            for (float const size : sizes) {
                trainer.backward(x, labels);
                float const base = is_finite(size) ? size : 0.15f;
                float step = base;
                for (float& g : trainer.gradients()) g = step = step > 8 * base ? base / 3 : step * 1.25f;
                if (!is_finite(size) && worker == 1) trainer.gradients()[3] = size;
                trainer.update();
            }
        });
        servers.join();
        return bits_of(servers.all, 1);
    };
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (ServedCode const& code : {ServedCode(Int8{}), ServedCode(OneBit{}), ServedCode(TopK{.fraction = 0.1})}) {
        CAPTURE(code.text());
        Bits const expected = bits(code, {0.1f, 0.2f, 0.3f});
        CHECK(bits(code, {0.1f, infinity, 0.2f, infinity, infinity, 0.3f}) == expected);
        // The sum of what both push is infinite, where the code has the largest numbers.
        if (code.text() != OneBit{}.text()) CHECK(bits(code, {0.1f, 0.2f, 3e37f, 0.3f}) == expected);
    }
}

TEST_CASE("gradients that a worker changes are added worker by worker") {
    TemporaryDirectory const directory;
    auto const data = small_images(64);
    auto const step = [&](auto& trainer) {
        Loader loader(data, {.batch_size = 64, .threads = 0});
        loader.begin_epoch(0);
        Batch const& batch = *loader.next();
        trainer.backward(batch);
        trainer.backward(batch);
        for (float& g : trainer.gradients()) g /= 2;
        trainer.update();
    };
    auto alone = alone_trainer();
    step(alone);
    Bits const expected = bits_of_one<SGD>(alone, directory);
    Servers<Mlp, SGD> servers(1, {.workers = 2}, sgd);
    run_workers(2, [&](int worker) {
        auto trainer = worker_of(servers.addresses, worker, 2, Bsp{});
        step(trainer);
        // Weights of one's own, and checkpoints, are the servers' to give.
        std::string const set = error_of([&] {
            trainer.set_model(Model<Mlp>(3));
            trainer.train_step(std::vector<float>(288), std::vector<int>(1));
        });
        if (set.find("its weights are the servers'") == std::string::npos) throw std::runtime_error("set: " + set);
        std::string const saved = error_of([&] { trainer.save_checkpoint(directory / "checkpoint"); });
        if (saved.find("ServerOptions::storage") == std::string::npos) throw std::runtime_error("saved: " + saved);
    });
    servers.join();
    CHECK(bits_of(servers.all, 1) == expected);
}

TEST_CASE("a push that comes more than once is taken once, also by a server that was started anew") {
    TemporaryDirectory const directory;
    ServerOptions const options{.storage = directory / "storage", .snapshot_every = 2};
    constexpr std::size_t count = Mlp::parameter_count;
    auto server = std::make_unique<Stored>(options, plain);
    detail::HelloMessage hello;
    hello.workers = hello.servers = 1;
    hello.session = 5;
    hello.code = ServedCode{}.text();
    server->hello(hello, detail::to_bytes(hello));
    auto const initial = Model<Mlp>(0);
    std::vector<float> gradient(count, 0.5f);
    std::vector<float> expected(initial.parameters().begin(), initial.parameters().end());
    for (std::int64_t clock = 0; clock < 5; ++clock) {
        for (float& w : expected) w -= 0.5f;
        for (int again = 0; again < 3; ++again)
            for (std::uint32_t piece = 0; piece < detail::pieces_of(count); ++piece) {
                auto const [begin, end] = detail::piece_range(piece, count);
                detail::PushMessage push;
                push.session = 5;
                push.piece = piece;
                push.clock = clock;
                push.leaves = push.batch = 1;
                push.learning_rate = 1;
                push.payload = std::as_bytes(std::span(gradient).subspan(begin, end - begin));
                auto const bytes = detail::to_bytes(push);
                CHECK(server->is_new(push) == (again == 0));
                if (again == 0) server->take(push, bytes);
                if (again == 1) {
                    server.reset();  // whatever it had not written is gone
                    server = std::make_unique<Stored>(options, plain);
                }
            }
        CHECK(server->clock() == clock + 1);
        CHECK(same_bits<float>(server->shard()->weights(), expected));
    }

    // A log that ends within a record: that push was never answered, and comes again.
    server.reset();
    for (auto const& file : std::filesystem::directory_iterator(directory / "storage"))
        if (file.path().string().find(".log-") != std::string::npos)
            std::filesystem::resize_file(file.path(), std::filesystem::file_size(file.path()) - 3);
    server = std::make_unique<Stored>(options, plain);
    CHECK(server->clock() == 4);
    detail::PushMessage push;
    push.session = 5;
    push.clock = 4;
    push.piece = 1;
    push.leaves = push.batch = 1;
    push.learning_rate = 1;
    push.payload = std::as_bytes(std::span(gradient).subspan(detail::piece_numbers));
    REQUIRE(server->is_new(push));
    server->take(push, detail::to_bytes(push));
    CHECK(same_bits<float>(server->shard()->weights(), expected));

    // What cannot be taken changes nothing.
    auto const refused = [&](auto const& change) {
        detail::PushMessage wrong = push;
        wrong.clock = 5;
        change(wrong);
        return error_of([&] { static_cast<void>(server->is_new(wrong)); });
    };
    CHECK(refused([](auto& p) { p.clock = 6; }).find("pushes clock 6, expected 5") != std::string::npos);
    CHECK(refused([](auto& p) { p.worker = 1; }).find("worker 1, expected one of 1") != std::string::npos);
    CHECK(refused([](auto& p) { p.piece = 2; }).find("piece 2, expected one of 2") != std::string::npos);
    CHECK(refused([](auto& p) { p.session = 6; }).find("another process") != std::string::npos);
    CHECK(refused([](auto& p) { p.payload = p.payload.first(8); }).find("pushes 8 bytes") != std::string::npos);
    CHECK(refused([](auto& p) { p.leaves = 1u << 31; }).find("leaves") != std::string::npos);
    CHECK(refused([](auto& p) { p.learning_rate = std::nan(""); }).find("not finite") != std::string::npos);
    CHECK(error_of([&] { Stored(options, plain); }).find("another process serves from this storage") !=
          std::string::npos);
    server.reset();
    ServerOptions other = options;
    other.workers = 2;
    CHECK(error_of([&] { Stored(other, plain); }).find("snapshot was written for other options: there are 2 workers") !=
          std::string::npos);
}

TEST_CASE(
    "a worker that begins again in mid step has the weights of that step, also of a server that was started anew") {
    TemporaryDirectory const directory;
    ServerOptions const options{.workers = 2, .storage = directory / "storage", .snapshot_every = 1};
    auto server = std::make_unique<Stored>(options, plain);
    for (std::uint32_t worker : {0u, 1u}) say_hello(*server, worker, 2);
    auto const initial = Model<Mlp>(0);
    std::vector<float> first(initial.parameters().begin(), initial.parameters().begin() + detail::piece_numbers);
    auto next = first;
    for (float& w : next) w -= 0.75f;
    for (std::uint32_t piece : {0u, 1u}) push_to(*server, 0, 2, 0, piece, 0.5f);
    push_to(*server, 1, 2, 0, 0, 0.25f);  // and it is gone, the other piece was not sent
    for (bool const anew : {false, true}) {
        if (anew) {
            server.reset();
            server = std::make_unique<Stored>(options, plain);
        }
        CHECK(say_hello(*server, 1, 2) == 0);
        auto const weights = server->answer(1, 0, {0, -1});
        REQUIRE(weights.has_value());
        CHECK(weights->version == 0);
        CHECK(numbers_of(*weights) == first);
        auto const after = server->answer(0, 0, {1, 0});
        REQUIRE(after.has_value());
        CHECK(numbers_of(*after) == next);
        CHECK(!server->answer(0, 1, {1, 0}).has_value());
    }
    push_to(*server, 1, 2, 0, 1, 0.25f);
    CHECK(server->clock() == 1);
}

TEST_CASE("which clocks were left out outlives a server") {
    TemporaryDirectory const directory;
    ServerOptions const options{.workers = 2, .storage = directory / "storage", .snapshot_every = 1};
    auto server = std::make_unique<Stored>(options, plain);
    for (std::uint32_t worker : {0u, 1u}) say_hello(*server, worker, 2);
    for (std::int64_t clock = 0; clock < 3; ++clock)
        for (std::uint32_t piece : {0u, 1u})
            for (std::uint32_t worker : {0u, 1u})
                push_to(*server, worker, 2, clock, piece, 0.5f, worker == 1 && clock > 0);
    for (bool const anew : {false, true}) {
        if (anew) {
            server.reset();
            server = std::make_unique<Stored>(options, plain);
        }
        CHECK(server->answer(0, 1, {3, 2})->left_out == std::vector<std::int64_t>{2});
        CHECK(server->answer(0, 1, {2, 1})->left_out == std::vector<std::int64_t>{1});
    }
}

TEST_CASE("Ssp: nobody waits for a worker that has left, and it may come again") {
    TemporaryDirectory const directory;
    ServerOptions const options{.mode = Ssp{1}, .workers = 2, .storage = directory / "storage", .snapshot_every = 0};
    auto server = std::make_unique<Stored>(options, plain);
    for (std::uint32_t worker : {0u, 1u}) say_hello(*server, worker, 2, 1);
    auto const initial = Model<Mlp>(0);
    std::vector<float> expected(initial.parameters().begin(), initial.parameters().end());
    auto const both_pieces = [&](std::uint32_t worker, std::int64_t clock, float number) {
        for (std::uint32_t piece : {0u, 1u}) push_to(*server, worker, 2, clock, piece, number);
    };
    auto const check = [&](std::int64_t clock, float change) {
        for (float& w : expected) w -= change;
        CHECK(server->clock() == clock);
        CHECK(same_bits<float>(server->shard()->weights(), expected));
    };
    both_pieces(0, 0, 0.5f);
    both_pieces(1, 0, 0.25f);
    check(1, 0.75f);
    both_pieces(0, 1, 0.5f);
    both_pieces(0, 2, 2);
    check(1, 0);
    CHECK(!server->answer(0, 0, {3, 1}).has_value());
    detail::LeaveMessage const leave{6, 1};
    server->leave(leave, detail::to_bytes(leave));
    for (float& w : expected) w -= 0.5f;
    check(3, 2);
    CHECK(server->answer(0, 0, {3, 1}).has_value());
    both_pieces(0, 3, 4);
    check(4, 4);
    CHECK(say_hello(*server, 1, 2, 1) == 4);
    both_pieces(0, 4, 1);
    check(4, 0);
    both_pieces(1, 4, 8);
    check(5, 9);
    server.reset();
    server = std::make_unique<Stored>(options, plain);
    check(5, 0);
    CHECK(!server->all_left());

    // As trainers do it: the second one stops and leaves, the first one trains to the end.
    Servers<Mlp, SGD> servers(2, {.mode = Ssp{1}, .workers = 2}, sgd);
    run_workers(2, [&](int worker) {
        auto trainer = worker_of(servers.addresses, worker, 2, Ssp{1});
        auto fit = options_of(64, 6);
        fit.on_step = [&](StepEvent const& event) {
            if (worker == 1 && event.step == 2) trainer.stop();
        };
        trainer.fit(small_images(128), fit);
    });
    servers.join();
    CHECK(servers.all[0]->clock() == 12);
}

TEST_CASE("old logs are removed, and those of which the snapshot is gone are not") {
    TemporaryDirectory const directory;
    std::string const storage = directory / "storage", begin = storage + "/server-0-of-1.log-";
    ServerOptions const options{.storage = storage, .snapshot_every = 2};
    auto server = std::make_unique<Stored>(options, plain);
    say_hello(*server, 0, 1);
    for (std::int64_t clock = 0; clock < 5; ++clock)
        for (std::uint32_t piece : {0u, 1u}) push_to(*server, 0, 1, clock, piece, 0.5f);
    auto const logs = [&] {
        std::vector<std::string> names;
        for (auto const& file : std::filesystem::directory_iterator(storage))
            if (file.path().string().find(".log-") != std::string::npos) names.push_back(file.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    };
    CHECK(logs() == std::vector<std::string>{"server-0-of-1.log-3"});
    server.reset();
    // What processes leave that are killed between a snapshot and the removal of the log before, or before a snapshot.
    for (std::string const& other : {begin + "1", begin + "2", begin + "4", begin + "30", begin + "2x",
                                     storage + "/server-0-of-10.log-1", storage + "/server-1-of-2.log-1"})
        write_bytes(other, "");
    server = std::make_unique<Stored>(options, plain);
    CHECK(server->clock() == 5);
    CHECK(logs() == std::vector<std::string>{"server-0-of-1.log-2x", "server-0-of-1.log-3", "server-0-of-10.log-1",
                                             "server-1-of-2.log-1"});
    server.reset();
    std::filesystem::rename(storage + "/server-0-of-1.snapshot", directory / "snapshot");
    auto const gone = [&] {
        std::string const error = error_of([&] { Stored(options, plain); });
        return error.find("the snapshot is gone") != std::string::npos;
    };
    CHECK(gone());
    std::filesystem::rename(begin + "3", begin + "1");
    CHECK(gone());
    // A server that was killed before its first snapshot begins anew.
    {
        auto log = detail::RecordLog::create(begin + "1", false);
        log.append(detail::to_bytes(detail::HelloMessage{}));
    }
    server = std::make_unique<Stored>(options, plain);
    CHECK(say_hello(*server, 0, 1) == 0);
    // Another number of servers would begin anew beside it.
    ServerOptions const two{.servers = 2, .storage = storage};
    CHECK_CONTAINS(error_of([&] { Stored(two, plain); }),
                   "server-0-of-1.snapshot is there, of a training with another");
}

TEST_CASE("a server that is started after all workers have left ends, unless one comes again") {
    TemporaryDirectory const directory;
    auto const data = small_images(64);
    ServerOptions options{.workers = 1, .storage = directory / "storage", .patience = 0};
    auto const work = [&](auto const& servers, int epochs) {
        auto trainer = worker_of(servers.addresses, 0, 1, Bsp{});
        trainer.fit(data, options_of(64, epochs));
    };
    {
        Servers<Mlp, SGD> servers(2, options, sgd);
        run_workers(1, [&](int) { work(servers, 2); });
        servers.join();
    }
    Servers<Mlp, SGD>(2, options, sgd).join();
    options.patience = 120;
    Servers<Mlp, SGD> again(2, options, sgd);
    run_workers(1, [&](int) { work(again, 5); });
    again.join();
    CHECK(again.all[0]->clock() == 5);
}

TEST_CASE("a worker whose server is not there says what it waits for") {
    TemporaryDirectory const directory;
    std::string const path = directory / "stderr", address = "ipc://" + (directory / "nobody");
    int const kept = dup(2);
    {
        FileDescriptor const file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), path);
        dup2(file.get(), 2);
    }
    std::string const error = error_of(
        [&] { static_cast<void>(train<Mlp>(Cpu{.threads = 1}, sgd, Served{.servers = {address}, .patience = 2.5})); });
    dup2(kept, 2);
    close(kept);
    CHECK(error == "worker 0: no answer of server 0 at " + address + " for 2.5 s");
    CHECK(read_bytes(path).starts_with("worker 0: no answer of server 0 at " + address + " for 2 s; it is waited for"));
}

TEST_CASE("workers that would not train the same are refused with what differs") {
    Servers<Mlp, SGD> servers(2, {.workers = 2}, sgd);
    auto const error = [&](auto const& optimizer, Served served, std::uint64_t seed = 7) {
        if (served.servers.size() < 2) served.servers = servers.addresses;
        served.workers = served.workers == 1 ? 2 : served.workers;
        return error_of([&] { static_cast<void>(train<Mlp>(Cpu{.threads = 1}, Seed{seed}, optimizer, served)); });
    };
    static_cast<void>(worker_of(servers.addresses, 0, 2, Bsp{}));
    CHECK(error(sgd, {.worker = 1}, 8).find("the seed is 7, on worker 1 it is 8") != std::string::npos);
    SGD other = sgd;
    other.momentum = 0.8;
    CHECK(error(other, {.worker = 1}).find("the optimizer is SGD, momentum 0.9, dampening 0,") != std::string::npos);
    CHECK(error(other, {.worker = 1}).find("on worker 1 it is SGD, momentum 0.8, dampening 0,") != std::string::npos);
    CHECK(error_of([&] {
              static_cast<void>(train<Mlp>(Cpu{.threads = 1}, Seed{7}, sgd, CrossEntropy{.label_smoothing = 0.1},
                                           Served{.servers = servers.addresses, .worker = 1, .workers = 2}));
          }).find("on worker 1 it is one, label_smoothing 0.1") != std::string::npos);
    CHECK(error(sgd, {.worker = 1, .mode = Ssp{1}}).find("the mode is Bsp, worker 1's Ssp{1}") != std::string::npos);
    CHECK(error(sgd, {.worker = 1, .workers = 3}).find("there are 2 workers") != std::string::npos);
    CHECK(error(sgd, {.servers = {servers.addresses[1], servers.addresses[0]}}).find("in their order") !=
          std::string::npos);
    std::string const network = error_of([&] {
        static_cast<void>(train<SmallLeNet>(Cpu{.threads = 1}, Seed{7}, adamw,
                                            Served{.servers = servers.addresses, .worker = 1, .workers = 2}));
    });
    CHECK(network.find("the network, precision and instruction set is") != std::string::npos);
    CHECK(network.find("Conv2d<4") != std::string::npos);
    CHECK(network.size() < 500);
    // What fit is told is compared, too.
    Servers<Mlp, SGD> patient(1, {.mode = Ssp{5}, .workers = 2}, sgd);
    auto first = worker_of(patient.addresses, 0, 2, Ssp{5}), second = worker_of(patient.addresses, 1, 2, Ssp{5});
    first.fit(small_images(64), options_of(64));
    CHECK(error_of([&] { second.fit(small_images(64), options_of(32)); }).find("the training is") != std::string::npos);
    // Also after many trainings.
    Servers<Mlp, SGD> often(1, {.mode = Ssp{100}, .workers = 2}, sgd);
    auto third = worker_of(often.addresses, 0, 2, Ssp{100}), fourth = worker_of(often.addresses, 1, 2, Ssp{100});
    for (int epochs = 1; epochs < 50; ++epochs) {
        third.fit(small_images(64), options_of(64, epochs));
        if (epochs < 49) fourth.fit(small_images(64), options_of(64, epochs));
    }
    CHECK(error_of([&] { fourth.fit(small_images(64), options_of(32, 49)); }).find("the training is") !=
          std::string::npos);
}

TEST_CASE("what one worker knows of a batch is not taken for the batch") {
    using Net = Network<RequiresGrad<Input<6>>, Linear<4>>;
    std::vector<float> const x(64 * 6, 0.5f);
    std::vector<int> const y(64, 1);
    auto const data = from_memory(x, {6}, y, 4);
    auto const run = [&](int workers, Synchronisation mode, auto const& f) {
        Servers<Net, SGD> all(1, {.mode = mode, .workers = workers}, sgd);
        run_workers(workers, [&](int worker) {
            auto trainer =
                train<Net>(Cpu{.threads = 1}, Seed{7}, sgd,
                           Served{.servers = all.addresses, .worker = worker, .workers = workers, .mode = mode});
            f(trainer);
        });
        all.join();
    };
    auto options = options_of(64);
    options.early_stopping = {.patience = 3, .monitor = Monitor::train_loss};
    std::string gradients[2], stopping[2], best[2];
    run(2, Bsp{}, [&](auto& trainer) {
        auto const worker = static_cast<std::size_t>(trainer.executor().ranks().rank());
        stopping[worker] = error_of([&] { trainer.fit(data, options); });
        auto keeping = options_of(64);
        keeping.keep_best = {.file = "best", .monitor = Monitor::train_loss};
        best[worker] = error_of([&] { trainer.fit(data, keeping); });
        trainer.train_step(x, y);
        gradients[worker] = error_of([&] { static_cast<void>(trainer.input_gradients()); });
    });
    for (std::size_t worker = 0; worker < 2; ++worker) {
        CHECK(gradients[worker] ==
              "input_gradients: a worker has those of its own part of a batch alone: train with Asp, or with "
              "DataParallel");
        CHECK(stopping[worker] ==
              "fit: early_stopping looks at the train loss, of which each worker knows its own part: some would end "
              "before the others; look at the test data");
        CHECK(best[worker].find("a look at the best weights' place: weights and optimizer state are the servers'") !=
              std::string::npos);
    }
    std::size_t numbers = 0;
    run(1, Bsp{}, [&](auto& trainer) {
        trainer.fit(data, options);
        numbers = trainer.input_gradients().size();
    });
    CHECK(numbers == 64 * 6);
}

TEST_CASE("who does not know the key is not served, and without one a server stays on its machine") {
    std::string const key = server_key();
    Servers<Mlp, SGD> servers(1, {.key = key}, sgd);
    for (std::string const& wrong : {std::string(), server_key()})
        CHECK(error_of([&] {
                  static_cast<void>(train<Mlp>(Cpu{.threads = 1}, sgd,
                                               Served{.servers = servers.addresses, .key = wrong, .patience = 0.3}));
              }).find("no answer of server 0") != std::string::npos);
    // Knowing whom one talks to, which is no secret, is not enough: a client has to have the key itself.
    detail::CurveKeys const keys(key);
    detail::ZmqContext const context;
    for (bool const knows : {false, true}) {
        detail::CurveKeys const own(knows ? key : server_key());
        detail::ZmqSocket client(context, ZMQ_DEALER), events(context, ZMQ_PAIR);
        client.set(ZMQ_LINGER, 0);
        client.set_key(ZMQ_CURVE_SERVERKEY, keys.open);
        client.set_key(ZMQ_CURVE_PUBLICKEY, own.open);
        client.set_key(ZMQ_CURVE_SECRETKEY, own.secret);
        std::string const watch = concatenate("inproc://watch-", int{knows});
        REQUIRE(zmq_socket_monitor(client.get(), watch.c_str(),
                                   ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_SUCCEEDED) == 0);
        REQUIRE(zmq_connect(events.get(), watch.c_str()) == 0);
        REQUIRE(zmq_connect(client.get(), servers.addresses[0].c_str()) == 0);
        std::uint16_t event = 0;
        std::array<char, 16> bytes{};
        REQUIRE(zmq_recv(events.get(), bytes.data(), bytes.size(), 0) == 6);  // waits
        std::memcpy(&event, bytes.data(), sizeof event);
        CHECK(event == (knows ? ZMQ_EVENT_HANDSHAKE_SUCCEEDED : ZMQ_EVENT_HANDSHAKE_FAILED_AUTH));
        zmq_socket_monitor(client.get(), nullptr, 0);
    }
    { auto const trainer = train<Mlp>(Cpu{.threads = 1}, sgd, Served{.servers = servers.addresses, .key = key}); }
    servers.join();
    using Server = ParameterServer<Mlp, SGD>;
    TemporaryDirectory const directory;
    Server const first({.address = "ipc://" + (directory / "server")}, sgd);
    CHECK(error_of([&] { Server({.address = first.address()}, sgd); }).find("another process does") !=
          std::string::npos);
    CHECK(error_of([&] { Server({.address = servers.addresses[0]}, sgd); }).find("cannot listen at tcp://127.0.0.1") !=
          std::string::npos);
    for (char const* const address : {"tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:70000", "tcp://[::1]"})
        CHECK_CONTAINS(error_of([&] { Server({.address = address}, sgd); }), "with a port of at most 65535");
    CHECK(error_of([] { Server({.address = "tcp://0.0.0.0:5555"}, sgd); }).find("server_key()") != std::string::npos);
    CHECK(error_of([] { Server({.address = "tcp://127.0.0.1:*", .key = "secret"}, sgd); }).find("40 characters") !=
          std::string::npos);
    CHECK(error_of([] {
              static_cast<void>(train<Mlp>(Cpu{.threads = 1}, sgd, Served{.servers = {"tcp://10.0.0.1:5555"}}));
          }).find("reached from other machines") != std::string::npos);
}

TEST_CASE("codes both ways: the same bits on any number of servers, and something is learnt") {
    auto const data = small_images(128);
    for (ServedCode const& code : {ServedCode(Float16{}), ServedCode(Int8{}), ServedCode(OneBit{}),
                                   ServedCode(TopK{.fraction = 0.1, .warm_up_steps = 4})}) {
        CAPTURE(code.text());
        CHECK(bits_with(1, {.code = code}, data, 12) == bits_with(2, {.code = code}, data, 12));
    }
    static_cast<void>(bits_with(2, {.mode = Ssp{1}, .code = Int8{}}, data, 12));
    static_cast<void>(bits_with(1, {.mode = Asp{}, .code = Int8{}}, data, 12));
}

/// Trains with two servers that are killed and started again in mid push.
void check_killed(ServedCode const& code, Bits const& expected, Dataset const& data) {
    TemporaryDirectory const directory;
    setenv("STRATA_DIRECTORY", (directory / "").c_str(), 1);
    if (!code.is_exact()) setenv("STRATA_INT8", "1", 1);
    std::array<pid_t, 2> servers{start_server(0), start_server(1)};
    std::vector<std::string> const addresses{address_of(0), address_of(1)};
    run_workers(2, [&](int worker) {
        auto trainer = worker_of(addresses, worker, 2, Bsp{}, 7, code);
        auto options = options_of(64, 5);
        // The other worker is in mid push then, or waits.
        options.on_step = [&](StepEvent const& event) {
            if (worker == 0 || event.step % 4 != 2) return;
            auto const server = static_cast<std::size_t>(event.step / 4 % 2);
            kill(servers[server], SIGKILL);
            waitpid(servers[server], nullptr, 0);
            servers[server] = start_server(static_cast<int>(server));
        };
        trainer.fit(data, options);
    });
    for (pid_t const server : servers) {
        int status = -1;
        waitpid(server, &status, 0);
        CHECK(status == 0);
    }
    {
        Servers<Mlp, SGD> again(2, stored_options(), sgd);
        CHECK(again.all[0]->clock() == 15);
        CHECK(bits_of(again.all, 1) == expected);
    }
    unsetenv("STRATA_INT8");
}

TEST_CASE("servers that are killed at any time come back with nothing lost") {
    TemporaryDirectory const directory;
    auto const data = small_images(192);
    auto alone = alone_trainer();
    alone.fit(data, options_of(64, 5));
    check_killed({}, bits_of_one<SGD>(alone, directory), data);
    check_killed(Int8{}, bits_with(2, {.code = Int8{}}, data, 5), data);
}

TEST_CASE("a server of the test above" * doctest::skip()) {
    auto options = stored_options();
    options.server = std::atoi(std::getenv("STRATA_SERVER"));
    options.servers = 2;
    options.address = address_of(options.server);
    ParameterServer<Mlp, SGD>(options, sgd).run();
}
