// labels: plain
// Every optimizer in a training: the same bits with any number of threads and after a resume, nothing written that is
// not finite, its state in checkpoints; what ranks compare of optimizers and schedules.
#include "../train/small_training.hpp"
#include "strata/train/policy_texts.hpp"

using namespace strata;

namespace {

/// One class more than the images have.
using Net = Network<Input<2, 12, 12>, Named<"conv", Conv2d<4, 3, Stride<3>>>, BatchNorm2d<>, ReLU, Flatten,
                    Named<"fc1", Linear<12>>, ReLU, Named<"fc2", Linear<6>>>;

FitOptions quiet() {
    FitOptions options{.epochs = 3, .batch_size = 20};
    options.progress = ProgressStyle::none;
    return options;
}
template <class Optimizer>
auto trainer_with(Optimizer const& optimizer, int threads) {
    SequentialLR const schedule({.milestones = {2, 5}, .every = Every::step},
                                LinearWarmup(ConstantLR{}, {.steps = 2, .start_factor = 0.5}),
                                CosineAnnealingWarmRestarts{.t_0 = 2, .eta_min = 1e-4, .every = Every::step},
                                MultiStepLR{.milestones = {2}, .gamma = 0.5, .every = Every::step});
    return train<Net>(Cpu{.threads = threads}, optimizer, schedule, Seed{3});
}

/// The state after three epochs of three steps; where `pause` is not 0, after a stop there and a resume.
template <class Optimizer>
Snapshot trained(Optimizer const& optimizer, int threads, int pause = 0) {
    TemporaryDirectory const directory;
    auto const data = small_images(60);
    auto options = quiet();
    auto trainer = trainer_with(optimizer, threads);
    if (pause > 0) {
        auto first = trainer_with(optimizer, 1);
        options.on_step = [&](StepEvent const& event) {
            if (event.step == pause) first.stop();
        };
        first.fit(data, options);
        first.save_checkpoint(directory / "checkpoint");
        options.on_step = nullptr;
        trainer.load_checkpoint(directory / "checkpoint");
    }
    trainer.fit(data, options);
    auto const& history = trainer.state().history;
    CHECK(history.back().train_loss < history.front().train_loss);
    return snapshot_of(trainer, directory);
}

/// The error of a step whose gradient is finite and too large, which changes nothing.
template <class Trainer>
std::string refused_step(Trainer& trainer, Batch const& batch, float size) {
    TemporaryDirectory const directory;
    auto const before = snapshot_of(trainer, directory);
    trainer.backward(batch);
    for (float& g : trainer.gradients()) g = size;
    std::string const message = error_of([&] { trainer.update(); });
    auto after = snapshot_of(trainer, directory);
    for (auto& [key, value] : after.entries)  // a pass that no update follows has been seen by the statistics
        if (key.find("running_") != std::string::npos || key.find("num_batches") != std::string::npos)
            value = before.entries.at(key);
    CHECK_MESSAGE(after == before, difference(after, before));
    return message;
}

template <class Optimizer>
void check_training(Optimizer const& optimizer, std::vector<std::string> const& states, bool refuses = true) {
    CAPTURE(Optimizer::name);
    auto const whole = trained(optimizer, 1), other = trained(optimizer, 3);
    CHECK_MESSAGE(whole == other, difference(whole, other));
    for (int const pause : {1, 4}) {
        auto const resumed = trained(optimizer, 2, pause);
        CHECK_MESSAGE(whole == resumed, difference(whole, resumed));
    }
    for (auto const& state : states) CHECK(whole.entries.count("tensor optimizer." + state) == 1);

    auto const data = small_images(20);
    OneBatch const batch(data);
    for (bool const warm : {false, true}) {  // in the first step, and where magnitudes are known
        auto trainer = trainer_with(optimizer, 2);
        if (warm)
            for (int k = 0; k < 3; ++k) trainer.train_step(*batch);
        if (refuses) CHECK_CONTAINS(refused_step(trainer, *batch, 3e38f), "would not be finite");
        CHECK(trainer.train_step(*batch).finite);
        // A class that is masked by a bias of -inf stays so; all others train on.
        auto model = trainer.snapshot();
        model.parameters().back() = -INFINITY;
        trainer.set_model(model);
        for (int k = 0; k < 2; ++k) trainer.train_step(*batch);
        auto const now = trainer.model().parameters();
        CHECK(now.back() == -INFINITY);
        CHECK(std::all_of(now.begin(), now.end() - 1, [](float w) { return std::isfinite(w); }));
    }
}

}  // namespace

TEST_CASE("RMSprop") {
    check_training(RMSprop{.learning_rate = 1e-3, .momentum = 0.9, .centered = true},
                   {"square_avg.fc1.weight", "momentum_buffer.fc1.weight", "grad_avg.conv.bias"});
}
TEST_CASE("Adagrad") { check_training(Adagrad{.initial_accumulator_value = 0.1}, {"sum.fc1.weight"}); }
TEST_CASE("NAdam") { check_training(NAdam{}, {"exp_avg.fc1.weight", "exp_avg_sq.fc2.bias"}); }
TEST_CASE("RAdam") { check_training(RAdam{.learning_rate = 1e-2}, {"exp_avg.fc1.weight", "exp_avg_sq.fc2.bias"}); }
TEST_CASE("Lion") {
    // No gradient is too large for it: what overflows are weights that it moves by the learning rate.
    check_training(Lion{.learning_rate = 1e-3}, {"exp_avg.fc1.weight"}, false);
    auto trainer = trainer_with(Lion{.learning_rate = 2e38}, 1);
    auto model = trainer.snapshot();
    model.parameters().back() = -3e38f;
    trainer.set_model(model);
    OneBatch const batch(small_images(20));
    CHECK(refused_step(trainer, *batch, 1) == "training step 0: bias of layer fc2 (Linear) would not be finite");
}
TEST_CASE("LAMB") {
    check_training(LAMB{.learning_rate = 1e-2, .rest = {.learning_rate = 1e-2}},
                   {"state.conv.weight", "state.fc2.bias"});
}
TEST_CASE("LARS") {
    // Its steps do not grow with the gradient; those of the rest do.
    check_training(LARS{.trust_coefficient = 0.02, .rest = {.learning_rate = 4, .momentum = 0.9}},
                   {"state.conv.weight", "state.fc2.bias"});
}

TEST_CASE("what ranks compare knows all options of optimizers and schedules") {
    auto const optimizer = [](auto const& policy) { return detail::optimizer_text<float>(policy); };
    std::vector<std::string> texts{
        optimizer(RMSprop{}),
        optimizer(RMSprop{.alpha = 0.98}),
        optimizer(RMSprop{.centered = true}),
        optimizer(RMSprop{.momentum = 0.1}),
        optimizer(Adagrad{}),
        optimizer(Adagrad{.lr_decay = 1e-12}),
        optimizer(Adagrad{.initial_accumulator_value = 1e-30}),
        optimizer(NAdam{}),
        optimizer(NAdam{.momentum_decay = 5e-3}),
        optimizer(NAdam{.decoupled_weight_decay = true}),
        optimizer(RAdam{}),
        optimizer(RAdam{.decoupled_weight_decay = true}),
        optimizer(Lion{}),
        optimizer(Lion{.beta2 = 0.98}),
        optimizer(LAMB{}),
        optimizer(LAMB{.rest = {.beta1 = 0.8}}),
        optimizer(LARS{}),
        optimizer(LARS{.trust_coefficient = 1e-2}),
        optimizer(LARS{.rest = {.nesterov = true}}),
    };
    // Schedules that differ at places that nobody looks at, or in what they are made of.
    auto const schedule = [](auto const& policy) { return detail::schedule_text(policy); };
    auto const sequence = [&](std::int64_t milestone, std::int64_t fall, double factor) {
        return schedule(SequentialLR({.milestones = {milestone}},
                                     LinearWarmup(ConstantLR{}, {.steps = 5, .start_factor = factor}),
                                     LinearWarmup(MultiStepLR{.milestones = {40, fall}})));
    };
    for (auto const& text :
         {schedule(MultiStepLR{.milestones = {40, 200}}), schedule(MultiStepLR{.milestones = {41, 200}}),
          schedule(MultiStepLR{.milestones = {40, 201}}), schedule(ExponentialLR{.gamma = 0.9}),
          schedule(ExponentialLR{.gamma = 0.9 + 1e-15}), schedule(PolynomialLR{.total_iters = 10}),
          schedule(PolynomialLR{.total_iters = 10, .power = 1 + 1e-15}), schedule(ReduceLROnPlateau{}),
          schedule(ReduceLROnPlateau{.patience = 11}), schedule(ReduceLROnPlateau{.cooldown = 1}),
          schedule(CosineAnnealingWarmRestarts{.t_0 = 200}),
          schedule(CosineAnnealingWarmRestarts{.t_0 = 200, .t_mult = 2}), sequence(20, 200, 0.5),
          sequence(21, 200, 0.5), sequence(20, 201, 0.5), sequence(20, 200, 0.4)})
        texts.push_back(text);
    for (std::size_t i = 0; i < texts.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) CHECK_MESSAGE(texts[i] != texts[j], texts[i]);
    CHECK(sequence(20, 200, 0.5) == sequence(20, 200, 0.5));
    CHECK_CONTAINS(sequence(20, 200, 0.5), ", milestones 40 200");
}
