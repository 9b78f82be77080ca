// Polynomial decay: the learning rate falls to 0 along a power of what is left of the training.
#pragma once

#include <cmath>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr(t) = base * (1 - t / total_iters)^power, t in epochs or in steps, and 0 beyond an explicit total_iters. Source:
/// torch.optim.lr_scheduler.PolynomialLR (whose total_iters is 5 by default). Throws Error if total_iters or power is
/// negative, or total_iters is 0 where the length of training is unknown or exceeded.
struct PolynomialLR {
    std::int64_t total_iters = 0;  ///< ticks from the base to 0; 0: the whole training
    double power = 1;
    Every every = Every::epoch;

    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        auto const tick = ticks_done(position, every);
        auto const length = total_iters == 0 ? ticks_planned(position, every) : total_iters;
        if (total_iters < 0)
            fail("PolynomialLR: total_iters is ", total_iters, ", expected at least 1, or 0 for the whole training");
        if (length <= 0) {
            fail("PolynomialLR: total_iters is 0 (the whole training), but the length of training is unknown here; ",
                 "give total_iters in ", ticks_name(every));
        }
        if (total_iters == 0 && tick > length) {
            fail("PolynomialLR: asked for the learning rate after ", tick, " ", ticks_name(every), " of a training of ",
                 length, "; give total_iters");
        }
        if (!(power >= 0)) fail("PolynomialLR: power is ", power, ", expected a number of at least 0");
        double const left = tick < length ? static_cast<double>(length - tick) / static_cast<double>(length) : 0.0;
        return {base_learning_rate * std::pow(left, power)};
    }
};

}  // namespace strata::inline STRATA_ABI
