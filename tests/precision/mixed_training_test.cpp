// labels: threads
// Mixed<bfloat16> in training: as good as Float32, the same bits with any number of threads and after a resume, and
// files with the float weights.
#include "../train/small_training.hpp"

#include <doctest/doctest.h>

using namespace strata;

namespace {
FitOptions epochs(int count, int batch_size) {
    FitOptions options;
    options.epochs = count;
    options.batch_size = batch_size;
    options.loader_threads = 0;
    options.progress = ProgressStyle::none;
    return options;
}
template <class Net, class Precision>
auto new_trainer(Precision precision, int threads = 1, std::uint64_t seed = 7) {
    return train<Net>(Cpu{.threads = threads}, precision, Seed{seed}, SGD{.learning_rate = 0.02, .momentum = 0.9});
}

template <class Net>
void check_against_float(int count, int batch_size, double margin) {
    auto const result = [&](auto precision) {
        auto trainer = new_trainer<Net>(precision);
        auto const record = trainer.fit(small_images(400), small_images(200, 2), epochs(count, batch_size)).back();
        return std::pair{record.train_loss, record.test_loss};
    };
    auto const single = result(Float32{}), mixed = result(Mixed<bfloat16>{});
    CAPTURE(single.first);
    CAPTURE(mixed.first);
    CAPTURE(single.second);
    CAPTURE(mixed.second);
    CHECK(single.second < 1.0);  // of 1.6 at the beginning: both have learnt something
    CHECK(std::fabs(mixed.first - single.first) < margin);
    CHECK(std::fabs(mixed.second - single.second) < 2 * margin);
}
}  // namespace

// Eight bits in every activation, gradient and multiplied weight. The test loss is that of one moment, in mid descent
// from 1.6: measured differences are up to 0.021, those of the training loss, a mean over the epoch, below 0.006.
TEST_CASE("a convolutional network learns as in Float32") {
    check_against_float<SmallLeNet>(2, 16, 0.02);
    check_against_float<SmallLeNet>(1, 10, 0.02);  // tiles of eight
}
TEST_CASE("a network with BatchNorm, shortcuts and dropout learns as in Float32") {
    check_against_float<SmallResNet>(4, 40, 0.02);
}

TEST_CASE("regression: targets are not rounded to bfloat16") {
    // One output without inputs that matter: the loss at the start is the target's square, exactly known.
    using Net = Network<Input<2>, Linear<1>>;
    auto trainer = train<Net>(Mixed<bfloat16>{}, MSE{}, SGD{.learning_rate = 0});
    auto model = trainer.snapshot();
    for (float& p : model.parameters()) p = 0;
    trainer.set_model(model);
    std::vector<float> const inputs(6, 0.5f), targets{1.00390625f, 3.14159274f, -0.33333334f};
    for (int const size : {1, 2, 3}) {
        Batch batch;
        batch.size = size;
        batch.shape = {1, 1, 2};
        batch.inputs = inputs.data();
        batch.targets = targets.data();
        double expected = 0;
        for (int s = 0; s < size; ++s)
            expected +=
                static_cast<double>(targets[static_cast<std::size_t>(s)] * targets[static_cast<std::size_t>(s)]);
        CHECK(trainer.train_step(batch).loss == doctest::Approx(expected / size).epsilon(1e-7));
    }
}

TEST_CASE_TEMPLATE("the same bits with any number of threads and after a resume", Net, SmallLeNet, SmallResNet) {
    TemporaryDirectory const directory;
    auto const run = [&](auto& trainer, FitOptions const& options) { trainer.fit(augmented_images(100), options); };
    auto whole = new_trainer<Net>(Mixed<bfloat16>{});
    auto options = epochs(2, 40);
    options.on_step = [&](StepEvent const& event) {
        if (event.step == 4) whole.save_checkpoint(directory / "middle");
    };
    run(whole, options);
    auto const expected = snapshot_of(whole, directory);
    for (int const threads : {2, 3}) {
        auto many = new_trainer<Net>(Mixed<bfloat16>{}, threads);
        run(many, epochs(2, 40));
        auto const got = snapshot_of(many, directory);
        CHECK_MESSAGE(got == expected, difference(got, expected));
    }
    auto resumed = new_trainer<Net>(Mixed<bfloat16>{}, 2, 99);
    resumed.load_checkpoint(directory / "middle");
    run(resumed, epochs(2, 40));
    auto const got = snapshot_of(resumed, directory);
    CHECK_MESSAGE(got == expected, difference(got, expected));
}

TEST_CASE("files hold the float weights, and inference with them is near Float32's") {
    TemporaryDirectory const directory;
    auto trainer = new_trainer<SmallLeNet>(Mixed<bfloat16>{});
    trainer.fit(small_images(100), epochs(1, 20));
    save(trainer.model(), directory / "weights");
    auto const single = load<SmallLeNet>(directory / "weights");
    CHECK(same_bits<float>(single.parameters(), trainer.model().parameters()));
    int short_weights = 0;
    for (float const w : single.parameters()) short_weights += w == static_cast<float>(bfloat16(w)) ? 1 : 0;
    CHECK(short_weights < SmallLeNet::parameter_count / 100);

    std::vector<float> samples(3 * 288);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i % 17) / 8.0f - 1.0f;
    Workspace<SmallLeNet> workspace;
    Workspace<SmallLeNet, Mixed<bfloat16>> mixed_workspace;
    auto const expected = single(std::span<float const>(samples), workspace);
    std::span<float const> const got = trainer.model()(std::span<float const>(samples), mixed_workspace);
    REQUIRE(got.size() == expected.size());
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        worst = std::max(worst, static_cast<double>(std::fabs(got[i] - expected[i])));
        largest = std::max(largest, static_cast<double>(std::fabs(expected[i])));
    }
    CHECK(worst < 0.02 * largest);  // five roundings at 2^-9 each, some of which cancel
    CHECK(worst > 0);
}

TEST_CASE("a checkpoint of Mixed goes on in Float32, for both hold float weights") {
    TemporaryDirectory const directory;
    auto mixed = new_trainer<SmallLeNet>(Mixed<bfloat16>{});
    mixed.fit(small_images(60), epochs(1, 20));
    mixed.save_checkpoint(directory / "mixed");
    auto single = new_trainer<SmallLeNet>(Float32{});
    single.load_checkpoint(directory / "mixed");
    CHECK(same_bits<float>(single.model().parameters(), mixed.model().parameters()));
    CHECK(single.state().step == 3);
}
