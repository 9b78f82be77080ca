// What an optimizer is: a plain value of hyperparameters that, for each step, prepares an update: a pure function of
// one parameter, its gradient and its state, run over flat arrays by whichever backend holds them.
//
//   using policy = OptimizerPolicy
//   double learning_rate
//   prepare<T>(OptimizerStep)      the update of this step, for parameters of type T; it has
//     operator()(L& parameter, L gradient, L (&state)[states]) const, over lanes of T; without the last one where states
//                                  is 0. Marked STRATA_HD, it runs on GPUs.
//
// It may say more:
//
//   static constexpr int states    numbers of state a parameter; 0
//   static constexpr char const* name   in checkpoints, which fit optimizers of the same name; "(unnamed)"
//   check() const                  throws Error where a hyperparameter makes no sense
//
// What an update writes is finite, or it is not written. An update may have a member
//
//   double bound(double& weight, double gradient, double (&state)[states]) const
//
// which does to the largest magnitudes of weights, gradient and state what the update does to the numbers at most, and
// returns one that no number on the way exceeds (the largest double where it cannot say). Where bounds suffice, the
// numbers need not be looked at before they are written; an update without `bound` is computed twice.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

#include "../core/error.hpp"
#include "../core/finite.hpp"
#include "../core/lane.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

/// Tag of optimizer policies.
struct OptimizerPolicy {};

/// One optimizer step: what the schedule and the trainer say.
struct OptimizerStep {
    double learning_rate = 0;
    std::optional<double> momentum{};  ///< takes the place of momentum (or Adam's beta1) where it is given
    std::int64_t index = 0;            ///< updates made before this one
    double gradient_norm = 0;          ///< where the optimizer clips by it (clip.hpp)
};

namespace detail {
/// A finite number of at least 0, and below 1 where `below_one`.
STRATA_COLD inline void check_rate(char const* optimizer, char const* name, double value, bool below_one = false) {
    if (!is_finite(value) || !(value >= 0) || (below_one && !(value < 1)))
        fail(optimizer, ": ", name, " is ", value, ", expected a number of at least 0",
             below_one ? " and below 1" : "");
}

/// Numbers of state a parameter.
template <class Optimizer>
consteval int states_of() {
    if constexpr (requires { Optimizer::states; })
        return Optimizer::states;
    else
        return 0;
}
template <class Optimizer>
consteval char const* name_of_optimizer() {
    if constexpr (requires { Optimizer::name; })
        return Optimizer::name;
    else
        return "(unnamed)";
}
template <class Update, int States, class L>
consteval bool is_update() {
    if constexpr (States < 0)
        return false;
    else if constexpr (States == 0)
        return requires(Update const& update, L& parameter, L gradient) { update(parameter, gradient); };
    else
        return requires(Update const& update, L& parameter, L gradient, L(&state)[States]) {
            update(parameter, gradient, state);
        };
}
/// An update may say `states` too, which must be the optimizer's then.
template <class Update, int States>
consteval bool states_agree() {
    if constexpr (requires { Update::states; })
        return Update::states == States;
    else
        return true;
}
/// The update that an optimizer prepares for parameters of type T.
template <class Optimizer, class T>
using update_of = decltype(std::declval<Optimizer const&>().template prepare<T>(OptimizerStep{}));
/// The optimizer as the user gave it, inside of what clips and averages for it.
template <class Optimizer>
struct BareOptimizer {
    using type = Optimizer;
};
}  // namespace detail

/// An optimizer, as it is described above.
template <class T>
concept Optimizer = std::same_as<typename T::policy, OptimizerPolicy> && requires(T const& optimizer) {
    { optimizer.learning_rate } -> std::convertible_to<double>;
    typename detail::update_of<T, float>;
    requires detail::is_update<detail::update_of<T, float>, detail::states_of<T>(), float>();
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
