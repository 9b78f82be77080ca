// labels: plain
// Muon, Shampoo and SOAP: values that numpy computed, and trainings that give the same bits with any number of threads
// and after a resume.
#include <doctest/doctest.h>

#include <strata/eigen.hpp>

#include "../reference/reference.hpp"
#include "../train/small_training.hpp"

using namespace strata;

namespace {

/// Steps on the matrix and gradients of generate_matrices.py in T, against its values.
template <class T, class Optimizer>
void compare(std::string const& name, int steps, int rows, int columns, Optimizer const& optimizer, double tolerance) {
    optimizer.check();
    MatrixShape const shape{rows, columns};
    auto const size = static_cast<std::size_t>(rows * columns);
    auto w = reference_values<T>(800 + static_cast<std::uint32_t>(rows), size);
    std::vector<T> state(optimizer.state_size(shape));
    for (int t = 1; t <= steps; ++t) {
        auto const g = reference_values<T>(810 + static_cast<std::uint32_t>(t), size);
        optimizer.update(shape, w.data(), g.data(), state.data(),
                         OptimizerStep{.learning_rate = optimizer.learning_rate, .index = t - 1});
        auto const entry = name + "/step" + std::to_string(t);
        CAPTURE(entry);
        CHECK(reference_difference(w, entry) < tolerance);
    }
}

/// Convolutions, BatchNorm, an output layer: matrices and others.
using Net =
    Network<Input<2, 12, 12>, Conv2d<4, 3>, BatchNorm2d<>, ReLU, MaxPool2d<2>, Flatten, Linear<20>, ReLU, Linear<5>>;

template <class Optimizer>
Snapshot trained(Optimizer const& optimizer, int threads, int pause = 0) {
    TemporaryDirectory const directory;
    auto const new_trainer = [&](int workers) {
        return train<Net>(Cpu{.threads = workers}, optimizer, LinearWarmup(CosineAnnealingLR{}, {.steps = 4}), Seed{3});
    };
    auto const data = small_images(60);
    FitOptions options{.epochs = 3, .batch_size = 20};
    options.progress = ProgressStyle::none;
    auto trainer = new_trainer(threads);
    if (pause > 0) {
        auto first = new_trainer(1);
        options.on_step = [&](StepEvent const& event) {
            if (event.step == pause) first.stop();
        };
        first.fit(data, options);
        first.save_checkpoint(directory / "checkpoint");
        options.on_step = nullptr;
        trainer.load_checkpoint(directory / "checkpoint");
    }
    auto const start = trainer.snapshot();
    trainer.fit(data, options);
    // Every tensor moves.
    auto const before = start.tensors(), after = trainer.model().tensors();
    for (std::size_t i = 0; i < before.size(); ++i) {
        CAPTURE(before[i].name);
        CHECK(std::memcmp(before[i].data, after[i].data, before[i].bytes()) != 0);
    }
    CHECK(trainer.state().history.back().train_loss < trainer.state().history.front().train_loss);
    return snapshot_of(trainer, directory);
}

template <class Optimizer>
void check_determinism(Optimizer const& optimizer) {
    auto const whole = trained(optimizer, 1);
    for (int const threads : {2, 3}) {
        auto const other = trained(optimizer, threads);
        CHECK_MESSAGE(whole == other, difference(whole, other));
    }
    for (int const pause : {1, 4}) {
        auto const resumed = trained(optimizer, 2, pause);
        CHECK_MESSAGE(whole == resumed, difference(whole, resumed));
    }
}

}  // namespace

TEST_CASE("values of Muon, Shampoo and SOAP") {
    auto const check = []<class T>(T, double muon, double decompositions) {
        compare<T>("muon/wide", 4, 4, 6, Muon{.learning_rate = 0.1}, muon);
        compare<T>("muon/tall", 4, 6, 4, Muon{.learning_rate = 0.1}, muon);
        compare<T>("muon/plain", 4, 4, 6, Muon{.learning_rate = 0.1, .momentum = 0.8, .nesterov = false}, muon);
        compare<T>("muon/decay", 4, 6, 4,
                   Muon{.learning_rate = 0.1, .weight_decay = 0.1, .scale = MuonScale::match_rms_adamw}, muon);
        compare<T>("shampoo/sums", 5, 5, 3, Shampoo{.learning_rate = 0.1, .beta2 = 1, .every = 1, .graft = false},
                   decompositions);
        compare<T>("shampoo/averages", 5, 5, 3,
                   Shampoo{.learning_rate = 0.1, .beta2 = 0.9, .weight_decay = 0.1, .every = 2, .graft = false},
                   decompositions);
        compare<T>("shampoo/graft", 5, 4, 4, Shampoo{.learning_rate = 0.1, .beta2 = 0.9, .every = 1}, decompositions);
        compare<T>("shampoo/one_side", 5, 3, 7,
                   Shampoo{.learning_rate = 0.1, .beta2 = 0.9, .every = 1, .longest = 5, .graft = false},
                   decompositions);
        SOAP const soap{.learning_rate = 0.1, .beta1 = 0.9, .shampoo_beta = 0.8, .weight_decay = 0, .every = 1};
        SOAP every2 = soap, one_side = soap;
        every2.every = 2;
        every2.weight_decay = 0.1;
        one_side.longest = 5;
        compare<T>("soap/every1", 6, 5, 5, soap, decompositions);
        compare<T>("soap/every2", 6, 5, 5, every2, decompositions);
        compare<T>("soap/one_side", 6, 3, 7, one_side, decompositions);
    };
    check(0.0, 1e-12, 1e-9);
    // The quintic multiplies rounding errors by up to 3.4445 five times; a root of sums without full rank divides those
    // of 6e-8 by the ridge of 1e-6.
    check(0.0f, 1e-4, 5e-3);
}

TEST_CASE("Newton and Schulz bring singular values near 1, whatever the size of the gradient") {
    for (double const size : {1e-30, 1.0, 1e30}) {
        CAPTURE(size);
        Eigen::MatrixXf x(9, 6);
        Random random(2, Purpose::user);
        for (Eigen::Index k = 0; k < x.size(); ++k) x.data()[k] = static_cast<float>(size * random.normal());
        detail::newton_schulz(x, 5);
        Eigen::VectorXd const values = detail::spectrum_of((x.transpose() * x).cast<double>()).values;
        CHECK(values.minCoeff() > 0.6 * 0.6);
        CHECK(values.maxCoeff() < 1.25 * 1.25);
    }
    Eigen::MatrixXf zero = Eigen::MatrixXf::Zero(3, 2);
    detail::newton_schulz(zero, 5);
    CHECK(zero.isZero(0));
}

TEST_CASE("Muon's training does not depend on threads, and goes on where it stopped") {
    check_determinism(Muon{.weight_decay = 0.01, .rest = {.learning_rate = 3e-3}});
}
TEST_CASE("Shampoo's training does not depend on threads, and goes on where it stopped") {
    check_determinism(Shampoo{.learning_rate = 1e-2, .every = 2});
}
TEST_CASE("SOAP's training does not depend on threads, and goes on where it stopped") {
    check_determinism(SOAP{.learning_rate = 1e-2, .every = 2});
}

TEST_CASE("gradients are clipped before matrices see them") {
    auto const data = small_images(30);
    OneBatch const batch(data);
    auto clipped = train<Net>(Shampoo{}, ClipNorm{0.01});
    auto by_hand = train<Net>(Shampoo{});
    for (int step = 0; step < 2; ++step) {
        CHECK(clipped.train_step(*batch).gradient_norm > 0.02);
        by_hand.backward(*batch);
        auto const factor = static_cast<float>(0.01 / (by_hand.gradient_norm() + 1e-6));
        for (float& g : by_hand.gradients()) g *= factor;
        by_hand.update();
    }
    auto const a = clipped.model().parameters(), b = by_hand.model().parameters();
    CHECK(std::equal(a.begin(), a.end(), b.begin()));
}

TEST_CASE("what is no matrix, and Muon's output layer, are the rest's") {
    // One step from the same gradient: what the rest moves is where AdamW alone moves it.
    auto const data = small_images(20);
    auto const step = [&](auto const& optimizer) {
        auto trainer = train<Net>(Cpu{.threads = 1}, optimizer, Seed{3});
        FitOptions options{.epochs = 1, .batch_size = 20};
        options.progress = ProgressStyle::none;
        trainer.fit(data, options);
        return trainer.snapshot();
    };
    auto const adamw = step(AdamW{.learning_rate = 1e-3, .weight_decay = 0.1});
    auto const muon = step(Muon{.rest = {.learning_rate = 1e-3, .weight_decay = 0.1}});
    CHECK(weights<"0.weight">(adamw) != weights<"0.weight">(muon));
    CHECK(weights<"5.weight">(adamw) != weights<"5.weight">(muon));
    CHECK(weights<"7.weight">(adamw) == weights<"7.weight">(muon));
    CHECK(weights<"0.bias">(adamw) == weights<"0.bias">(muon));
    CHECK(weights<"1.weight">(adamw) == weights<"1.weight">(muon));
    auto const all = step(Muon{.output_layer = true, .rest = {.learning_rate = 1e-3, .weight_decay = 0.1}});
    CHECK(weights<"7.weight">(all) != weights<"7.weight">(muon));
    CHECK(weights<"5.weight">(all) == weights<"5.weight">(muon));
}

TEST_CASE("the state of a matrix optimizer is a tensor for each parameter, checked when it is loaded") {
    TemporaryDirectory const directory;
    auto trainer = train<Net>(Cpu{.threads = 1}, Muon{});
    trainer.save_checkpoint(directory / "muon");
    CheckpointFile const file(directory / "muon");
    auto const size_of_state = [&](char const* name) {
        auto const* const found = file.tensors().find(name);
        return found ? found->shape.at(0) : -1;
    };
    CHECK(size_of_state("optimizer.state.0.weight") == 72);       // the momentum
    CHECK(size_of_state("optimizer.state.0.bias") == 2 * 4);      // AdamW's two
    CHECK(size_of_state("optimizer.state.7.weight") == 2 * 100);  // the output layer is the rest's
    auto other = train<Net>(Cpu{.threads = 1}, Muon{.output_layer = true});
    CHECK_THROWS_AS(other.load_checkpoint(directory / "muon"), Error);
    auto soap = train<Net>(Cpu{.threads = 1}, SOAP{});
    CHECK_THROWS_AS(soap.load_checkpoint(directory / "muon"), Error);
}

TEST_CASE("where a matrix would not be finite, or the optimizer throws, all weights and states are as they were") {
    struct Spoiled : Muon {
        double factor = 1;  // of what it writes; 0: it throws instead, after the write
        void update(MatrixShape shape, float* weight, float const* gradient, float* state,
                    OptimizerStep const& step) const {
            Muon::update(shape, weight, gradient, state, step);
            weight[0] *= static_cast<float>(factor);
            if (factor == 0) throw std::domain_error("own");
        }
    };
    auto const data = small_images(20);
    for (double const factor : {1e300, 0.0}) {
        Spoiled optimizer;
        auto trainer = train<Net>(Cpu{.threads = 2}, optimizer, Seed{3});
        FitOptions options{.epochs = 1, .batch_size = 20};
        options.progress = ProgressStyle::none;
        trainer.fit(data, options);
        TemporaryDirectory const directory;
        trainer.save_checkpoint(directory / "good");
        optimizer.factor = factor;
        auto spoiled = train<Net>(Cpu{.threads = 2}, optimizer, Seed{3});
        spoiled.load_checkpoint(directory / "good");
        options.epochs = 2;
        if (factor == 0)
            CHECK_THROWS_AS(spoiled.fit(data, options), std::domain_error);
        else
            CHECK_THROWS_AS(spoiled.fit(data, options), Error);
        spoiled.save_checkpoint(directory / "as it was");
        CheckpointFile const before(directory / "good"), after(directory / "as it was");
        for (auto const* name : {"model.0.weight", "model.5.weight", "model.7.bias", "optimizer.state.0.weight",
                                 "optimizer.state.7.weight"}) {
            auto const* const old = before.tensors().find(name);
            auto const* const now = after.tensors().find(name);
            REQUIRE(old != nullptr);
            REQUIRE(now != nullptr);
            auto const a = before.tensors().data().subspan(old->begin, old->end - old->begin);
            auto const b = after.tensors().data().subspan(now->begin, now->end - now->begin);
            CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
        }
    }
}

TEST_CASE("hyperparameters out of range are named") {
    CHECK_THROWS_WITH_AS(Muon{.learning_rate = 0}.check(), "Muon: learning_rate is 0, expected a number above 0",
                         Error);
    CHECK_THROWS_WITH_AS(Muon{.steps = 0}.check(), "Muon: steps is 0, expected 1 to 100", Error);
    CHECK_THROWS_AS((Muon{.rest = {.learning_rate = -1}}.check()), Error);
    CHECK_THROWS_WITH_AS(Shampoo{.epsilon = 0}.check(), "Shampoo: epsilon is 0, expected above 0", Error);
    CHECK_THROWS_WITH_AS(Shampoo{.every = 0}.check(), "Shampoo: every is 0, expected at least 1", Error);
    CHECK_THROWS_WITH_AS(SOAP{.beta1 = 1}.check(), "SOAP: beta1 is 1, expected a number of at least 0 and below 1",
                         Error);
}
