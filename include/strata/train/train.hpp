// train: the sentence that makes a trainer. Policies are values in any order, each with a default.
#pragma once

#include "../backend/cpu/run/executor.hpp"
#include "../loss/cross_entropy.hpp"
#include "../network/heads.hpp"
#include "../optimizer/adam.hpp"
#include "../optimizer/clip.hpp"
#include "../optimizer/ema.hpp"
#include "../optimizer/grouped_optimizer.hpp"
#include "../schedule/constant.hpp"
#include "accumulate.hpp"
#include "policy_check.hpp"
#include "trainer.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class Tag, class Default>
constexpr auto policy_or(Default fallback) {
    return fallback;
}
/// The policy of a kind among the given ones, or the default.
template <class Tag, class Default, class First, class... Rest>
constexpr auto policy_or(Default fallback, First const& first, Rest const&... rest) {
    if constexpr (std::is_same_v<typename First::policy, Tag>)
        return first;
    else
        return policy_or<Tag>(fallback, rest...);
}
/// The ranks of a training without RanksPolicy.
struct NoRanks {};
template <class Backend, class Ranks>
constexpr auto over_ranks(Backend const& backend, Ranks const& ranks) {
    if constexpr (std::is_same_v<Ranks, NoRanks>)
        return backend;
    else
        return ranks.over(backend);
}
template <class P>
concept Policy = requires { typename P::policy; };
template <class T>
inline constexpr bool is_network = false;
template <class In, class... Layers>
inline constexpr bool is_network<Network<In, Layers...>> = true;
template <class T>
concept NetworkType = is_network<T>;
template <class Tag, class... Policies>
inline constexpr bool at_most_one = (0 + ... + (std::is_same_v<typename Policies::policy, Tag> ? 1 : 0)) <= 1;
}  // namespace detail

/// A trainer of a network: `train<LeNet>(Cpu{.threads = 4}, CrossEntropy{}, SGD{.learning_rate = 0.01},
/// StepLR{.step_size = 5})`. Policies and defaults: backend Cpu{}, precision Float32{}, loss CrossEntropy{}, optimizer
/// Adam{} (learning rate 0.001), gradients that are not clipped (else ClipNorm{1.0} or ClipValue{1.0}), weights that are
/// not averaged (else Ema{0.999}), all parameters alike (else any number of Group{"*.bias", {…}}), one batch an update
/// (else Accumulate{4}), schedule ConstantLR{}, loss scale NoLossScale{}, Seed{}, NonFinite{}. Throws Error when a
/// hyperparameter makes no sense.
template <class Net, class... Policies>
[[nodiscard]] auto train(Policies const&... policies) {
    constexpr bool network = detail::NetworkType<Net>, known = (detail::Policy<Policies> && ...);
    static_assert(network, "train: the first template argument is a Network<Input<...>, layers...>");
    static_assert(
        known,
        "train takes policies: a backend, a precision, a loss, an optimizer, Group, ClipNorm or ClipValue, Ema, "
        "Accumulate, a schedule, a loss scale, DataParallel, Seed, NonFinite");
    if constexpr (network && known) {
        constexpr bool single =
            detail::at_most_one<BackendPolicy, Policies...> && detail::at_most_one<PrecisionPolicy, Policies...> &&
            detail::at_most_one<LossPolicy, Policies...> && detail::at_most_one<OptimizerPolicy, Policies...> &&
            detail::at_most_one<SchedulePolicy, Policies...> && detail::at_most_one<SeedPolicy, Policies...> &&
            detail::at_most_one<NonFinitePolicy, Policies...> && detail::at_most_one<LossScalePolicy, Policies...> &&
            detail::at_most_one<RanksPolicy, Policies...> && detail::at_most_one<ClippingPolicy, Policies...> &&
            detail::at_most_one<AveragingPolicy, Policies...> && detail::at_most_one<AccumulatePolicy, Policies...>;
        static_assert(single, "train: two policies of the same kind");
        constexpr bool alone = !Net::has_sequences || (!std::is_same_v<typename Policies::policy, RanksPolicy> && ...);
        static_assert(
            alone,
            "Sequence: networks of sequences are trained on one rank: leave DataParallel or ParameterServer out");
        if constexpr (single && alone) {
            auto const backend = detail::over_ranks(detail::policy_or<BackendPolicy>(Cpu{}, policies...),
                                                    detail::policy_or<RanksPolicy>(detail::NoRanks{}, policies...));
            auto const precision = detail::policy_or<PrecisionPolicy>(Float32{}, policies...);
            auto const loss = detail::loss_of<Net>(detail::policy_or<LossPolicy>(CrossEntropy{}, policies...));
            auto const optimizer = detail::grouped(
                detail::averaged(detail::clipped(detail::policy_or<OptimizerPolicy>(Adam{}, policies...),
                                                 detail::policy_or<ClippingPolicy>(detail::NoClipping{}, policies...)),
                                 detail::policy_or<AveragingPolicy>(detail::NoAveraging{}, policies...)),
                policies...);
            auto const schedule = detail::policy_or<SchedulePolicy>(ConstantLR{}, policies...);
            auto const loss_scale = detail::policy_or<LossScalePolicy>(NoLossScale{}, policies...);
            constexpr bool is_loss = Loss<std::remove_const_t<decltype(loss)>, typename Net::OutputShape>;
            static_assert(sizeof(detail::LossCheck<is_loss>) > 0);
            if constexpr (is_loss) {
                using Check = detail::PolicyCheck<
                    Net, std::remove_const_t<decltype(backend)>, std::remove_const_t<decltype(precision)>,
                    std::remove_const_t<decltype(loss)>, std::remove_const_t<decltype(optimizer)>,
                    std::remove_const_t<decltype(schedule)>, std::remove_const_t<decltype(loss_scale)>>;
                if constexpr (Check::ok) {
                    using Made =
                        Trainer<Net, std::remove_const_t<decltype(backend)>, std::remove_const_t<decltype(precision)>,
                                std::remove_const_t<decltype(loss)>, std::remove_const_t<decltype(optimizer)>,
                                std::remove_const_t<decltype(schedule)>>;
                    constexpr bool accumulates = (std::is_same_v<Policies, Accumulate> || ...);
                    if constexpr (detail::AccumulateCheck<accumulates, Net, typename Made::Executor>::ok)
                        return Made(backend, loss, optimizer, schedule,
                                    detail::policy_or<SeedPolicy>(Seed{}, policies...),
                                    detail::policy_or<NonFinitePolicy>(NonFinite{}, policies...), loss_scale.scaling(),
                                    detail::policy_or<AccumulatePolicy>(Accumulate{}, policies...));
                }
            }
        }
    }
}

}  // namespace strata::inline STRATA_ABI
