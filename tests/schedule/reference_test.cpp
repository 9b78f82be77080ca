// Every schedule against PyTorch, step by step (tests/reference/generate_schedules.py).
#include "../reference/reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "strata/schedule/constant.hpp"
#include "strata/schedule/cosine_annealing.hpp"
#include "strata/schedule/cosine_annealing_warm_restarts.hpp"
#include "strata/schedule/exponential_lr.hpp"
#include "strata/schedule/linear_warmup.hpp"
#include "strata/schedule/multi_step_lr.hpp"
#include "strata/schedule/one_cycle.hpp"
#include "strata/schedule/polynomial_lr.hpp"
#include "strata/schedule/sequential_lr.hpp"
#include "strata/schedule/step_lr.hpp"

using namespace strata;

namespace {

// PyTorch computes most sequences recursively, so its rounding errors are relative to the largest value of a sequence
// (at most 1 here), not to each: 1e-14 is some 50 roundings.
constexpr double tolerance = 1e-14;

/// `every` tells what the reference counts as a step: the schedule must give the same values in either unit.
template <Schedule S>
void check_schedule(S const& schedule, std::string const& name, bool momentum = false, Every every = Every::step,
                    std::size_t first_momentum = 0) {
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
        if (momentum && i >= first_momentum)
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

TEST_CASE("schedules of one formula equal PyTorch's, in steps and in epochs") {
    for (Every const every : {Every::step, Every::epoch}) {
        check_schedule(MultiStepLR{.milestones = {4, 9, 9, 17}, .gamma = 0.5, .every = every},
                       "multi_step_m4_9_9_17_g0.5", false, every);
        check_schedule(ExponentialLR{.gamma = 0.8, .every = every}, "exponential_g0.8", false, every);
        check_schedule(PolynomialLR{.total_iters = 20, .every = every}, "polynomial_t20", false, every);
        check_schedule(PolynomialLR{.total_iters = 20, .power = 2.5, .every = every}, "polynomial_t20_p2.5", false,
                       every);
        check_schedule(CosineAnnealingWarmRestarts{.t_0 = 4, .every = every}, "restarts_t4", false, every);
        check_schedule(CosineAnnealingWarmRestarts{.t_0 = 3, .t_mult = 2, .eta_min = 0.01, .every = every},
                       "restarts_t3_x2_min0.01", false, every);
    }
}

TEST_CASE("SequentialLR equals PyTorch's, whatever its milestones and its schedules count") {
    for (Every const every : {Every::step, Every::epoch}) {
        check_schedule(
            SequentialLR({.milestones = {4, 10}, .every = every}, ExponentialLR{.gamma = 0.8, .every = every},
                         CosineAnnealingWarmRestarts{.t_0 = 4, .every = every},
                         MultiStepLR{.milestones = {3, 7}, .every = every}),
            "sequence_exponential4_restarts10_multi_step", false, every);
        // Without the momentum that PyTorch's OneCycleLR sets when it is made, long before its turn.
        check_schedule(SequentialLR({.milestones = {6}, .every = every}, ConstantLR{},
                                    OneCycleLR{.max_learning_rate = 2.5, .total_steps = 19, .every = every}),
                       "sequence_constant6_one_cycle_t19", true, every, 6);
    }
    // A warm-up is a part like others, and what PyTorch makes of it and a cosine.
    check_schedule(SequentialLR({.milestones = {5}, .every = Every::step}, LinearWarmup(ConstantLR{}),
                                CosineAnnealingLR{.t_max = 20, .every = Every::step}),
                   "warmup5_cosine_t20");
    // Milestones in epochs of seven steps, parts in steps.
    SequentialLR const mixed({.milestones = {1, 3}}, ExponentialLR{.gamma = 0.9, .every = Every::step},
                             StepLR{.step_size = 2, .every = Every::step}, StepLR{.step_size = 1});
    auto const rate = [&](std::int64_t step) {
        return mixed(0.1, {.step = step, .epoch = step / 7, .steps_per_epoch = 7}).learning_rate;
    };
    CHECK(rate(6) == 0.1 * std::pow(0.9, 6));
    CHECK(rate(7) == 0.1);
    CHECK(rate(9) == 0.1 * 0.1);
    CHECK(rate(21) == 0.1);
    CHECK(rate(28) == 0.1 * 0.1);
}
