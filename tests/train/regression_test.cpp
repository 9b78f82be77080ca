// Regression with MSE, double precision, and flat networks on images.
#include "small_training.hpp"

using namespace strata;

namespace {
FitOptions quiet(int epochs, int batch_size) {
    FitOptions options;
    options.epochs = epochs;
    options.batch_size = batch_size;
    options.progress = ProgressStyle::none;
    return options;
}

/// A loss that says no more than it has to.
struct AbsoluteError {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    template <int K, class Io>
    auto operator()(Io const& io) const {
        using L = typename Io::L;
        L total(0);
        for (int k = 0; k < K; ++k) {
            L const d = io.x[k] - io.target[k];
            total = total + absolute(d);
            if (io.dx.data) io.dx.set(k, select(d > L(0), L(1), L(-1)) * io.scale);
        }
        return total;
    }
};
/// Such an optimizer: no state, no name.
struct SignSGD {
    using policy = OptimizerPolicy;
    double learning_rate = 1e-3;
    template <class T>
    struct Update {
        T rate;
        template <class L>
        void operator()(L& w, L gradient) const {
            w = w - select(gradient > L(0), L(rate), L(-rate));
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        return {static_cast<T>(step.learning_rate)};
    }
};
}  // namespace

TEST_CASE("the smallest loss and optimizer of one's own") {
    // y = 3 x: a step of 1/4 a sample's sign, on weights that are such steps away.
    std::vector<float> const x(8, 1.0f), y(8, 3.0f);
    auto const data = from_memory(x, {1, 1, 1}, y, 1);
    auto trainer = train<Network<Input<1>, Linear<1, NoBias, Initialize<Ones>>>>(Cpu{.threads = 2}, AbsoluteError{},
                                                                                 SignSGD{.learning_rate = 0.25});
    CHECK(trainer.evaluate(data).loss == 2.0);
    trainer.fit(data, quiet(5, 8));
    CHECK(trainer.model().parameters()[0] == 1.0f + 5 * 0.25f);
    CHECK(trainer.evaluate(data).loss == 0.75);

    TemporaryDirectory const directory;
    trainer.save_checkpoint(directory / "c");
    auto other = train<Network<Input<1>, Linear<1, NoBias, Initialize<Ones>>>>(Cpu{.threads = 2}, AbsoluteError{},
                                                                               SignSGD{.learning_rate = 0.25});
    other.load_checkpoint(directory / "c");
    CHECK(same_bits(other.model().parameters(), trainer.model().parameters()));
}

TEST_CASE_TEMPLATE("MSE learns a linear map", Precision, Float32, Float64) {
    using T = typename Precision::storage;
    constexpr double map[2][4] = {{2.0, -1.0, 0.5, 0.25}, {-0.75, 1.5, 1.0, -2.0}};  // three weights and a bias
    constexpr std::size_t count = 60;
    std::vector<T> x(count * 3);
    std::vector<float> y(count * 2);
    Random random(1, Purpose::user);
    for (std::size_t s = 0; s < count; ++s) {
        for (std::size_t k = 0; k < 3; ++k) x[s * 3 + k] = static_cast<T>(random.uniform(-1, 1));
        for (std::size_t o = 0; o < 2; ++o) {
            double sum = map[o][3];
            for (std::size_t k = 0; k < 3; ++k) sum += map[o][k] * static_cast<double>(x[s * 3 + k]);
            y[s * 2 + o] = static_cast<float>(sum);
        }
    }
    auto const data = from_memory(x, {1, 1, 3}, y, 2);
    auto trainer = train<Network<Input<3>, Linear<2>>>(Cpu{.threads = 1}, Precision{}, MSE{},
                                                       SGD{.learning_rate = 0.3, .momentum = 0.9});
    Evaluation const before = trainer.evaluate(data);
    double by_hand = 0;
    auto const outputs = trainer.predict(data);
    for (std::size_t i = 0; i < y.size(); ++i) {
        double const d = static_cast<double>(outputs[i]) - static_cast<double>(y[i]);
        by_hand += d * d / static_cast<double>(y.size());
    }
    CHECK(before.loss == doctest::Approx(by_hand).epsilon(1e-6));  // sums of 120 terms, in float
    CHECK(std::isnan(before.accuracy));
    CHECK(before.predictions.empty());

    History const history = trainer.fit(data, data, quiet(60, 16));
    CHECK(std::isnan(history[0].train_accuracy));
    CHECK(std::isnan(history[0].test_accuracy));
    // The minimum is the map itself; targets were rounded to float.
    CHECK(history.back().test_loss < 1e-10);
    auto const weights = trainer.model().parameters();
    for (std::size_t o = 0; o < 2; ++o) {
        for (std::size_t k = 0; k < 3; ++k) CHECK(std::abs(static_cast<double>(weights[o * 3 + k]) - map[o][k]) < 1e-4);
        CHECK(std::abs(static_cast<double>(weights[6 + o]) - map[o][3]) < 1e-4);
    }
}

TEST_CASE("a regression refuses data of another kind") {
    std::vector<float> const x(12), y(4);
    auto trainer = train<Network<Input<3>, Linear<2>>>(MSE{});
    CHECK(error_of([&] { trainer.fit(from_memory(x, {1, 1, 3}, y, 1), quiet(1, 2)); }) ==
          "fit: the dataset has 1 target values a sample, the network 2 outputs");
    CHECK(error_of([&] { trainer.fit(from_memory(x, {1, 1, 3}, std::vector<int>(4), 2), quiet(1, 2)); }) ==
          "fit: the loss needs targets, the dataset has labels");
    Batch batch{.size = 4, .shape = {1, 1, 3}, .inputs = x.data()};
    CHECK(error_of([&] { trainer.train_step(batch); }) == "train_step: the loss needs targets, the batch has none");
}

TEST_CASE("a step on samples and targets is a step on their batch") {
    std::vector<float> const x{1, 2, 3, 4, 5, 6}, y{1, 0, 0, 1}, short_y{1, 0, 0};
    auto one = train<Network<Input<3>, Linear<2>>>(MSE{}), other = train<Network<Input<3>, Linear<2>>>(MSE{});
    one.train_step(x, y);
    other.train_step({.size = 2, .shape = {1, 1, 3}, .inputs = x.data(), .targets = y.data()});
    CHECK(std::ranges::equal(one.model().parameters(), other.model().parameters()));
    CHECK(error_of([&] { one.train_step(x, short_y); }) ==
          "train_step: got 6 values and 3 target values, expected 3 and 2 a sample");
}

TEST_CASE("a flat network trains on images, normalised a channel, as on the same numbers") {
    using Flat = Network<Input<288>, Linear<5>>;
    auto const images = small_images(50);
    Loader loader(images, {.batch_size = 50, .shuffle = false, .threads = 0});
    loader.begin_epoch(0);
    Batch const& batch = *loader.next();
    std::vector<double> values;
    for (std::size_t i = 0; i < 50 * 288; ++i)
        values.push_back(batch.scale[i / 144 % 2] * static_cast<std::uint8_t const*>(batch.inputs)[i] +
                         batch.shift[i / 144 % 2]);
    auto on_images = train<Flat>(Cpu{.threads = 1}, Float64{}, SGD{.learning_rate = 0.05});
    auto on_numbers = train<Flat>(Cpu{.threads = 1}, Float64{}, SGD{.learning_rate = 0.05});
    History const a = on_images.fit(images, images, quiet(4, 10));
    History const b =
        on_numbers.fit(from_memory(values, {1, 1, 288}, std::vector(images.labels().begin(), images.labels().end()), 5),
                       images, quiet(4, 10));
    // Both round scale * value + shift in double, one of them perhaps in a single rounding.
    for (std::size_t p = 0; p < on_images.model().parameters().size(); ++p)
        CHECK(on_images.model().parameters()[p] == doctest::Approx(on_numbers.model().parameters()[p]).epsilon(1e-9));
    CHECK(a[3].test_accuracy == b[3].test_accuracy);
    CHECK(a[3].test_accuracy > 0.9);
}

TEST_CASE("both precisions train alike") {
    using Net = Network<Input<288>, Linear<16>, ReLU, Linear<5>>;
    auto single = train<Net>(Cpu{.threads = 1}, Float32{}, AdamW{.learning_rate = 1e-3});
    auto twofold = train<Net>(Cpu{.threads = 1}, Float64{}, AdamW{.learning_rate = 1e-3});
    auto const images = small_images(60);
    History const a = single.fit(images, quiet(3, 20)), b = twofold.fit(images, quiet(3, 20));
    for (std::size_t e = 0; e < 3; ++e) {
        // Nine steps from the same weights: what float rounds stays small.
        CHECK(a[e].train_loss == doctest::Approx(b[e].train_loss).epsilon(1e-5));
        CHECK(a[e].train_accuracy == b[e].train_accuracy);
    }
    std::vector<double> const x(288, 0.5);
    std::vector<std::int32_t> const label{3};
    CHECK(twofold.train_step(x, label).samples == 1);
}
