// Tutorial 4: one's own training loop, with a checkpoint in the middle, and one's own step.
//
//     04_own_training_loop [DIR]
//
// `fit` is a loop over Loader and train_step; whoever wants another loop writes it. Everything random is a function of
// the seed and the place in training, so training that stops and resumes ends with the same bits as training that does
// not.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>

#include <strata/strata.hpp>

using namespace strata;

using Classifier = Network<Input<1, 28, 28>, Flatten, Linear<64>, ReLU, Dropout<0.2>, Linear<10>>;

static auto make_trainer() {
    // Without NonFinite{.skip = true} a loss or gradient that is not finite would stop training with an Error.
    return train<Classifier>(SGD{.learning_rate = 0.05, .momentum = 0.9}, StepLR{.step_size = 1, .gamma = 0.5},
                             NonFinite{.skip = true}, Seed{42});
}

// Trains from where the trainer stands to the given step.
template <class Trainer>
static void train_until(Trainer& trainer, Dataset const& data, std::int64_t last_step) {
    // The next batches are prepared on a background thread while this one trains.
    Loader loader(data, {.batch_size = 100, .seed = trainer.state().seed});
    std::int64_t const steps_per_epoch = loader.batches_per_epoch();
    // What schedules may want to know; fit does this for its own loop.
    trainer.position().steps_per_epoch = steps_per_epoch;
    trainer.position().total_steps = last_step;

    double mean_loss = 0;
    while (trainer.state().step < last_step) {
        std::int64_t const epoch = trainer.state().step / steps_per_epoch;
        trainer.position().epoch = epoch;
        loader.begin_epoch(static_cast<int>(epoch), static_cast<int>(trainer.state().step % steps_per_epoch));
        while (Batch const* batch = trainer.state().step < last_step ? loader.next() : nullptr) {
            StepResult const result = trainer.train_step(*batch);
            if (!result.finite) {
                std::printf("step %4lld is skipped\n", static_cast<long long>(trainer.state().step));
                continue;
            }
            // An exponential mean: single batches are noisy.
            mean_loss = mean_loss == 0 ? result.loss : 0.98 * mean_loss + 0.02 * result.loss;
            if (trainer.state().step % 100 == 0)
                std::printf("step %4lld  learning rate %.4f  loss %.4f\n", static_cast<long long>(trainer.state().step),
                            trainer.learning_rate(), mean_loss);
        }
    }
}

// A step in two halves, with the gradient in between: backward adds the gradient of a batch to what is there (as in
// PyTorch, but update and train_step clear it), update hands it to the optimizer. Here each step takes the mean over two
// batches, clipped to a norm of 1; schedules, BatchNorm, checkpoints and counters go on as with train_step.
template <class Trainer>
static void train_on_pairs(Trainer& trainer, Dataset const& data, int steps) {
    Loader loader(data, {.batch_size = 100, .seed = trainer.state().seed});
    loader.begin_epoch(100);  // an order of its own
    for (int step = 0; step < steps; ++step) {
        trainer.backward(*loader.next());
        trainer.backward(*loader.next());
        for (float& g : trainer.gradients()) g /= 2;
        if (double const norm = trainer.gradient_norm(); norm > 1)
            for (float& g : trainer.gradients()) g /= static_cast<float>(norm);
        trainer.update();
    }
}

int main(int argument_count, char** arguments) try {
    auto data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();
    Dataset const train_data = data.train.first(20'000), test_data = data.test.first(2'000);

    // Straight through three epochs of 200 steps, with a checkpoint at step 350.
    std::string const checkpoint = "04_own_training_loop.ckpt";
    auto straight = make_trainer();
    train_until(straight, train_data, 350);
    straight.save_checkpoint(checkpoint);
    train_until(straight, train_data, 600);

    std::puts("once more, from the checkpoint:");
    auto resumed = make_trainer();
    resumed.load_checkpoint(checkpoint);
    train_until(resumed, train_data, 600);

    auto const a = straight.model().parameters(), b = resumed.model().parameters();
    bool const same = std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
    std::printf("the two models are %s to the bit\n", same ? "equal" : "NOT equal");

    // A batch of one's own, with a pixel that is not a number: the step changes nothing.
    std::vector<float> pixels(28 * 28, 0.5f);
    pixels[0] = std::nanf("");
    std::int32_t const label = 3;
    StepResult const broken = resumed.train_step(pixels, std::span(&label, 1));
    std::printf("a step on a broken image is %s\n", broken.finite ? "taken" : "skipped");

    train_on_pairs(resumed, train_data, 20);
    std::printf("%lld steps, %lld updates\n", static_cast<long long>(resumed.state().step),
                static_cast<long long>(resumed.state().updates));

    auto const evaluation = resumed.evaluate(test_data);
    std::printf("test loss %.4f, accuracy %.2f %%\n", evaluation.loss, 100 * evaluation.accuracy);
    return same ? 0 : 1;
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
