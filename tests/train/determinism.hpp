// The contract of determinism, for any network: used by the tests of LeNet and of a BatchNorm network.
#pragma once

#include "small_training.hpp"

namespace strata {

template <class Net>
Snapshot trained(int batch_size, std::size_t samples, int threads, int loader_threads, std::uint64_t seed = 7) {
    TemporaryDirectory const directory;
    auto trainer =
        train<Net>(Cpu{.threads = threads}, Seed{seed}, CrossEntropy{.label_smoothing = 0.05},
                   SGD{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 1e-3}, CosineAnnealingLR{.t_max = 3});
    trainer.fit(augmented_images(samples), small_images(40, 2),
                {.epochs = 2,
                 .batch_size = batch_size,
                 .loader_threads = loader_threads,
                 .evaluation_batch_size = 24,
                 .progress = ProgressStyle::none});
    return snapshot_of(trainer, directory);
}

template <class Net>
void check_threads(int batch_size, std::size_t samples) {
    CAPTURE(batch_size);
    auto const one = trained<Net>(batch_size, samples, 1, 0);
    for (int const threads : {2, 3, 4}) {
        CAPTURE(threads);
        for (int const loader_threads : {0, 1, 3}) {
            CAPTURE(loader_threads);
            if (loader_threads != 1 && threads != 2) continue;  // each count once beside each thread count is enough
            auto const many = trained<Net>(batch_size, samples, threads, loader_threads);
            CHECK_MESSAGE(one == many, difference(one, many));
        }
    }
    CHECK(one != trained<Net>(batch_size, samples, 1, 0, 8));
}

}  // namespace strata
