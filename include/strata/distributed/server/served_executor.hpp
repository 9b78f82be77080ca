// The executor of a worker: computes on its leaves as any executor, and leaves the update to parameter servers.
#pragma once

#include <exception>

#include "../../backend/cpu/run/executor.hpp"
#include "../../optimizer/clip.hpp"
#include "../../optimizer/ema.hpp"
#include "../../optimizer/grouped_optimizer.hpp"
#include "served.hpp"
#include "served_identity.hpp"
#include "served_ranks.hpp"
#include "served_worker.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// A backend whose gradients go to parameter servers.
template <class BackendType>
struct ServedBackend {
    using policy = BackendPolicy;
    template <class Net, class Precision, class Loss>
    class Executor;

    BackendType backend;
    Served options;
};

template <class BackendType>
template <class Net, class Precision, class Loss>
class ServedBackend<BackendType>::Executor
    : public CpuExecutor<Net, Precision, Loss, ServedRanks<typename Precision::accumulation>> {
    using Base = CpuExecutor<Net, Precision, Loss, ServedRanks<typename Precision::accumulation>>;
    using Gradient = typename Precision::accumulation;
    static_assert(
        !Net::is_batch_wide,
        "Served: passes over the batch (BatchNorm) need the whole batch, whose parts the workers of parameter "
        "servers never see together: use DataParallel");

public:
    using typename Base::ModelType;
    using typename Base::Scalar;

    Executor(ServedBackend const& backend, Loss loss)
        : Base(backend.backend, loss,
               ServedRanks<Gradient>(backend.options.worker, backend.options.workers, backend.options.mode)),
          options_((backend.options.check(), backend.options)),
          worker_(options_, std::size_t{Net::parameter_count}),
          uncaught_(std::uncaught_exceptions()) {}
    ~Executor() {
        if (joined_ && std::uncaught_exceptions() == uncaught_) worker_.leave();
    }

    /// Says hello to the servers; the model gets their weights. Returns the steps that this worker has done already.
    template <class Optimizer>
    std::int64_t join(ModelType& model, Optimizer const& optimizer, std::uint64_t seed) {
        static_assert(
            strata::Optimizer<Optimizer> || is_grouped<Optimizer>,
            "Served: servers move weights one by one, as SGD, Adam and AdamW do; a matrix optimizer needs whole "
            "tensors: use DataParallel");
        static_assert(
            !is_grouped<Optimizer>,
            "Served: servers move all weights alike and know no Group: train without it, or with DataParallel");
        static_assert(!is_averaged<Optimizer>,
                      "Served: the optimizer's state is the servers', and Ema's average is a part of it: train without "
                      "it, or with DataParallel");
        static_assert(!is_clipped<Optimizer>,
                      "Served: a worker does not know the sum of all workers' gradients, which is what ClipNorm and "
                      "ClipValue are about: train without them, or with DataParallel");
        auto items = identity_items<Net, Precision>(optimizer);
        for (auto& item : this->ranks().nodes().items)
            if (!options_.mode.is_asynchronous() || item.what != "the seed") items.push_back(std::move(item));
        this->ranks().nodes().items.clear();
        auto const clock = worker_.join(items, seed, model.parameters());
        joined_ = true;
        joined_weights_ = checksum(model);
        this->ranks().nodes().joined_at = clock;
        return clock;
    }

    void go_on() { fail("go_on: the workers of parameter servers are started again instead"); }
    /// The optimizer's state is the servers'.
    template <class Optimizer>
    [[nodiscard]] std::size_t state_size(Optimizer const&) const {
        return 0;
    }
    [[nodiscard]] AlignedVector<Scalar> whole_state(std::span<Scalar const>, std::size_t) const {
        this->ranks().fail_checkpoint("writing a checkpoint");
    }
    [[nodiscard]] AlignedVector<Scalar> part_of_state(std::span<Scalar const>, std::size_t) const {
        this->ranks().fail_checkpoint("loading a checkpoint");
    }

    /// Weights that the trainer was given since are not the servers'.
    void load(ModelType const& model, std::span<Scalar const> state) {
        if (moved_ || (joined_ && checksum(model) != joined_weights_))
            fail("worker ", options_.worker,
                 ": its weights are the servers', and set_model, load_weights and load_checkpoint cannot change them: "
                 "give servers ServerOptions::weights or their storage");
        Base::load(model, state);
    }

    using Base::gradient;
    /// What is written to it is this worker's share of the batch's gradient; shares are added then, not leaves.
    [[nodiscard]] std::span<Gradient> gradient() {
        lent_ = true;
        return Base::gradient();
    }
    /// Those of a batch's samples that are this worker's are no batch.
    [[nodiscard]] auto input_gradients() const {
        if (this->ranks().sees_part())
            fail(
                "input_gradients: a worker has those of its own part of a batch alone: train with Asp, or with "
                "DataParallel");
        return Base::input_gradients();
    }
    static_assert(!is_head_losses<std::remove_cvref_t<decltype(std::declval<Base const&>().loss())>>,
                  "Served: a network that ends in Heads is trained without parameter servers");
    /// The gradient of this worker's leaves alone, and their loss.
    StepResult gradients(ModelType const& model, Batch const& batch, RandomKey random, double loss_scale = 1) {
        compare();
        StepResult result = Base::gradients(model, batch, random, loss_scale);
        auto const own = Base::own_samples(this->ranks(), batch.size, this->most_leaves());
        LossMean const mean = loss_mean(this->loss(), batch, own);
        if (mean.divisor > 0) result.loss *= loss_mean(this->loss(), batch).divisor / mean.divisor;
        result.samples = own.end - own.begin;
        result.ignored = mean.ignored;
        result.places = mean.places;
        result.label_weight = mean.label_weight;
        batch_ = batch.size;
        loss_scale_ = loss_scale;
        lent_ = false;
        return result;
    }
    /// Pushes the gradient and pulls the weights. Rate and momentum are this worker's, the rest of the optimizer, its
    /// state and the number of updates the servers'.
    template <class Optimizer>
    UpdateFault update(ModelType& model, Optimizer const&, std::span<Scalar>, OptimizerStep const& step) {
        auto& nodes = this->ranks().nodes();
        bool const whole = lent_ || options_.mode.is_asynchronous() || !options_.code.is_exact();
        PushedStep<Gradient> push;
        Gradient const* const share = std::as_const(*this).gradient().data();
        if (whole || nodes.count == 1)
            push.nodes = std::span(&share, 1);
        else
            push.nodes = nodes.own;
        if (!whole && loss_scale_ != 1) {  // the share is divided already
            auto const unscale = static_cast<Gradient>(1 / loss_scale_);
            for (int k = 0; k < (nodes.count > 1 ? nodes.count : 0); ++k)
                for (std::size_t i = 0; i < std::size_t{Net::parameter_count}; ++i)
                    nodes.kept.data()[static_cast<std::size_t>(k) * std::size_t{Net::parameter_count} + i] *= unscale;
        }
        push.leaves =
            options_.mode.is_asynchronous() ? 1u : static_cast<std::uint32_t>(whole ? options_.workers : nodes.leaves);
        push.batch = static_cast<std::uint32_t>(batch_);
        push.learning_rate = step.learning_rate;
        push.momentum = step.momentum.value_or(std::numeric_limits<double>::quiet_NaN());
        return exchange(push, model);
    }
    /// In place of update where this worker's gradient is not finite and the step is left out: by all workers.
    void leave_out(ModelType& model) {
        PushedStep<Gradient> push;
        push.leaves = options_.mode.is_asynchronous()
                          ? 1u
                          : static_cast<std::uint32_t>(options_.code.is_exact() ? this->ranks().nodes().leaves
                                                                                : options_.workers);
        push.batch = static_cast<std::uint32_t>(batch_);
        push.momentum = std::numeric_limits<double>::quiet_NaN();
        push.skip = true;
        exchange(push, model);
    }

    StepResult evaluate(ModelType const& model, Batch const& batch, std::int32_t* predictions,
                        typename Precision::compute* outputs) {
        return alone([&] { return Base::evaluate(model, batch, predictions, outputs); });
    }
    using Base::first_non_finite;
    int first_non_finite(ModelType const& model, Batch const& batch) {
        return alone([&] { return Base::first_non_finite(model, batch); });
    }

private:
    /// What fit noted since the last step.
    void compare() {
        auto items = std::exchange(this->ranks().nodes().items, {});
        if (items.empty() || options_.mode.is_asynchronous()) return;
        worker_.compare(std::move(items));
    }
    /// All samples of a batch are this worker's while f runs.
    template <class F>
    auto alone(F const& f) {
        struct Back {
            ServedRanks<Gradient>& ranks;
            ~Back() { ranks.take_all(false); }
        } const back{this->ranks()};
        this->ranks().take_all(true);
        return f();
    }
    UpdateFault exchange(PushedStep<Gradient> const& push, ModelType& model) {
        moved_ = true;
        return worker_.step(push, model.parameters());
    }
    static std::uint64_t checksum(ModelType const& model) {
        Checksum sum;
        sum.add(model.parameters().data(), model.parameters().size_bytes());
        return sum.value();
    }

    Served options_;
    ServedWorker<Scalar, Gradient> worker_;
    int uncaught_, batch_ = 1;
    double loss_scale_ = 1;
    bool joined_ = false, moved_ = false, lent_ = false;
    std::uint64_t joined_weights_ = 0;
};

}  // namespace detail

template <class BackendType>
detail::ServedBackend<BackendType> Served::over(BackendType const& backend) const {
    static_assert(std::is_same_v<BackendType, Cpu>, "Served: workers train on Cpu{} alone");
    return {backend, *this};
}

}  // namespace strata::inline STRATA_ABI
