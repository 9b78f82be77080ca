// Trainer: weights, executor, loss, optimizer and schedule put to work on a dataset.
#pragma once

#include "../io/checkpoint_file.hpp"
#include "../io/model_file.hpp"
#include "../network/optimizer_state.hpp"
#include "../optimizer/optimizer.hpp"
#include "../precision/loss_scale.hpp"
#include "../schedule/schedule.hpp"
#include "evaluation.hpp"
#include "fit_options.hpp"
#include "non_finite_place.hpp"
#include "progress.hpp"
#include "training_state.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of the policies that are the trainer's own.
struct SeedPolicy {};
struct NonFinitePolicy {};

/// Seed of initialisation, shuffling, augmentation and dropout.
struct Seed {
    using policy = SeedPolicy;
    std::uint64_t value = 0;
};
/// What to do when loss or gradient is not finite: stop with an Error that names step and layer, or skip the update.
struct NonFinite {
    using policy = NonFinitePolicy;
    bool skip = false;
};

template <class Net, class Backend, class Precision, class Loss, class Optimizer, class Schedule>
class Trainer {
    static_assert(Net::valid, "Trainer: a layer of this network is misused, see the first error");
    template <class Got>
    static constexpr bool checked = [] {  // the loss has a message of its own
        if constexpr (Net::valid && requires { typename Loss::template Check<Got>; })
            static_cast<void>(Loss::template Check<Got>::ok);
        return true;
    }();
    static_assert(checked<got<typename Net::OutputShape>>);

public:
    using ModelType = Model<Net, Precision>;
    using Executor = typename Backend::template Executor<Net, Precision, Loss>;
    using Scalar = typename Precision::master;
    using Value = typename Precision::compute;
    static constexpr int outputs = Net::OutputShape::size;

    STRATA_COLD Trainer(Backend backend, Loss loss, Optimizer optimizer, Schedule schedule, Seed seed,
                        NonFinite non_finite, LossScaling loss_scaling = {})
        : model_(seed.value),
          optimizer_(optimizer),
          schedule_(schedule),
          non_finite_(non_finite),
          loss_scaling_(loss_scaling),
          executor_(backend, loss),
          optimizer_state_(detail::optimizer_state_size<Net>(optimizer), Scalar(0)) {
        loss.check();
        optimizer.check();
        state_.seed = seed.value;
    }

    // ---- the model -------------------------------------------------------------------------------------------------

    /// The weights as they stand, without a copy.
    [[nodiscard]] ModelType const& model() const {
        if (host_is_old_) executor_.store(model_, optimizer_state_);
        host_is_old_ = false;
        return model_;
    }
    /// The weights as they stand now, as a value of its own.
    [[nodiscard]] ModelType snapshot() const { return model(); }
    /// Starts from these weights; optimizer state and position stay.
    void set_model(ModelType const& model) {
        static_cast<void>(this->model());
        model_ = model;
        device_is_old_ = true;
    }
    /// Starts from weights in a file; the model is untouched when the file does not fit.
    void load_weights(std::string const& path, LoadOptions const& options = {}) {
        static_cast<void>(model());
        load_into(model_, path, options);
        device_is_old_ = true;
    }

    // ---- training --------------------------------------------------------------------------------------------------

    /// Trains until `options.epochs` epochs are done in all, evaluating on `test` after each. Continues where the
    /// trainer stands, also in mid epoch. Exceptions of transforms and callbacks come out of here.
    STRATA_COLD History const& fit(Dataset const& train, Dataset const& test, FitOptions const& options = {}) {
        return fit(train, &test, options);
    }
    STRATA_COLD History const& fit(Dataset const& train, FitOptions const& options = {}) {
        return fit(train, nullptr, options);
    }

    /// One step on a batch: forward, backward, update. Throws Error when the batch does not fit the network, or when
    /// loss or gradient is not finite (unless NonFinite{.skip = true}); the weights are as before then. A gradient that
    /// overflows for a dynamic loss scale is no error: the step is left out and the scale reduced.
    StepResult train_step(Batch const& batch) {
        input.check(batch, "train_step");
        to_device();
        position_.step = state_.step;
        ScheduleValue const value = schedule_(optimizer_.learning_rate, position_);
        if (!std::isfinite(value.learning_rate))
            fail("training step ", state_.step, ": the schedule's learning rate is not finite");
        RandomKey const key{state_.seed, 0, static_cast<std::uint32_t>(state_.step)};
        StepResult const result = scaled_gradients(batch, key);
        bool const overflow = !result.finite && scale_is_to_blame(result);
        if (result.finite) {
            executor_.update(model_, optimizer_, std::span<Scalar>(optimizer_state_),
                             {value.learning_rate, value.momentum, state_.updates});
            host_is_old_ = true;
            ++state_.updates;
        } else if (!overflow && !non_finite_.skip) {
            fail("training step ", state_.step, ": ", non_finite_place<Net>(executor_, model_, batch, key, result));
        }
        // Where the loss itself is not finite, the scale is not to blame.
        if (loss_scaling_.is_dynamic() && (result.finite || std::isfinite(result.loss)))
            loss_scaling_.step(result.finite, state_.loss_scale, state_.loss_scale_steps);
        state_.learning_rate = value.learning_rate;
        ++state_.step;
        return result;
    }
    /// The same on samples [batch][C][H][W] and labels [batch].
    StepResult train_step(std::span<Value const> samples, std::span<std::int32_t const> labels) {
        Batch batch;
        batch.size = static_cast<int>(labels.size());
        batch.shape = input.shape;
        batch.type = data_type_of<Value>;
        batch.inputs = samples.data();
        batch.labels = labels.data();
        if (samples.size() != labels.size() * batch.shape.size())
            fail("train_step: got ", samples.size(), " values for ", labels.size(), " labels, expected ",
                 batch.shape.size(), " a sample");
        return train_step(batch);
    }
    /// The same with targets [batch][outputs].
    StepResult train_step(std::span<Value const> samples, std::span<Value const> targets) {
        Batch batch;
        batch.shape = input.shape;
        batch.size = static_cast<int>(samples.size() / batch.shape.size());
        batch.type = batch.target_type = data_type_of<Value>;
        batch.inputs = samples.data();
        batch.targets = targets.data();
        auto const size = static_cast<std::size_t>(batch.size);
        if (samples.size() != size * batch.shape.size() || targets.size() != size * static_cast<std::size_t>(outputs))
            fail("train_step: got ", samples.size(), " values and ", targets.size(), " target values, expected ",
                 batch.shape.size(), " and ", outputs, " a sample");
        return train_step(batch);
    }

    /// Where schedules take the training to be. fit keeps it; in one's own loop set epoch, steps_per_epoch and
    /// total_steps here where the schedule uses them.
    [[nodiscard]] SchedulePosition& position() { return position_; }
    /// Learning rate of the last step.
    [[nodiscard]] double learning_rate() const { return state_.learning_rate; }
    /// What the loss's gradient is multiplied by in the next step.
    [[nodiscard]] double loss_scale() const {
        return loss_scaling_.is_dynamic() && state_.loss_scale > 0 ? state_.loss_scale : loss_scaling_.initial;
    }
    /// Steps, epochs and history so far.
    [[nodiscard]] TrainingState const& state() const { return state_; }
    /// Makes fit return after the current step; to be called from callbacks.
    void stop() { stopped_ = true; }
    [[nodiscard]] Executor const& executor() const { return executor_; }

    // ---- evaluation ------------------------------------------------------------------------------------------------

    /// Loss, accuracy and predictions on a dataset, in evaluation mode, in the dataset's order. Throws Error where the
    /// dataset does not fit the network, or where the loss is not finite because a sample is not.
    [[nodiscard]] STRATA_COLD Evaluation evaluate(Dataset const& data, int batch_size = 256) {
        to_device();
        return detail::evaluate_on(executor_, model_, input, data, batch_size, state_.seed);
    }

    /// Outputs [N][outputs] of the network for every sample of a dataset, in evaluation mode.
    [[nodiscard]] std::vector<Value> predict(Dataset const& data, int batch_size = 256) {
        if (data.size() == 0) fail("predict: the dataset is empty");
        input.check(data.shape(), "predict");
        std::vector<Value> all(data.size() * static_cast<std::size_t>(outputs));
        std::size_t done = 0;
        to_device();
        detail::for_each_batch(data, batch_size, state_.seed, [&](Batch const& batch) {
            executor_.evaluate(model_, batch, nullptr, all.data() + done);
            done += static_cast<std::size_t>(batch.size) * static_cast<std::size_t>(outputs);
        });
        return all;
    }

    // ---- checkpoints -----------------------------------------------------------------------------------------------

    /// Writes everything that the next step depends on, atomically. May be called from callbacks.
    STRATA_COLD void save_checkpoint(std::string const& path) {
        static_cast<void>(model());
        auto metadata = to_metadata(state_);
        metadata.add("optimizer", Optimizer::name);
        metadata.add("precision", std::string(dtype_name(data_type_of<Scalar>)));
        write_checkpoint(path, named_tensors(), metadata);
    }
    /// Continues from a checkpoint of the same network, optimizer and type of the master weights (Float32 and Mixed
    /// share theirs); hyperparameters and schedule are this trainer's. Throws Error, the trainer untouched, when the
    /// file is torn, foreign or of another network.
    STRATA_COLD void load_checkpoint(std::string const& path) {
        CheckpointFile const file(path);
        TrainingState state = training_state_from(file.metadata(), path);
        auto const expect = [&](char const* entry, std::string const& mine) {
            std::string const* const written = file.metadata().find(entry);
            if (!written || *written != mine)
                fail(path, ": the checkpoint was written with ", entry, " ", written ? *written : "(none)",
                     ", this trainer uses ", mine);
        };
        expect("optimizer", Optimizer::name);
        expect("precision", std::string(dtype_name(data_type_of<Scalar>)));
        static_cast<void>(model());
        load_tensors(file.tensors(), named_tensors());
        state_ = std::move(state);
        device_is_old_ = true;
    }

private:
    static constexpr InputCheck input = input_check_of<Net, Loss>;

    STRATA_COLD History const& fit(Dataset const& train, Dataset const* test, FitOptions const& options) {
        input.check(train, "fit");
        if (test) input.check(*test, "fit (test data)");
        options.check();
        Loader loader(train, {.batch_size = options.batch_size,
                              .shuffle = options.shuffle,
                              .drop_last = options.drop_last,
                              .seed = state_.seed,
                              .threads = options.loader_threads});
        auto const size = static_cast<std::int64_t>(train.size());
        if (state_.batch > 0 && (state_.batch_size != options.batch_size || state_.dataset_size != size))
            fail("fit: the training stands at batch ", state_.batch, " of an epoch of ", state_.dataset_size,
                 " samples in batches of ", state_.batch_size, ", and cannot go on with ", size,
                 " samples in batches of ", options.batch_size);
        if (state_.batch > 0 && (state_.shuffle != options.shuffle || state_.drop_last != options.drop_last))
            fail("fit: the training stands at batch ", state_.batch, " of an epoch with shuffle ", state_.shuffle,
                 " and drop_last ", state_.drop_last, ", and cannot go on with ", options.shuffle, " and ",
                 options.drop_last);
        int const last = static_cast<int>(size % options.batch_size);
        if (!options.drop_last && last > 0 && state_.epoch < options.epochs) Executor::check_batch(last);
        state_.batch_size = options.batch_size;
        state_.dataset_size = size;
        state_.shuffle = options.shuffle;
        state_.drop_last = options.drop_last;
        position_.steps_per_epoch = loader.batches_per_epoch();
        position_.total_steps = position_.steps_per_epoch * options.epochs;
        std::int64_t const samples = options.drop_last ? position_.steps_per_epoch * options.batch_size : size;
        Progress progress(options.progress);
        stopped_ = false;
        if (state_.epoch >= options.epochs)
            progress.print(
                concatenate("nothing to train: ", state_.epoch, " epochs are done, epochs is ", options.epochs));
        while (state_.epoch < options.epochs && !stopped_) {
            train_epoch(loader, samples, options, progress);
            if (state_.batch < position_.steps_per_epoch) break;  // stopped in mid epoch
            finish_epoch(test, options, progress);
        }
        return state_.history;
    }

    void train_epoch(Loader& loader, std::int64_t samples, FitOptions const& options, Progress& progress) {
        position_.epoch = state_.epoch;
        loader.begin_epoch(static_cast<int>(state_.epoch), static_cast<int>(state_.batch));
        show(progress, options, samples);
        epoch_seconds_ = 0;
        epoch_timed_ = 0;
        while (state_.batch < position_.steps_per_epoch && !stopped_) {
            double const start = Progress::steady_seconds();
            Batch const* const batch = loader.next();
            if (!batch) break;
            StepResult const result = train_step(*batch);
            ++state_.batch;
            if (result.finite) {
                state_.epoch_loss += result.loss * result.samples;
                state_.epoch_correct += result.correct;
                state_.epoch_samples += result.samples;
            }
            epoch_seconds_ += Progress::steady_seconds() - start;
            epoch_timed_ += result.samples;
            show(progress, options, samples);
            if (options.on_step) options.on_step({state_.step, state_.epoch, result, state_.learning_rate});
            if (!options.checkpoint.empty() && options.checkpoint_steps > 0 &&
                state_.step % options.checkpoint_steps == 0)
                save_checkpoint(options.checkpoint);
        }
    }

    void show(Progress& progress, FitOptions const& options, std::int64_t samples) const {
        ProgressState shown;
        shown.epoch = state_.epoch;
        shown.epochs = options.epochs;
        shown.sample = (std::min)(state_.batch * options.batch_size, samples);
        shown.samples = samples;
        shown.learning_rate = state_.learning_rate;
        if (state_.epoch_samples > 0) {
            shown.loss = state_.epoch_loss / static_cast<double>(state_.epoch_samples);
            if (Loss::classifies)
                shown.accuracy = static_cast<double>(state_.epoch_correct) / static_cast<double>(state_.epoch_samples);
        }
        progress.update(shown);
    }

    STRATA_COLD void finish_epoch(Dataset const* test, FitOptions const& options, Progress& progress) {
        EpochRecord record;
        record.epoch = state_.epoch + 1;
        record.step = state_.step;
        record.learning_rate = state_.learning_rate;
        if (state_.epoch_samples > 0) {
            record.train_loss = state_.epoch_loss / static_cast<double>(state_.epoch_samples);
            if (Loss::classifies)
                record.train_accuracy =
                    static_cast<double>(state_.epoch_correct) / static_cast<double>(state_.epoch_samples);
        }
        record.seconds = epoch_seconds_;
        record.images_per_second =
            epoch_seconds_ > 0 ? static_cast<double>(epoch_timed_) / epoch_seconds_ : ProgressState::unknown;
        if (test) {
            to_device();
            // Test data that are not finite are seen in the record: an epoch is not lost for them.
            auto const evaluation =
                detail::evaluate_on(executor_, model_, input, *test, options.evaluation_batch_size, state_.seed, false);
            record.test_loss = evaluation.loss;
            record.test_accuracy = evaluation.accuracy;
        }
        ++state_.epoch;
        state_.batch = 0;
        state_.epoch_loss = 0;
        state_.epoch_correct = state_.epoch_samples = 0;
        state_.history.push_back(record);
        progress.end_epoch(record);
        if (!options.checkpoint.empty()) save_checkpoint(options.checkpoint);
        if (options.on_epoch) options.on_epoch(record);
    }

    StepResult scaled_gradients(Batch const& batch, RandomKey key) {
        if (loss_scaling_.is_dynamic()) state_.loss_scale = loss_scale();
        if constexpr (requires { executor_.gradients(model_, batch, key, 1.0); }) {
            return executor_.gradients(model_, batch, key, loss_scale());
        } else {
            if (loss_scale() != 1) fail("training step ", state_.step, ": this backend does not scale losses");
            return executor_.gradients(model_, batch, key);
        }
    }
    /// Whether a smaller loss scale may help: the loss itself does not depend on it, and 1 scales nothing up.
    [[nodiscard]] bool scale_is_to_blame(StepResult const& result) const {
        return loss_scaling_.is_dynamic() && std::isfinite(result.loss) && state_.loss_scale > 1;
    }

    /// Everything in a checkpoint but numbers.
    STRATA_COLD std::vector<TensorView> named_tensors() {
        if constexpr (MatrixOptimizer<Optimizer>)
            return checkpoint_tensors(model_, optimizer_, optimizer_state_.data());
        else
            return checkpoint_tensors(model_, optimizer_state_.data(), Optimizer::states);
    }

    void to_device() {
        if (device_is_old_) executor_.load(model_, optimizer_state_);
        device_is_old_ = false;
    }

    mutable ModelType model_;
    Optimizer optimizer_;
    Schedule schedule_;
    NonFinite non_finite_;
    LossScaling loss_scaling_;
    mutable Executor executor_;
    mutable AlignedVector<Scalar> optimizer_state_;
    mutable bool host_is_old_ = false;
    bool device_is_old_ = true, stopped_ = false;
    TrainingState state_;
    SchedulePosition position_;
    double epoch_seconds_ = 0;
    std::int64_t epoch_timed_ = 0;
};

}  // namespace strata::inline STRATA_ABI
