// What an optimizer is: a plain value of hyperparameters that, for each step, prepares an update: a pure function of
// one parameter, its gradient and its state, run over flat arrays by whichever backend holds them.
#pragma once

#include <cmath>
#include <cstdint>

#include "../core/error.hpp"
#include "../core/lane.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of optimizer policies.
struct OptimizerPolicy {};

/// One optimizer step: what the schedule and the trainer say.
struct OptimizerStep {
    double learning_rate = 0;
    double momentum = NAN;   ///< takes the place of momentum (or Adam's beta1) where it is a number
    std::int64_t index = 0;  ///< updates made before this one
};

namespace detail {
STRATA_COLD inline void check_rate(char const* optimizer, char const* name, double value, double below) {
    if (!(value >= 0 && value < below))
        fail(optimizer, ": ", name, " is ", value, ", expected a number of at least 0",
             below < 1e300 ? " and below 1" : "");
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
