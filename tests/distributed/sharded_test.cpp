// Ranks that keep parts of the optimizer's state: the bits, files and bytes of those that keep all of it.
#include "rank_training.hpp"

using namespace strata;

namespace {
/// Its parameters are nine chunks, so that several ranks have a part.
using Net = Network<Input<2, 12, 12>, Conv2d<4, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU, Flatten, Linear<60>, ReLU,
                    Linear<5>>;
}  // namespace

TEST_CASE("any number of ranks has the bits and the file of one") {
    check_ranks<Net, Sharded<1>>(64, 150, {{1, 1}, {2, 2}, {3, 1}, {5, 1}});
}

TEST_CASE("steps of one's own, and the bytes of a step: a whole gradient's") {
    auto const data = small_images(96);
    Loader loader(data, {.batch_size = 96, .threads = 0});
    loader.begin_epoch(0);
    Batch const& batch = *loader.next();
    auto const steps = [&](auto& trainer) {
        trainer.backward(batch);
        trainer.backward(batch);
        for (float& g : trainer.gradients()) g *= 0.25f;
        trainer.update();
        trainer.train_step(batch);
        return trainer.gradient_norm();
    };
    auto alone = trainer_of<Net>();
    double const norm = steps(alone);
    alone.train_step(batch);
    std::mutex checking;
    Threads::run_ranks(4, [&](Threads threads) {
        Recorded communicator(std::move(threads));
        auto trainer = trainer_of<Net>(DataParallel{communicator, Sharded<1>{}});
        double const its_norm = steps(trainer);
        communicator.clear();
        trainer.train_step(batch);
        constexpr std::size_t count = Net::parameter_count;
        Exchange<float> const exchange(communicator.rank(), 4, 6, count);
        // To each other rank: of every leaf four sums a channel, twice, and its result; the largest gradient; the fault.
        auto const leaves = static_cast<std::size_t>(leaves_of(communicator.rank(), 4, 6).size());
        std::size_t const small = leaves * (2 * 4 * 4 * sizeof(double) + 16) + sizeof(double) + 24;
        auto const bytes = communicator.bytes_sent();
        std::lock_guard const lock(checking);
        CHECK(its_norm == norm);
        CHECK(bytes == exchange.reduce_bytes() + exchange.gather_bytes() + 3 * small);
        CHECK(bytes == wire_of<Net>(96, 4, communicator.rank(), Cpu{}, Sharded<1>{}).bytes);
        CHECK(same_bits<float>(trainer.model().parameters(), alone.model().parameters()));
    });
}

TEST_CASE("what would not be finite on one rank is written on none") {
    using Small = Network<Input<2, 12, 12>, Flatten, Linear<60>, ReLU, Linear<5>>;
    auto const data = small_images(32);
    Loader loader(data, {.batch_size = 32, .threads = 0});
    loader.begin_epoch(0);
    Batch const& batch = *loader.next();
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = train<Small>(Cpu{.threads = 1}, SGD{.learning_rate = 1, .momentum = 0.9},
                                    DataParallel{communicator, Sharded<1>{}});
        trainer.train_step(batch);
        trainer.backward(batch);
        for (float& g : trainer.gradients()) g = 0;
        trainer.gradients().back() = 3e38f;  // the second rank's
        trainer.update();
        auto const before = trainer.snapshot();
        trainer.backward(batch);
        trainer.gradients().back() = 3e38f;  // with the momentum of the last one, more than there is
        std::string const error = error_of([&] { trainer.update(); });
        std::lock_guard const lock(checking);
        CHECK_MESSAGE(error.find("would not be finite") != std::string::npos, error);
        CHECK(same_bits<float>(trainer.model().parameters(), before.parameters()));
    });
}

TEST_CASE(
    "a rank that is killed had a part of the state: the others go on from the last checkpoint, to the same bits") {
    check_kills<Net, Sharded<1>>(3, 20);
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
