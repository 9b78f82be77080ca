// The contract of determinism, for any network: the same bits for any number of threads, and after every resume. Used
// by the tests of a LeNet and of a BatchNorm network.
#pragma once

#include "small_training.hpp"

namespace strata {

struct TrainedAs {
    int batch_size = 100;
    std::size_t samples = 0;
    int threads = 1, loader_threads = 0;
    std::uint64_t seed = 7;
};

template <class Net>
auto new_trainer(TrainedAs const& as) {
    // Small networks form teams only when told to: both ways are to give the same bits.
    double const team_flops = as.loader_threads == 3 ? Cpu{}.team_flops : 0;
    return train<Net>(Cpu{.threads = as.threads, .team_flops = team_flops}, Seed{as.seed},
                      CrossEntropy{.label_smoothing = 0.05},
                      SGD{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 1e-3}, CosineAnnealingLR{.t_max = 3});
}

inline FitOptions options_of(TrainedAs const& as) {
    FitOptions options;
    options.epochs = 2;
    options.batch_size = as.batch_size;
    options.loader_threads = as.loader_threads;
    options.evaluation_batch_size = 24;
    options.progress = ProgressStyle::none;
    return options;
}

template <class Trainer>
void run(Trainer& trainer, TrainedAs const& as, FitOptions const& options) {
    trainer.fit(augmented_images(as.samples), small_images(40, 2), options);
}

template <class Net>
Snapshot trained(TrainedAs const& as) {
    TemporaryDirectory const directory;
    auto trainer = new_trainer<Net>(as);
    run(trainer, as, options_of(as));
    return snapshot_of(trainer, directory);
}

template <class Net>
void check_threads(int batch_size, std::size_t samples) {
    auto const one = trained<Net>({batch_size, samples});
    for (auto const& counts : {std::pair{2, 0}, {2, 1}, {2, 3}, {3, 1}, {4, 1}, {1, 3}}) {
        int const threads = counts.first, loader_threads = counts.second;  // clang 14 captures no structured bindings
        CAPTURE(threads);
        CAPTURE(loader_threads);
        auto const many = trained<Net>({batch_size, samples, threads, loader_threads});
        CHECK_MESSAGE(one == many, difference(one, many));
    }
    CHECK(one.entries.at("history") != trained<Net>({batch_size, samples, 1, 0, 8}).entries.at("history"));
}

/// Stops after every step, by stop() and by a checkpoint written in a callback, and goes on in a fresh trainer with
/// another seed and another number of threads.
template <class Net>
void check_resume(int batch_size, std::size_t samples) {
    TemporaryDirectory const directory;
    TrainedAs const as{batch_size, samples};
    auto whole = new_trainer<Net>(as);
    FitOptions options = options_of(as);
    options.on_step = [&](StepEvent const& event) {
        whole.save_checkpoint(directory / concatenate("checkpoint", event.step));
    };
    run(whole, as, options);
    Snapshot const expected = snapshot_of(whole, directory);
    std::int64_t const steps = whole.state().step;
    REQUIRE(steps == 2 * ((static_cast<std::int64_t>(samples) - 1) / batch_size + 1));

    auto const resumed = [&](std::string const& path) {
        TrainedAs const other{batch_size, samples, 2, 1, 99};
        auto trainer = new_trainer<Net>(other);
        trainer.load_checkpoint(path);
        run(trainer, other, options_of(other));
        Snapshot const got = snapshot_of(trainer, directory);
        CHECK_MESSAGE(got == expected, difference(expected, got));
    };
    for (std::int64_t step = 1; step <= steps; ++step) {
        CAPTURE(step);
        resumed(directory / concatenate("checkpoint", step));

        auto stopped = new_trainer<Net>(as);
        FitOptions stopping = options_of(as);
        stopping.on_step = [&](StepEvent const& event) {
            if (event.step == step) stopped.stop();
        };
        run(stopped, as, stopping);
        CHECK(stopped.state().step == step);
        stopped.save_checkpoint(directory / "stopped");
        resumed(directory / "stopped");
    }
}

}  // namespace strata
