// evaluate: a model on a dataset, without a trainer.
#pragma once

#include "train.hpp"

namespace strata {

/// Loss, accuracy and predictions of a model, loaded or folded say, on a dataset: `evaluate(model, data.test)`. A
/// backend and a loss may follow, in any order; defaults Cpu{} and CrossEntropy{}. Throws Error as Trainer::evaluate.
template <class Net, class Precision, class... Policies>
[[nodiscard]] Evaluation evaluate(Model<Net, Precision> const& model, Dataset const& data,
                                  Policies const&... policies) {
    constexpr bool known = ((std::is_same_v<typename Policies::policy, BackendPolicy> ||
                             std::is_same_v<typename Policies::policy, LossPolicy>)&&...);
    static_assert(known, "evaluate takes a model, a dataset, a backend and a loss");
    auto const backend = detail::policy_or<BackendPolicy>(Cpu{}, policies...);
    auto const loss = detail::policy_or<LossPolicy>(CrossEntropy{}, policies...);
    using Loss = std::remove_const_t<decltype(loss)>;
    loss.check();
    typename std::remove_const_t<decltype(backend)>::template Executor<Net, Precision, Loss> executor(backend, loss);
    executor.load(model, {});
    return detail::evaluate_on(executor, model, input_check_of<Net, Loss>, data, 256, 0);
}

}  // namespace strata
