// labels: threads
// Labels that a loss ignores, and classes that weigh differently: means, gradients, accuracy, and what is refused.
#include <strata/testing/gradient_check.hpp>

#include "../reference/reference.hpp"
#include "small_training.hpp"

using namespace strata;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Five samples [10], and the executor's gradient with respect to each of their numbers.
template <class Loss>
struct FiveRows {
    using Net = Network<Input<10>, detail::InputAsParameterLayer<5>>;
    std::vector<double> const inputs = std::vector<double>(50);
    std::vector<std::int32_t> labels;
    CpuExecutor<Net, Float64, Loss> executor;
    Model<Net, Float64> model{1};
    Batch batch{.size = 5, .shape = {1, 1, 10}, .type = DataType::float64, .inputs = inputs.data()};

    FiveRows(Loss const& loss, std::vector<double> const& x, std::vector<std::int32_t> its, int threads = 1)
        : labels(std::move(its)), executor(Cpu{.threads = threads}, loss) {
        batch.labels = labels.data();
        std::copy(x.begin(), x.end(), model.parameters().begin());
    }
    StepResult gradients() { return executor.gradients(model, batch, {}); }
    std::vector<double> dx() { return {executor.gradient().begin(), executor.gradient().end()}; }
};

/// Labels of the reference values; samples 1 and 3 have another one.
std::vector<std::int32_t> reference_labels(std::int32_t ignored) {
    std::vector<std::int32_t> labels;
    for (std::uint32_t i = 0; i < 5; ++i) labels.push_back(i % 2 == 1 ? ignored : reference_label(5, i, 10));
    return labels;
}

template <class Loss>
void compare(std::string const& name, Loss loss, double scale = 4) {
    CAPTURE(name);
    for (int const ignored : {-100, 255, -1}) {
        loss.ignore_index = ignored;
        FiveRows<Loss> rows(loss, reference_values(1, 50, scale), reference_labels(ignored));
        StepResult const result = rows.gradients();
        CHECK(reference_difference(std::vector{result.loss}, name + "/loss") < 1e-14);
        CHECK(reference_difference(rows.dx(), name + "/dx") < 1e-14);
        CHECK(result.ignored == 2);
        CHECK(result.counted() == 3);
        CHECK(rows.executor.evaluate(rows.model, rows.batch, nullptr, nullptr).loss == result.loss);
    }
}

/// A loss of one's own, whose labels weigh something.
struct FactorOfLabels : CrossEntropy {
    double factor = 1;
    [[nodiscard]] double label_weight(std::int32_t label) const {
        if (label < 0 || label >= 5) fail("asked for the weight of label ", label);
        return factor * (label + 1);
    }
};

ClassWeights<10> reference_weights() {
    auto weights = reference_values(6, 10, 1, 1);
    weights[3] = 0;
    return ClassWeights<10>(weights);
}

/// Noisy images whose label is lost for every third of them.
Dataset partly_labelled(std::size_t count, int ignored = -100) {
    auto const images = small_images(count);
    std::vector<float> values;
    std::vector<int> labels(images.labels().begin(), images.labels().end());
    for (std::size_t i = 0; i < count; ++i) {
        auto const sample = images.input(i);
        values.insert(values.end(), sample.begin(), sample.end());
        if (i % 3 == 1) labels[i] = ignored;
    }
    return from_memory(std::move(values), {2, 12, 12}, labels, 5, ignored);
}

using Net = Network<Input<2, 12, 12>, Flatten, Linear<7>, ReLU, Linear<5>>;

FitOptions quiet(int epochs, int batch_size) {
    FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    options.progress = ProgressStyle::none;
    return options;
}

}  // namespace

TEST_CASE("ignored labels and weights of classes as PyTorch has them") {
    compare("nll/5x10_ignore", NLL{});
    compare("cross_entropy/5x10_ignore", CrossEntropy{});
    compare("cross_entropy/5x10_ignore_smooth0.1", CrossEntropy{.label_smoothing = 0.1});
    using Weighted = WeightedCrossEntropy<10>;
    compare("weighted_cross_entropy/5x10_ignore", Weighted{reference_weights()});
    compare("weighted_cross_entropy/5x10_smooth0.1_ignore", Weighted{reference_weights(), 0.1});
    compare("weighted_cross_entropy/5x10_large_ignore", Weighted{reference_weights()}, 1000);
    compare("weighted_cross_entropy/5x10_large_smooth0.1_ignore", Weighted{reference_weights(), 0.1}, 1000);
}

TEST_CASE("a sample that is ignored may be no number; a batch without labels that count has loss and gradient 0") {
    auto x = reference_values(1, 50, 4);
    x[12] = std::numeric_limits<double>::quiet_NaN();
    x[37] = infinity;
    for (int const threads : {1, 3}) {
        FiveRows<CrossEntropy> rows({}, x, reference_labels(-100), threads);
        StepResult const result = rows.gradients();
        CHECK(result.finite);
        CHECK(reference_difference(std::vector{result.loss}, "cross_entropy/5x10_ignore/loss") < 1e-14);
        CHECK(reference_difference(rows.dx(), "cross_entropy/5x10_ignore/dx") < 1e-14);
    }
    x = reference_values(1, 50, 4);
    auto const nothing = [&](auto const& loss, std::int32_t label) {
        FiveRows<std::remove_cvref_t<decltype(loss)>> rows(loss, x, std::vector<std::int32_t>(5, label));
        StepResult const result = rows.gradients();
        CHECK(result.loss == 0);
        CHECK(result.weight() == 0);
        CHECK(result.finite);
        CHECK(rows.dx() == std::vector<double>(50));
        CHECK(rows.executor.evaluate(rows.model, rows.batch, nullptr, nullptr).loss == 0);
        return result.counted();
    };
    CHECK(nothing(CrossEntropy{.label_smoothing = 0.1}, -100) == 0);
    CHECK(nothing(NLL{.ignore_index = 4}, 4) == 0);
    CHECK(nothing(WeightedCrossEntropy<10>{reference_weights(), 0.1}, 3) == 5);  // a class that weighs 0
}

TEST_CASE("a loss without ignored labels has the bits that it had") {
    auto const x = reference_values(1, 50, 4);
    auto const labels = reference_labels(2);
    FiveRows<CrossEntropy> plain({.label_smoothing = 0.1}, x, labels),
        other({.label_smoothing = 0.1, .ignore_index = 9}, x, labels);
    StepResult const a = plain.gradients(), b = other.gradients();
    CHECK(a.loss == b.loss);
    CHECK(plain.dx() == other.dx());
    CHECK(a.weight() == 5);
    // Weights of 1 are none, to rounding: the formula is another one.
    FiveRows<WeightedCrossEntropy<10>> ones({ClassWeights<10>(std::vector<double>(10, 1.0)), 0.1}, x, labels);
    CHECK(ones.gradients().loss == doctest::Approx(a.loss).epsilon(1e-14));
}

TEST_CASE("training and evaluation leave ignored samples out of loss, accuracy and confusion") {
    for (int const ignored : {-100, 255, 2}) {  // 2 is a class that nobody is to learn
        CAPTURE(ignored);
        auto const data = partly_labelled(90, ignored);
        auto trainer = train<Net>(Cpu{.threads = 2}, Float64{}, CrossEntropy{.ignore_index = ignored},
                                  SGD{.learning_rate = 0.05}, Seed{3});
        auto const all = trainer.evaluate(data);
        double counted = 0, correct = 0;
        for (std::size_t i = 0; i < all.labels.size(); ++i)
            if (all.labels[i] != ignored) counted += 1, correct += all.predictions[i] == all.labels[i] ? 1 : 0;
        CHECK(counted < 90);
        CHECK(all.samples == 90);
        CHECK(static_cast<double>(all.counted) == counted);
        CHECK(static_cast<double>(all.correct) == correct);
        CHECK(all.accuracy == correct / counted);
        CHECK(static_cast<double>(all.confusion(5).total()) == counted);
        CHECK(all.confusion(5).accuracy() == all.accuracy);
        for (int const batch_size : {7, 32})  // sums of other batches, in double
            CHECK(trainer.evaluate(data, batch_size).loss == doctest::Approx(all.loss).epsilon(1e-14));
        CHECK(evaluate(trainer.model(), data, CrossEntropy{.ignore_index = ignored}).loss == all.loss);

        OneBatch const batch(data);
        StepResult const step = trainer.backward(*batch);
        CHECK(step.loss == doctest::Approx(all.loss).epsilon(1e-14));  // the loader's order is another one
        CHECK(step.correct == all.correct);
        CHECK(step.counted() == all.counted);

        // As on the others alone.
        std::vector<std::size_t> others;
        for (std::size_t i = 0; i < 90; ++i)
            if (data.labels()[i] != ignored) others.push_back(i);
        auto alone = train<Net>(Cpu{.threads = 2}, Float64{}, SGD{.learning_rate = 0.05}, Seed{3});
        OneBatch const counted_batch(data.subset(others));
        CHECK(alone.backward(*counted_batch).loss == doctest::Approx(step.loss).epsilon(1e-14));
        auto const a = trainer.gradients(), b = alone.gradients();
        for (std::size_t p = 0; p < a.size(); ++p) CHECK(std::abs(a[p] - b[p]) < 1e-14);

        trainer.zero_gradients();
        auto const history = trainer.fit(data, data, quiet(1, 90));
        CHECK(history[0].train_loss == doctest::Approx(all.loss).epsilon(1e-14));
        CHECK(history[0].train_accuracy == all.accuracy);
    }
}

TEST_CASE("an epoch's loss is divided by what its batches weigh, after a resume too") {
    TemporaryDirectory const directory;
    auto const data = partly_labelled(60);
    auto const make = [] {
        return train<Net>(Cpu{.threads = 1}, WeightedCrossEntropy<5>{.class_weights = {1, 3, 0.25, 2, 0.5}},
                          SGD{.learning_rate = 0}, Seed{3});
    };
    auto trainer = make();
    auto options = quiet(1, 16);
    double sum = 0, weight = 0;
    options.on_step = [&](StepEvent const& event) {
        sum += event.result.loss * event.result.weight();
        weight += event.result.weight();
        CHECK(event.result.label_weight > 0);
        if (event.step == 2) trainer.save_checkpoint(directory / "middle");
    };
    trainer.fit(data, options);
    double const loss = trainer.state().history[0].train_loss;
    CHECK(loss == sum / weight);
    CHECK(loss == doctest::Approx(trainer.evaluate(data).loss).epsilon(1e-6));  // nothing was learnt
    auto other = make();
    other.load_checkpoint(directory / "middle");
    other.fit(data, quiet(1, 16));
    CHECK(other.state().history[0].train_loss == loss);
    // A checkpoint of before there were weights: each of its samples has weighed 1.
    TrainingState state;
    state.epoch_samples = 12;
    state.epoch_weight = 7;
    Metadata const all = to_metadata(state);
    Metadata older;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all.key(i) != "epoch_weight") older.add(all.key(i), all.text(i));
    CHECK(training_state_from(all, "new").epoch_weight == 7);
    CHECK(training_state_from(older, "old").epoch_weight == 12);
    // Of an epoch without labels nothing is known but that it cost nothing.
    auto nothing = make();
    std::vector<float> const x(2 * 288);
    auto const without = from_memory(x, {2, 12, 12}, std::vector<int>(2, -100), 5);
    nothing.fit(without, without, quiet(1, 2));
    CHECK(is_nan(nothing.state().history[0].train_accuracy));
    CHECK(nothing.state().history[0].test_loss == 0);
    CHECK(is_nan(nothing.state().history[0].test_accuracy));
}

TEST_CASE("labels that are no class are refused, unless the loss ignores them") {
    std::vector<float> const x(4 * 288);
    CHECK(error_of([&] { from_memory(x, {2, 12, 12}, std::vector<int>{0, 255, 1, 2}, 5); }) ==
          "from_memory: label 255 of sample 1 is not in 0 to 4 (5 classes)");
    auto const data = from_memory(x, {2, 12, 12}, std::vector<int>{0, 255, 1, 2}, 5, 255);
    CHECK(data.has_ignored());
    CHECK(data.ignore_index() == 255);
    CHECK(data.subset({1, 2}).has_ignored());
    auto trainer = train<Net>(Cpu{.threads = 1});
    // A class that the dataset wants to be ignored, and the loss does not.
    auto const background = from_memory(x, {2, 12, 12}, std::vector<int>{0, 4, 1, 2}, 5, 0);
    CHECK(error_of([&] { trainer.fit(background, quiet(1, 4)); }) ==
          "fit: the dataset has labels 0, to be ignored, the loss's ignore_index is -100");
    CHECK(evaluate(trainer.model(), background, CrossEntropy{.ignore_index = 0}).counted == 3);
    CHECK(error_of([&] { trainer.fit(data, quiet(1, 4)); }) ==
          "fit: the dataset has labels 255, to be ignored, the loss's ignore_index is -100");
    CHECK(error_of([&] { static_cast<void>(evaluate(trainer.model(), data)); }) ==
          "evaluate: the dataset has labels 255, to be ignored, the loss's ignore_index is -100");
    CHECK(error_of([&] { trainer.train_step(x, std::vector<int>{0, 255, 1, 2}); }) ==
          "train_step: label 255 of sample 1 of the batch, expected 0 to 4");
    CHECK(trainer.train_step(x, std::vector<int>{0, -100, 1, 2}).ignored == 1);
    CHECK(error_of([&] { static_cast<void>(train<Net>(WeightedCrossEntropy<5>{{1, 1, infinity, 1, 1}})); }) ==
          "WeightedCrossEntropy: the weight of class 2 is inf, expected at least 0");
}

TEST_CASE("predictions ask for no labels") {
    std::vector<float> const x(4 * 288);
    auto trainer = train<Net>(Cpu{.threads = 1}, FactorOfLabels{});
    // Labels and targets that are those of another network.
    auto const expected = trainer.predict(from_memory(x, {2, 12, 12}));
    CHECK(trainer.predict(from_memory(x, {2, 12, 12}, std::vector<int>{0, 70, 1, 90}, 100)) == expected);
    CHECK(trainer.predict(from_memory(x, {2, 12, 12}, std::vector<float>(4), 1)) == expected);
}

TEST_CASE("ranks tell losses apart by all their numbers") {
    auto const text = [](auto const& loss) { return detail::loss_text<Shape<5>>(loss); };
    CHECK(text(CrossEntropy{}) != text(CrossEntropy{.ignore_index = 255}));
    CHECK(text(NLL{}) != text(NLL{.ignore_index = 255}));
    using Weighted = WeightedCrossEntropy<5>;
    CHECK(text(Weighted{{1, 1, 1, 1, 1}}) != text(Weighted{{1, 1, 2, 1, 1}}));
    CHECK(text(FactorOfLabels{}) != text(FactorOfLabels{{}, 2}));
    CHECK(text(Huber{}) != text(Huber{.delta = 100}));
    CHECK(text(SmoothL1{}) != text(SmoothL1{.beta = 1e-9}));
    CHECK(text(BCEWithLogits{}) != text(BCEWithLogits{.pos_weight = 1 + 1e-12}));
}
