// Trainings on ranks, to be compared with those on one.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <mutex>
#include <strata/distributed.hpp>

#include "../tested_types.hpp"
#include "../train/small_training.hpp"
#include "recovery.hpp"

namespace strata {

inline FitOptions options_of(int batch_size) {
    FitOptions options;
    options.epochs = 2;
    options.batch_size = batch_size;
    options.evaluation_batch_size = 30;
    options.progress = ProgressStyle::none;
    return options;
}

template <class Net>
auto trainer_of(auto const&... ranks) {
    return train<Net>(Cpu{.threads = 1}, Seed{7}, CrossEntropy{.label_smoothing = 0.05},
                      AdamW{.learning_rate = 0.01, .weight_decay = 1e-3}, CosineAnnealingLR{.t_max = 3}, ranks...);
}

/// What a rank ends with, besides the checkpoint.
struct Ended {
    std::vector<float> parameters, buffers, outputs;
    std::vector<std::int32_t> predictions;
    double loss = 0, gradient_norm = 0;
    friend bool operator==(Ended const&, Ended const&) = default;
};
template <class Trainer>
Ended ended(Trainer& trainer) {
    auto const& model = trainer.model();
    auto const tests = small_images(70, 2);
    auto const evaluation = trainer.evaluate(tests, 32);
    return {{model.parameters().begin(), model.parameters().end()},
            {model.buffers().begin(), model.buffers().end()},
            trainer.predict(tests, 50),
            evaluation.predictions,
            evaluation.loss,
            trainer.gradient_norm()};
}

/// Trains on one rank, and on `ranks` of `threads` each, without BatchNorm in steps of two batches.
template <class Net, class... Ways>
void check_ranks(int batch_size, std::size_t samples, std::initializer_list<std::pair<int, int>> counts) {
    TemporaryDirectory const directory;
    auto const data = augmented_images(samples), tests = small_images(40, 2);
    auto alone = trainer_of<Net>();
    alone.fit(data, tests, options_of(batch_size));
    Snapshot const expected = snapshot_of(alone, directory);
    Ended const end = ended(alone);
    for (auto const& count : tested_of(counts)) {
        int const ranks = count.first, threads = count.second;
        CAPTURE(ranks);
        CAPTURE(threads);
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            std::conditional_t<Net::is_batch_wide, NonFinite, Accumulate> accumulate;
            int batches = 1;
            if constexpr (!Net::is_batch_wide) accumulate.batches = batches = batch_size % 2 == 0 ? 2 : 1;
            auto trainer =
                train<Net>(Cpu{.threads = threads, .team_flops = 0}, DataParallel{communicator, Ways{}...}, Seed{7},
                           CrossEntropy{.label_smoothing = 0.05}, AdamW{.learning_rate = 0.01, .weight_decay = 1e-3},
                           CosineAnnealingLR{.t_max = 3}, accumulate);
            trainer.fit(data, tests, options_of(batch_size / batches));
            auto const written = snapshot_of(trainer, directory);
            auto const mine = ended(trainer);
            std::lock_guard const lock(checking);
            CHECK_MESSAGE(written == expected, difference(written, expected));
            CHECK(mine == end);
        });
    }
}

/// Trains on ranks of which some are killed after so many bytes. Returns the checkpoints of those that are left.
template <class Net, class... Ways>
std::vector<Snapshot> trained_in_spite_of(std::vector<std::uint64_t> const& kills, Dataset const& data,
                                          Dataset const& tests, TemporaryDirectory const& directory,
                                          std::vector<double>& recoveries) {
    std::mutex writing;
    std::vector<Snapshot> ended;
    Threads::run_ranks(static_cast<int>(kills.size()), [&](Threads threads) {
        Fault const fault{kills[static_cast<std::size_t>(threads.rank())]};
        Recovery recovery;
        Noticing<Faulty<Threads>> communicator{&recovery, Faulty(std::move(threads), fault)};
        auto trainer = trainer_of<Net>(DataParallel{communicator, WhenLost::go_on, Ways{}...});
        auto options = options_of(48);
        options.checkpoint = directory / "on the way";
        options.checkpoint_steps = 2;
        options.on_step = [&](StepEvent const& event) {
            recovery.end();
            if (event.step == 3) static_cast<void>(trainer.evaluate(tests, 24));
        };
        trainer.fit(data, tests, options);
        auto const snapshot = snapshot_of(trainer, directory);
        std::lock_guard const lock(writing);
        recoveries.insert(recoveries.end(), recovery.milliseconds().begin(), recovery.milliseconds().end());
        ended.push_back(snapshot);
    });
    return ended;
}

/// Of what only the lost rank had, the last checkpoint is left: the first one is written at step 2. STRATA_KILLS in the
/// environment is another number of cases, and prints how long the recoveries took.
template <class Net, class... Ways>
void check_kills(int ranks, int cases) {
    char const* const wanted = std::getenv("STRATA_KILLS");
    if (wanted) cases = std::atoi(wanted);
    TemporaryDirectory const directory;
    auto const data = augmented_images(120), tests = small_images(40, 2);
    auto alone = trainer_of<Net>();
    alone.fit(data, tests, options_of(48));
    Snapshot const expected = snapshot_of(alone, directory);
    // What each rank sends until training begins, and until its end.
    std::vector<std::uint64_t> before(static_cast<std::size_t>(ranks)), all(before.size());
    Threads::run_ranks(ranks, [&](Threads threads) {
        auto const me = static_cast<std::size_t>(threads.rank());
        Recorded communicator(std::move(threads));
        auto trainer = trainer_of<Net>(DataParallel{communicator, WhenLost::go_on, Ways{}...});
        auto options = options_of(48);
        options.on_step = [&](StepEvent const& event) {
            if (event.step == (sizeof...(Ways) > 0 ? 3 : 1)) before[me] = communicator.bytes_sent();
        };
        trainer.fit(data, tests, options);
        all[me] = communicator.bytes_sent();
    });
    Random random(11, Purpose::user);
    int killed = 0;
    std::vector<double> recoveries;
    for (int k = 0; k < cases; ++k) {
        // One rank may stay alone; two are killed in every other case.
        std::vector<std::uint64_t> kills(static_cast<std::size_t>(ranks), Fault::never);
        for (int victim = 0; victim < 1 + k % 2; ++victim) {
            auto const rank = random.below(static_cast<std::uint32_t>(ranks));
            kills[rank] = before[rank] + random.below(static_cast<std::uint32_t>(all[rank] - before[rank] + 1));
        }
        CAPTURE(k);
        auto const ended = trained_in_spite_of<Net, Ways...>(kills, data, tests, directory, recoveries);
        killed += ranks - static_cast<int>(ended.size());
        CHECK(!ended.empty());
        for (auto const& snapshot : ended) CHECK_MESSAGE(snapshot == expected, difference(snapshot, expected));
    }
    std::sort(recoveries.begin(), recoveries.end());
    if (wanted && !recoveries.empty())
        MESSAGE(cases << " trainings, " << killed << " kills; ms to the first message of what is repeated: median "
                      << recoveries[recoveries.size() / 2] << ", longest " << recoveries.back());
}

}  // namespace strata
