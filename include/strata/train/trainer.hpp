// Trainer: weights, executor, loss, optimizer and schedule put to work on a dataset.
#pragma once

#include "../data/array_batch.hpp"
#include "../io/model_file.hpp"
#include "../network/optimizer_state.hpp"
#include "../optimizer/clip.hpp"
#include "../optimizer/ema.hpp"
#include "../precision/loss_scale.hpp"
#include "../schedule/schedule.hpp"
#include "checkpoint_state.hpp"
#include "evaluation.hpp"
#include "fit_loop.hpp"
#include "fit_options.hpp"
#include "input_gradients.hpp"
#include "non_finite_place.hpp"
#include "pass_in_parts.hpp"
#include "policy_check.hpp"
#include "rank_steps.hpp"
#include "training_policy.hpp"
#include "training_state.hpp"

namespace strata::inline STRATA_ABI {

template <class Net, class Backend, class Precision, class Loss, class Optimizer, class Schedule>
class Trainer : public InputGradients<Trainer<Net, Backend, Precision, Loss, Optimizer, Schedule>, Net> {
    static_assert(detail::is_trained<Net, Precision, Loss>());

public:
    using ModelType = Model<Net, Precision>;
    using Executor = typename Backend::template Executor<Net, Precision, Loss>;
    using LossType = Loss;
    using Scalar = typename Precision::master;
    using Value = typename Precision::compute;
    using Gradient = typename Precision::accumulation;
    static constexpr int outputs = Net::OutputShape::size;

    STRATA_COLD Trainer(Backend backend, Loss loss, Optimizer optimizer, Schedule schedule, Seed seed,
                        NonFinite non_finite, LossScaling loss_scaling = {}, Accumulate accumulate = {})
        : model_(seed.value),
          optimizer_(detail::with_groups_of<Net>(optimizer)),
          schedule_(schedule),
          non_finite_(non_finite),
          loss_scaling_(loss_scaling),
          executor_(backend, loss),
          passes_(accumulate),
          input_(input_check_of<Net>(loss)),
          optimizer_state_(detail::kept_state_size<Net>(executor_, optimizer), Scalar(0)) {
        if constexpr (requires { loss.check(); }) loss.check();
        if constexpr (requires { optimizer.check(); }) optimizer.check();
        state_.seed = seed.value;
        if constexpr (several_ranks)
            state_.step = detail::begin_trainer<Trainer>(executor_, model_, optimizer_, schedule_, non_finite_.skip,
                                                         loss_scaling_, state_.seed, accumulate.batches);
    }

    // ---- the model -------------------------------------------------------------------------------------------------

    /// The weights as they stand, without a copy. Where ranks shard gradients all call it together (data_parallel.hpp).
    [[nodiscard]] ModelType const& model() const {
        if (host_is_old_) executor_.store(model_, optimizer_state_);
        host_is_old_ = false;
        return model_;
    }
    [[nodiscard]] ModelType snapshot() const { return model(); }  ///< the same as a value of its own
    /// The average of the weights so far, of a training with Ema, and buffers as they stand. Ranks call it together.
    [[nodiscard]] STRATA_COLD ModelType averaged() const {
        static_assert(detail::is_averaged<Optimizer>, "averaged: this training keeps no average: give train an Ema");
        ModelType all = model();
        if constexpr (detail::is_averaged<Optimizer>)
            if (state_.updates > 0)
                detail::copy_state(executor_, optimizer_state_, Optimizer::states - 1, all.parameters());
        return all;
    }
    /// Starts from these weights; optimizer state, position and a gradient that waits for update() stay. May be called
    /// from callbacks.
    void set_model(ModelType const& model) {
        static_cast<void>(this->model());
        model_ = model;
        device_is_old_ = true;
        pending_.statistics = false;  // of the weights before
    }
    /// The same from a file; the model is untouched when the file does not fit.
    LoadReport load_weights(std::string const& path, LoadOptions const& options = {}) {
        static_cast<void>(model());
        auto report = load_into(model_, path, options);
        device_is_old_ = true;
        pending_.statistics = false;
        return report;
    }

    // ---- training --------------------------------------------------------------------------------------------------

    /// Trains until `options.epochs` epochs are done in all, evaluating on `test` after each. Continues where the
    /// trainer stands, also in mid epoch. Exceptions of transforms and callbacks come out of here. Callbacks may do with
    /// the trainer what they like but call fit: after load_checkpoint training goes on where the checkpoint stands.
    template <std::same_as<Dataset> Test>  // deduced: {} are options
    STRATA_COLD History const& fit(Dataset const& train, Test const& test, FitOptions const& options = {}) {
        return fit(train, &test, options);
    }
    STRATA_COLD History const& fit(Dataset const& train, FitOptions const& options = {}) {
        return fit(train, nullptr, options);
    }

    /// One step on a batch: forward, backward, update. Throws Error when the batch does not fit the network, or when
    /// loss, gradient, or a weight, running statistic or optimizer state that it would write is not finite (unless
    /// NonFinite{.skip = true}); nothing has been written then. A gradient that
    /// overflows for a dynamic loss scale is no error: the step is left out and the scale reduced.
    StepResult train_step(Batch const& batch) {
        input_.check(batch, "train_step");
        zero_gradients();
        ScheduleValue const value = scheduled();
        StepResult result = pass(batch);
        result.finite = finish_step(value, &result.gradient_norm);
        return result;
    }
    /// The same on arrays: samples [batch][C][H][W], and labels [batch] or targets [batch][outputs] (see ArrayBatch).
    template <class X, class Y>
    StepResult train_step(X const& samples, Y const& answers) {
        return train_step(ArrayBatch<X, Y>(samples, answers, input_, "train_step").batch());
    }

    /// The first half of a training step: forward and backward, which leave the gradient of the mean loss in gradients(),
    /// added to it where there was no update() since, as in PyTorch. Throws as train_step, the gradient gone then.
    StepResult backward(Batch const& batch) {
        input_.check(batch, "backward");
        if (pending_.passes == 0) return pass(batch);
        auto const sum = executor_.gradient();
        AlignedVector<Gradient> earlier(sum.size());
        std::copy(sum.begin(), sum.end(), earlier.begin());
        keep_statistics();
        PendingGradient const before = pending_;
        StepResult result;
        try {
            result = pass(batch);
        } catch (RankLost const&) {  // the call may be repeated
            std::copy(earlier.begin(), earlier.end(), executor_.gradient().begin());
            pending_ = before;
            throw;
        }
        detail::add_gradients(executor_.gradient(), earlier.data());
        return result;
    }
    /// The same on arrays, as train_step takes them.
    template <class X, class Y>
    StepResult backward(X const& samples, Y const& answers) {
        return backward(ArrayBatch<X, Y>(samples, answers, input_, "backward").batch());
    }
    /// The gradient, in the order of model().parameters(), to be read or changed before update(); valid until the next
    /// pass. With Sharded all ranks call it together. Throws Error where there was no backward since the last update().
    [[nodiscard]] std::span<Gradient> gradients() {
        if (pending_.passes == 0) fail("gradients: there are none, call backward first");
        pending_.lent = true;
        return executor_.gradient();
    }
    /// Norm of the gradient as it is now, or of the last step's, before it is clipped: root of the sum of all squares. The
    /// same bits for any number of threads and ranks, which call it together. Throws Error before the first pass.
    [[nodiscard]] double gradient_norm() const {
        if (!has_gradient_) fail("gradient_norm: there is no gradient yet, call backward first");
        return detail::gradient_norm_of(executor_, true);
    }
    /// The part of gradients() of one parameter tensor, by its name in model().tensors(): `gradient("fc1.weight")`.
    /// Throws Error where no parameter is called so.
    [[nodiscard]] STRATA_COLD std::span<Gradient> gradient(std::string_view name) {
        for (auto const& tensor : named_gradients())
            if (tensor.name == name) return {static_cast<Gradient*>(tensor.data), tensor.size()};
        fail("gradient: the network has no parameter \"", name, "\"");
    }
    /// The gradient tensor by tensor, with the names and shapes of the parameters, in their order.
    [[nodiscard]] STRATA_COLD std::vector<TensorView> named_gradients() {
        return detail::tensors_of_gradient(model(), gradients().data());
    }
    /// The second half: an optimizer update with gradients() as they are now; schedule, loss scale, running statistics
    /// and counters go on as in train_step. False where the step was left out, because of NonFinite{.skip = true} or of
    /// a loss scale that was too large. Throws Error where there is no gradient, or it is not finite.
    bool update() {
        if (pending_.passes == 0) fail("update: there is no gradient, call backward first");
        if (pending_.finite && pending_.lent) {
            std::string const place = non_finite_gradient<Net>(executor_.gradient());
            if (!place.empty() && !non_finite_.skip) fail("training step ", state_.step, ": ", place);
            pending_.finite = place.empty();
        }
        to_device();
        return finish_step(scheduled());
    }
    /// Forgets the gradient of backward, as optimizer.zero_grad() does; update() and train_step() do so themselves.
    void zero_gradients() {
        keep_statistics();
        pending_ = {};
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
    [[nodiscard]] TrainingState const& state() const { return state_; }  ///< steps, epochs and history so far
    /// Makes fit return after the current step; to be called from callbacks.
    void stop() { stopped_ = true; }
    [[nodiscard]] Executor const& executor() const { return executor_; }
    /// After RankLost in train_step or backward, on all ranks that are left: they share the samples of batches from now on.
    /// The call that was lost has changed nothing and is to be repeated; loaders begin anew at its batch. Where ranks keep
    /// parts of the state, load a checkpoint before. Throws Error unless the ranks are WhenLost::go_on: others may be a step
    /// ahead.
    void go_on()
    requires(detail::RanksOf<Executor>::type::several)
    {
        if (!executor_.ranks().goes_on()) fail("go_on: the ranks of this trainer are not WhenLost::go_on");
        executor_.go_on();
        if (detail::keeps_part<Executor>()) pending_ = {}, has_gradient_ = false;  // until a checkpoint is loaded
        moved_ = true;
    }

    // ---- evaluation ------------------------------------------------------------------------------------------------

    /// Loss, accuracy and predictions on a dataset, in evaluation mode, in the dataset's order. Throws Error where the
    /// dataset does not fit the network, or where the loss is not finite: names the sample or layer. It works in the
    /// trainer's own memory: one call at a time.
    [[nodiscard]] STRATA_COLD Evaluation evaluate(Dataset const& data, int batch_size = 256) const {
        return evaluation_of(data, batch_size, true);
    }

    /// Outputs [N][outputs] of the network for every sample (token, where the network has an output a token) of a dataset.
    [[nodiscard]] std::vector<Value> predict(Dataset const& data, int batch_size = 256) const {
        input_.check_samples(data, "predict");
        std::vector<Value> all(detail::answers_in<Net>(data) * static_cast<std::size_t>(outputs));
        to_device();
        return repeated([&] {
            std::size_t done = 0;
            detail::for_each_batch(executor_, data, batch_size, state_.seed, [&](Batch batch) {
                batch.labels = nullptr, batch.targets = nullptr;  // which need not fit the network
                executor_.evaluate(model_, batch, nullptr, all.data() + done);
                done += detail::answers_in<Net>(batch) * static_cast<std::size_t>(outputs);
            });
            return std::move(all);
        });
    }

    // ---- checkpoints -----------------------------------------------------------------------------------------------

    /// Writes everything that the next step depends on, atomically. May be called from callbacks.
    STRATA_COLD void save_checkpoint(std::string const& path) const {
        static_cast<void>(model());
        auto all = checkpoint_state();
        all.gather();
        on_first_rank("writing the checkpoint", [&] { all.write(path, state_); });
    }
    /// Writes the weights alone, as save(model(), path) does; with ranks all call it together, and one writes.
    STRATA_COLD void save_model(std::string const& path) const {
        auto const& weights = model();
        on_first_rank("writing the weights", [&] { save(weights, path); });
    }
    /// Continues from a checkpoint of the same network, optimizer and type of the master weights (Float32 and Mixed
    /// share theirs); hyperparameters and schedule are this trainer's. May be called from callbacks. Throws Error, the
    /// trainer untouched, when the file is torn, foreign or of another network.
    STRATA_COLD void load_checkpoint(std::string const& path) {
        static_cast<void>(model());
        state_ = checkpoint_state().read(path);
        pending_ = {};
        device_is_old_ = moved_ = true;
    }

private:
    friend class detail::FitLoop<Trainer>;

    STRATA_COLD History const& fit(Dataset const& train, Dataset const* test, FitOptions const& options) {
        if (fitting_) fail("fit: this trainer is in fit already, whose callbacks cannot call it again");
        input_.check(train, "fit");
        if (test) input_.check(*test, "fit (test data)");
        options.check();
        options.check_monitors(Loss::classifies, test != nullptr);
        if constexpr (several_ranks)
            repeated([&] {
                detail::compare_trainings(executor_.ranks(), model(), optimizer_state_, state_, train, test, options);
                return true;
            });
        detail::FitLoop<Trainer>(*this, train, test, options).run();
        return state_.history;
    }

    [[nodiscard]] auto checkpoint_state() const {
        return detail::CheckpointState<Net, Executor, Optimizer, ModelType>(executor_, optimizer_, model_,
                                                                            optimizer_state_);
    }
    static constexpr bool several_ranks = detail::RanksOf<Executor>::type::several;
    template <class F>
    auto repeated(F const& f) const {
        return detail::repeated(executor_, moved_, f);
    }
    /// Calls f on rank 0, where there are several; all go on when it is done.
    template <class F>
    void on_first_rank(char const* what, F const& f) const {
        if constexpr (several_ranks)
            repeated([&] { return executor_.ranks().on_first(what, f), true; });
        else
            f();
    }
    [[nodiscard]] Evaluation evaluation_of(Dataset const& data, int n, bool strict) const {
        to_device();
        return repeated([&] { return detail::evaluate_on(executor_, model_, input_, data, n, state_.seed, strict); });
    }

    [[nodiscard]] STRATA_COLD ScheduleValue scheduled() {
        position_.step = state_.step;
        ScheduleValue const value = schedule_(optimizer_.learning_rate, position_);
        if (!is_finite(value.learning_rate) || (value.momentum && !is_finite(*value.momentum)))
            fail("training step ", state_.step, ": the schedule's ",
                 is_finite(value.learning_rate) ? "momentum" : "learning rate", " is not finite");
        return value;
    }
    /// Forward and backward on a batch that fits. The first pass of a step and the ones after it draw other numbers.
    StepResult pass(Batch const& batch) {
        to_device();
        if constexpr (detail::keeps_model_apart<Executor>()) host_is_old_ = (model_.release_parameters(), true);
        keep_statistics();
        PendingGradient pending = std::exchange(pending_, {});  // whatever is thrown leaves none behind
        auto const step = static_cast<std::uint32_t>(state_.step);
        RandomKey const key{state_.seed + 0x9E3779B97F4A7C15u * pending.passes, 0, step};
        if (loss_scaling_.is_dynamic()) state_.loss_scale = loss_scale();
        detail::PassPlace at{batch, key};
        StepResult result = passes_.run(executor_, model_, batch, at, loss_scale(), input_.targets());
        if (!non_finite_.skip && (at.fault || (!result.finite && !scale_is_to_blame(result))))
            fail("training step ", state_.step, ": ",
                 at.fault ? concatenate(strata::non_finite_place(model(), at.fault), " would not be finite")
                          : strata::non_finite_place(executor_, model_, at.batch, at.key, result, input_.targets()));
        result.finite = result.finite && !at.fault;
        pending.add(result);
        if (at.fault) pending.loss_is_finite = false;  // the scale is not to blame
        pending_ = pending;
        has_gradient_ = true;
        return result;
    }
    /// A pass that no update follows has seen its batch too.
    void keep_statistics() {
        if constexpr (Net::is_batch_wide) {
            if (!pending_.statistics) return;
            to_device();
            executor_.update_statistics(model_);
            pending_.statistics = false;
            host_is_old_ = true;
        }
    }
    STRATA_COLD bool finish_step(ScheduleValue const& value, double* norm = nullptr) {
        PendingGradient const done = std::exchange(pending_, {});
        UpdateFault fault;
        if (done.finite) {
            OptimizerStep step{value.learning_rate, value.momentum, state_.updates};
            if constexpr (detail::clips_by_norm<Optimizer>) step.gradient_norm = detail::gradient_norm_of(executor_);
            if (norm && detail::clips_by_norm<Optimizer>) *norm = step.gradient_norm;
            fault = executor_.update(model_, optimizer_, std::span<Scalar>(optimizer_state_), step);
            if (fault && done.statistics) passes_.restore(model_);
            if (fault && !non_finite_.skip)
                fail("training step ", state_.step, ": ", strata::non_finite_place(model(), fault),
                     " would not be finite");
            host_is_old_ = true;
            state_.updates += fault ? 0 : 1;
        }
        if (!done.finite) detail::leave_out(executor_, model_);
        // Where the loss itself is not finite, the scale is not to blame.
        if (loss_scaling_.is_dynamic() && (done.finite || done.loss_is_finite))
            loss_scaling_.step(done.finite, state_.loss_scale, state_.loss_scale_steps);
        state_.learning_rate = value.learning_rate;
        ++state_.step;
        return done.finite && !fault;
    }
    /// Whether a smaller loss scale may help: the loss itself does not depend on it, and 1 scales nothing up.
    [[nodiscard]] bool scale_is_to_blame(StepResult const& result) const {
        return loss_scaling_.is_dynamic() && is_finite(result.loss) && state_.loss_scale > 1;
    }

    void to_device() const {
        if (device_is_old_) executor_.load(model_, optimizer_state_);
        device_is_old_ = false;
    }

    mutable ModelType model_;
    Optimizer optimizer_;
    Schedule schedule_;
    NonFinite non_finite_;
    LossScaling loss_scaling_;
    mutable Executor executor_;
    detail::PassInParts<Net, Precision, Loss> passes_;
    InputCheck input_;
    mutable AlignedVector<Scalar> optimizer_state_;
    mutable bool host_is_old_ = false, device_is_old_ = true;
    bool fitting_ = false, stopped_ = false, has_gradient_ = false;
    mutable bool moved_ = false;  // a checkpoint was loaded, or a rank lost: fit makes its loader anew
    PendingGradient pending_;
    TrainingState state_;
    SchedulePosition position_;
    std::vector<double> losses_;  // of the epochs that fit has seen or finished, for schedules
};

}  // namespace strata::inline STRATA_ABI
