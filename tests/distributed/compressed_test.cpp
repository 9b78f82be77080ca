// options: -O1
// Gradients in a code: the bits of one rank on any number of ranks, what is left of them in checkpoints, and the bytes.
#include "rank_training.hpp"

using namespace strata;

namespace {
using Net = Network<Input<2, 12, 12>, Conv2d<4, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU, Flatten, Linear<60>, ReLU,
                    Linear<5>>;

/// Trains on several numbers of ranks, the first of which says what is expected.
template <class... Ways>
void check_same(std::initializer_list<int> counts, std::optional<Snapshot>& expected, Ways... ways) {
    TemporaryDirectory const directory;
    auto const data = augmented_images(212), tests = small_images(40, 2);
    std::optional<Ended> end;
    for (int const ranks : tested_of(counts)) {
        CAPTURE(ranks);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            auto trainer = trainer_of<Net>(DataParallel{communicator, ways...});
            trainer.fit(data, tests, options_of(96));
            auto const written = snapshot_of(trainer, directory);
            auto const mine = ended(trainer);
            std::lock_guard const lock(checking);
            if (!expected) expected = written;
            if (!end) end = mine;
            CHECK_MESSAGE(written == *expected, difference(written, *expected));
            CHECK(mine == *end);
        });
    }
    CHECK(end->loss < 1.5);  // it learns: 1.61 is chance
}
template <class... Ways>
void check_same(std::initializer_list<int> counts, Ways... ways) {
    std::optional<Snapshot> expected;
    check_same(counts, expected, ways...);
}
/// What steps of an exchange over ranks leave: the sums of all numbers, then all ranks' state.
template <GradientCode Code>
std::vector<float> exchanged(int ranks, Compressed<Code> const& compressed, std::size_t count,
                             std::vector<OwnedRange> const& ranges) {
    std::vector<float> ended;
    std::mutex collecting;
    Threads::run_ranks(ranks, [&](Threads communicator) {
        int const rank = communicator.rank();
        CompressedExchange<Code, float> exchange(compressed);
        exchange.deal(rank, ranks, count);
        OwnedParts const parts(rank, ranks, ranges);
        std::vector<float> all(exchange.whole_size()), sums_of_steps;
        for (int step = 0; step < 3; ++step) {
            int const leaves = step == 1 ? 3 : compressed.shards;  // some shards have none
            LeafRange const own = leaves_of(rank, ranks, compressed.shards);
            std::vector<std::vector<float>> sums;
            for (int shard = own.begin; shard < own.end; ++shard) {
                if (leaves_of(shard, compressed.shards, leaves).size() == 0) continue;
                Random random(static_cast<std::uint64_t>(100 * step + shard), Purpose::user);
                sums.emplace_back(count);
                for (float& number : sums.back()) number = static_cast<float>(random.normal());
            }
            exchange.begin(step, 4);
            std::vector<float> sum(count, 7.0f);
            for (int k = 0; k < parts.ranges(); ++k) {
                OwnedRange const range = parts.range(k);
                std::vector<std::vector<float>> read;  // and no other number
                std::vector<float*> pointers;
                for (auto& numbers : sums) read.emplace_back(numbers.data() + range.begin, numbers.data() + range.end);
                for (auto& numbers : read) pointers.push_back(numbers.data());
                exchange.reduce(communicator, pointers, leaves, sum.data() + parts.part(k).begin, range);
                Exchange<float>(rank, ranks, 1, range.size()).gather(communicator, sum.data() + range.begin);
            }
            exchange.keep();
            sums_of_steps.insert(sums_of_steps.end(), sum.begin(), sum.end());
        }
        exchange.collect(communicator, all.data());
        if (rank > 0) return;
        std::lock_guard const lock(collecting);
        ended = sums_of_steps;
        ended.insert(ended.end(), all.begin(), all.end());
    });
    return ended;
}
}  // namespace

TEST_CASE("numbers exchanged range after range have the bits of one call, and leave the same") {
    std::size_t const count = 6 * 4096 + 77;
    auto const check = [&](auto const& compressed) {
        auto const expected = exchanged(1, compressed, count, {{0, count}});
        CHECK(std::all_of(expected.begin(), expected.end(), [](float x) { return is_finite(x); }));
        for (int const ranks : tested_of({1, 2, 4})) {
            CAPTURE(ranks);
            CHECK(same_bits<float>(exchanged(ranks, compressed, count, {{0, count}}), expected));
            std::vector<OwnedRange> const ranges{{5 * 4096, count}, {4 * 4096, 5 * 4096}, {4096, 4 * 4096}, {0, 4096}};
            CHECK(same_bits<float>(exchanged(ranks, compressed, count, ranges), expected));
        }
    };
    check(Compressed<Int8>{.shards = 4});
    check(Compressed{OneBit{.momentum = 0.5, .warm_up_steps = 1}});
    check(Compressed{TopK{.fraction = 0.05, .momentum = 0.5}});
    Threads::run_ranks(1, [&](Threads communicator) {
        CompressedExchange<Int8, float> exchange(Compressed<Int8>{});
        exchange.deal(0, 1, count);
        CHECK(error_of([&] { exchange.reduce(communicator, {}, 0, nullptr, {0, 100}); }) ==
              "CompressedExchange: numbers 0 to 100 of 24653, expected whole chunks of 4096");
    });
}

TEST_CASE("one code, any number of ranks: one set of bits") {
    check_same({1, 2, 4, 8}, Compressed<Float16>{});
    check_same({1, 3}, Compressed<BFloat16>{});
    check_same({1, 2, 5}, Compressed<Int8>{.shards = 4});
    check_same({1, 2, 4, 8}, Compressed<OneBit>{});
    check_same({1, 2, 4, 8}, Compressed{OneBit{.momentum = 0.5, .nesterov = true, .warm_up_steps = 3}});
    check_same({1, 2, 4, 8}, Compressed{TopK{.fraction = 0.05, .momentum = 0.5, .nesterov = true, .warm_up_steps = 4}});
}

TEST_CASE("and with shards of any level") {
    std::optional<Snapshot> expected;
    check_same({1, 2, 3}, expected, Compressed<Int8>{}, Sharded<1>{});
    check_same({1, 2, 3}, expected, Compressed<Int8>{}, Sharded<2>{});
    check_same({2, 3, 8}, expected, Sharded<3>{}, Compressed<Int8>{});
}

TEST_CASE("without a code there are the bits of shards, of one rank's training where they are nodes of its tree") {
    auto const data = small_images(256);
    auto alone = trainer_of<Net>();
    auto const options = options_of(128);  // eight leaves
    alone.fit(data, options);
    Threads::run_ranks(1, [&](Threads communicator) {
        auto trainer = trainer_of<Net>(DataParallel{communicator, Compressed<Uncompressed>{}});
        trainer.fit(data, options);
        CHECK(same_bits<float>(trainer.model().parameters(), alone.model().parameters()));
    });
}

TEST_CASE("what is left of gradients is in the checkpoint: three ranks go on where two stopped") {
    TemporaryDirectory const directory;
    auto const data = augmented_images(120);
    auto options = options_of(48);
    Compressed const coarse{OneBit{.momentum = 0.5, .nesterov = true}};
    Snapshot expected;
    Threads::run_ranks(1, [&](Threads communicator) {
        auto trainer = trainer_of<Net>(DataParallel{communicator, coarse});
        trainer.fit(data, options);
        expected = snapshot_of(trainer, directory);
    });
    CHECK(expected.entries.contains("tensor compression.shard7"));
    options.epochs = 1;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto trainer = trainer_of<Net>(DataParallel{communicator, coarse});
        trainer.fit(data, options);
        trainer.save_checkpoint(directory / "two");
    });
    Threads::run_ranks(1, [&](Threads communicator) {
        auto const error_with = [&](auto const& ranks) {
            auto trainer = trainer_of<Net>(ranks);
            return error_of([&] { trainer.load_checkpoint(directory / "two"); });
        };
        std::string const written = directory / "two: the checkpoint was written with Compressed and 8 shards";
        CHECK(error_with(DataParallel{communicator, Compressed{OneBit{.momentum = 0.5, .nesterov = true}, 4}}) ==
              written + ", this trainer is one with Compressed and 4 shards");
        CHECK(error_with(DataParallel{communicator}) == written + ", this trainer is one without a code");
    });
    options.epochs = 2;
    std::mutex checking;
    Threads::run_ranks(3, [&](Threads communicator) {
        auto trainer = trainer_of<Net>(DataParallel{communicator, coarse});
        trainer.load_checkpoint(directory / "two");
        trainer.fit(data, options);
        auto const written = snapshot_of(trainer, directory);
        std::lock_guard const lock(checking);
        CHECK_MESSAGE(written == expected, difference(written, expected));
    });
}

TEST_CASE("the bytes and messages of a step are what wire_of says") {
    // Of two shards what the other rank owns, its part back, the results of four leaves, BatchNorm's sums of four tiles.
    constexpr std::size_t whole = encoded_bytes(Int8{}, Net::parameter_count), mine = encoded_bytes(Int8{}, 4 * 4096);
    static_assert(wire_of<Net>(128, 2, 0, Cpu{}, Compressed<Int8>{.shards = 4}).bytes ==
                  2 * (whole - mine) + mine + 4 * 16 + 2 * 4 * 8 * sizeof(double));
    auto const data = small_images(128);
    auto const check = [&](int ranks, auto const&... ways) {
        CAPTURE(ranks);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads threads) {
            Recorded communicator(std::move(threads));
            auto trainer = trainer_of<Net>(DataParallel{communicator, ways...});
            OneBatch const samples(data);
            Batch const& batch = *samples;
            trainer.train_step(batch);  // whose parameters come in the next one
            communicator.clear();
            trainer.train_step(batch);
            Wire const expected = wire_of<Net>(128, ranks, communicator.rank(), Cpu{}, ways...);
            auto const bytes = communicator.bytes_sent();
            std::size_t messages = 0;
            for (auto const& message : communicator.messages()) messages += message.sent ? 1 : 0;
            std::lock_guard const lock(checking);
            CHECK(bytes == expected.bytes);
            CHECK(messages == expected.messages);
        });
    };
    for (int const ranks : {2, 3, 4}) {
        check(ranks, Compressed<Int8>{.shards = 4});
        check(ranks, Compressed{TopK{.fraction = 0.02}});
        check(ranks, Compressed<OneBit>{.shards = 5});
        check(ranks, Compressed<OneBit>{}, Sharded<1>{});
        check(ranks, Compressed<OneBit>{.shards = 3}, Sharded<2>{});
        check(ranks, Compressed{TopK{.fraction = 0.02}}, Sharded<3>{});
    }
}

TEST_CASE("a step that is not finite leaves what was kept as it was") {
    using Small = Network<Input<6>, Linear<9>, ReLU, Linear<3>>;
    std::vector<float> x(64 * 6), bad;
    Random random(3, Purpose::user);
    for (float& value : x) value = static_cast<float>(random.normal());
    bad = x;
    bad[20] = std::numeric_limits<float>::infinity();
    std::vector<int> const labels(64, 1);
    Model<Small> expected;
    for (bool const with_bad : {false, true})
        Threads::run_ranks(1, [&](Threads communicator) {
            auto trainer = train<Small>(Cpu{.threads = 1}, SGD{.learning_rate = 0.1}, NonFinite{.skip = true},
                                        DataParallel{communicator, Compressed<OneBit>{}});
            for (int step = 0; step < 3; ++step) {
                if (with_bad && step == 1) CHECK(!trainer.train_step(bad, labels).finite);
                trainer.train_step(x, labels);
            }
            if (!with_bad) expected = trainer.snapshot();
            CHECK(same_bits<float>(trainer.model().parameters(), expected.parameters()));
        });
}

TEST_CASE("a step whose weights would not be finite leaves what was kept as it was") {
    TemporaryDirectory const directory;
    auto const data = small_images(48);
    OneBatch const whole(data);
    auto const check = [&](auto... ways) {
        Threads::run_ranks(1, [&](Threads communicator) {
            auto trainer = train<SmallLeNet>(Cpu{.threads = 1}, SGD{.learning_rate = 1e-37, .momentum = 0.9},
                                             DataParallel{communicator, ways...});
            auto const updates = [&] {
                trainer.backward(*whole);
                for (float& g : trainer.gradients()) g = 0;
                trainer.gradients().back() = 3e38f;  // with the momentum of one before, more than there is
                trainer.update();
            };
            updates();
            auto const before = snapshot_of(trainer, directory);
            CHECK(error_of(updates).find("would not be finite") != std::string::npos);
            auto const after = snapshot_of(trainer, directory);
            CHECK_MESSAGE(after == before, difference(before, after));
        });
    };
    check(Compressed<OneBit>{});
    check(Compressed<Int8>{}, Sharded<2>{});
}

TEST_CASE("a loss scale does not change what is kept") {
    auto const data = small_images(64);
    OneBatch const whole(data);
    Batch const& batch = *whole;
    Model<SmallLeNet> expected;
    for (double const scale : {1.0, 1024.0})
        Threads::run_ranks(1, [&](Threads communicator) {
            auto trainer =
                train<SmallLeNet>(Cpu{.threads = 1}, SGD{.learning_rate = 0.1}, StaticLossScale{.scale = scale},
                                  DataParallel{communicator, Compressed<OneBit>{}});
            for (int step = 0; step < 3; ++step) trainer.train_step(batch);
            if (scale == 1) expected = trainer.snapshot();
            CHECK(same_bits<float>(trainer.model().parameters(), expected.parameters()));
        });
}

TEST_CASE("a rank that is killed: the others go on from the last checkpoint, to the same bits") {
    check_kills<Net, Compressed<Uncompressed>>(3, 6);
}

TEST_CASE("options that make no sense, and ranks that do not have the same") {
    Threads::run_ranks(1, [&](Threads communicator) {
        CHECK(error_of([&] {
                  static_cast<void>(trainer_of<Net>(DataParallel{communicator, Compressed<Int8>{.shards = 65}}));
              }) == "Compressed: shards is 65, expected 1 to 64");
    });
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        int const shards = 4 + communicator.rank();
        std::string const error = error_of([&] {
            static_cast<void>(trainer_of<Net>(DataParallel{communicator, Compressed<Int8>{.shards = shards}}));
        });
        std::lock_guard const lock(checking);
        CHECK_MESSAGE(error.find("shards 5") != std::string::npos, error);
        CHECK(error.find("shards 4") != std::string::npos);
    });
}
