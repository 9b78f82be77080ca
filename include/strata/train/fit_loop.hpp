// The loop of Trainer::fit: epochs, batches, progress, callbacks and checkpoints around the training step.
#pragma once

#include <unistd.h>

#include <utility>

#include "../data/loader.hpp"
#include "../schedule/schedule.hpp"
#include "checkpoint_state.hpp"
#include "evaluation.hpp"
#include "fit_options.hpp"
#include "progress.hpp"
#include "training_state.hpp"

namespace strata::inline STRATA_ABI::detail {

/// One call of Trainer::fit, whose options and datasets were checked.
template <class Trainer>
class FitLoop {
public:
    STRATA_COLD FitLoop(Trainer& trainer, Dataset const& train, Dataset const* test, FitOptions const& options)
        : trainer_(trainer),
          train_(train),
          test_(test),
          options_(options),
          progress_(options.progress, stdout, &Progress::steady_seconds, counted),
          batch_size_(trainer.passes_.accumulate().samples_of_step(options.batch_size)) {
        if (options_.unoptimised)
            print(
                "this program was compiled without optimisation and trains some forty times slower than it could: give "
                "the compiler -O3, or CMake -DCMAKE_BUILD_TYPE=Release");
        trainer_.fitting_ = true;
        trainer_.passes_.set_part(options.batch_size);
    }
    FitLoop(FitLoop const&) = delete;
    ~FitLoop() {
        trainer_.fitting_ = false;
        trainer_.passes_.set_part(0);
    }

    void run() {
        check_places();
        trainer_.stopped_ = stops_early();
        if (!trainer_.stopped_ && state().epoch >= options_.epochs)
            print(concatenate("nothing to train: ", state().epoch, " epochs are done, epochs is ", options_.epochs));
        if constexpr (!replicated)  // what is at its place may be another training's
            if (!options_.checkpoint.empty() && trainer_.executor_.ranks().goes_on())
                trainer_.save_checkpoint(options_.checkpoint);
        told_ = state().epoch;
        do {
            trainer_.moved_ = false;
            if constexpr (!replicated) {
                if (is_lost([&] { run_from_here(); })) {
                    check_last_checkpoint();
                    bool const stopped = trainer_.stopped_;
                    std::int64_t const step = state().step;
                    while (is_lost([&] { load_last_checkpoint(); })) {}  // another one meanwhile
                    trainer_.stopped_ = (stopped && state().step == step) || stops_early();
                    epoch_is_due_ = state().batch == 0 && state().epoch > told_;
                }
            } else {
                run_from_here();
            }
            // What a callback has loaded may be the end of a training.
            if (trainer_.moved_ && !epoch_is_due_) trainer_.stopped_ = trainer_.stopped_ || stops_early();
        } while (trainer_.moved_ && (!trainer_.stopped_ || epoch_is_due_));
    }

private:
    static constexpr bool classifies = Trainer::LossType::classifies;

    static constexpr bool replicated = !keeps_part<typename Trainer::Executor>();

    [[nodiscard]] TrainingState& state() { return trainer_.state_; }
    [[nodiscard]] SchedulePosition& position() { return trainer_.position_; }

    /// Progress is rank 0's alone, whichever of them that is by now.
    [[nodiscard]] bool shows() const {
        if constexpr (Trainer::several_ranks) return trainer_.executor_.ranks().rank() == 0;
        return true;
    }
    STRATA_COLD void print(std::string_view text) {
        if (shows()) progress_.print(text);
    }
    void show_progress() {
        if (shows()) progress_.update(state().progress(options_.epochs, samples_, classifies));
    }
    /// Throws Error where what the options name cannot be written: before it is trained for.
    STRATA_COLD void check_places() {
        if (!options_.checkpoint.empty())
            trainer_.on_first_rank("a look at the checkpoint's place",
                                   [&] { trainer_.checkpoint_state().check(options_.checkpoint, state()); });
        std::string const& file = options_.keep_best.file;
        if (file.empty()) return;
        trainer_.on_first_rank("a look at the best weights' place",
                               [&] { check_safetensors(file, trainer_.model_.tensors()); });
        if (BestEpoch const best(state().history, options_.keep_best.monitor);
            best.epoch > 0 && ::access(file.c_str(), F_OK) != 0)
            print(concatenate("keep_best: the weights of epoch ", best.epoch, ", the best one so far, are in no file; ",
                              file, " is written after a better one"));
    }
    /// Says which ranks have nothing to do, and later which are gone.
    STRATA_COLD void look_at_ranks() {
        if constexpr (requires { trainer_.executor_.ranks().deal().ranks; }) {
            auto deal = trainer_.executor_.ranks().deal();
            if (deal.ranks < ranks_)
                print(concatenate(ranks_ - deal.ranks, " of ", ranks_, " ranks are gone; ", deal.ranks,
                                  " go on after step ", state().step));
            int idle = 0;
            int const leaves = trainer_.executor_.most_leaves();
            for (deal.rank = 0; deal.rank < deal.ranks && ranks_ == 0; ++deal.rank) {
                auto const own = Trainer::Executor::own_samples(deal, batch_size_, leaves);
                idle += own.begin == own.end ? 1 : 0;
            }
            if (idle > 0)
                print(concatenate(
                    idle, " of ", deal.ranks, " ranks have no part of a batch of ", batch_size_,
                    " samples and wait for the others: ",
                    leaves < deal.ranks ? concatenate("no batch has more parts than ", leaves, " (Cpu::leaves)")
                    : deal.shards > 0 && deal.shards < deal.ranks ? concatenate("Compressed::shards is ", deal.shards)
                                                                  : "a larger one has more parts"));
            ranks_ = deal.ranks;
        }
    }

    /// Trains to the end, or to where a callback loads a checkpoint or a rank is lost: order, place or parts of the batches
    /// are other ones then.
    void run_from_here() {
        look_at_ranks();
        elsewhere_ = false;
        Loader loader(train_, {.batch_size = batch_size_,
                               .shuffle = options_.shuffle,
                               .drop_last = options_.drop_last,
                               .seed = state().seed,
                               .threads = options_.loader_threads,
                               .prefetch = (std::max)(1, 4 / trainer_.passes_.accumulate().batches),
                               .part = part_of_batches(trainer_.executor_)});
        auto const size = static_cast<std::int64_t>(train_.size());
        int const last = static_cast<int>(size % batch_size_);
        if (!options_.drop_last && last > 0 && state().epoch < options_.epochs)
            trainer_.passes_.template check_step<typename Trainer::Executor>(last);
        state().go_on_with(size, batch_size_, options_.shuffle, options_.drop_last);
        if constexpr (requires { trainer_.executor_.ranks().joined_at(); })
            if (std::int64_t const at = trainer_.executor_.ranks().joined_at(); at > 0 && at == state().step) {
                state().epoch = at / loader.batches_per_epoch();
                state().batch = at % loader.batches_per_epoch();
            }
        position().steps_per_epoch = loader.batches_per_epoch();
        position().total_steps = position().steps_per_epoch * options_.epochs;
        samples_ = options_.drop_last ? position().steps_per_epoch * batch_size_ : size;
        if constexpr (!replicated)
            if (std::exchange(epoch_is_due_, false)) tell_epoch(EpochRecord(state().history.back()));
        while (state().epoch < options_.epochs && !trainer_.stopped_ && !trainer_.moved_) {
            train_epoch(loader);
            // Where all its steps are done, the epoch is, whoever was lost behind the last one.
            if (elsewhere_ || state().batch < position().steps_per_epoch) return;
            finish_epoch();
        }
        gather_model();
    }

    void train_epoch(Loader& loader) {
        if constexpr (is_head_losses<typename Trainer::LossType>)  // a checkpoint does not name them
            Trainer::LossType::for_each_head([&]<int Index>() {
                state().epoch_heads.parts[Index].name = Trainer::LossType::template Head<Index>::name;
            });
        position().epoch = state().epoch;
        auto& losses = trainer_.losses_;
        losses.clear();
        for (auto const& record : state().history)
            losses.push_back(is_nan(record.test_loss) ? record.train_loss : record.test_loss);
        position().losses = losses;
        loader.begin_epoch(static_cast<int>(state().epoch), static_cast<int>(state().batch));
        show_progress();
        seconds_ = 0;
        timed_ = 0;
        while (state().batch < position().steps_per_epoch && !trainer_.stopped_) {
            double const start = Progress::steady_seconds();
            StepResult result;
            bool any = false;
            if constexpr (!replicated)
                any = step(loader, result);
            else if (is_lost([&] { any = step(loader, result); }))
                return;
            if (!any) break;
            state().end_batch(result.finite, result.loss, result.weight(), result.correct, result.counted());
            state().end_batch_of_heads(result.finite, result.losses);
            seconds_ += Progress::steady_seconds() - start;
            timed_ += result.samples;
            show_progress();
            std::int64_t const done = state().step;
            if (options_.on_step) options_.on_step({done, state().epoch, result, state().learning_rate});
            // A rank that was lost in it changes no place.
            elsewhere_ = trainer_.moved_ && (!Trainer::several_ranks || state().step != done);
            if (!elsewhere_ && !options_.checkpoint.empty() && options_.checkpoint_steps > 0 &&
                done % options_.checkpoint_steps == 0)
                trainer_.save_checkpoint(options_.checkpoint);
            if (trainer_.moved_) return;
        }
    }

    /// One step on the next batch; false where there is none.
    STRATA_COLD bool step(Loader& loader, StepResult& result) {
        Batch const* const batch = loader.next();
        if (batch) result = trainer_.train_step(*batch);
        return batch != nullptr;
    }

    /// True, and said, where early_stopping ends the training.
    STRATA_COLD bool stops_early() {
        auto const& [patience, min_delta, monitor] = options_.early_stopping;
        if (patience <= 0) return false;
        BestEpoch const best(state().history, monitor, min_delta);
        if (best.since < patience) return false;
        print(concatenate("training ends after epoch ", state().epoch, ": the ", name_of(monitor), " of ", best.value,
                          " after epoch ", best.epoch, " was the best for ", best.since, " epochs"));
        return true;
    }

    STRATA_COLD void finish_epoch() {
        EpochRecord record = state().epoch_record(classifies);
        record.seconds = seconds_;
        record.images_per_second = seconds_ > 0 ? static_cast<double>(timed_) / seconds_ : ProgressState::unknown;
        if (test_) {
            // Test data that are not finite are seen in the record: an epoch is not lost for them.
            auto const evaluation = trainer_.evaluation_of(*test_, options_.evaluation_batch_size, false);
            record.test_loss = evaluation.loss;
            record.test_accuracy = evaluation.accuracy;
            for (int h = 0; h < evaluation.losses.count; ++h) {
                auto& head = record.heads[static_cast<std::size_t>(h)];
                head.test_loss = evaluation.losses.parts[h].loss;
                head.test_accuracy = evaluation.losses.parts[h].accuracy();
            }
            if (!is_finite(evaluation.loss))
                print(
                    concatenate("epoch ", record.epoch,
                                ": the loss on the test data is not finite; evaluate says for which sample or layer"));
        }
        state().end_epoch(record);
        if (shows()) progress_.end_epoch(record);
        // Before the checkpoint: an epoch that is trained again writes them again.
        auto const& best = options_.keep_best;
        if (!best.file.empty() && BestEpoch(state().history, best.monitor).epoch == record.epoch)
            trainer_.save_model(best.file);
        if (!options_.checkpoint.empty()) trainer_.save_checkpoint(options_.checkpoint);
        tell_epoch(record);
    }
    STRATA_COLD void tell_epoch(EpochRecord const& record) {
        gather_model();
        if (options_.on_epoch) options_.on_epoch(record);
        told_ = state().epoch;
        trainer_.stopped_ = trainer_.stopped_ || stops_early();
    }

    /// Where parameters come under the next forward pass: so that model() needs no other rank after an epoch. Parameters that
    /// are kept in parts alone stay so.
    STRATA_COLD void gather_model() {
        using Executor = typename Trainer::Executor;
        if constexpr (shards_state<Executor>() && !keeps_model_apart<Executor>()) static_cast<void>(trainer_.model());
    }

    /// Calls f. True where a rank was lost meanwhile and the others go on: what f should have done is to be done again,
    /// and batches are dealt out anew, so their loader is at another place.
    template <class F>
    bool is_lost(F const& f) {
        if constexpr (Trainer::several_ranks)
            if (trainer_.executor_.ranks().goes_on()) try {
                    f();
                    return false;
                } catch (RankLost const&) {
                    trainer_.go_on();
                    return true;
                }
        f();
        return false;
    }

    /// A lost rank had a part of the state that no other has.
    STRATA_COLD void check_last_checkpoint() const {
        if (options_.checkpoint.empty() || ::access(options_.checkpoint.c_str(), F_OK) != 0)
            throw RankLost(
                "fit: a lost rank had a part of the state that no other has, and there is no checkpoint "
                "(FitOptions::checkpoint) to go on from");
    }
    STRATA_COLD void load_last_checkpoint() {
        trainer_.load_checkpoint(options_.checkpoint);
        if constexpr (Trainer::several_ranks)  // each has read a file of its own
            compare_trainings(trainer_.executor_.ranks(), trainer_.model(), trainer_.optimizer_state_, state(), train_,
                              test_, options_);
    }

    /// What a training counts.
    static constexpr char const* counted = [] {
        using Net = typename Trainer::ModelType::Network;
        if constexpr (Net::has_sequences)
            return Net::answers_sequences ? "sequences" : "tokens";
        else
            return Net::InputShape::rank == 3 ? "images" : "samples";
    }();

    Trainer& trainer_;
    Dataset const& train_;
    Dataset const* test_;  // null: none
    FitOptions const& options_;
    Progress progress_;
    int const batch_size_;       // samples of a step
    std::int64_t samples_ = 0;   // of an epoch
    double seconds_ = 0;         // of this call's part of an epoch
    std::int64_t timed_ = 0;     // samples in them
    bool elsewhere_ = false;     // a callback loaded a checkpoint
    int ranks_ = 0;              // at the last look, 0 before the first
    std::int64_t told_ = 0;      // epochs whose callback was called
    bool epoch_is_due_ = false;  // a rank was lost between an epoch's checkpoint and its callback
};

}  // namespace strata::inline STRATA_ABI::detail
