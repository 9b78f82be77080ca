// A linear warm-up in front of any other schedule.
#pragma once

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// Options of LinearWarmup.
struct WarmupOptions {
    std::int64_t steps = 5;         ///< length of the warm-up in ticks
    double start_factor = 1.0 / 3;  ///< share of the learning rate at tick 0, in (0, 1]
    Every every = Every::step;      ///< what a tick of the warm-up is
};

/// The learning rate grows linearly from start_factor * base to base over the first ticks; then `next` begins as if
/// training began there: it sees its position shifted by the warm-up, its epochs counted from the warm-up's end.
///
///     LinearWarmup(StepLR{.step_size = 30}, {.steps = 500})
///
/// Source: torch.optim.lr_scheduler.SequentialLR([LinearLR(start_factor, total_iters=n), next], milestones=[n]). As
/// there, a warm-up in front of OneCycleLR leads to that schedule's initial learning rate, and `next` says the momentum
/// meanwhile. Throws Error for values out of range.
template <Schedule Next>
class LinearWarmup {
public:
    using policy = SchedulePolicy;

    explicit LinearWarmup(Next next, WarmupOptions options = {}) : next_(next), options_(options) {
        if (options_.steps < 1) fail("LinearWarmup: steps is ", options_.steps, ", expected at least 1");
        if (!(options_.start_factor > 0 && options_.start_factor <= 1)) {
            fail("LinearWarmup: start_factor is ", options_.start_factor, ", expected a number above 0 and at most 1");
        }
    }

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        auto const tick = ticks_done(position, options_.every);
        if (tick >= options_.steps)
            return next_(base_learning_rate, position_after(position, options_.steps, options_.every));

        auto value = next_(base_learning_rate, beginning_after(position, options_.steps, options_.every));
        auto const share = static_cast<double>(tick) / static_cast<double>(options_.steps);
        auto const target = [&] {
            if constexpr (requires { next_.initial_learning_rate(base_learning_rate); })
                return next_.initial_learning_rate(base_learning_rate);
            else
                return base_learning_rate;
        }();
        value.learning_rate = target * (options_.start_factor + (1 - options_.start_factor) * share);
        return value;
    }

    [[nodiscard]] WarmupOptions const& options() const { return options_; }
    [[nodiscard]] Next const& next() const { return next_; }

private:
    Next next_;
    WarmupOptions options_;
};

}  // namespace strata::inline STRATA_ABI
