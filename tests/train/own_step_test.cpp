// A training step in two halves, backward and update: the same bits as train_step, and everything between the halves.
#include <deque>

#include "small_training.hpp"

using namespace strata;

namespace {

using Classifier = Network<Input<3>, Named<"fc", Linear<4>>>;
using WithBatch =
    Network<Input<3>, Named<"fc1", Linear<8>>, Named<"bn", BatchNorm1d<>>, ReLU, Dropout<0.2>, Named<"fc2", Linear<4>>>;

struct Points {
    std::vector<float> x;
    std::vector<int> label;
    explicit Points(int count, std::uint64_t seed = 3) {
        Random random(seed, Purpose::user);
        for (int i = 0; i < count; ++i) {
            label.push_back(static_cast<int>(random.below(4)));
            for (int k = 0; k < 3; ++k) x.push_back(static_cast<float>(random.normal()));
        }
    }
};

double norm_of(std::span<float const> values) {
    double squares = 0;
    for (float const v : values) squares += static_cast<double>(v) * static_cast<double>(v);
    return std::sqrt(squares);
}
std::vector<float> copy_of(std::span<float const> values) { return {values.begin(), values.end()}; }

}  // namespace

TEST_CASE("backward and update are train_step, to the bit") {
    TemporaryDirectory const directory;
    auto const fresh = [] {
        return train<WithBatch>(Adam{.learning_rate = 0.01}, CosineAnnealingLR{.every = Every::step}, Seed{5},
                                DynamicLossScale{.initial = 256, .interval = 2});
    };
    auto whole = fresh(), halves = fresh();
    for (auto* trainer : {&whole, &halves}) trainer->position().total_steps = 10;
    for (std::uint64_t step = 0; step < 5; ++step) {
        Points const points(19, step);
        StepResult const a = whole.train_step(points.x, points.label), b = halves.backward(points.x, points.label);
        CHECK(a.loss == b.loss);
        CHECK(a.correct == b.correct);
        CHECK(whole.gradient_norm() == halves.gradient_norm());
        // Looking at the gradient and evaluating in between change nothing.
        CHECK(norm_of(halves.gradients()) == doctest::Approx(halves.gradient_norm()).epsilon(1e-12));
        auto const& constant = halves;
        CHECK(constant.evaluate(from_memory(points.x, {3}, points.label, 4)).samples == 19);
        CHECK(constant.predict(from_memory(points.x, {3})).size() == 19 * 4);
        CHECK(halves.update());
        CHECK(whole.learning_rate() == halves.learning_rate());
    }
    auto const a = snapshot_of(whole, directory), b = snapshot_of(halves, directory);
    CHECK_MESSAGE(a == b, difference(a, b));
}

TEST_CASE("the gradient can be clipped, tensor by tensor too") {
    Points const points(10);
    auto trainer = train<Classifier>(SGD{.learning_rate = 1.0});
    auto const before = trainer.snapshot();
    trainer.backward(points.x, points.label);
    auto const scale = static_cast<float>(0.01 / trainer.gradient_norm());
    for (float& g : trainer.gradients()) g *= scale;
    std::vector<float> const clipped = copy_of(trainer.gradients());
    CHECK(norm_of(clipped) == doctest::Approx(0.01));
    CHECK(trainer.gradient_norm() == doctest::Approx(0.01));
    REQUIRE(trainer.gradient("fc.weight").data() == trainer.gradients().data());
    CHECK(trainer.gradient("fc.bias").size() == 4);
    for (float& g : trainer.gradient("fc.bias")) g = 0;
    CHECK(trainer.update());
    for (std::size_t p = 0; p < 16; ++p) {
        float const moved = before.parameters()[p] - (p < 12 ? clipped[p] : 0.0f);
        CHECK(trainer.model().parameters()[p] == moved);
    }

    auto deep = train<WithBatch>();
    deep.backward(points.x, points.label);
    std::string names;
    for (auto const& tensor : deep.named_gradients()) {
        names += tensor.name + " ";
        if (tensor.name == "fc2.weight") CHECK(tensor.shape == std::vector<std::int64_t>{4, 8});
    }
    CHECK(names == "fc1.weight fc1.bias bn.weight bn.bias fc2.weight fc2.bias ");
    CHECK(error_of([&] { static_cast<void>(deep.gradient("bn.running_mean")); }) ==
          "gradient: the network has no parameter \"bn.running_mean\"");
}

TEST_CASE("gradients of several batches add up, as in PyTorch") {
    Points const first(8, 1), second(8, 2);
    auto trainer = train<WithBatch>(SGD{.learning_rate = 0.1});
    auto alone = train<WithBatch>(SGD{.learning_rate = 0.1}), fresh = train<WithBatch>(SGD{.learning_rate = 0.1});
    trainer.backward(first.x, first.label);
    std::vector<float> const one = copy_of(trainer.gradients());
    trainer.backward(second.x, second.label);
    std::vector<float> const sum = copy_of(trainer.gradients());
    CHECK(norm_of(sum) == doctest::Approx(trainer.gradient_norm()).epsilon(1e-12));

    // Each pass draws other numbers for Dropout, but the first one draws train_step's.
    alone.backward(first.x, first.label);
    CHECK(copy_of(alone.gradients()) == one);
    alone.zero_gradients();
    alone.backward(first.x, first.label);
    CHECK(copy_of(alone.gradients()) == one);
    alone.backward(first.x, first.label);
    bool other_masks = false;
    for (std::size_t p = 0; p < one.size(); ++p) other_masks = other_masks || alone.gradients()[p] != 2 * one[p];
    CHECK(other_masks);

    // BatchNorm has seen two batches, with one update.
    CHECK(trainer.update());
    CHECK(trainer.state().step == 1);
    CHECK(trainer.state().updates == 1);
    CHECK(trainer.model().batches_tracked()[1] == 2);
    auto still = train<WithBatch>(SGD{.learning_rate = 0});
    still.train_step(first.x, first.label);
    still.train_step(second.x, second.label);
    CHECK(same_bits(still.model().buffers(), trainer.model().buffers()));

    // Without Dropout and BatchNorm the mean over two halves is the gradient of the whole.
    Points const all(16, 4);
    auto plain = train<Classifier>();
    plain.backward(all.x, all.label);
    std::vector<float> const expected = copy_of(plain.gradients());
    plain.zero_gradients();
    for (std::size_t const half : {std::size_t{0}, std::size_t{1}})
        plain.backward(std::span(all.x).subspan(half * 24, 24), std::span(all.label).subspan(half * 8, 8));
    // Sums of sixteen terms below one, in another order.
    for (std::size_t p = 0; p < 16; ++p) CHECK(std::abs(plain.gradients()[p] / 2 - expected[p]) < 1e-6f);
}

TEST_CASE("halves in the wrong order, and gradients that are not finite") {
    Points const points(6);
    TemporaryDirectory const directory;
    auto trainer = train<Classifier>(SGD{.learning_rate = 0.1});
    CHECK(trainer.executor().gradient().empty());
    CHECK(error_of([&] { trainer.update(); }) == "update: there is no gradient, call backward first");
    CHECK_THROWS_AS(static_cast<void>(trainer.gradient_norm()), Error);
    CHECK(error_of([&] { static_cast<void>(trainer.gradients()); }) ==
          "gradients: there are none, call backward first");
    trainer.train_step(points.x, points.label);
    CHECK_THROWS_AS(trainer.update(), Error);
    trainer.backward(points.x, points.label);
    std::string const checkpoint = directory / "c";
    trainer.save_checkpoint(checkpoint);
    trainer.load_checkpoint(checkpoint);
    CHECK_THROWS_AS(trainer.update(), Error);  // it was another model's

    auto const before = snapshot_of(trainer, directory);
    trainer.backward(points.x, points.label);
    trainer.gradient("fc.bias")[2] = std::numeric_limits<float>::infinity();
    CHECK(error_of([&] { trainer.update(); }) == "training step 1: the gradient of layer fc (Linear) is not finite");
    CHECK(before == snapshot_of(trainer, directory));
    trainer.gradient("fc.bias")[2] = 0;
    CHECK(trainer.update());

    auto broken = points.x;
    broken[4] = std::numeric_limits<float>::quiet_NaN();
    CHECK(error_of([&] { trainer.backward(broken, points.label); }) ==
          "training step 2: the input of sample 1 of the batch is not finite");
    CHECK_THROWS_AS(trainer.update(), Error);

    auto patient = train<Classifier>(NonFinite{.skip = true});
    auto const weights = patient.snapshot();
    CHECK_FALSE(patient.backward(broken, points.label).finite);
    CHECK(patient.backward(points.x, points.label).finite);
    CHECK_FALSE(patient.update());
    CHECK(same_bits(weights.parameters(), patient.model().parameters()));
    CHECK(patient.state().step == 1);
    CHECK(patient.state().updates == 0);
    patient.backward(points.x, points.label);
    patient.gradients()[0] = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(patient.update());
    CHECK(same_bits(weights.parameters(), patient.model().parameters()));
}

TEST_CASE("the statistics of a pass do not overwrite those of a model that is set after it") {
    Points const points(12);
    TemporaryDirectory const directory;
    auto trainer = train<WithBatch>(SGD{.learning_rate = 0.1});
    Model<WithBatch> other(9);
    for (float& b : other.buffers()) b = 0.5f;
    std::string const file = directory / "other";
    save(other, file);
    for (bool const from_file : {false, true}) {
        trainer.backward(points.x, points.label);
        if (from_file)
            trainer.load_weights(file);
        else
            trainer.set_model(other);
        trainer.zero_gradients();
        CHECK(same_bits(std::as_const(other).buffers(), trainer.model().buffers()));
    }
}

TEST_CASE("a loss scale that is too large leaves the step out, and shrinks") {
    Points points(6);
    for (float& x : points.x) x *= 100;
    auto trainer = train<Classifier>(DynamicLossScale{.initial = 3e38});
    CHECK_FALSE(trainer.backward(points.x, points.label).finite);
    CHECK_FALSE(trainer.update());
    CHECK(trainer.loss_scale() == 1.5e38);
    CHECK(trainer.state().step == 1);
}

TEST_CASE("the norm of a gradient whose square is beyond double") {
    Points points(6);
    std::vector<double> const x(points.x.begin(), points.x.end());
    auto trainer = train<Classifier>(Float64{}, SGD{.learning_rate = 0});
    trainer.backward(x, points.label);
    double const norm = trainer.gradient_norm();
    for (double& g : trainer.gradients()) g *= 0x1p600;
    CHECK(trainer.gradient_norm() * 0x1p-600 == doctest::Approx(norm).epsilon(1e-14));
    for (double& g : trainer.gradients()) g *= 0x1p-1000;
    CHECK(trainer.gradient_norm() * 0x1p400 == doctest::Approx(norm).epsilon(1e-14));
}

TEST_CASE("steps take any array") {
    Points const points(6);
    std::vector<std::uint8_t> const bytes{0, 51, 102, 153, 204, 255};
    std::vector<double> const doubles{0, 0.2, 0.4, 0.6, 0.8, 1};
    auto const after = [](auto const& samples, auto const& labels) {
        auto trainer = train<Classifier>(SGD{.learning_rate = 0.1});
        trainer.train_step(samples, labels);
        return copy_of(trainer.model().parameters());
    };
    std::array<std::size_t, 2> const wide{3, 1};
    int const narrow[] = {3, 1};
    auto const expected = after(doubles, narrow);
    CHECK(after(view(doubles), wide) == expected);
    CHECK(after(std::span(doubles), std::deque<short>{3, 1}) == expected);
    auto const from_bytes = after(bytes, std::vector<std::uint64_t>{3, 1});
    // A byte times 1 / 255 in double is a fraction of a unit away from the decimal number.
    for (std::size_t p = 0; p < 16; ++p) CHECK(std::abs(from_bytes[p] - expected[p]) < 1e-6f);
    CHECK(after(doubles, std::vector<bool>{true, false}) == after(doubles, std::vector<int>{1, 0}));
    CHECK(error_of([&] { after(doubles, std::vector<std::int64_t>{0, std::int64_t{1} << 32}); }) ==
          "train_step: label 4294967296 of sample 1 of the batch is the number of no class");
    CHECK(error_of([&] { after(doubles, std::vector<std::size_t>{0, 4}); }) ==
          "train_step: label 4 of sample 1 of the batch, expected 0 to 3");
}
