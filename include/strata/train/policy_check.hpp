// Whether the policies of a training are what they have to be, in sentences that say what to write.
#pragma once

#include "../backend/backend.hpp"
#include "../loss/loss.hpp"
#include "../network/network.hpp"
#include "../optimizer/matrix_optimizer.hpp"
#include "../precision/loss_scale.hpp"
#include "../precision/precision.hpp"
#include "../schedule/schedule.hpp"

namespace strata::inline STRATA_ABI::detail {

/// To complete it makes the compiler say what is wrong with a loss that is none.
template <bool IsLoss>
struct LossCheck {
    static_assert(IsLoss,
                  "a loss is a plain value with using policy = LossPolicy, static constexpr bool classifies and "
                  "template <int K, class Io> auto operator()(Io const& io) const, which returns a lane, io.L: the "
                  "loss of a row of K outputs");
};

/// Whether a network can be trained with a loss, which may have a message of its own.
template <class Net, class Precision, class LossType>
consteval bool is_trained() {
    static_assert(Net::valid, "Trainer: a layer of this network is misused, see the first error");
    if constexpr (Net::valid) {
        static_assert(
            Net::parameter_count > 0 || Net::weight_count == 0,
            "Trainer: all layers with parameters are Frozen, there is nothing to train: take one out of Frozen");
        static_assert(!Net::shares_over_batch,
                      "Trainer: a BatchNorm stands in a Shared that is used again, or between two uses of one: take "
                      "GroupNorm or LayerNorm, or put it into Frozen");
        using Got = got<typename Net::OutputShape>;
        if constexpr (requires { typename LossType::template Check<Got>; })
            static_assert(LossType::template Check<Got>::ok);
        static_assert(knows_classes<LossType, Net, typename Precision::compute>,
                      "a loss over more than 2^24 classes needs Float64: float does not know their numbers apart");
    }
    return true;
}

/// The same for the other policies of a training.
template <class Net, class BackendType, class PrecisionType, class LossType, class OptimizerType, class ScheduleType,
          class LossScaleType>
struct PolicyCheck {
    using Bare = typename BareOptimizer<OptimizerType>::type;
    static constexpr bool precision = Precision<PrecisionType>, schedule = Schedule<ScheduleType>,
                          scale = LossScale<LossScaleType>, states = [] {
                              if constexpr (requires { typename update_of<Bare, float>; })
                                  return states_agree<update_of<Bare, float>, states_of<Bare>()>();
                              return true;
                          }();
    static constexpr bool optimizer = !states || Optimizer<Bare> || MatrixOptimizer<Bare>;
    static_assert(precision,
                  "a precision is a plain value with using policy = PrecisionPolicy and the types storage, compute, "
                  "accumulation and master; to change one thing, derive from Float32");
    static_assert(schedule,
                  "a schedule is a plain value with using policy = SchedulePolicy and ScheduleValue operator()(double "
                  "base_learning_rate, SchedulePosition const& position) const");
    static_assert(scale,
                  "a loss scale is a plain value with using policy = LossScalePolicy and LossScaling scaling() const");
    static_assert(states, "an optimizer and the update that it prepares say different numbers of states");
    static_assert(
        optimizer,
        "an optimizer is a plain value with using policy = OptimizerPolicy, double learning_rate and "
        "prepare<T>(OptimizerStep) const, which returns an update: template <class L> void operator()(L& "
        "parameter, L gradient, L (&state)[states]) const, without the state where the optimizer has no states");
    static constexpr bool policies = precision && schedule && scale && states && optimizer && Net::valid;
    static constexpr bool backend = [] {
        if constexpr (policies) return Backend<BackendType, Net, PrecisionType, LossType, OptimizerType>;
        return true;
    }();
    static_assert(
        backend,
        "a backend is a plain value with using policy = BackendPolicy and template <class Net, class "
        "Precision, class Loss> Executor, which offers what concept Executor in strata/backend/backend.hpp says");
    static constexpr bool ok = policies && backend;
};

}  // namespace strata::inline STRATA_ABI::detail
