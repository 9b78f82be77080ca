// Step decay at given places: the learning rate falls by a factor at each milestone.
#pragma once

#include <cmath>
#include <vector>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr(t) = base * gamma^(milestones that are at most t), t in epochs or in steps. Source:
/// torch.optim.lr_scheduler.MultiStepLR. Throws Error where there are no milestones, or they are negative or fall; one
/// that is there twice counts twice.
struct MultiStepLR {
    std::vector<std::int64_t> milestones{};  ///< ticks at which it falls, rising; must be given
    double gamma = 0.1;
    Every every = Every::epoch;

    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        if (milestones.empty())
            fail("MultiStepLR: milestones is empty, expected at least one (", ticks_name(every), ")");
        auto const tick = ticks_done(position, every);
        std::int64_t before = 0;
        int falls = 0;
        for (auto const milestone : milestones) {
            if (milestone < before)
                fail("MultiStepLR: milestones has ", milestone, " behind ", before,
                     ", expected numbers of at least 0 that rise");
            before = milestone;
            falls += milestone <= tick ? 1 : 0;
        }
        return {base_learning_rate * std::pow(gamma, falls)};
    }
};

}  // namespace strata::inline STRATA_ABI
