// Exponential decay: the learning rate falls by a factor every tick.
#pragma once

#include <cmath>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr(t) = base * gamma^t, t in epochs or in steps. Source: torch.optim.lr_scheduler.ExponentialLR. Throws Error if
/// gamma is not positive.
struct ExponentialLR {
    double gamma = 0;  ///< must be given
    Every every = Every::epoch;

    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        if (!(gamma > 0)) fail("ExponentialLR: gamma is ", gamma, ", expected a number above 0");
        return {base_learning_rate * std::pow(gamma, static_cast<double>(ticks_done(position, every)))};
    }
};

}  // namespace strata::inline STRATA_ABI
