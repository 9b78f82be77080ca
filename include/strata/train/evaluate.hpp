// evaluate: a model on a dataset, without a trainer.
#pragma once

#include "train.hpp"

namespace strata::inline STRATA_ABI {

/// Loss, accuracy and predictions of a model, loaded or folded say, on a dataset: `evaluate(model, data.test)`. A
/// backend and a loss may follow, in any order; defaults Cpu{} and CrossEntropy{}. Throws Error as Trainer::evaluate.
template <class Net, class Precision, class... Policies>
[[nodiscard]] auto evaluate(Model<Net, Precision> const& model, Dataset const& data, Policies const&... policies) {
    constexpr bool known = (detail::Policy<Policies> && ...);
    static_assert(known, "evaluate takes a model, a dataset, and policies: a backend, a loss");
    if constexpr (known) {
        constexpr bool fit = ((std::is_same_v<typename Policies::policy, BackendPolicy> ||
                               std::is_same_v<typename Policies::policy, LossPolicy>) &&
                              ...) &&
                             detail::at_most_one<BackendPolicy, Policies...> &&
                             detail::at_most_one<LossPolicy, Policies...>;
        static_assert(fit, "evaluate takes one backend and one loss at most, and no other policy");
        auto const backend = detail::policy_or<BackendPolicy>(Cpu{}, policies...);
        auto const loss = detail::loss_of<Net>(detail::policy_or<LossPolicy>(CrossEntropy{}, policies...));
        using Loss = std::remove_const_t<decltype(loss)>;
        constexpr bool is_loss = strata::Loss<Loss, typename Net::OutputShape>;
        static_assert(sizeof(detail::LossCheck<is_loss>) > 0);
        static_assert(detail::knows_classes<Loss, Net, typename Precision::compute>,
                      "a loss over more than 2^24 classes needs Float64: float does not know their numbers apart");
        if constexpr (is_loss) {
            if constexpr (requires { typename Loss::template Check<got<typename Net::OutputShape>>; })
                static_cast<void>(Loss::template Check<got<typename Net::OutputShape>>::ok);
            if constexpr (requires { loss.check(); }) loss.check();
            typename std::remove_const_t<decltype(backend)>::template Executor<Net, Precision, Loss> executor(backend,
                                                                                                              loss);
            executor.load(model, {});
            return detail::evaluate_on(executor, model, input_check_of<Net>(loss), data, 256, 0);
        }
    }
}

}  // namespace strata::inline STRATA_ABI
