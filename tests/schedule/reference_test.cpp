// Every schedule against PyTorch, step by step (tests/reference/generate_schedules.py).
#include "../reference/reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "strata/schedule/constant.hpp"
#include "strata/schedule/cosine_annealing.hpp"
#include "strata/schedule/linear_warmup.hpp"
#include "strata/schedule/one_cycle.hpp"
#include "strata/schedule/step_lr.hpp"

using namespace strata;

namespace {

// PyTorch computes most sequences recursively, so its rounding errors are relative to the largest value of a sequence
// (at most 1 here), not to each: 1e-14 is some 50 roundings.
constexpr double tolerance = 1e-14;

/// `every` tells what the reference counts as a step: the schedule must give the same values in either unit.
template <Schedule S>
void check_schedule(S const& schedule, std::string const& name, bool momentum = false, Every every = Every::step) {
    CAPTURE(name);
    auto const& rates = reference("schedule/" + name + "/lr");
    for (std::size_t i = 0; i < rates.size(); ++i) {
        CAPTURE(i);
        auto const tick = static_cast<std::int64_t>(i);
        auto const position = every == Every::step
                                  ? SchedulePosition{.step = tick}
                                  : SchedulePosition{.step = 7 * tick, .epoch = tick, .steps_per_epoch = 7};
        auto const value = schedule(0.1, position);
        CHECK(std::abs(value.learning_rate - rates[i]) <= tolerance);
        if (momentum)
            CHECK(std::abs(value.momentum.value() - reference("schedule/" + name + "/momentum")[i]) <= tolerance);
        else
            CHECK_FALSE(value.momentum);
    }
}

}  // namespace

TEST_CASE("schedules equal PyTorch's") {
    check_schedule(ConstantLR{}, "constant");
    check_schedule(StepLR{.step_size = 3, .every = Every::step}, "step_s3_g0.1");
    check_schedule(StepLR{.step_size = 3}, "step_s3_g0.1", false, Every::epoch);
    check_schedule(CosineAnnealingLR{.t_max = 10, .every = Every::step}, "cosine_t10");
    check_schedule(CosineAnnealingLR{.t_max = 10}, "cosine_t10", false, Every::epoch);
    check_schedule(CosineAnnealingLR{.t_max = 10, .eta_min = 0.01, .every = Every::step}, "cosine_t10_min0.01");
    check_schedule(CosineAnnealingLR{.t_max = 25, .every = Every::step}, "cosine_t25");
}

TEST_CASE("OneCycleLR equals PyTorch's in learning rate and momentum") {
    OneCycleLR const plain{.max_learning_rate = 0.1, .total_steps = 20};
    auto linear = plain, three = plain, both = plain;
    linear.anneal = both.anneal = Anneal::linear;
    three.three_phase = both.three_phase = true;
    check_schedule(plain, "one_cycle_t20", true);
    check_schedule(linear, "one_cycle_t20_linear", true);
    check_schedule(three, "one_cycle_t20_three_phase", true);
    check_schedule(both, "one_cycle_t20_linear_three_phase", true);
    check_schedule(OneCycleLR{.max_learning_rate = 0.2,
                              .total_steps = 25,
                              .pct_start = 0.25,
                              .base_momentum = 0.8,
                              .max_momentum = 0.9,
                              .div_factor = 10,
                              .final_div_factor = 100},
                   "one_cycle_t25_options", true);
}

TEST_CASE("LinearWarmup equals PyTorch's LinearLR followed by another schedule") {
    check_schedule(LinearWarmup(ConstantLR{}), "warmup5_constant");
    check_schedule(LinearWarmup(CosineAnnealingLR{.t_max = 20, .every = Every::step}, {.steps = 5}),
                   "warmup5_cosine_t20");
    check_schedule(LinearWarmup(CosineAnnealingLR{.t_max = 20}, {.steps = 5, .every = Every::epoch}),
                   "warmup5_cosine_t20", false, Every::epoch);
    check_schedule(LinearWarmup(StepLR{.step_size = 3, .every = Every::step}), "warmup5_step_s3_g0.1");
    check_schedule(
        LinearWarmup(CosineAnnealingLR{.t_max = 20, .every = Every::step}, {.steps = 4, .start_factor = 0.1}),
        "warmup4_from0.1_cosine_t20");
}
