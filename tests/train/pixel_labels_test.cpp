// labels: threads
// A label at each place of the outputs, and weights of samples: PyTorch's values, training, messages.
#include <strata/distributed.hpp>
#include <strata/testing/gradient_check.hpp>

#include "../reference/reference.hpp"
#include "small_training.hpp"

using namespace strata;

namespace {

/// Makes [C][L] of flat numbers.
template <int C, int L>
struct AsRows {
    template <class X>
    struct On {
        using Input = X;
        using Output = Shape<C, L>;
        using Parameters = NoParameters;
        using IsElementwise = void;
        static constexpr Keep keep = Keep::nothing;
        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            return io.x[at[0]];
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy[at[0]];
        }
    };
};

/// Samples, and the executor's gradient with respect to each of their numbers.
template <class Loss, int N, class In, class... Layers>
struct Outputs {
    using Net = Network<In, detail::InputAsParameterLayer<N>, Layers...>;
    using OutputShape = typename Net::OutputShape;
    static constexpr int places = detail::places_of<Loss, OutputShape>;
    std::vector<double> const inputs = std::vector<double>(static_cast<std::size_t>(N * OutputShape::size));
    CpuExecutor<Net, Float64, Loss> executor;
    Model<Net, Float64> model{1};
    Batch batch{.size = N,
                .shape = {1, 1, OutputShape::size},
                .type = DataType::float64,
                .inputs = inputs.data(),
                .target_type = DataType::float64,
                .labels_per_sample = places};

    explicit Outputs(Loss const& loss, std::vector<double> const& x, int threads = 1)
        : executor(Cpu{.threads = threads}, loss) {
        std::copy(x.begin(), x.end(), model.parameters().begin());
    }
    StepResult gradients() { return executor.gradients(model, batch, {}); }
    std::vector<double> dx() { return {executor.gradient().begin(), executor.gradient().end()}; }
};

std::vector<std::int32_t> place_labels(std::uint32_t count, int classes, std::int32_t ignored) {
    std::vector<std::int32_t> labels;
    for (std::uint32_t i = 0; i < count; ++i) labels.push_back(i % 3 == 1 ? ignored : reference_label(5, i, classes));
    return labels;
}
std::vector<float> sample_weights() {
    auto const values = reference_values(7, 5, 1, 1);
    std::vector<float> weights(values.begin(), values.end());
    weights[1] = 0;
    return weights;
}

template <class Loss>
void compare_places(std::string const& name, Loss loss, int ignored = 255) {
    CAPTURE(name);
    loss.ignore_index = ignored;
    auto x = reference_values(1, 120, 4);
    auto const labels = place_labels(30, 4, ignored);
    for (int k = 0; k < 4; ++k)  // what is left out may be no number: place 4 of sample 0 has label 4
        x[static_cast<std::size_t>(k * 10 + 4)] = std::numeric_limits<double>::quiet_NaN();
    for (int const threads : {1, 2}) {
        Outputs<Loss, 3, Input<4, 2, 5>> outputs(loss, x, threads);
        outputs.batch.labels = labels.data();
        StepResult const result = outputs.gradients();
        CHECK(reference_difference(std::vector{result.loss}, name + "/loss") < 1e-14);
        CHECK(reference_difference(outputs.dx(), name + "/dx") < 1e-14);
        CHECK(result.ignored == 10);
        CHECK(result.counted() == 20);
        std::vector<std::int32_t> predictions(30);
        StepResult const evaluated =
            outputs.executor.evaluate(outputs.model, outputs.batch, predictions.data(), nullptr);
        CHECK(evaluated.loss == result.loss);
        int correct = 0;
        for (std::size_t i = 0; i < 30; ++i) {
            std::size_t best = 0;
            auto const at = [&](std::size_t k) { return x[i / 10 * 40 + k * 10 + i % 10]; };
            for (std::size_t k = 1; k < 4; ++k)
                if (at(k) > at(best)) best = k;
            CHECK(predictions[i] == static_cast<std::int32_t>(best));
            correct += labels[i] == predictions[i] ? 1 : 0;
        }
        CHECK(result.correct == correct);
    }
}

using Segmenter = Network<Input<2, 8, 8>, Conv2d<6, 3, SamePadding>, ReLU, Conv2d<3, 1>>;

/// Images [2][8][8] whose pixels are of class 1 where bright, 2 where the second channel is, too; a border is unknown.
Dataset segments(std::size_t count, int ignored = -100) {
    std::vector<std::uint8_t> pixels(count * 128);
    std::vector<std::uint8_t> masks(count * 64);
    std::vector<std::int16_t> labels(count * 64);
    Random random(9, Purpose::user);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t p = 0; p < 64; ++p) {
            auto const a = random.below(256), b = random.below(256);
            pixels[i * 128 + p] = static_cast<std::uint8_t>(a);
            pixels[i * 128 + 64 + p] = static_cast<std::uint8_t>(b);
            bool const unknown = p % 8 == 0 && i % 2 == 0;
            labels[i * 64 + p] = static_cast<std::int16_t>(unknown ? ignored : a < 128 ? 0 : b < 128 ? 1 : 2);
        }
    return from_memory(std::move(pixels), {2, 8, 8}, labels, 3, ignored);
}

FitOptions quiet(int epochs, int batch_size) {
    FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    options.progress = ProgressStyle::none;
    return options;
}

/// Parameters after two epochs on augmented, weighted segments, and the history's last numbers.
template <class... Policies>
auto trained(Policies const&... policies) {
    std::vector<float> weights(21);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 4);
    auto const data = segments(21).with_weights(weights).with(RandomCrop{.padding = 1}, RandomHorizontalFlip{});
    auto trainer = train<Segmenter>(SGD{.learning_rate = 0.5, .momentum = 0.9}, policies...);
    trainer.fit(data, segments(5), quiet(2, 13));
    auto const& last = trainer.state().history.back();
    auto const parameters = trainer.model().parameters();
    std::vector<double> numbers(parameters.begin(), parameters.end());
    for (double const number : {last.train_loss, last.train_accuracy, last.test_loss, last.test_accuracy})
        numbers.push_back(number);
    return numbers;
}

}  // namespace

TEST_CASE("a label at each place, as PyTorch has it") {
    compare_places("nll/3x4x2x5", NLL{});
    compare_places("cross_entropy/3x4x2x5", CrossEntropy{});
    compare_places("cross_entropy_smooth0.1/3x4x2x5", CrossEntropy{.label_smoothing = 0.1}, -1);
    compare_places("weighted_cross_entropy_smooth0.1/3x4x2x5",
                   WeightedCrossEntropy<4>{ClassWeights<4>(reference_values(6, 4, 1, 1)), 0.1});
    Outputs<CrossEntropy, 5, Input<21>, AsRows<3, 7>> rows({}, reference_values(1, 105, 4));
    auto const labels = place_labels(35, 3, -100);
    rows.batch.labels = labels.data();
    CHECK(reference_difference(std::vector{rows.gradients().loss}, "cross_entropy/5x3x7/loss") < 1e-14);
    CHECK(reference_difference(rows.dx(), "cross_entropy/5x3x7/dx") < 1e-14);
}

TEST_CASE("weights of samples are PyTorch's (loss(reduction=\"none\") * weights).mean()") {
    auto const weights = sample_weights();
    auto const check = [&](auto& outputs, std::string const& name, std::size_t nothing, std::size_t size) {
        CAPTURE(name);
        outputs.batch.weights = weights.data();
        CHECK(reference_difference(std::vector{outputs.gradients().loss}, name + "/loss") < 1e-14);
        CHECK(reference_difference(outputs.dx(), name + "/dx") < 1e-14);
        auto const loss = outputs.executor.evaluate(outputs.model, outputs.batch, nullptr, nullptr).loss;
        CHECK(reference_difference(std::vector{loss}, name + "/loss") < 1e-14);
        outputs.model.parameters()[nothing * size] = HUGE_VAL;  // of the sample that weighs nothing
        CHECK(outputs.gradients().loss == loss);
    };
    auto const labels = [] {
        std::vector<std::int32_t> all;
        for (std::uint32_t i = 0; i < 30; ++i) all.push_back(reference_label(5, i, 4));
        return all;
    }();
    Outputs<CrossEntropy, 3, Input<4, 2, 5>> places({}, reference_values(1, 120, 4));
    places.batch.labels = labels.data();
    check(places, "cross_entropy/3x4x2x5_samples", 1, 40);
    auto const targets = reference_values(5, 20, 1);
    Outputs<MSE, 5, Input<4>> squares({}, reference_values(1, 20, 4));
    squares.batch.targets = targets.data();
    check(squares, "mse/5x4_samples", 1, 4);
}

TEST_CASE("training on labels of pixels: bits do not depend on threads or ranks, and pixels are learnt") {
    auto const one = trained(Cpu{.threads = 1});
    CHECK(trained(Cpu{.threads = 2}) == one);
    std::mutex checking;
    Threads::run_ranks(2, [&](Threads communicator) {
        auto const got = trained(Cpu{.threads = 1}, DataParallel{communicator});
        std::lock_guard const lock(checking);
        CHECK(got == one);
    });
    auto const mixed = trained(Cpu{.threads = 2}, Mixed<bfloat16>{});
    CHECK(std::abs(mixed[one.size() - 4] - one[one.size() - 4]) < 0.05);  // bfloat16 has 8 bits

    auto const data = segments(40, 255);
    auto trainer = train<Segmenter>(CrossEntropy{.ignore_index = 255}, Adam{.learning_rate = 0.03});
    trainer.fit(data, quiet(40, 10));
    auto const all = trainer.evaluate(data, 7);
    CHECK(all.accuracy > 0.95);
    CHECK(all.samples == 40);
    CHECK(all.counted == 40 * 64 - 20 * 8);
    CHECK(all.predictions.size() == 40 * 64);
    auto const matrix = all.confusion(3);
    CHECK(matrix.total() == all.counted);
    CHECK(matrix.accuracy() == all.accuracy);
    CHECK(matrix.iou(1) ==
          doctest::Approx(static_cast<double>(matrix.count(1, 1)) /
                          static_cast<double>(matrix.support(1) + matrix.predictions(1) - matrix.count(1, 1))));
    // Labels of an evaluation are those that the network was judged by, moved with their images.
    auto const flipped = trainer.evaluate(data.with(RandomHorizontalFlip{.probability = 1}), 7);
    CHECK(flipped.accuracy > 0.9);
    CHECK(flipped.confusion(3).accuracy() == flipped.accuracy);
    // Batches of one sample, whose vectors hold pixels, of two, and of whole vectors agree to rounding.
    auto exact = train<Segmenter>(Float64{}, CrossEntropy{.ignore_index = 255});
    double const loss = exact.evaluate(data, 40).loss;
    for (int const batch_size : {1, 2, 17})
        CHECK(exact.evaluate(data, batch_size).loss == doctest::Approx(loss).epsilon(1e-14));
}

TEST_CASE("labels of pixels and weights that do not fit are refused") {
    std::vector<float> const x(2 * 128);
    std::vector<int> labels(2 * 64);
    labels[64 + 19] = 3;
    CHECK(error_of([&] { from_memory(x, {2, 8, 8}, labels, 3); }) ==
          "from_memory: label 3 of sample 1, row 2, column 3, is not in 0 to 2 (3 classes)");
    CHECK(error_of([&] { from_memory(x, {2, 8, 8}, std::vector<int>{0, 1, 3, 1}, 3); }) ==
          "from_memory: label 3 of sample 1, place 0, is not in 0 to 2 (3 classes)");
    CHECK(error_of([&] { from_memory(x, {2, 8, 8}, std::vector<int>(5), 3); }) ==
          "from_memory: got 5 labels for 2 samples");
    auto const data = from_memory(x, {2, 8, 8}, labels, 4);
    CHECK(data.labels_per_sample() == 64);
    CHECK(data.subset({1}).labels(0)[19] == 3);
    CHECK(data.first(1).labels().size() == 64);
    auto trainer = train<Segmenter>(Cpu{.threads = 1});
    CHECK(error_of([&] { trainer.fit(data, quiet(1, 2)); }) ==
          "fit: the dataset has 4 classes, the network 3 channels of outputs");
    CHECK(error_of([&] { trainer.train_step(x, labels); }) ==
          "train_step: label 3 of sample 1 of the batch at row 2, column 3, expected 0 to 2");
    CHECK(error_of([&] { trainer.train_step(x, std::vector<int>(2)); }) ==
          "train_step: got 256 values for 2 labels, expected 128 a sample and 64 labels");
    CHECK(error_of([&] { trainer.fit(from_memory(x, {2, 8, 8}, std::vector<int>(2), 3), quiet(1, 2)); }) ==
          "fit: a sample has 1 label, the network's output takes 8 x 8, one a place: for one label a sample end it in "
          "Linear or Flatten");
    using Flat = Network<Input<2, 8, 8>, Flatten, Linear<4>>;
    auto flat = train<Flat>(Cpu{.threads = 1});
    CHECK(error_of([&] { flat.fit(data, quiet(1, 2)); }) ==
          "fit: a sample has 64 labels, the network's output is flat and takes one");
    labels[64 + 19] = -100;
    CHECK(trainer.train_step(x, labels).ignored == 1);
    CHECK(error_of([&] { static_cast<void>(data.with_weights(std::vector<float>{1})); }) ==
          "with_weights: got 1 weights for 2 samples");
    CHECK(error_of([&] { static_cast<void>(data.with_weights(std::vector<double>{1, -2})); }) ==
          "with_weights: the weight of sample 1 is -2, expected a finite one of at least 0");
    CHECK(data.with_weights(std::vector<double>{1, 2}).subset({1}).weights()[0] == 2);
}
