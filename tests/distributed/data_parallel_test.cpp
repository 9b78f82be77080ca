// labels: threads
// Training on ranks has the bits of training on one: weights, buffers, optimizer state, results, files.
#include <doctest/doctest.h>

#include <mutex>
#include <strata/distributed.hpp>

#include "../train/small_training.hpp"

using namespace strata;

namespace {

FitOptions options_of(int batch_size) {
    FitOptions options;
    options.epochs = 2;
    options.batch_size = batch_size;
    options.evaluation_batch_size = 30;
    options.progress = ProgressStyle::none;
    return options;
}

template <class Net>
auto trainer_of(auto const&... ranks) {
    return train<Net>(Cpu{.threads = 1}, Seed{7}, CrossEntropy{.label_smoothing = 0.05},
                      AdamW{.learning_rate = 0.01, .weight_decay = 1e-3}, CosineAnnealingLR{.t_max = 3}, ranks...);
}

/// What a rank ends with, besides the checkpoint.
struct Ended {
    std::vector<float> parameters, buffers, outputs;
    std::vector<std::int32_t> predictions;
    double loss = 0, gradient_norm = 0;
    friend bool operator==(Ended const&, Ended const&) = default;
};
template <class Trainer>
Ended ended(Trainer& trainer) {
    auto const& model = trainer.model();
    auto const tests = small_images(70, 2);
    auto const evaluation = trainer.evaluate(tests, 32);
    return {{model.parameters().begin(), model.parameters().end()},
            {model.buffers().begin(), model.buffers().end()},
            trainer.predict(tests, 50),
            evaluation.predictions,
            evaluation.loss,
            trainer.gradient_norm()};
}

/// Trains on one rank, and on `ranks` of `threads` each.
template <class Net>
void check_ranks(int batch_size, std::size_t samples, std::initializer_list<std::pair<int, int>> counts) {
    TemporaryDirectory const directory;
    auto const data = augmented_images(samples), tests = small_images(40, 2);
    auto alone = trainer_of<Net>();
    alone.fit(data, tests, options_of(batch_size));
    Snapshot const expected = snapshot_of(alone, directory);
    Ended const end = ended(alone);
    for (auto const& count : counts) {
        int const ranks = count.first, threads = count.second;
        CAPTURE(ranks);
        CAPTURE(threads);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            auto trainer =
                train<Net>(Cpu{.threads = threads, .team_flops = 0}, DataParallel{communicator}, Seed{7},
                           CrossEntropy{.label_smoothing = 0.05}, AdamW{.learning_rate = 0.01, .weight_decay = 1e-3},
                           CosineAnnealingLR{.t_max = 3});
            trainer.fit(data, tests, options_of(batch_size));
            auto const written = snapshot_of(trainer, directory);
            auto const mine = ended(trainer);
            std::lock_guard const lock(checking);
            CHECK_MESSAGE(written == expected, difference(written, expected));
            CHECK(mine == end);
        });
    }
}

}  // namespace

TEST_CASE("a LeNet on any number of ranks and threads has the bits of one") {
    // 96 samples are six leaves, the last batch of 20 has two; five ranks leave one without any then.
    check_ranks<SmallLeNet>(96, 212, {{1, 1}, {2, 1}, {2, 2}, {3, 1}, {5, 1}, {8, 1}});
}

TEST_CASE("BatchNorm and dropout on ranks: statistics are the whole batch's") {
    check_ranks<SmallResNet>(64, 150, {{2, 1}, {3, 2}, {4, 1}, {6, 1}});
}

TEST_CASE("matrices train on as many ranks as Cpu::leaves says") {
    using Net = Network<Input<2, 12, 12>, Flatten, Linear<1000>, ReLU, Linear<5>>;  // one leaf by default
    auto const data = small_images(200);
    auto const trained = [&](int leaves, auto const&... ranks) {
        auto trainer =
            train<Net>(Cpu{.threads = 1, .leaves = leaves}, SGD{.learning_rate = 0.01, .momentum = 0.9}, ranks...);
        trainer.fit(data, options_of(200));
        return trainer.snapshot();
    };
    auto const expected = trained(4);
    auto const one_leaf = trained(0);
    CHECK(!same_bits<float>(one_leaf.parameters(), expected.parameters()));
    for (int const ranks : {2, 3, 4}) {
        CAPTURE(ranks);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            auto const got = trained(4, DataParallel{communicator});
            std::lock_guard const lock(checking);
            CHECK(same_bits<float>(got.parameters(), expected.parameters()));
        });
    }
    CHECK_THROWS_WITH_AS(trained(-1), "Cpu: leaves is -1, expected 0 (automatic) to 4096", Error);
}

TEST_CASE("targets, and gradients between backward and update, on ranks") {
    using Net = Network<Input<6>, Linear<9>, ReLU, Linear<3>>;
    std::vector<double> x(80 * 6), y(80 * 3);
    Random random(3, Purpose::user);
    for (double& value : x) value = random.normal();
    for (double& value : y) value = random.normal();
    auto const steps = [&](auto& trainer) {
        for (int step = 0; step < 4; ++step) {
            trainer.backward(x, y);
            trainer.backward(x, y);
            for (double& g : trainer.gradients()) g /= 2;
            trainer.update();
        }
        return trainer.snapshot();
    };
    auto alone = train<Net>(Float64{}, MSE{}, SGD{.learning_rate = 0.05, .momentum = 0.9});
    auto const expected = steps(alone);
    for (int const ranks : {2, 3, 7}) {
        CAPTURE(ranks);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            auto trainer = train<Net>(Float64{}, MSE{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, Cpu{.threads = 1},
                                      DataParallel{communicator});
            auto const got = steps(trainer);
            std::lock_guard const lock(checking);
            CHECK(same_bits<double>(got.parameters(), expected.parameters()));
        });
    }
}

TEST_CASE("a checkpoint of three ranks goes on with one, and the other way round") {
    TemporaryDirectory const directory;
    auto const data = augmented_images(120);
    auto options = options_of(48);
    auto alone = trainer_of<SmallResNet>();
    alone.fit(data, options);
    Snapshot const expected = snapshot_of(alone, directory);
    options.epochs = 1;
    auto first = trainer_of<SmallResNet>();
    first.fit(data, options);
    first.save_checkpoint(directory / "one");
    Threads::run_ranks(3, [&](Threads communicator) {
        auto trainer = trainer_of<SmallResNet>(DataParallel{communicator});
        auto its = options;
        its.checkpoint = directory / "three";
        trainer.fit(data, its);
    });
    options.epochs = 2;
    auto second = trainer_of<SmallResNet>();
    second.load_checkpoint(directory / "three");
    second.fit(data, options);
    CHECK(snapshot_of(second, directory) == expected);
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = trainer_of<SmallResNet>(DataParallel{communicator});
        trainer.load_checkpoint(directory / "one");
        trainer.fit(data, options);
        auto const written = snapshot_of(trainer, directory);
        std::lock_guard const lock(checking);
        CHECK(written == expected);
    });
}

TEST_CASE("a step of two ranks sends the gradient once, and a few bytes of results") {
    auto const data = small_images(64);
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads threads) {
        Recorded communicator(std::move(threads));
        auto trainer = trainer_of<SmallLeNet>(DataParallel{communicator});
        Loader loader(data, {.batch_size = 64, .threads = 0});
        loader.begin_epoch(0);
        Batch const* const batch = loader.next();
        communicator.clear();
        trainer.train_step(*batch);
        Exchange<float> const exchange(communicator.rank(), 2, 4, std::size_t{SmallLeNet::parameter_count});
        std::size_t const results = 2 * (sizeof(double) + sizeof(std::int64_t));  // of this rank's two leaves
        std::lock_guard const lock(checking);
        CHECK(exchange.nodes().count() == 1);
        CHECK(communicator.bytes_sent() == exchange.reduce_bytes() + exchange.gather_bytes() + results);
    });
}

TEST_CASE("a rank prepares its own samples alone") {
    std::mutex counting;
    std::vector<int> seen(2);
    Threads::run_ranks(2, [&](Threads communicator) {
        auto const rank = static_cast<std::size_t>(communicator.rank());
        auto const data = small_images(64).with(SampleFunction([&, rank](std::span<float>, SampleShape, Random&) {
            std::lock_guard const lock(counting);
            ++seen[rank];
        }));
        auto trainer = trainer_of<SmallLeNet>(DataParallel{communicator});
        auto options = options_of(64);
        options.epochs = 1;
        trainer.fit(data, options);
    });
    CHECK(seen == std::vector<int>{32, 32});
}

TEST_CASE("what is not finite on one rank is an Error on all, and nothing was written") {
    std::vector<float> x(64 * 6, 0.5f);
    x[50 * 6] = std::numeric_limits<float>::infinity();  // the second rank's
    std::vector<int> const labels(64, 1);
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = train<Network<Input<6>, Linear<3>>>(Cpu{.threads = 1}, DataParallel{communicator});
        auto const before = trainer.snapshot();
        std::string const error = error_of([&] { trainer.train_step(x, labels); });
        std::lock_guard const lock(checking);
        CHECK(error.find("sample 50 of the batch") != std::string::npos);
        CHECK(same_bits<float>(trainer.model().parameters(), before.parameters()));
    });
}

TEST_CASE("ranks that would not train the same are told so at the start") {
    std::mutex checking;
    auto const data = small_images(64);
    Threads::run_ranks(3, [&](Threads communicator) {
        bool const other = communicator.rank() == 1;
        std::string const error = error_of([&] {
            static_cast<void>(train<SmallLeNet>(Cpu{.threads = 1}, DataParallel{communicator},
                                                Seed{other ? std::uint64_t{8} : std::uint64_t{7}}));
        });
        std::lock_guard const lock(checking);
        CHECK(error.find("the seed is") != std::string::npos);
    });
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = trainer_of<SmallLeNet>(DataParallel{communicator});
        std::string const error =
            error_of([&] { trainer.fit(communicator.rank() == 1 ? data.first(60) : data, options_of(32)); });
        std::lock_guard const lock(checking);
        CHECK(error.find("60 samples") != std::string::npos);
        CHECK(error.find("64 samples") != std::string::npos);
    });
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = trainer_of<SmallLeNet>(DataParallel{communicator});
        auto options = options_of(32);
        if (communicator.rank() == 0) options.checkpoint = "only here";
        std::string const error = error_of([&] { trainer.fit(data, options); });
        std::lock_guard const lock(checking);
        CHECK(error.find("checkpoint 1") != std::string::npos);
    });
}

namespace {

/// Trains on ranks of which some are killed after so many bytes. Returns the checkpoints of those that are left.
template <class Net>
std::vector<Snapshot> trained_in_spite_of(std::vector<std::uint64_t> const& kills, Dataset const& data,
                                          Dataset const& tests, TemporaryDirectory const& directory) {
    std::mutex writing;
    std::vector<Snapshot> ended;
    Threads::run_ranks(static_cast<int>(kills.size()), [&](Threads threads) {
        Fault const fault{kills[static_cast<std::size_t>(threads.rank())]};
        Faulty communicator(std::move(threads), fault);
        auto trainer = trainer_of<Net>(DataParallel{communicator, WhenLost::go_on});
        auto options = options_of(48);
        options.checkpoint = directory / "on the way";
        options.checkpoint_steps = 2;
        options.on_step = [&](StepEvent const& event) {
            if (event.step == 3) static_cast<void>(trainer.evaluate(tests, 24));
        };
        trainer.fit(data, tests, options);
        auto const snapshot = snapshot_of(trainer, directory);
        std::lock_guard const lock(writing);
        ended.push_back(snapshot);
    });
    return ended;
}

template <class Net>
void check_kills(int ranks, int cases) {
    TemporaryDirectory const directory;
    auto const data = augmented_images(120), tests = small_images(40, 2);
    auto alone = trainer_of<Net>();
    alone.fit(data, tests, options_of(48));
    Snapshot const expected = snapshot_of(alone, directory);
    // What each rank sends until training begins, and until its end.
    std::vector<std::uint64_t> before(static_cast<std::size_t>(ranks)), all(before.size());
    Threads::run_ranks(ranks, [&](Threads threads) {
        auto const me = static_cast<std::size_t>(threads.rank());
        Recorded communicator(std::move(threads));
        auto trainer = trainer_of<Net>(DataParallel{communicator, WhenLost::go_on});
        auto options = options_of(48);
        options.on_step = [&](StepEvent const& event) {
            if (event.step == 1) before[me] = communicator.bytes_sent();
        };
        trainer.fit(data, tests, options);
        all[me] = communicator.bytes_sent();
    });
    Random random(11, Purpose::user);
    for (int k = 0; k < cases; ++k) {
        // One rank may stay alone; two are killed in every other case.
        std::vector<std::uint64_t> kills(static_cast<std::size_t>(ranks), Fault::never);
        for (int victim = 0; victim < 1 + k % 2; ++victim) {
            auto const rank = random.below(static_cast<std::uint32_t>(ranks));
            kills[rank] = before[rank] + random.below(static_cast<std::uint32_t>(all[rank] - before[rank] + 1));
        }
        CAPTURE(k);
        auto const ended = trained_in_spite_of<Net>(kills, data, tests, directory);
        CHECK(!ended.empty());
        for (auto const& snapshot : ended) CHECK_MESSAGE(snapshot == expected, difference(snapshot, expected));
    }
}

}  // namespace

TEST_CASE("ranks that are killed anywhere: the others go on to the same bits") {
    check_kills<SmallLeNet>(3, 30);
    check_kills<SmallResNet>(4, 20);
}

TEST_CASE("a pass that is lost between backward and update is repeated") {
    auto const data = small_images(96);
    auto const batches = [&](auto const& use) {
        Loader loader(data, {.batch_size = 48, .threads = 0});
        loader.begin_epoch(0);
        for (int k = 0; k < 2; ++k) use(k, *loader.next());
    };
    auto alone = trainer_of<SmallResNet>();
    batches([&](int, Batch const& batch) { alone.backward(batch); });
    alone.update();
    std::mutex checking;
    Threads::run_ranks(3, [&](Threads communicator) {
        bool const leaves = communicator.rank() == 1;
        auto trainer = trainer_of<SmallResNet>(DataParallel{communicator, WhenLost::go_on});
        batches([&](int k, Batch const& batch) {
            if (k == 1 && leaves) throw RankKilled();
            try {
                trainer.backward(batch);
            } catch (RankLost const&) {
                trainer.go_on();
                trainer.backward(batch);
            }
        });
        trainer.update();
        std::lock_guard const lock(checking);
        CHECK(communicator.size() == 2);
        CHECK(same_bits<float>(trainer.model().parameters(), alone.model().parameters()));
        CHECK(same_bits<float>(trainer.model().buffers(), alone.model().buffers()));
    });
}

TEST_CASE("ranks that stop do not go on") {
    Threads::run_ranks(1, [&](Threads communicator) {
        auto trainer = trainer_of<SmallLeNet>(DataParallel{communicator});
        CHECK(error_of([&] { trainer.go_on(); }).find("WhenLost::go_on") != std::string::npos);
    });
}

TEST_CASE("an exception on one rank ends the others") {
    struct Mine {};
    auto const data = small_images(64);
    std::mutex counting;
    int lost = 0;
    CHECK_THROWS_AS(Threads::run_ranks(3,
                                       [&](Threads communicator) {
                                           int const rank = communicator.rank();
                                           auto trainer = trainer_of<SmallResNet>(DataParallel{communicator});
                                           auto options = options_of(32);
                                           options.on_step = [&](StepEvent const& event) {
                                               if (rank == 1 && event.step == 2) throw Mine();
                                           };
                                           try {
                                               trainer.fit(data, options);
                                           } catch (RankLost const&) {
                                               std::lock_guard const lock(counting);
                                               ++lost;
                                               throw;
                                           }
                                       }),
                    Mine);
    CHECK(lost == 2);
}
