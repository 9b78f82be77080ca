// No step writes a number that is not finite, what could be finite does not overflow on the way, and a message names
// the cause.
// labels: isa
#include "small_training.hpp"

using namespace strata;

namespace {

using Net = Network<Input<6>, Named<"fc1", Linear<8>>, Named<"bn", BatchNorm1d<>>, ReLU, Named<"fc2", Linear<4>>>;

template <class T>
std::vector<T> normal_values(std::size_t count, std::uint64_t seed, double factor = 1) {
    Random random(seed, Purpose::user);
    std::vector<T> values(count);
    for (T& v : values) v = static_cast<T>(factor * random.normal());
    return values;
}
std::vector<std::int32_t> some_labels(std::size_t count, int classes) {
    std::vector<std::int32_t> labels(count);
    for (std::size_t i = 0; i < count; ++i)
        labels[i] = static_cast<std::int32_t>(i * i % static_cast<std::size_t>(classes));
    return labels;
}
template <class T>
bool all_finite(std::span<T> values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

/// A trainer whose next step is refused with this message, by `fit` and by a step alone; nothing changes.
template <class Trainer, class X, class Target>
std::string refused_step(Trainer& trainer, X const& x, Target const& target) {
    TemporaryDirectory const directory;
    auto const before = snapshot_of(trainer, directory);
    std::string const message = error_of([&] { trainer.train_step(x, target); });
    CHECK(snapshot_of(trainer, directory) == before);
    return message;
}

}  // namespace

TEST_CASE("BatchNorm of large numbers whose statistics fit") {
    // Variances of 4e37 fit, the sum of three squares does not. Everything scales: outputs, losses and gradients of the
    // parameters are those of numbers of ordinary size, gradients of the inputs are smaller by as much.
    using Scaled = Network<Input<2, 6, 6>, Named<"bn", BatchNorm2d<Epsilon<0.0>>>, Flatten, Named<"fc", Linear<4>>>;
    auto const run = [](double factor, int batch) {
        auto const x = normal_values<float>(static_cast<std::size_t>(batch) * 72, 1, factor);
        auto trainer = train<Scaled>(Seed{5});
        auto const loss = trainer.train_step(x, some_labels(static_cast<std::size_t>(batch), 4)).loss;
        std::vector<double> all(trainer.model().parameters().begin(), trainer.model().parameters().end());
        all.push_back(loss);
        double const variance = static_cast<double>(trainer.model().buffers()[2]);  // 0.9 + 0.1 of the batch's
        all.push_back(factor > 1 ? variance / factor / factor : variance - 0.9);
        return all;
    };
    for (int const batch : {2, 5, 16, 35}) {
        auto const small = run(1, batch), large = run(0x1p62, batch);  // powers of two round alike
        for (std::size_t i = 0; i < small.size(); ++i) CHECK(large[i] == doctest::Approx(small[i]).epsilon(1e-5));
    }
    // The same where numbers and gradients meet: sums of dy and dy xhat beyond float in a piece, not in the end.
    std::vector<float> x(4096), dy(4096);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = i % 2 == 0 ? 1.0f : -1.0f;
        dy[i] = i % 4 < 2 ? 3e38f : -2.9e38f;
    }
    double const moments[2] = {0, 1};
    double sums[2];  // of dy, of dy xhat
    detail::gather_gradient_sums<widest_lane<float>>(x.data(), dy.data(), moments, sums, 4096, 0, 1);
    CHECK(sums[0] == doctest::Approx(2048 * (3e38 - 2.9e38)).epsilon(1e-5));
    CHECK(std::isfinite(sums[1]));
}

TEST_CASE("running statistics that would overflow are not written") {
    auto const labels = some_labels(8, 4);
    auto x = normal_values<float>(8 * 6, 1);
    auto trainer = train<Net>(Seed{3});
    trainer.train_step(x, labels);
    auto spiked = x;
    spiked[4 * 6 + 1] = 1e25f;
    CHECK(refused_step(trainer, spiked, labels) ==
          "training step 1: running_var of layer bn (BatchNorm1d) would not be finite");
    auto skipping = train<Net>(Seed{3}, NonFinite{.skip = true});
    skipping.train_step(x, labels);
    CHECK_FALSE(skipping.train_step(spiked, labels).finite);
    CHECK(same_bits(skipping.model().parameters(), trainer.model().parameters()));
    CHECK(same_bits(skipping.model().buffers(), trainer.model().buffers()));
    CHECK(skipping.state().updates == 1);
    CHECK(skipping.train_step(x, labels).finite);
}

TEST_CASE("weights and optimizer state that would overflow are not written") {
    using Plain = Network<Input<6>, Named<"fc1", Linear<8>>, ReLU, Named<"fc2", Linear<2>>>;
    auto const x = normal_values<float>(8 * 6, 1), fine = normal_values<float>(16, 2);
    auto const large = normal_values<float>(16, 2, 1e17);
    for (bool const warm : {false, true}) {  // in the first step, and where magnitudes are known
        auto const trained = [&](auto... policies) {
            auto trainer = train<Plain>(MSE{}, Seed{3}, policies...);
            if (warm)
                for (int k = 0; k < 3; ++k) trainer.train_step(x, std::span<float const>(fine));
            return trainer;
        };
        std::string const step = concatenate("training step ", warm ? 3 : 0, ": ");
        // Targets of 1e17 give gradients of 1e16; Adam's squares of 1e21 and more do not fit.
        auto adam = trained(Adam{});
        auto const enormous = normal_values<float>(16, 2, 1e18);
        std::vector<float> far = x;
        for (float& v : far) v *= 1e6f;
        CHECK(refused_step(adam, far, std::span<float const>(enormous))
                  .starts_with(step + "the optimizer's state 1 of weight of layer fc"));
        auto momentum = trained(SGD{.learning_rate = 1e-3, .momentum = 0.9});
        momentum.train_step(x, std::span<float const>(large));  // large, and finite
        CHECK(all_finite(momentum.model().parameters()));
    }
    auto sgd = train<Plain>(MSE{}, SGD{.learning_rate = 1e25}, Seed{3});
    CHECK(refused_step(sgd, x, std::span<float const>(large)) ==
          "training step 0: weight of layer fc1 (Linear) would not be finite");
    // Step by step towards the end of the numbers (the weight that fits is 1.7e39): the last step before it is taken.
    using Tiny = Network<Input<1>, Named<"fc", Linear<1, NoBias>>>;
    auto trainer = train<Tiny>(MSE{}, SGD{.learning_rate = 1e37}, Seed{3});
    std::vector<float> const small{1e-20f}, target{1.7e19f};
    std::string message;
    int steps = 0;
    try {
        for (; steps < 1000; ++steps) trainer.train_step(small, std::span<float const>(target));
    } catch (Error const& error) { message = error.what(); }
    CHECK(message == concatenate("training step ", steps, ": weight of layer fc (Linear) would not be finite"));
    CHECK(steps > 50);
    CHECK(trainer.model().parameters()[0] > 3.3e38f);
    CHECK(std::isfinite(trainer.model().parameters()[0]));
}

namespace {
/// An optimizer as users write it: no bound.
struct Growing {
    using policy = OptimizerPolicy;
    static constexpr int states = 1;
    static constexpr char const* name = "Growing";
    double learning_rate = 1;
    void check() const {}
    template <class T>
    struct Update {
        static constexpr int states = 1;
        template <class L>
        void operator()(L& w, L, L (&state)[1]) const {
            state[0] = w * L(T(1e30));
            w = w * L(T(1e10));
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const&) const {
        return {};
    }
};
}  // namespace

TEST_CASE("an optimizer of one's own is looked at before every update") {
    auto trainer = train<Net>(Growing{}, Seed{3});
    auto const x = normal_values<float>(8 * 6, 1, 1e-30);
    auto const labels = some_labels(8, 4);
    trainer.train_step(x, labels);
    CHECK(refused_step(trainer, x, labels) ==
          "training step 1: the optimizer's state 0 of weight of layer fc1 (Linear) would not be finite");
}

// PyTorch 1.13 trains on: the bias stays -inf, the other numbers move.
TEST_CASE("a class masked by a bias of minus infinity trains on") {
    auto const x = normal_values<float>(24 * 6, 1);
    auto const labels = some_labels(24, 2);
    auto const check = [&](auto optimizer) {
        auto trainer = train<Net>(optimizer, Seed{3});
        auto model = trainer.snapshot();
        std::size_t const bias = model.parameters().size() - 1;
        model.parameters()[bias] = -INFINITY;
        trainer.set_model(model);
        double first = 0, last = 0;
        for (int k = 0; k < 30; ++k) {
            last = trainer.train_step(x, labels).loss;
            if (k == 0) first = last;
        }
        CHECK(last < first);
        auto const now = trainer.model().parameters();
        CHECK(now[bias] == -INFINITY);
        CHECK(all_finite(now.first(bias)));
        CHECK(now[0] != model.parameters()[0]);
        // What has become infinite by itself is a fault all the same.
        model.parameters()[bias] = NAN;
        trainer.set_model(model);
        CHECK_CONTAINS(error_of([&] { trainer.train_step(x, labels); }), "not finite");
    };
    check(SGD{.learning_rate = 0.1});
    check(SGD{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
    check(Adam{.learning_rate = 0.01});
    check(AdamW{.learning_rate = 0.01, .weight_decay = 0});
    check(AdamW{.learning_rate = 0.01});
}

TEST_CASE("a gradient of 1e160 is finite although its square is not") {
    using Tiny = Network<Input<1>, Named<"fc", Linear<1, NoBias>>>;
    auto trainer = train<Tiny>(Float64{}, MSE{}, SGD{.learning_rate = 1e-160});
    auto model = trainer.snapshot();
    model.parameters()[0] = 0;
    trainer.set_model(model);
    std::vector<double> const x{1e160}, target{1};
    CHECK(trainer.train_step(x, std::span<double const>(target)).finite);
    CHECK(trainer.model().parameters()[0] == doctest::Approx(2));
}

TEST_CASE("numbers beyond float blame who brought them") {
    auto values = normal_values<double>(12 * 6, 1);
    values[5 * 6 + 2] = 1e300;
    auto const data = from_memory(values, {1, 1, 6}, some_labels(12, 4), 4);
    auto trainer = train<Net>();
    CHECK_CONTAINS(error_of([&] { trainer.fit(data, {.batch_size = 4, .progress = ProgressStyle::none}); }),
                   "(sample 5 of the dataset) is too large for the network's numbers");
    CHECK(error_of([&] { static_cast<void>(trainer.evaluate(data)); }) ==
          "evaluate: the input of sample 5 of the batch (sample 5 of the dataset) is too large for the network's "
          "numbers");
    // Normalize brings the same number into range, and another one out of it.
    auto const scaled = data.with(Normalize{{0}, {1e290}});
    CHECK(error_of([&] { static_cast<void>(trainer.evaluate(scaled)); }) ==
          "evaluate: the input of sample 5 of the batch (sample 5 of the dataset) is too large for the network's "
          "numbers");
    // In doubles the first layer's outputs of 1e200 are fine; the second one's are not.
    auto precise = train<Net>(Float64{});
    auto model = precise.snapshot();
    for (auto const& tensor : model.tensors())
        for (std::size_t i = 0; i < tensor.size(); ++i)
            if (tensor.name == "fc1.weight" || tensor.name == "fc2.weight")
                static_cast<double*>(tensor.data)[i] *= tensor.name == "fc1.weight" ? 1e200 : 1e308;
    precise.set_model(model);
    auto const small = from_memory(normal_values<double>(72, 1), {1, 1, 6}, some_labels(12, 4), 4);
    CHECK(error_of([&] { static_cast<void>(precise.evaluate(small)); }) ==
          "evaluate: the output of layer fc2 (Linear) is not finite");
}

TEST_CASE("evaluate names the weight's layer or the target that makes its loss infinite or NaN") {
    auto const data = from_memory(normal_values<float>(72, 1), {1, 1, 6}, some_labels(12, 4), 4);
    auto const error_with = [&](std::string const& name, float value) {
        auto trainer = train<Net>();
        auto model = trainer.snapshot();
        for (auto const& tensor : model.tensors())
            if (tensor.name == name) static_cast<float*>(tensor.data)[1] = value;
        trainer.set_model(model);
        std::string const message = error_of([&] { static_cast<void>(trainer.evaluate(data)); });
        CHECK(error_of([&] { static_cast<void>(evaluate(model, data)); }) == message);
        return message;
    };
    CHECK(error_with("fc1.weight", NAN) == "evaluate: the output of layer fc1 (Linear) is not finite");
    CHECK(error_with("bn.running_var", NAN) == "evaluate: the output of layer bn (BatchNorm1d) is not finite");
    CHECK(error_with("fc2.bias", INFINITY) == "evaluate: the output of layer fc2 (Linear) is not finite");

    std::vector<float> targets(12 * 4);
    targets[7 * 4 + 1] = NAN;
    auto regression = train<Net>(MSE{});
    auto const wrong = from_memory(normal_values<float>(72, 1), {1, 1, 6}, targets, 4);
    CHECK(error_of([&] { static_cast<void>(regression.evaluate(wrong)); }) ==
          "evaluate: the target of sample 7 of the batch (sample 7 of the dataset) is not finite");
}
