// Cosine annealing that begins anew again and again: SGDR.
#pragma once

#include <cmath>
#include <limits>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr(t) = eta_min + (base - eta_min) (1 + cos(pi c / length)) / 2, c ticks after the last restart: periods of t_0,
/// t_0 t_mult, t_0 t_mult^2, ... ticks follow each other, t in epochs or in steps. Source:
/// torch.optim.lr_scheduler.CosineAnnealingWarmRestarts; Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5. Throws
/// Error if t_0 or t_mult is not positive.
struct CosineAnnealingWarmRestarts {
    std::int64_t t_0 = 0;     ///< ticks of the first period; must be given
    std::int64_t t_mult = 1;  ///< how many times as long as a period the next one is
    double eta_min = 0;
    Every every = Every::epoch;

    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        if (t_0 < 1)
            fail("CosineAnnealingWarmRestarts: t_0 is ", t_0, ", expected at least 1 (", ticks_name(every), ")");
        if (t_mult < 1) fail("CosineAnnealingWarmRestarts: t_mult is ", t_mult, ", expected at least 1");
        auto tick = ticks_done(position, every), length = t_0;
        if (t_mult == 1) {
            tick %= length;
        } else {
            while (tick >= length) {
                tick -= length;
                constexpr auto most = (std::numeric_limits<std::int64_t>::max)();
                length = length > most / t_mult ? most : length * t_mult;
            }
        }
        constexpr double pi = 3.14159265358979323846;
        auto const phase = pi * static_cast<double>(tick) / static_cast<double>(length);
        return {eta_min + (base_learning_rate - eta_min) * (1 + std::cos(phase)) / 2};
    }
};

}  // namespace strata::inline STRATA_ABI
