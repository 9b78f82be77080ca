// What codes for gradients cost in accuracy: compression CIFAR10_DIRECTORY [SEEDS] [EPOCHS]
//
// Trains LeNet on CIFAR-10 with each code, 8 shards, SGD with momentum 0.9, or Nesterov's, batch 128. One rank: the bits of
// any number. Prints a line a code: the test accuracy's mean over the seeds and its difference to that without a code and
// with the same momentum, in points, and the bytes that a rank of eight sends in a step.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <strata/distributed.hpp>
#include <strata/strata.hpp>

#include "network_types.hpp"

using namespace strata;

namespace {

constexpr int batch_size = 128;
double plain[2] = {};  // with momentum, and Nesterov's

/// Before a code momentum is the code's own.
template <class... Ways>
void measure(char const* name, TrainTest const& data, int seeds, int epochs, bool nesterov, SGD const& sgd,
             Ways... ways) {
    double sum = 0;
    for (int seed = 0; seed < seeds; ++seed)
        Threads::run_ranks(1, [&](Threads communicator) {
            auto trainer =
                train<benchmark::LeNet>(sgd, CosineAnnealingLR{.t_max = epochs}, Seed{static_cast<std::uint64_t>(seed)},
                                        DataParallel{communicator, ways...});
            FitOptions options{.epochs = epochs, .batch_size = batch_size};
            options.progress = ProgressStyle::none;
            trainer.fit(data.train, options);
            sum += trainer.evaluate(data.test).accuracy;
        });
    double const accuracy = 100 * sum / seeds;
    if (sizeof...(ways) == 0) plain[nesterov] = accuracy;
    std::printf("%-28s accuracy %.2f %%  difference %+.2f  bytes %zu\n", name, accuracy, accuracy - plain[nesterov],
                wire_of<benchmark::LeNet>(batch_size, 8, 0, Cpu{}, ways...).bytes);
    std::fflush(stdout);
}

}  // namespace

int main(int argument_count, char** arguments) try {
    if (argument_count < 2) {
        std::fprintf(stderr, "usage: compression CIFAR10_DIRECTORY [SEEDS] [EPOCHS]\n");
        return 2;
    }
    int const seeds = argument_count > 2 ? std::atoi(arguments[2]) : 4,
              epochs = argument_count > 3 ? std::atoi(arguments[3]) : 10;
    auto data = cifar10(arguments[1]);
    for (Dataset* const set : {&data.train, &data.test}) *set = set->with(Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
    SGD const alone{.learning_rate = 0.02}, heavy{.learning_rate = 0.02, .momentum = 0.9},
        nesterov{.learning_rate = 0.02, .momentum = 0.9, .nesterov = true};
    measure("plain", data, seeds, epochs, false, heavy);
    measure("Float16", data, seeds, epochs, false, heavy, Compressed<Float16>{});
    measure("BFloat16", data, seeds, epochs, false, heavy, Compressed<BFloat16>{});
    measure("Int8", data, seeds, epochs, false, heavy, Compressed<Int8>{});
    measure("plain, Nesterov", data, seeds, epochs, true, nesterov);
    measure("OneBit, Nesterov", data, seeds, epochs, true, alone,
            Compressed{OneBit{.momentum = 0.9, .nesterov = true, .warm_up_steps = 390}});
    int const warm_up = 390 * (std::min)(4, 2 * epochs / 3);  // four epochs, as DGC, or two thirds of all
    measure("TopK 0.01, Nesterov", data, seeds, epochs, true, alone,
            Compressed{TopK{.fraction = 0.01, .momentum = 0.9, .nesterov = true, .warm_up_steps = warm_up}});
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
