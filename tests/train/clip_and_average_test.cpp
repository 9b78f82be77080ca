// ClipNorm and ClipValue: the bits of a loop that clips as PyTorch does, before update(), whatever the optimizer. Ema.
#include "small_training.hpp"

using namespace strata;

namespace {

/// Three steps, each on other images; change(trainer) comes between backward and update.
template <class Trainer, class Change>
void train_by_hand(Trainer& trainer, Change const& change) {
    for (std::uint64_t step = 0; step < 3; ++step) {
        auto const data = small_images(40, step + 1);
        trainer.backward(*OneBatch(data));
        change(trainer);
        CHECK(trainer.update());
    }
}
/// The same by train_step; returns the norms that it gave.
template <class Trainer>
std::vector<double> norms_of_steps(Trainer& trainer) {
    std::vector<double> norms;
    for (std::uint64_t step = 0; step < 3; ++step) {
        auto const data = small_images(40, step + 1);
        norms.push_back(trainer.train_step(*OneBatch(data)).gradient_norm);
    }
    return norms;
}
template <class Optimizer, class Clip, class Change>
void check_bits(Optimizer const& optimizer, Clip const& clip, Change const& change) {
    TemporaryDirectory const directory;
    auto clipped = train<SmallLeNet>(optimizer, clip, Cpu{.threads = 2});
    auto by_hand = train<SmallLeNet>(optimizer);
    norms_of_steps(clipped);
    train_by_hand(by_hand, change);
    auto const a = snapshot_of(clipped, directory), b = snapshot_of(by_hand, directory);
    CHECK_MESSAGE(a == b, difference(a, b));
}

}  // namespace

TEST_CASE("gradients are clipped by their norm") {
    int changed = 0;
    auto const change = [&](auto& trainer) {
        // clip_grad_norm_'s formula.
        auto const factor = static_cast<float>(0.1 / (trainer.gradient_norm() + 1e-6));
        if (factor < 1) ++changed;
        for (float& g : trainer.gradients()) g *= factor < 1 ? factor : 1.0f;
        if (factor < 1) CHECK(trainer.gradient_norm() == doctest::Approx(0.1));
    };
    check_bits(SGD{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01}, ClipNorm{0.1}, change);
    check_bits(AdamW{.learning_rate = 0.01}, ClipNorm{0.1}, change);
    CHECK(changed == 6);
}

TEST_CASE("gradients are clipped number by number") {
    std::size_t changed = 0, all = 0;
    auto const change = [&](auto& trainer) {
        for (float& g : trainer.gradients()) {
            float const clipped = std::clamp(g, -0.01f, 0.01f);
            changed += clipped != g ? 1u : 0u;
            ++all;
            g = clipped;
        }
    };
    check_bits(SGD{.learning_rate = 0.1, .nesterov = false}, ClipValue{0.01}, change);
    check_bits(Adam{.learning_rate = 0.01}, ClipValue{0.01}, change);
    CHECK(changed > all / 20);
    CHECK(changed < all);
}

TEST_CASE("an infinite norm changes nothing and is known") {
    auto plain = train<SmallLeNet>(Adam{});
    auto measured = train<SmallLeNet>(Adam{}, ClipNorm{HUGE_VAL});
    auto const none = norms_of_steps(plain), norms = norms_of_steps(measured);
    for (double const norm : none) CHECK(std::isnan(norm));
    for (double const norm : norms) CHECK(norm > 0);
    // The root of the squares' sum in long double.
    long double squares = 0;
    for (float const g : std::as_const(measured).executor().gradient()) squares += static_cast<long double>(g) * g;
    CHECK(norms.back() == doctest::Approx(static_cast<double>(std::sqrt(squares))).epsilon(1e-14));
    CHECK(measured.gradient_norm() == norms.back());
    auto const a = plain.model().parameters(), b = measured.model().parameters();
    CHECK(std::equal(a.begin(), a.end(), b.begin()));
}

TEST_CASE("the gradient of the last step is the one before it was clipped, of matrices too") {
    auto const check = [](auto const& optimizer, auto const& clip) {
        auto trainer = train<SmallLeNet>(optimizer, clip);
        auto plain = train<SmallLeNet>(optimizer);
        auto const data = small_images(40);
        static_cast<void>(trainer.train_step(*OneBatch(data)));
        static_cast<void>(plain.train_step(*OneBatch(data)));
        CHECK(trainer.gradient_norm() == plain.gradient_norm());
        CHECK(
            same_bits<float>(std::as_const(trainer).executor().gradient(), std::as_const(plain).executor().gradient()));
        CHECK(!same_bits<float>(trainer.model().parameters(), plain.model().parameters()));
    };
    check(SGD{}, ClipNorm{1e-3});
    check(LAMB{}, ClipNorm{1e-3});
    check(LAMB{}, ClipValue{1e-3});
}

TEST_CASE("fit clips, and says the norm to callbacks") {
    auto const data = small_images(60);
    auto trainer = train<SmallLeNet>(SGD{.learning_rate = 1.0}, ClipNorm{1e-3});
    auto const before = trainer.snapshot();
    FitOptions options{.batch_size = 60};
    options.progress = ProgressStyle::none;
    double norm = 0;
    options.on_step = [&](StepEvent const& event) { norm = event.result.gradient_norm; };
    trainer.fit(data, options);
    CHECK(norm > 1e-2);
    // SGD at a rate of 1 moves the weights by the clipped gradient.
    double squares = 0;
    for (std::size_t i = 0; i < before.parameters().size(); ++i) {
        double const moved = double{trainer.model().parameters()[i]} - double{before.parameters()[i]};
        squares += moved * moved;
    }
    CHECK(std::sqrt(squares) == doctest::Approx(1e-3).epsilon(1e-3));  // weights are floats
}

TEST_CASE("a checkpoint does not know of clipping; a loss scale and a gradient that is not finite do not touch it") {
    TemporaryDirectory const directory;
    std::string const file = directory / "checkpoint";
    auto const data = small_images(40);
    auto clipped = train<SmallLeNet>(Adam{}, ClipNorm{0.1}, StaticLossScale{.scale = 1024});
    auto plain = train<SmallLeNet>(Adam{}, ClipNorm{0.1});
    CHECK(clipped.train_step(*OneBatch(data)).gradient_norm == plain.train_step(*OneBatch(data)).gradient_norm);
    clipped.save_checkpoint(file);
    auto other = train<SmallLeNet>(Adam{});
    other.load_checkpoint(file);
    CHECK(other.state().step == 1);

    auto skipping = train<SmallLeNet>(Adam{}, ClipNorm{0.1}, NonFinite{.skip = true});
    skipping.backward(*OneBatch(data));
    skipping.gradients()[3] = std::numeric_limits<float>::infinity();
    CHECK(!skipping.update());
    CHECK(std::equal(skipping.model().parameters().begin(), skipping.model().parameters().end(),
                     train<SmallLeNet>(Adam{}).model().parameters().begin()));
}

TEST_CASE("limits that make no sense") {
    CHECK(error_of([] { static_cast<void>(train<SmallLeNet>(ClipNorm{0})); }) ==
          "ClipNorm: max_norm is 0, expected a number above 0");
    CHECK_THROWS_AS(static_cast<void>(train<SmallLeNet>(ClipNorm{std::nan("")})), Error);
    CHECK(error_of([] { static_cast<void>(train<SmallLeNet>(ClipValue{HUGE_VAL})); }) ==
          "ClipValue: max_value is inf, expected a finite number above 0");
    CHECK_THROWS_AS(static_cast<void>(train<SmallLeNet>(SGD{.learning_rate = -1.0}, ClipNorm{})), Error);
}

TEST_CASE("weights are averaged") {
    TemporaryDirectory const directory;
    auto const fresh = [] { return train<SmallLeNet>(Adam{.learning_rate = 0.01}, Ema{.decay = 0.75}, ClipNorm{0.1}); };
    auto trainer = fresh(), second = fresh();
    auto plain = train<SmallLeNet>(Adam{.learning_rate = 0.01}, ClipNorm{0.1});
    auto const untrained = trainer.averaged();
    CHECK(std::equal(plain.model().parameters().begin(), plain.model().parameters().end(),
                     untrained.parameters().begin()));
    std::vector<double> expected;
    for (std::uint64_t step = 0; step < 4; ++step) {
        auto const data = small_images(40, step + 1);
        CHECK(trainer.train_step(*OneBatch(data)).gradient_norm == plain.train_step(*OneBatch(data)).gradient_norm);
        auto const weights = plain.model().parameters();
        if (step == 0) expected.assign(weights.begin(), weights.end());
        for (std::size_t i = 0; i < expected.size(); ++i)
            expected[i] = 0.75 * expected[i] + 0.25 * static_cast<double>(weights[i]);
        auto const average = trainer.averaged();
        double worst = 0;
        for (std::size_t i = 0; i < expected.size(); ++i)
            worst = std::max(worst, std::abs(static_cast<double>(average.parameters()[i]) - expected[i]));
        CHECK(worst < 2e-7);  // roundings of weights below 1
        if (step == 1) {      // the average is in checkpoints
            trainer.save_checkpoint(directory / "checkpoint");
            second.load_checkpoint(directory / "checkpoint");
        }
        if (step > 1) static_cast<void>(second.train_step(*OneBatch(data)));
    }
    // The weights do not know of it.
    CHECK(std::equal(plain.model().parameters().begin(), plain.model().parameters().end(),
                     trainer.model().parameters().begin()));
    auto const a = trainer.averaged(), b = second.averaged();
    CHECK(std::equal(a.parameters().begin(), a.parameters().end(), b.parameters().begin()));
    CheckpointFile const file(directory / "checkpoint");
    CHECK(file.tensors().find("optimizer.ema.0.weight") != nullptr);
    CHECK(file.tensors().find("optimizer.exp_avg.0.weight") != nullptr);
    CHECK(error_of([] { static_cast<void>(train<SmallLeNet>(Ema{1.0})); }) ==
          "Ema: decay is 1, expected a number of at least 0 and below 1");
}
