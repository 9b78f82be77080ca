// Cosine annealing: half a cosine from the base learning rate down to a minimum.
#pragma once

#include <cmath>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr(t) = eta_min + (base - eta_min) (1 + cos(pi t / t_max)) / 2, t in epochs or in steps. Beyond an explicit t_max
/// the cosine rises again, with period 2 t_max, as in PyTorch. Source: torch.optim.lr_scheduler.CosineAnnealingLR;
/// Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5. Throws Error if t_max is negative, or 0 where the length of
/// training is unknown or exceeded.
struct CosineAnnealingLR {
    std::int64_t t_max = 0;  ///< ticks from the base to the minimum; 0: the whole training
    double eta_min = 0;
    Every every = Every::epoch;

    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        auto const tick = ticks_done(position, every);
        auto const length = t_max == 0 ? ticks_planned(position, every) : t_max;
        if (t_max < 0)
            fail("CosineAnnealingLR: t_max is ", t_max, ", expected at least 1, or 0 for the whole training");
        if (length <= 0) {
            fail(
                "CosineAnnealingLR: t_max is 0 (the whole training), but the length of training is unknown here; give ",
                "t_max in ", ticks_name(every));
        }
        if (t_max == 0 && tick > length) {
            fail("CosineAnnealingLR: asked for the learning rate after ", tick, " ", ticks_name(every),
                 " of a training of ", length, "; give t_max to go on");
        }
        constexpr double pi = 3.14159265358979323846;
        // The remainder keeps the argument, and so its rounding error, small after many periods.
        auto const phase = pi * static_cast<double>(tick % (2 * length)) / static_cast<double>(length);
        return {eta_min + (base_learning_rate - eta_min) * (1 + std::cos(phase)) / 2};
    }
};

}  // namespace strata::inline STRATA_ABI
