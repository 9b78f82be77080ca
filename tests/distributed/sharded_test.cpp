// labels: computes
// Ranks that keep parts of the optimizer's state, gradients and parameters: the bits, files and bytes of those that keep
// all of it.
#include "rank_training.hpp"

using namespace strata;

namespace {
/// Its parameters are eleven chunks, so that several ranks have a part, in four groups whose ends are no chunks' ends.
using Net = Network<Input<2, 12, 12>, Conv2d<4, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU, Flatten, Linear<60>, ReLU,
                    Linear<100>, ReLU, Linear<52>, ReLU, Linear<5>>;
using NetGroups = ParameterGroups<Net>;
static_assert(NetGroups::count == 3);
static_assert(NetGroups::parameters(1) == OwnedRange{80, 80 + 576 * 60 + 60});
static_assert(NetGroups::reduced[0] == OwnedRange{0, 4096} && NetGroups::reduced[1] == OwnedRange{4096, 9 * 4096});
static_assert(NetGroups::reduced[2] == OwnedRange{9 * 4096, Net::parameter_count});
static_assert(NetGroups::window(1) == OwnedRange{80, 9 * 4096});

/// Branches, masks and layers smaller than a chunk.
using Branched =
    Network<Input<2, 12, 12>, Conv2d<6, 3, Padding<1>>, ReLU, Residual<Main<Conv2d<6, 3, Padding<1>>, BatchNorm2d<>>>,
            MaxPool2d<2>, Flatten, Linear<40>, Dropout<0.3>, ReLU, Residual<Main<Linear<40>>, After<ReLU>>, Linear<5>>;
static_assert(ParameterGroups<Branched>::count == 3);

/// Frozen layers and a frozen BatchNorm, below, between and above trained ones.
using Tuned = Network<Input<2, 12, 12>, Frozen<Conv2d<16, 3, Padding<1>>, BatchNorm2d<>, ReLU>,
                      Conv2d<6, 3, Padding<1>>, BatchNorm2d<>, ReLU, MaxPool2d<2>, Flatten, Linear<60>,
                      Frozen<BatchNorm1d<>, Linear<60>>, ReLU, Linear<100>, ReLU, Frozen<Linear<100>>, Linear<5>>;
static_assert(ParameterGroups<Tuned>::count == 3);

/// A step on every level has the bits of one rank, and sends and keeps what is predicted.
template <int Level>
void check_steps(int ranks, int threads = 1) {
    CAPTURE(Level);
    CAPTURE(ranks);
    auto const data = small_images(96);
    OneBatch const whole(data);
    Batch const& batch = *whole;
    auto const steps = [&](auto& trainer) {
        trainer.backward(batch);
        trainer.backward(batch);
        for (float& g : trainer.gradients()) g *= 0.25f;
        for (float& g : trainer.gradient("4.weight")) g *= 2;
        trainer.update();
        trainer.train_step(batch);
        return trainer.gradient_norm();
    };
    auto alone = trainer_of<Net>();
    double const norm = steps(alone);
    alone.train_step(batch);
    std::mutex checking;
    Threads::run_ranks(ranks, [&](Threads engine) {
        Recorded communicator(std::move(engine));
        Cpu const cpu{.threads = threads};
        auto trainer = train<Net>(cpu, Seed{7}, CrossEntropy{.label_smoothing = 0.05},
                                  AdamW{.learning_rate = 0.01, .weight_decay = 1e-3}, CosineAnnealingLR{.t_max = 3},
                                  DataParallel{communicator, Sharded<Level>{}});
        trainer.train_step(batch);
        trainer.train_step(batch);
        auto const memory = memory_of<Net>(96, ranks, communicator.rank(), cpu, Sharded<Level>{});
        std::size_t const held = trainer.executor().memory_bytes() +
                                 (Level < 3 ? Net::parameter_count * sizeof(float) : 0);  // the model's own
        auto again = trainer_of<Net>(DataParallel{communicator, Sharded<Level>{}});
        double const its_norm = steps(again);
        communicator.clear();
        again.train_step(batch);
        Wire const wire = wire_of<Net>(96, ranks, communicator.rank(), Cpu{}, Sharded<Level>{});
        auto const bytes = communicator.bytes_sent();
        auto const messages = std::count_if(communicator.messages().begin(), communicator.messages().end(),
                                            [](auto const& message) { return message.sent; });
        auto const& model = again.model();
        std::lock_guard const lock(checking);
        CHECK(held == memory.total());
        CHECK(its_norm == norm);
        CHECK(bytes == wire.bytes);
        CHECK(messages == static_cast<std::ptrdiff_t>(wire.messages));
        CHECK(same_bits<float>(model.parameters(), alone.model().parameters()));
    });
}
}  // namespace

TEST_CASE("any number of ranks has the bits and the file of one") {
    check_ranks<Net, Sharded<1>>(64, 150, {{1, 1}, {2, 2}, {3, 1}, {5, 1}});
    check_ranks<Net, Sharded<2>>(64, 150, {{1, 1}, {2, 2}, {3, 1}, {5, 1}});
    check_ranks<Net, Sharded<3>>(64, 150, {{1, 2}, {2, 2}, {3, 1}, {8, 1}});
    check_ranks<Branched, Sharded<2>>(48, 110, {{3, 1}, {4, 2}});
    check_ranks<Branched, Sharded<3>>(48, 110, {{3, 1}, {4, 2}});
    check_ranks<Tuned, Sharded<3>>(48, 110, {{2, 2}, {3, 1}});
}

TEST_CASE("steps of one's own, and the bytes and the memory of a step") {
    for (int const ranks : tested_of({1, 2, 3, 4})) {
        check_steps<1>(ranks);
        check_steps<2>(ranks);
        check_steps<3>(ranks, 2);
    }
    // The gradient's bytes there and the parameters' back; forward and, but for the last group, backward.
    constexpr std::size_t count = Net::parameter_count * sizeof(float);
    constexpr auto bytes_of = [](auto sharded) {
        return wire_of<Net>(96, 2, 0, Cpu{}, sharded).bytes + wire_of<Net>(96, 2, 1, Cpu{}, sharded).bytes;
    };
    static_assert(bytes_of(Sharded<2>{}) == bytes_of(Sharded<1>{}));
    static_assert(bytes_of(Sharded<3>{}) == bytes_of(Sharded<1>{}) + count - NetGroups::parameters(2).size() * 4);
    CHECK(error_of([] { static_cast<void>(wire_of<Net>(96, 0)); }) == "wire_of: 0 ranks, expected at least 1");
    CHECK(error_of([] { static_cast<void>(memory_of<Net>(96, 2, 2)); }) == "memory_of: rank 2, expected one of 2");
    CHECK(error_of([] { static_cast<void>(wire_of<Net>(96, 2, 0, Cpu{}, Compressed<Int8>{.shards = 0})); }) ==
          "Compressed: shards is 0, expected 1 to 64");
    using Layers = Network<Input<256>, Linear<256>, ReLU, Linear<256>, ReLU, Linear<256>, ReLU, Linear<256>, ReLU,
                           Linear<256>, ReLU, Linear<256>, ReLU, Linear<256>, ReLU, Linear<256>>;
    constexpr auto memory = [](auto sharded) { return memory_of<Layers>(96, 8, 3, Cpu{.leaves = 8}, sharded); };
    constexpr std::size_t layer = (256 * 256 + 256) * sizeof(float), part = layer + 9 * 4096 * sizeof(float);
    static_assert(memory(Sharded<1>{}).parameters == 8 * layer && memory(Sharded<1>{}).gradients == 8 * layer);
    static_assert(memory(Sharded<2>{}).parameters < 8 * layer + part && memory(Sharded<2>{}).gradients < layer + part);
    static_assert(memory(Sharded<3>{}).parameters < 2 * layer + part);
}

TEST_CASE("clipped by the norm of all ranks' parts, averaged where weights are kept, moved as their groups say") {
    auto const data = small_images(64);
    OneBatch const batch(data);
    Group const biases{"*.bias", {.weight_decay = 0.5}}, first{"4.*", {.rate = 2}};
    auto alone = trainer_of<Net>(ClipNorm{0.01}, Ema{.decay = 0.5}, biases, first);
    double const norms[] = {alone.train_step(*batch).gradient_norm, alone.train_step(*batch).gradient_norm};
    auto const averaged = alone.averaged();
    std::mutex checking;
    auto const check = [&](int ranks, auto... ways) {
        Threads::run_ranks(ranks, [&](Threads communicator) {
            auto trainer =
                trainer_of<Net>(ClipNorm{0.01}, Ema{.decay = 0.5}, biases, first, DataParallel{communicator, ways...});
            OneBatch const its(data);
            double const its_norms[] = {trainer.train_step(*its).gradient_norm, trainer.train_step(*its).gradient_norm};
            auto const& model = trainer.model();
            auto const average = trainer.averaged();
            std::lock_guard const lock(checking);
            CHECK(same_bits<float>(average.parameters(), averaged.parameters()));
            CHECK(std::equal(norms, norms + 2, its_norms));
            CHECK(same_bits<float>(model.parameters(), alone.model().parameters()));
        });
    };
    CHECK(norms[1] > 0.02);
    check(2);
    check(2, Sharded<1>{});
    check(3, Sharded<2>{});
    check(3, Sharded<3>{});
}

TEST_CASE("what is exchanged has a group's computation to arrive") {
    using Layers = Network<Input<64>, Linear<64>, ReLU, Linear<64>, ReLU, Linear<64>, ReLU, Linear<64>>;
    constexpr int groups = ParameterGroups<Layers>::count;
    static_assert(groups == 4);
    std::vector<float> const samples(64 * 32, 0.5f);
    std::vector<int> const labels(32, 3);
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads engine) {
        Recorded communicator(std::move(engine));
        auto trainer =
            train<Layers>(Cpu{.threads = 1}, SGD{.learning_rate = 0.1}, DataParallel{communicator, Sharded<3>{}});
        trainer.train_step(samples, labels);
        communicator.clear();
        trainer.train_step(samples, labels);
        // Forward for each group's parameters, backward before each group's gradients leave, and for the last ones; for
        // results, the largest gradient and the verdict.
        std::lock_guard const lock(checking);
        CHECK(communicator.waits() == 2 * groups + 1 + 3);
    });
}

TEST_CASE("a checkpoint of one level and number of ranks goes on with others, and without ranks") {
    TemporaryDirectory const directory;
    auto const data = augmented_images(100);
    auto options = options_of(32);
    auto alone = trainer_of<Branched>();
    alone.fit(data, options);
    Snapshot const expected = snapshot_of(alone, directory);
    std::string const file = directory / "half";
    Threads::run_ranks(4, [&](Threads communicator) {
        auto trainer = trainer_of<Branched>(DataParallel{communicator, Sharded<3>{}});
        auto half = options;
        half.epochs = 1;
        trainer.fit(data, half);
        trainer.save_checkpoint(file);
    });
    std::mutex checking;
    auto const go_on = [&](auto trainer) {
        trainer.load_checkpoint(file);
        trainer.fit(data, options);
        Snapshot const written = snapshot_of(trainer, directory);
        std::lock_guard const lock(checking);
        CHECK_MESSAGE(written == expected, difference(written, expected));
    };
    go_on(trainer_of<Branched>());
    Threads::run_ranks(
        3, [&](Threads communicator) { go_on(trainer_of<Branched>(DataParallel{communicator, Sharded<2>{}})); });
}

TEST_CASE("weights from elsewhere are what ranks go on with") {
    auto const data = small_images(48);
    OneBatch const whole(data);
    Batch const& batch = *whole;
    auto const other = trainer_of<Branched>().snapshot();
    auto const step = [&](auto& trainer) {
        trainer.train_step(batch);
        trainer.set_model(other);
        trainer.train_step(batch);
        return trainer.snapshot();
    };
    auto alone = trainer_of<Branched>();
    auto const expected = step(alone);
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = trainer_of<Branched>(DataParallel{communicator, Sharded<3>{}});
        auto const got = step(trainer);
        std::lock_guard const lock(checking);
        CHECK(same_bits<float>(got.parameters(), expected.parameters()));
        CHECK(same_bits<float>(got.buffers(), expected.buffers()));
    });
}

TEST_CASE("after an epoch one rank may look at the model, elsewhere all of them or none") {
    auto const data = small_images(96);
    auto options = options_of(48);
    auto alone = trainer_of<Net>();
    alone.fit(data, options);
    for (int const ranks : {2, 3}) {
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            int const rank = communicator.rank();
            auto trainer = trainer_of<Net>(DataParallel{communicator, Sharded<2>{}});
            auto its = options;
            its.on_epoch = [&](EpochRecord const&) {
                if (rank == 0) static_cast<void>(trainer.model());
            };
            its.on_step = [&](StepEvent const& event) {
                if (event.step == 3) trainer.stop();
            };
            trainer.fit(data, its);  // to the middle of an epoch
            if (rank == 1) static_cast<void>(trainer.model());
            its.on_step = {};
            trainer.fit(data, its);
            if (rank != 0) return;
            std::lock_guard const lock(checking);
            CHECK(same_bits<float>(trainer.model().parameters(), alone.model().parameters()));
        });
    }
    // Their messages have one size, so that ranks would wait for ever.
    using Even = Network<Input<2, 4, 8>, Flatten, Linear<64>, ReLU, Linear<64>, ReLU, Linear<64>, ReLU, Linear<64>>;
    std::vector<float> const samples(16 * 64, 0.5f);
    std::vector<int> const labels(16);
    for (bool const looks_at_gradients : {false, true}) {
        std::string const error = error_of([&] {
            Threads::run_ranks(4, [&](Threads communicator) {
                int const rank = communicator.rank();
                auto trainer = train<Even>(Cpu{.threads = 1}, DataParallel{communicator, Sharded<2>{}});
                for (int step = 0; step < 3; ++step) {
                    trainer.train_step(samples, labels);
                    if (rank > 0 || step == 0) continue;
                    if (looks_at_gradients)
                        static_cast<void>(trainer.gradient_norm());
                    else
                        static_cast<void>(trainer.model());
                }
            });
        });
        CHECK_MESSAGE(error.find("all ranks have to make the same calls") != std::string::npos, error);
    }
}

namespace {
template <int Level>
void check_faults() {
    CAPTURE(Level);
    using Small = Network<Input<2, 12, 12>, Flatten, Linear<60>, ReLU, Linear<5>>;
    auto const data = small_images(32);
    OneBatch const whole(data);
    Batch const& batch = *whole;
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = train<Small>(Cpu{.threads = 1}, SGD{.learning_rate = 1, .momentum = 0.9},
                                    DataParallel{communicator, Sharded<Level>{}});
        trainer.train_step(batch);
        trainer.backward(batch);
        for (float& g : trainer.gradients()) g = 0;
        trainer.gradients().back() = 3e38f;  // the second rank's
        trainer.update();
        auto const before = trainer.snapshot();
        trainer.backward(batch);
        trainer.gradients().back() = 3e38f;  // with the momentum of the last one, more than there is
        std::string const error = error_of([&] { trainer.update(); });
        auto const& after = trainer.model();
        std::lock_guard const lock(checking);
        CHECK_MESSAGE(error.find("would not be finite") != std::string::npos, error);
        CHECK_MESSAGE(error.find("bias of layer 3 (Linear)") != std::string::npos, error);
        CHECK(same_bits<float>(after.parameters(), before.parameters()));
    });
}
}  // namespace

TEST_CASE("a rank whose part becomes smaller forgets what was not finite in it") {
    using Single = Network<Input<288>, Linear<40>>;  // three chunks
    static_assert(owned_range(1, 5, Single::parameter_count).size() == 4096);
    static_assert(owned_range(0, 4, Single::parameter_count).size() == 0);
    TemporaryDirectory const directory;
    std::string const file = directory / "checkpoint";
    std::vector<float> x(80 * 288, 0.5f), bad = x;
    bad[20] = std::numeric_limits<float>::infinity();
    std::vector<int> const labels(80, 1);
    std::mutex counting;
    int finite = 0;
    Threads::run_ranks(5, [&](Threads communicator) {
        int const rank = communicator.rank();
        auto trainer = train<Single>(Cpu{.threads = 1}, SGD{.learning_rate = 0.1}, NonFinite{.skip = true},
                                     DataParallel{communicator, Sharded<2>{}, WhenLost::go_on});
        trainer.save_checkpoint(file);
        CHECK(!trainer.train_step(bad, labels).finite);
        if (rank == 0) throw RankKilled();  // and the second one is the first, which owns nothing
        CHECK_THROWS_AS(trainer.train_step(x, labels), RankLost);
        trainer.go_on();
        trainer.load_checkpoint(file);
        bool const good = trainer.train_step(x, labels).finite;
        std::lock_guard const lock(counting);
        finite += good ? 1 : 0;
    });
    CHECK(finite == 4);
}

TEST_CASE("what would not be finite on one rank is written on none") {
    check_faults<1>();
    check_faults<2>();
    check_faults<3>();
}

TEST_CASE(
    "a rank that is killed had a part of the state: the others go on from the last checkpoint, to the same bits") {
    check_kills<Net, Sharded<1>>(3, 20);
    check_kills<Net, Sharded<2>>(3, 10);
    check_kills<Net, Sharded<3>>(3, 20);
}

TEST_CASE("a rank that is lost while the others begin at their checkpoint") {
    TemporaryDirectory const directory;
    auto const data = augmented_images(120);
    auto alone = trainer_of<Net>();
    alone.fit(data, options_of(48));
    Snapshot const expected = snapshot_of(alone, directory);
    std::mutex checking;
    int ended = 0;
    Threads::run_ranks(4, [&](Threads threads) {
        int const rank = threads.rank();
        Recovery recovery;
        Noticing<Threads> communicator{&recovery, std::move(threads), rank == 1};
        auto trainer = trainer_of<Net>(DataParallel{communicator, WhenLost::go_on, Sharded<1>{}});
        auto options = options_of(48);
        options.checkpoint = directory / "on the way";
        options.on_step = [&](StepEvent const& event) {
            if (rank == 0 && event.step == 4) throw RankKilled();
        };
        trainer.fit(data, options);
        Snapshot const written = snapshot_of(trainer, directory);
        std::lock_guard const lock(checking);
        ++ended;
        CHECK_MESSAGE(written == expected, difference(written, expected));
    });
    CHECK(ended == 2);
}

namespace {
/// Kills its rank, when it is told to, in the next message of one byte: behind what the first rank did alone.
template <Communicator C>
struct KilledBehind {
    bool const* dies;
    C communicator;

    [[nodiscard]] int rank() const { return communicator.rank(); }
    [[nodiscard]] int size() const { return communicator.size(); }
    void post_send(int to, std::span<std::byte const> bytes) {
        if (*dies && bytes.size() == 1) {
            { C const gone = std::move(communicator); }
            throw RankKilled();
        }
        communicator.post_send(to, bytes);
    }
    void post_receive(int from, std::span<std::byte> bytes) { communicator.post_receive(from, bytes); }
    bool poll() { return communicator.poll(); }
    void wait() { communicator.wait(); }
    bool agree(bool ok) { return communicator.agree(ok); }
    KilledBehind shrink() { return {dies, communicator.shrink()}; }
};
}  // namespace

TEST_CASE("a rank that is lost when an epoch's checkpoint is written: its callback is called all the same") {
    TemporaryDirectory const directory;
    auto const data = small_images(96);
    std::mutex checking;
    int ended = 0;
    Threads::run_ranks(3, [&](Threads threads) {
        bool dies = false;
        bool const is_first = threads.rank() == 0;
        KilledBehind<Threads> communicator{&dies, std::move(threads)};
        auto trainer = trainer_of<Net>(DataParallel{communicator, WhenLost::go_on, Sharded<1>{}});
        auto options = options_of(48);
        options.checkpoint = directory / "on the way";
        options.on_step = [&](StepEvent const& event) { dies = is_first && event.step == 2; };
        options.on_epoch = [&](EpochRecord const&) { trainer.stop(); };
        trainer.fit(data, options);
        std::lock_guard const lock(checking);
        ++ended;
        CHECK(trainer.state().history.size() == 1);
    });
    CHECK(ended == 2);
}

TEST_CASE("what another training left at the checkpoint's place is not what they go on from") {
    TemporaryDirectory const directory;
    auto const data = small_images(64);
    auto options = options_of(32);
    options.checkpoint = directory / "checkpoint";
    Threads::run_ranks(1, [&](Threads communicator) {
        auto other = train<Net>(Cpu{.threads = 1}, Seed{99}, AdamW{.learning_rate = 0.3}, CosineAnnealingLR{.t_max = 3},
                                DataParallel{communicator, Sharded<1>{}});
        other.fit(data, options);
    });
    auto alone = trainer_of<Net>();
    alone.fit(data, options_of(32));
    Snapshot const expected = snapshot_of(alone, directory);
    std::mutex checking;
    Threads::run_ranks(3, [&](Threads communicator) {
        int const rank = communicator.rank();
        auto trainer = trainer_of<Net>(DataParallel{communicator, Sharded<1>{}, WhenLost::go_on});
        auto its = options;
        its.on_step = [&](StepEvent const& event) {
            if (rank == 1 && event.step == 1) throw RankKilled();
        };
        trainer.fit(data, its);
        Snapshot const written = snapshot_of(trainer, directory);
        std::lock_guard const lock(checking);
        CHECK_MESSAGE(written == expected, difference(written, expected));
    });
}

TEST_CASE("without a checkpoint they end") {
    auto const data = small_images(64);
    std::mutex counting;
    int lost = 0;
    Threads::run_ranks(3, [&](Threads communicator) {
        int const rank = communicator.rank();
        auto trainer = trainer_of<Net>(DataParallel{communicator, Sharded<1>{}, WhenLost::go_on});
        auto options = options_of(32);
        options.on_step = [&](StepEvent const& event) {
            if (rank == 1 && event.step == 2) throw RankKilled();
        };
        std::string const error = error_of([&] { trainer.fit(data, options); });
        std::string const again = error_of([&] { trainer.fit(data, options); });
        std::string const saved = error_of([&] { trainer.save_checkpoint("nowhere"); });
        std::lock_guard const lock(counting);
        lost += error.find("there is no checkpoint") != std::string::npos;
        CHECK_MESSAGE(again.find("load a checkpoint first") != std::string::npos, again);
        CHECK_MESSAGE(saved.find("load a checkpoint first") != std::string::npos, saved);
    });
    CHECK(lost == 2);
}
