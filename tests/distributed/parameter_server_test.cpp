// labels: plain
// Parameter servers and their workers, in threads of this process over loopback: the bits of one process, exactly once, whatever
// is killed.
#include <doctest/doctest.h>

#include <memory>
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
AdamW const adamw{.learning_rate = 0.01, .weight_decay = 1e-3};

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
    /// Until all workers have left.
    void join() {
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
            } catch (std::exception const& error) { thrown[static_cast<std::size_t>(worker)] = error.what(); }
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
            trainer.fit(data, options_of(batch));
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

}  // namespace

TEST_CASE("Bsp has the bits of one process: weights, optimizer state, evaluation") {
    // 96 samples are six leaves, the last batch of 20 has two: three workers have uneven ones, one of four has none then.
    check_bits<SmallLeNet>(adamw, 96, 212, Bsp{}, {{1, 1}, {1, 2}, {2, 3}, {2, 4}});
    check_bits<Mlp>(SGD{.learning_rate = 0.05, .momentum = 0.9}, 64, 128, Bsp{}, {{1, 1}, {2, 2}});
}

TEST_CASE("Ssp without staleness is Bsp") { check_bits<SmallLeNet>(adamw, 64, 150, Ssp{0}, {{2, 3}}); }
