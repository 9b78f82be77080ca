// labels: plain
// Accumulate: the bits of the large batch, PyTorch's values with BatchNorm, threads, files, steps that are left out.
#include "../reference/reference.hpp"
#include "small_training.hpp"

using namespace strata;

namespace {

using Plain = Network<Input<2, 12, 12>, Conv2d<4, 3>, ReLU, MaxPool2d<2>, Flatten, Dropout<0.2>, Linear<5>>;

// An epoch of 170: steps of 64, 64 and 42.
FitOptions fit_options(int batch_size, int epochs = 2) {
    return {.epochs = epochs, .batch_size = batch_size, .progress = ProgressStyle::none};
}
struct Values {
    int batches = 4, threads = 1;
    double loss_scale = 0x1p40, learning_rate = 0.05;
    bool skip = false;
};
template <class Net>
auto small(Values const& values) {
    return train<Net>(SGD{.learning_rate = values.learning_rate, .momentum = 0.9}, ClipNorm{0.5}, Ema{.decay = 0.9},
                      CosineAnnealingLR{.t_max = 6, .every = Every::step},
                      DynamicLossScale{.initial = values.loss_scale}, NonFinite{values.skip}, Seed{3},
                      Cpu{.threads = values.threads}, Accumulate{values.batches});
}
template <class A, class B>
std::string difference_of(A& one, B& other) {
    TemporaryDirectory const directory;
    return difference(snapshot_of(one, directory), snapshot_of(other, directory));
}

/// Images whose third quarter weighs so much that its gradient overflows for a scale of 2^110.
Dataset heavy_images() {
    std::vector<float> weights(40, 1.0f);
    for (std::size_t i = 20; i < 30; ++i) weights[i] = 0x1p40f;
    return small_images(40).with_weights(weights);
}

}  // namespace

TEST_CASE("without BatchNorm the bits are those of the large batch") {
    auto const data = augmented_images(170);
    auto large = small<Plain>({.batches = 1}), parts = small<Plain>({.threads = 2});
    large.fit(data, small_images(30), fit_options(64));
    std::vector<int> samples;
    FitOptions options = fit_options(16);
    options.on_step = [&](StepEvent const& event) { samples.push_back(event.result.samples); };
    parts.fit(data, small_images(30), options);
    CHECK(difference_of(large, parts) == "");
    CHECK(parts.state().step == 6);
    CHECK(samples == std::vector{64, 64, 42, 64, 64, 42});
}

TEST_CASE("BatchNorm sees each batch: PyTorch's values") {
    using Net = Network<Input<2, 3, 3>, Conv2d<3, 2>, BatchNorm2d<>, ReLU, Flatten, Linear<4>>;
    constexpr std::size_t count = Net::parameter_count;
    auto trainer = train<Net>(Float64{}, SGD{.learning_rate = 0.1, .momentum = 0.9}, Accumulate{3});
    auto model = trainer.snapshot();
    std::ranges::copy(reference_values(1, count), model.parameters().begin());
    trainer.set_model(model);
    std::vector<std::int32_t> labels{0, 1, 2, 3, 0, -100, 2, 3, 0, 1};
    for (std::uint32_t t = 1; t <= 2; ++t) {
        auto const images = reference_values(100 + t, 10 * 18);
        auto const result = trainer.train_step(std::vector<double>(images.begin(), images.end()), labels);
        std::string const name = concatenate("accumulate/step", t);
        CHECK(result.loss == doctest::Approx(reference(name + "/loss")[0]).epsilon(1e-12));
        CHECK(result.samples == 10);
        CHECK(result.counted() == 9);
        CHECK(reference_difference(trainer.model().parameters(), name + "/parameters") < 1e-12);
        CHECK(reference_difference(trainer.model().buffers(), name + "/buffers") < 1e-12);
        CHECK(trainer.model().batches_tracked()[1] == 3 * t);
    }
}

TEST_CASE("heads have a mean each, over the whole step") {
    using Net = Network<Input<2, 12, 12>, Conv2d<3, 3, Stride<3>>, BatchNorm2d<>, ReLU, Flatten,
                        Heads<Named<"class", Linear<5>>, Named<"same", Linear<5>>>>;
    auto const make = [](int batches) {
        return train<Net>(Mixed<bfloat16>{},
                          Losses{On<"class">(CrossEntropy{.ignore_index = 4}), On<"same">(NLL{}, {.weight = 0.5})},
                          Accumulate{batches});
    };
    std::vector<std::int32_t> labels;
    std::vector<float> images(10 * 288);
    for (std::int32_t i = 0; i < 10; ++i) labels.insert(labels.end(), {i % 5, i % 3});
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 11) - static_cast<float>(i % 7);
    auto step = make(3), batch = make(1);
    StepResult const result = step.backward(images, labels);
    LossParts sum;
    for (std::size_t first = 0, size = 4; first < 10; first += size, size = first == 8 ? 2 : 4)
        sum.add(batch
                    .backward(std::span(std::as_const(images)).subspan(first * 288, size * 288),
                              std::span(std::as_const(labels)).subspan(first * 2, size * 2))
                    .losses);
    for (std::string_view const head : {"class", "same"}) {
        CHECK(result.losses[head].loss == doctest::Approx(sum[head].loss).epsilon(1e-6));
        CHECK(result.losses[head].correct == sum[head].correct);
        CHECK(result.losses[head].counted == sum[head].counted);
        CHECK(result.losses[head].weight == sum[head].weight);
    }
    CHECK(result.counted() == 8);
    CHECK(result.correct == sum["class"].correct);
    CHECK(result.loss == doctest::Approx(sum.total()).epsilon(1e-6));
}

TEST_CASE("threads, a resume between steps, and memory of one batch") {
    TemporaryDirectory const directory;
    auto const data = augmented_images(170);
    auto one = small<SmallResNet>({}), two = small<SmallResNet>({.threads = 2});
    FitOptions options = fit_options(16);
    options.checkpoint = directory / "checkpoint";
    options.checkpoint_steps = 2;
    options.on_step = [&](StepEvent const& event) {
        if (event.step == 4) two.load_checkpoint(directory / "checkpoint");  // of step 2, in mid epoch
    };
    one.fit(data, options);
    two.fit(data, fit_options(16));
    CHECK(difference_of(one, two) == "");
    CHECK(one.model().batches_tracked()[1] == 22);  // of 170 samples in batches of 16

    auto batch = small<SmallResNet>({.batches = 1}), large = small<SmallResNet>({.batches = 1});
    batch.fit(data, fit_options(16, 1));
    large.fit(data, fit_options(64, 1));
    CHECK(one.executor().memory_bytes() == batch.executor().memory_bytes());
    CHECK(large.executor().memory_bytes() > batch.executor().memory_bytes());
    CHECK(difference_of(large, one) != "");
}

TEST_CASE("the step and its two halves are the same; parts draw other numbers") {
    auto const data = small_images(40);
    OneBatch const batch(data);
    auto step = small<SmallResNet>({.batches = 3}), halves = small<SmallResNet>({.batches = 3});
    CHECK(step.train_step(*batch).gradient_norm == (halves.backward(*batch), halves.gradient_norm()));
    CHECK(halves.update());
    CHECK(difference_of(step, halves) == "");
    // Twice the same sample: with the same masks both parts would have one gradient.
    std::vector<float> twice(2 * 288);
    for (std::size_t i = 0; i < twice.size(); ++i) twice[i] = static_cast<float>(i % 288 % 17) - 8;
    auto two = small<SmallResNet>({.batches = 2}), one = small<SmallResNet>({.batches = 1});
    two.backward(twice, std::vector{1, 1});
    one.backward(std::vector<float>(twice.begin(), twice.begin() + 288), std::vector{1});
    CHECK(!same_bits<float>(two.gradients(), one.gradients()));
}

TEST_CASE("a step that is left out leaves no statistics behind") {
    auto const data = heavy_images();
    OneBatch const batch(data);
    // A part overflows for the scale: not the step's loss.
    auto trainer = small<SmallResNet>({.loss_scale = 0x1p110});
    auto const before = trainer.snapshot();
    auto const same = [&] {
        return same_bits(before.parameters(), trainer.model().parameters()) &&
               same_bits(before.buffers(), trainer.model().buffers()) &&
               std::ranges::equal(before.batches_tracked(), trainer.model().batches_tracked());
    };
    StepResult const left_out = trainer.train_step(*batch);
    CHECK(!left_out.finite);
    CHECK(is_finite(left_out.loss));
    CHECK(trainer.loss_scale() == 0x1p109);
    CHECK(same());
    // What is not finite is named by its place in the step.
    std::vector<float> images(40 * 288, 0.5f);
    images[25 * 288 + 7] = std::numeric_limits<float>::infinity();
    std::vector<int> const labels(40, 1);
    CHECK(error_of([&] { trainer.train_step(images, labels); }) ==
          "training step 1: the input of sample 25 of the batch is not finite");
    CHECK(same());
    // An update that would not be finite.
    auto wild = small<SmallResNet>({.loss_scale = 1, .learning_rate = 1e40, .skip = true});
    auto const start = wild.snapshot();
    StepResult skipped = wild.train_step(*batch);
    CHECK(!skipped.finite);
    CHECK(same_bits(start.buffers(), wild.model().buffers()));
    CHECK(same_bits(start.parameters(), wild.model().parameters()));
}

TEST_CASE("what cannot be") {
    CHECK(error_of([] { static_cast<void>(small<Plain>({.batches = 0})); }) ==
          "Accumulate: batches is 0, expected at least 1");
    using Flat = Network<Input<3>, Linear<2>, BatchNorm1d<>>;
    auto flat = train<Flat>(Accumulate{4});  // 10 samples are 3, 3, 3 and 1
    auto const before = flat.snapshot();
    CHECK(error_of([&] {
              flat.train_step(std::vector<float>(30, 0.5f), std::vector<int>(10, 1));
          }).starts_with("layer 1 (BatchNorm1d): one value a channel has no variance"));
    CHECK(same_bits(before.buffers(), flat.model().buffers()));
    CHECK(flat.model().batches_tracked()[1] == 0);
    // An epoch's last step has batches as the others: of 13 samples one, not 4, 4, 4 and 1.
    auto const flat_data = [](std::size_t count) {
        return from_memory(std::vector<float>(count * 3, 0.5f), {3}, std::vector<int>(count, 1), 2);
    };
    flat.fit(flat_data(77), fit_options(16, 1));
    CHECK(flat.model().batches_tracked()[1] == 5);
    CHECK(error_of([&] {
              flat.fit(flat_data(81), fit_options(16));
          }).starts_with("layer 1 (BatchNorm1d): one value a channel has no variance"));
    auto trainer = small<Plain>({});
    CHECK(error_of([&] { trainer.fit(small_images(8), {.batch_size = 1 << 30}); }) ==
          "fit: 4 batches (Accumulate) of batch_size 1073741824 are more samples than an int counts");
    static_assert(Accumulate{4}.part_of(42) == 11 && Accumulate{4}.part_of(3) == 1);
}
