// Loss scaling: the rule of GradScaler, powers of two that change no bits, and trainings that fail without it.
#include "../train/small_training.hpp"
#include "half.hpp"

#include <doctest/doctest.h>

using namespace strata;

namespace {
using Half = Mixed<test::Half>;

/// Cross entropy times 2^-20: its gradient vanishes in binary16.
struct FaintLoss {
    using policy = LossPolicy;
    static constexpr bool classifies = true;
    static constexpr double factor = 0x1p-20;
    void check() const {}
    template <int K, class Io>
    auto operator()(Io io) const {
        using L = typename Io::L;
        io.scale = io.scale * L(static_cast<float>(factor));
        return CrossEntropy{}.operator()<K>(io) * L(static_cast<float>(factor));
    }
};
constexpr SGD faint_rate{.learning_rate = 0.05 / FaintLoss::factor, .momentum = 0.9};

FitOptions epochs(int count) {
    FitOptions options;
    options.epochs = count;
    options.batch_size = 32;
    options.loader_threads = 0;
    options.progress = ProgressStyle::none;
    return options;
}
template <class Trainer>
std::vector<float> weights_of(Trainer const& trainer) {
    auto const p = trainer.model().parameters();
    return {p.begin(), p.end()};
}
/// A batch of small_images(count) in one piece.
struct WholeBatch {
    Dataset images;
    Loader loader;
    Batch const* batch;
    explicit WholeBatch(int count)
        : images(small_images(static_cast<std::size_t>(count))),
          loader(images, {.batch_size = count, .shuffle = false, .seed = 1, .threads = 0}) {
        loader.begin_epoch(0);
        batch = loader.next();
    }
};
}  // namespace

TEST_CASE("the scale follows GradScaler's rule") {
    LossScaling const scaling = DynamicLossScale{.initial = 8, .growth = 2, .backoff = 0.5, .interval = 3}.scaling();
    double scale = 8;
    std::int64_t steps = 0;
    std::vector<double> scales;
    for (bool const finite : {true, true, true, true, true, false, true, true, true, false, false}) {
        scaling.step(finite, scale, steps);
        scales.push_back(scale);
    }
    CHECK(scales == std::vector<double>{8, 8, 16, 16, 16, 8, 8, 8, 16, 8, 4});
    CHECK(steps == 0);

    double large = 0x1p127;  // growing would leave float's range
    for (int k = 0; k < 3; ++k) scaling.step(true, large, steps);
    CHECK(large == 0x1p127);
    CHECK(steps == 0);
}

TEST_CASE("numbers that make no sense are refused") {
    CHECK_THROWS_AS(static_cast<void>(StaticLossScale{0}.scaling()), Error);
    CHECK_THROWS_AS(static_cast<void>(StaticLossScale{INFINITY}.scaling()), Error);
    CHECK_THROWS_AS(static_cast<void>(DynamicLossScale{.initial = -1}.scaling()), Error);
    CHECK_THROWS_AS(static_cast<void>(DynamicLossScale{.growth = 1}.scaling()), Error);
    CHECK_THROWS_AS(static_cast<void>(DynamicLossScale{.backoff = 1}.scaling()), Error);
    CHECK_THROWS_AS(static_cast<void>(DynamicLossScale{.interval = 0}.scaling()), Error);
}

TEST_CASE_TEMPLATE("in float a power of two changes no bits", Net, SmallLeNet, SmallResNet) {
    auto const trained = [](auto... policies) {
        auto trainer = train<Net>(SGD{.learning_rate = 0.05, .momentum = 0.9}, Seed{3}, policies...);
        trainer.fit(small_images(100), epochs(2));
        return weights_of(trainer);
    };
    auto const plain = trained(NoLossScale{});
    CHECK(plain == trained(StaticLossScale{1024}));
    CHECK(plain == trained(DynamicLossScale{.initial = 64, .interval = 2}));
    CHECK(plain != trained(StaticLossScale{1000}));  // rounding shows that a scale is at work
}

TEST_CASE("gradients that vanish in binary16 are there with a scale") {
    auto const trained = [](auto precision, auto scale) {
        auto trainer = train<SmallLeNet>(precision, FaintLoss{}, faint_rate, Seed{3}, scale);
        auto const before = weights_of(trainer);
        double const loss = trainer.fit(small_images(384), epochs(3)).back().train_loss / FaintLoss::factor;
        return std::pair{loss, weights_of(trainer) == before};
    };
    auto const vanished = trained(Half{}, NoLossScale{});
    CHECK(vanished.second);  // no weight moves
    double const reference = trained(Float32{}, NoLossScale{}).first;
    CHECK(reference < 1.0);  // of log 5 = 1.6 at the beginning
    auto const constant = trained(Half{}, StaticLossScale{0x1p20}), moving = trained(Half{}, DynamicLossScale{});
    // Eleven bits of precision at each of some 40 steps; measured differences are below 0.001.
    CHECK(std::fabs(constant.first - reference) < 0.02);
    CHECK(std::fabs(moving.first - reference) < 0.02);
}

TEST_CASE("an overflow leaves the step out and halves the scale") {
    WholeBatch const data(48);
    auto trainer = train<SmallLeNet>(Half{}, SGD{.learning_rate = 0.05}, Seed{3}, DynamicLossScale{.initial = 0x1p30});
    CHECK(trainer.loss_scale() == 0x1p30);
    auto const before = weights_of(trainer);
    double expected = 0x1p30;
    int skipped = 0;
    for (StepResult result = trainer.train_step(*data.batch); !result.finite;
         result = trainer.train_step(*data.batch)) {
        ++skipped;
        CHECK(trainer.loss_scale() == (expected /= 2));
        CHECK(std::isfinite(result.loss));
        REQUIRE(weights_of(trainer) == before);
        REQUIRE(skipped < 30);
    }
    CHECK(skipped > 5);
    CHECK(trainer.state().step == skipped + 1);
    CHECK(trainer.state().updates == 1);
    CHECK(weights_of(trainer) != before);
    // A scale that does not move is no reason for an overflow to be silent.
    auto constant = train<SmallLeNet>(Half{}, Seed{3}, StaticLossScale{0x1p30});
    CHECK_THROWS_AS(constant.train_step(*data.batch), Error);
    auto patient = train<SmallLeNet>(Half{}, Seed{3}, StaticLossScale{0x1p30}, NonFinite{.skip = true});
    CHECK_FALSE(patient.train_step(*data.batch).finite);
}

TEST_CASE("a loss that is not finite is no matter of the scale") {
    WholeBatch const data(16);
    auto trainer = train<SmallLeNet>(Seed{3}, DynamicLossScale{});
    auto model = trainer.snapshot();
    model.parameters()[0] = std::numeric_limits<float>::quiet_NaN();
    trainer.set_model(model);
    CHECK_THROWS_AS(trainer.train_step(*data.batch), Error);
}

TEST_CASE("the same bits with any number of threads and after a resume") {
    TemporaryDirectory const directory;
    auto const fresh = [](int threads, std::uint64_t seed) {
        return train<SmallLeNet>(Cpu{.threads = threads}, Half{}, FaintLoss{}, faint_rate, Seed{seed},
                                 DynamicLossScale{.initial = 0x1p46, .interval = 3});
    };
    auto whole = fresh(1, 3);
    auto options = epochs(2);
    int skipped = 0;
    std::vector<double> scales;
    options.on_step = [&](StepEvent const& event) {
        skipped += event.result.finite ? 0 : 1;
        scales.push_back(whole.loss_scale());
        whole.save_checkpoint(directory / concatenate("checkpoint", event.step));
    };
    whole.fit(small_images(150), options);
    CHECK(skipped > 2);
    CHECK(*std::max_element(scales.begin() + 4, scales.end()) > *std::min_element(scales.begin(), scales.end()));
    auto const expected = snapshot_of(whole, directory);

    auto threads = fresh(2, 3);
    threads.fit(small_images(150), epochs(2));
    CHECK_MESSAGE(snapshot_of(threads, directory) == expected, difference(snapshot_of(threads, directory), expected));
    for (int const step : {1, 3, 6, 9}) {
        auto resumed = fresh(2, 99);
        resumed.load_checkpoint(directory / concatenate("checkpoint", step));
        CHECK(resumed.loss_scale() == scales[static_cast<std::size_t>(step) - 1]);
        resumed.fit(small_images(150), epochs(2));
        CHECK_MESSAGE(snapshot_of(resumed, directory) == expected,
                      difference(snapshot_of(resumed, directory), expected));
    }
}

TEST_CASE("checkpoints from before there was a loss scale load, and the scale begins anew") {
    TemporaryDirectory const directory;
    auto trainer = train<SmallLeNet>(Seed{3}, DynamicLossScale{.initial = 4, .interval = 1});
    trainer.fit(small_images(64), epochs(1));
    CHECK(trainer.loss_scale() == 16);
    trainer.save_checkpoint(directory / "new");
    CheckpointFile const file(directory / "new");
    auto metadata = file.metadata();
    CHECK(metadata.erase("loss_scale"));
    CHECK(metadata.erase("loss_scale_steps"));
    std::vector<TensorView> tensors;
    for (auto const& [name, tensor] : file.tensors().tensors())
        tensors.push_back({name, tensor.shape, *tensor.type,
                           const_cast<std::byte*>(file.tensors().data(tensor).data())});  // only read
    write_checkpoint(directory / "old", tensors, metadata);
    trainer.load_checkpoint(directory / "old");
    CHECK(trainer.loss_scale() == 4);
    CHECK(trainer.state().step == 2);
    trainer.load_checkpoint(directory / "new");
    CHECK(trainer.loss_scale() == 16);
    // A constant scale is the trainer's, whatever the checkpoint says.
    auto constant = train<SmallLeNet>(StaticLossScale{32});
    constant.load_checkpoint(directory / "new");
    CHECK(constant.loss_scale() == 32);
}
