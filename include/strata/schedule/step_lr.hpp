// Step decay: the learning rate falls by a factor every few epochs.
#pragma once

#include <cmath>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr(t) = base * gamma^floor(t / step_size), t in epochs or in steps. Source: torch.optim.lr_scheduler.StepLR.
/// Throws Error if step_size is not positive.
struct StepLR {
    std::int64_t step_size = 0;  ///< ticks between two falls; must be given
    double gamma = 0.1;
    Every every = Every::epoch;

    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        if (step_size < 1) fail("StepLR: step_size is ", step_size, ", expected at least 1 (", ticks_name(every), ")");
        auto const falls = ticks_done(position, every) / step_size;
        return {base_learning_rate * std::pow(gamma, static_cast<double>(falls))};
    }
};

}  // namespace strata::inline STRATA_ABI
