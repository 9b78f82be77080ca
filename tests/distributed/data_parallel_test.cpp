// labels: threads computes
// Training on ranks has the bits of training on one: weights, buffers, optimizer state, results, files.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "rank_training.hpp"

using namespace strata;

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
    for (int const ranks : tested_of({2, 3, 4})) {
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
    for (int const ranks : tested_of({2, 3, 7})) {
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

TEST_CASE("labels that are ignored and classes with weights: one divisor on all ranks") {
    using Net = Network<Input<6>, Linear<9>, ReLU, Linear<4>>;
    WeightedCrossEntropy<4> const loss{{1, 0.3, 2.7, 0.1}, 0.05, 7};
    std::vector<float> x(120 * 6);
    std::vector<int> y(120);
    Random random(3, Purpose::user);
    for (float& value : x) value = static_cast<float>(random.normal());
    for (int& label : y) label = static_cast<int>(random.below(4));
    for (std::size_t i = 0; i < 40; ++i) y[i] = 7;  // most of what the first ranks have of the batches below
    auto const data = from_memory(x, {6}, y, 4, 7);
    struct Done {
        std::vector<float> parameters;
        std::vector<double> losses;
    };
    auto const steps = [&](auto& trainer) {
        Done done;
        FitOptions options = options_of(80);  // five leaves
        options.shuffle = false;
        options.on_step = [&](StepEvent const& event) {
            done.losses.insert(done.losses.end(), {event.result.loss, event.result.label_weight});
            done.losses.push_back(static_cast<double>(event.result.ignored));
        };
        trainer.fit(data, data, options);
        for (EpochRecord const& record : trainer.state().history)
            done.losses.insert(done.losses.end(), {record.train_loss, record.train_accuracy, record.test_loss});
        auto const parameters = trainer.model().parameters();
        done.parameters.assign(parameters.begin(), parameters.end());
        return done;
    };
    auto const optimizer = SGD{.learning_rate = 0.05, .momentum = 0.9};
    auto alone = train<Net>(loss, optimizer, Cpu{.threads = 1});
    auto const expected = steps(alone);
    CHECK(expected.losses[2] == 40);
    for (auto const& count : {std::pair{1, 3}, {2, 1}, {2, 2}, {3, 1}, {4, 2}}) {
        int const ranks = count.first, threads = count.second;
        CAPTURE(ranks);
        CAPTURE(threads);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            auto trainer =
                train<Net>(loss, optimizer, Cpu{.threads = threads, .team_flops = 0}, DataParallel{communicator});
            auto const got = steps(trainer);
            std::lock_guard const lock(checking);
            CHECK(same_bits<float>(got.parameters, expected.parameters));
            CHECK(got.losses == expected.losses);
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

namespace {

/// What each rank sends in a step is what was predicted.
template <class Net, class... Ways>
void check_wire(int batch_size) {
    auto const data = small_images(static_cast<std::size_t>(batch_size));
    for (int ranks = 1; ranks <= 8; ++ranks) {
        CAPTURE(ranks);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads threads) {
            Recorded communicator(std::move(threads));
            int const rank = communicator.rank();
            auto trainer = trainer_of<Net>(DataParallel{communicator, Ways{}...});
            OneBatch const batch(data);
            communicator.clear();
            trainer.train_step(*batch);
            auto const& messages = communicator.messages();
            auto const sent = std::count_if(messages.begin(), messages.end(), [](auto const& m) { return m.sent; });
            Wire const predicted = wire_of<Net>(batch_size, ranks, rank, Cpu{}, Ways{}...);
            std::lock_guard const lock(checking);
            CAPTURE(rank);
            CHECK(communicator.bytes_sent() == predicted.bytes);
            CHECK(static_cast<std::size_t>(sent) == predicted.messages);
        });
    }
}

}  // namespace

TEST_CASE("a step sends the bytes and messages that are predicted") {
    check_wire<SmallLeNet>(64);    // four leaves: ranks halve, and some have none
    check_wire<SmallLeNet>(96);    // six
    check_wire<SmallResNet>(128);  // eight, BatchNorm
    check_wire<SmallResNet>(70);
    check_wire<SmallLeNet, Sharded<1>>(64);
    check_wire<SmallResNet, Sharded<1>>(96);
    using LeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Conv2d<16, 5>, ReLU, MaxPool2d<2>,
                          Flatten, Linear<120>, ReLU, Linear<84>, ReLU, Linear<10>>;
    // The gradient once, there and back, and the results of two leaves.
    static_assert(wire_of<LeNet>(64, 2).bytes == LeNet::parameter_count * 4 + 2 * 16);
    static_assert(wire_of<LeNet>(64, 2).messages == 3);
    static_assert(wire_of<LeNet>(64, 1) == Wire{});
    static_assert(wire_of<LeNet>(256, 4).messages == 2 + 2 + 3);
    // Room for the larger half of what another rank has.
    static_assert(wire_of<LeNet>(64, 2).buffer_bytes <= LeNet::parameter_count * 2 + 4096 * 4);
}

TEST_CASE("the summary of the wire says what wire_of says of the rank that sends most") {
    using Net = Network<Input<1, 8, 8>, Conv2d<4, 3>, BatchNorm2d<>, ReLU, Flatten, Linear<100>, ReLU, Linear<10>>;
    CHECK(wire_summary<Net>(128, {1, 2, 16}) ==
          "a step of 128 samples, plain gradients: what a rank sends\n"
          " ranks  at work       bytes  messages     buffers    1 Gbit/s   10 Gbit/s  100 Gbit/s\n"
          "     1        1         0 B         0       512 B     0.00 ms     0.00 ms     0.00 ms\n"
          "     2        2    61.3 KiB         5    32.5 KiB     0.60 ms     0.15 ms     0.11 ms\n"
          "    16        8     124 KiB        52     128 KiB     1.17 ms     0.26 ms     0.17 ms\n");
    std::size_t bytes = 0;
    for (int rank = 0; rank < 16; ++rank) bytes = std::max(bytes, wire_of<Net>(128, 16, rank).bytes);
    CHECK(format_bytes(static_cast<std::int64_t>(bytes)) == "124 KiB");
    auto const with_ways =
        wire_summary<Net>(128, {2, 8}, Cpu{.leaves = 4}, Sharded<1>{}, Compressed<Int8>{.shards = 4});
    CHECK(with_ways.starts_with("a step of 128 samples, Sharded<1>, codes of Int8, shards 4: what a rank sends\n"));
    CHECK(with_ways.find("\n     8        4 ") != std::string::npos);  // four leaves, four shards
    CHECK(wire_summary<Net>(128, {2}, Cpu{}, Sharded<3>{}).find("samples, Sharded<3>: what") != std::string::npos);
    CHECK_THROWS_WITH_AS(static_cast<void>(wire_summary<Net>(128, {2, 0})),
                         "wire_summary: 0 ranks, expected at least 1", Error);
    CHECK_THROWS_WITH_AS(static_cast<void>(wire_summary<Net>(0, {2})), "wire_summary: batch is 0, expected at least 1",
                         Error);
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
    // What has the same type on all ranks, but other numbers.
    auto const told = [&](auto const& policy_of) {
        std::string said;
        Threads::run_ranks(2, [&](Threads communicator) {
            std::string const error = error_of([&] {
                static_cast<void>(train<SmallLeNet>(Cpu{.threads = 1}, DataParallel{communicator},
                                                    policy_of(communicator.rank() == 1)));
            });
            std::lock_guard const lock(checking);
            said = error;
        });
        return said;
    };
    CHECK(told([](bool other) { return SGD{.momentum = other ? 0.5 : 0.9}; }).find("it is SGD, momentum 0.") !=
          std::string::npos);
    CHECK(told([](bool other) { return CrossEntropy{.label_smoothing = other ? 0.1 : 0}; }).find("the loss is") !=
          std::string::npos);
    CHECK(told([](bool other) { return StepLR{.step_size = other ? 2 : 1}; }).find("the schedule is") !=
          std::string::npos);
    CHECK(told([](bool other) { return NonFinite{.skip = other}; }).find("NonFinite::skip is") != std::string::npos);
    CHECK(told([](bool other) { return Accumulate{other ? 2 : 1}; }).find("Accumulate::batches is") !=
          std::string::npos);
    CHECK(told([](bool other) { return StaticLossScale{.scale = other ? 2.0 : 1.0}; }).find("the loss scale is") !=
          std::string::npos);
    Threads::run_ranks(2, [&](Threads communicator) {  // they would not agree on anything later
        auto const when_lost = communicator.rank() == 1 ? WhenLost::go_on : WhenLost::stop;
        std::string const error =
            error_of([&] { static_cast<void>(trainer_of<SmallLeNet>(DataParallel{communicator, when_lost})); });
        std::lock_guard const lock(checking);
        CHECK(error.find("WhenLost::go_on 1") != std::string::npos);
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
        auto trainer = train<Network<Input<2>, Linear<1>>>(Cpu{.threads = 1}, MSE{}, SGD{}, DataParallel{communicator});
        std::vector<double> const x(2 * 32, 0.5), y(32, communicator.rank() == 1 ? 1.0 : 2.0);
        std::string const error = error_of([&] { trainer.fit(from_memory(x, {2}, y, 1), options_of(32)); });
        std::lock_guard const lock(checking);
        CHECK(error.find("targets of checksum") != std::string::npos);
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

TEST_CASE("ranks that are killed anywhere: the others go on to the same bits") {
    check_kills<SmallLeNet>(3, 30);
    check_kills<SmallResNet>(4, 20);
}

TEST_CASE("a rank that is lost in a callback: what is due behind it is done all the same") {
    TemporaryDirectory const directory;
    auto const data = small_images(96), tests = small_images(40, 2);
    auto options = options_of(32);  // three steps an epoch
    options.checkpoint_steps = 2;
    std::mutex checking;
    for (std::int64_t const step : {2, 3}) {
        CAPTURE(step);
        Threads::run_ranks(3, [&](Threads communicator) {
            bool const leaves = communicator.rank() == 1;
            auto trainer = trainer_of<SmallLeNet>(DataParallel{communicator, WhenLost::go_on});
            auto its = options;
            its.checkpoint = directory / "due";
            its.on_step = [&](StepEvent const& event) {
                if (event.step == step) {
                    if (leaves) throw RankKilled();
                    static_cast<void>(trainer.evaluate(tests, 24));
                    if (step == 3) trainer.stop();
                }
                if (event.step != 3) return;
                auto const read = CheckpointFile(its.checkpoint);
                std::lock_guard const lock(checking);
                CHECK(*read.metadata().find("step") == "2");
            };
            trainer.fit(data, its);
            std::lock_guard const lock(checking);
            CHECK(trainer.state().history.size() ==
                  (step == 3 ? 1 : 2));  // an epoch that was stopped behind its last step
            CHECK(*CheckpointFile(its.checkpoint).metadata().find("step") == (step == 3 ? "3" : "6"));
        });
    }
}

TEST_CASE("progress is one rank's, and says who has nothing to do and who is gone") {
    TemporaryDirectory const directory;
    auto const data = small_images(60);
    std::fflush(stdout);
    int const terminal = dup(STDOUT_FILENO), file = open((directory / "out").c_str(), O_CREAT | O_RDWR, 0600);
    dup2(file, STDOUT_FILENO);
    Threads::run_ranks(3, [&](Threads communicator) {
        bool const leaves = communicator.rank() == 0;
        auto trainer = trainer_of<SmallLeNet>(DataParallel{communicator, WhenLost::go_on});
        auto options = options_of(30);  // two leaves
        options.unoptimised = false;
        options.progress = ProgressStyle::lines;
        options.on_step = [&](StepEvent const& event) {
            if (event.step == 3 && leaves) throw RankKilled();
        };
        trainer.fit(data, options);
    });
    std::fflush(stdout);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    close(file);
    std::string const printed = read_bytes(directory / "out");
    for (char const* const line :
         {"1 of 3 ranks have no part of a batch of 30 samples and wait for the others: a larger one has more parts\n"
          "epoch 1/2  train loss",
          "\n1 of 3 ranks are gone; 2 go on after step 3\nepoch 2/2  train loss"}) {
        CHECK_CONTAINS(printed, line);
        CHECK(printed.find(line) == printed.rfind(line));
    }
    CHECK(std::count(printed.begin(), printed.end(), '\n') == 4);
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
