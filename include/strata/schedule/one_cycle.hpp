// The one-cycle policy: the learning rate rises to a maximum and falls far below its start, the
// momentum does the reverse.
#pragma once

#include <cmath>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// The curve between two values of OneCycleLR.
enum class Anneal : std::uint8_t { cosine, linear };

/// Source: torch.optim.lr_scheduler.OneCycleLR; Smith and Topin, "Super-convergence", 2019.
///
/// With T total ticks and p = pct_start, the learning rate goes from initial = max / div_factor (tick 0)
/// to max (tick p T - 1) to initial / final_div_factor (tick T - 1); with three_phase back to initial
/// (tick 2 p T - 2) in between. The momentum goes from max_momentum to base_momentum and back. The
/// optimizer's learning rate matters only if max_learning_rate is 0. Throws Error for values out of
/// range and for a tick beyond T.
struct OneCycleLR {
    double max_learning_rate = 0;  ///< 0: the optimizer's learning rate is the maximum
    std::int64_t total_steps = 0;  ///< ticks; 0: the whole training
    double pct_start = 0.3;        ///< share of the ticks that rise, in [0, 1]
    Anneal anneal = Anneal::cosine;
    bool cycle_momentum = true;  ///< momentum of SGD, beta1 of Adam
    double base_momentum = 0.85;
    double max_momentum = 0.95;
    double div_factor = 25;
    double final_div_factor = 1e4;
    bool three_phase = false;
    Every every = Every::step;

    using policy = SchedulePolicy;

    /// The learning rate at tick 0, which a warm-up in front of this schedule leads to.
    [[nodiscard]] double initial_learning_rate(double base_learning_rate) const {
        return (max_learning_rate == 0 ? base_learning_rate : max_learning_rate) / div_factor;
    }

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        auto const tick = ticks_done(position, every);
        auto const total = total_steps == 0 ? ticks_planned(position, every) : total_steps;
        check(tick, total);

        auto const maximum = max_learning_rate == 0 ? base_learning_rate : max_learning_rate;
        auto const initial = initial_learning_rate(base_learning_rate);
        auto const minimum = initial / final_div_factor;
        auto const t = static_cast<double>(tick), length = static_cast<double>(total);
        auto const peak = pct_start * length - 1, valley = 2 * pct_start * length - 2, end = length - 1;

        if (t <= peak) return between(initial, maximum, max_momentum, base_momentum, t, 0, peak);
        if (!three_phase) return between(maximum, minimum, base_momentum, max_momentum, t, peak, end);
        if (t <= valley) return between(maximum, initial, base_momentum, max_momentum, t, peak, valley);
        return between(initial, minimum, max_momentum, max_momentum, t, valley, end);
    }

private:
    void check(std::int64_t tick, std::int64_t total) const {
        if (total_steps < 0)
            fail("OneCycleLR: total_steps is ", total_steps, ", expected at least 1, or 0 for the whole training");
        if (total <= 0) {
            fail("OneCycleLR: total_steps is 0 (the whole training), but the length of training is unknown here; give ",
                 "total_steps in ", ticks_name(every));
        }
        // PyTorch allows the one tick after the last, which its scheduler.step() after the last batch asks for.
        if (tick > total) {
            fail("OneCycleLR: asked for the learning rate after ", tick, " ", ticks_name(every), ", expected at most ",
                 total, " (total_steps)");
        }
        if (!(max_learning_rate >= 0))
            fail("OneCycleLR: max_learning_rate is ", max_learning_rate, ", expected a positive number");
        if (!(pct_start >= 0 && pct_start <= 1))
            fail("OneCycleLR: pct_start is ", pct_start, ", expected a number from 0 to 1");
        if (three_phase && pct_start > 0.5) {
            fail("OneCycleLR: pct_start is ", pct_start,
                 ", but the three phases need at most 0.5: the second lasts as long as the first");
        }
        if (!(div_factor > 0)) fail("OneCycleLR: div_factor is ", div_factor, ", expected a positive number");
        if (!(final_div_factor > 0))
            fail("OneCycleLR: final_div_factor is ", final_div_factor, ", expected a positive number");
    }

    ScheduleValue between(double rate_from, double rate_to, double momentum_from, double momentum_to, double t,
                          double start, double end) const {
        // A phase without length (pct_start * total_steps = 1, up to rounding) jumps to its end;
        // PyTorch divides by zero there.
        auto const share = end - start < 1e-9 ? 1.0 : (t - start) / (end - start);
        ScheduleValue value{interpolate(rate_from, rate_to, share)};
        if (cycle_momentum) value.momentum = interpolate(momentum_from, momentum_to, share);
        return value;
    }

    [[nodiscard]] double interpolate(double from, double to, double share) const {
        constexpr double pi = 3.14159265358979323846;
        if (anneal == Anneal::linear) return (to - from) * share + from;
        return to + (from - to) / 2 * (1 + std::cos(pi * share));
    }
};

}  // namespace strata::inline STRATA_ABI
