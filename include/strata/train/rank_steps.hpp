// What a training of several ranks does besides: comparisons before it begins, repetition of what a lost rank broke
// off.
#pragma once

#include "../backend/ranks.hpp"
#include "../data/dataset.hpp"
#include "../io/checksum.hpp"
#include "../precision/loss_scale.hpp"
#include "fit_options.hpp"
#include "policy_texts.hpp"
#include "training_state.hpp"

namespace strata::inline STRATA_ABI::detail {

/// A type as the compiler spells it, Strata's version and the instruction set included.
template <class T>
std::string type_text() {
    return __PRETTY_FUNCTION__;
}

/// f(), and again where a rank was lost meanwhile and the others go on; `moved` is set then, for a loader has other
/// samples.
template <class Executor, class F>
auto repeated(Executor& executor, bool& moved, F const& f) {
    if constexpr (RanksOf<Executor>::type::several)
        while (executor.ranks().goes_on() && RanksOf<Executor>::type::replicated) try {
                return f();
            } catch (RankLost const&) {
                executor.go_on();
                moved = true;
            }
    return f();
}

/// When a trainer is made. Ranks that do not do the same would wait for each other for ever, or train what is nobody's.
template <class Trainer, class Ranks>
STRATA_COLD void compare_trainers(Ranks const& ranks, std::uint64_t seed, double learning_rate, int leaves) {
    ranks.compare_ways();
    ranks.compare("the trainer", type_text<Trainer>());
    ranks.compare("the seed", concatenate(seed));
    ranks.compare("the learning rate", exact_text(learning_rate));
    ranks.compare("Cpu::leaves", concatenate(leaves));
}

/// The same; ranks whose weights are kept elsewhere get them. Returns the steps that this rank has done already.
template <class Trainer, class Executor, class Model, class Optimizer, class Schedule>
STRATA_COLD std::int64_t begin_trainer(Executor& executor, Model& model, Optimizer const& optimizer,
                                       Schedule const& schedule, bool skips, LossScaling const& scaling,
                                       std::uint64_t seed, int batches) {
    compare_trainers<Trainer>(executor.ranks(), seed, optimizer.learning_rate, executor.most_leaves());
    executor.ranks().compare("the optimizer", optimizer_text<typename Model::Scalar>(optimizer));
    if constexpr (requires { executor.loss(); })
        executor.ranks().compare("the loss", loss_text<typename Model::Network::OutputShape>(executor.loss()));
    executor.ranks().compare("the schedule", schedule_text(schedule));
    executor.ranks().compare("NonFinite::skip", concatenate(int{skips}));
    executor.ranks().compare("Accumulate::batches", concatenate(batches));
    executor.ranks().compare("the loss scale",
                             concatenate(exact_text(scaling.initial), ", growth ", exact_text(scaling.growth),
                                         ", backoff ", exact_text(scaling.backoff), ", interval ", scaling.interval));
    if constexpr (requires { executor.join(model, optimizer, seed); }) return executor.join(model, optimizer, seed);
    return 0;
}
/// In place of an update, where a step is left out: those who share it may have to know.
template <class Executor, class Model>
void leave_out(Executor& executor, Model& model) {
    if constexpr (requires { executor.leave_out(model); }) executor.leave_out(model);
}

/// When fit begins.
template <class Ranks, class Model, class Scalar>
STRATA_COLD void compare_trainings(Ranks const& ranks, Model const& model, AlignedVector<Scalar> const& optimizer_state,
                                   TrainingState const& state, Dataset const& train, Dataset const* test,
                                   FitOptions const& options) {
    if constexpr (requires { ranks.sees_part(); })
        if (auto const& early = options.early_stopping; early.patience > 0 && !is_of_test(early.monitor))
            if (ranks.sees_part())
                fail("fit: early_stopping looks at the ", name_of(early.monitor),
                     ", of which each worker knows its own part: some would end before the others; look at the test "
                     "data");
    Checksum sum;
    sum.add(model.parameters().data(), model.parameters().size_bytes());
    sum.add(model.buffers().data(), model.buffers().size_bytes());
    if (!Ranks::sharded) sum.add(optimizer_state.data(), optimizer_state.size() * sizeof(Scalar));
    sum.add(train.labels().data(), train.labels().size_bytes());
    // Of targets, which may be much, some thousand rows: those of other data differ everywhere.
    std::size_t const row = static_cast<std::size_t>(train.outputs()) * size_of(train.target_type());
    for (std::size_t k = 0; row > 0 && k < train.size(); k += train.size() / 4096 + 1) sum.add(train.target(k), row);
    ranks.compare("the training",
                  concatenate(train.size(), " samples, ", test ? test->size() : 0, " for tests, epochs ",
                              options.epochs, ", batch_size ", options.batch_size, ", shuffle ", int{options.shuffle},
                              ", drop_last ", int{options.drop_last}, ", evaluation_batch_size ",
                              options.evaluation_batch_size, ", checkpoint ", int{!options.checkpoint.empty()},
                              ", checkpoint_steps ", options.checkpoint_steps, ", early_stopping ",
                              options.early_stopping.patience, ' ', exact_text(options.early_stopping.min_delta), ' ',
                              int{static_cast<unsigned char>(options.early_stopping.monitor)}, ", keep_best ",
                              int{!options.keep_best.file.empty()}, ' ',
                              int{static_cast<unsigned char>(options.keep_best.monitor)}, ", step ", state.step,
                              ", weights, optimizer state, labels and targets of checksum ", sum.value()));
}

}  // namespace strata::inline STRATA_ABI::detail
