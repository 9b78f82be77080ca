// Schedules against values of PyTorch 1.13.1 (python3-torch, optimizer SGD(lr=0.1, momentum=0.9)) and values by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "strata/schedule/constant.hpp"
#include "strata/schedule/cosine_annealing.hpp"
#include "strata/schedule/cosine_annealing_warm_restarts.hpp"
#include "strata/schedule/exponential_lr.hpp"
#include "strata/schedule/lambda_lr.hpp"
#include "strata/schedule/linear_warmup.hpp"
#include "strata/schedule/multi_step_lr.hpp"
#include "strata/schedule/one_cycle.hpp"
#include "strata/schedule/polynomial_lr.hpp"
#include "strata/schedule/reduce_lr_on_plateau.hpp"
#include "strata/schedule/sequential_lr.hpp"
#include "strata/schedule/step_lr.hpp"

using namespace strata;

namespace {

// PyTorch computes recursively, so its rounding error is relative to the largest value of a
// sequence, not to each value.
void check_near(double value, double expected, double scale) {
    CHECK_MESSAGE(std::abs(value - expected) <= 1e-12 * scale, value, " is not ", expected);
}

template <Schedule S>
void check_rates(S const& schedule, std::vector<double> const& expected, std::int64_t total_steps = 0) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(i);
        SchedulePosition position{.step = static_cast<std::int64_t>(i), .total_steps = total_steps};
        check_near(schedule(0.1, position).learning_rate, expected[i], 1);
    }
}

template <Schedule S>
void check_momentum(S const& schedule, std::vector<double> const& expected, std::int64_t total_steps = 0) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(i);
        SchedulePosition position{.step = static_cast<std::int64_t>(i), .total_steps = total_steps};
        check_near(schedule(0.1, position).momentum.value(), expected[i], 1);
    }
}

template <class Function>
std::string message_of(Function function) {
    try {
        function();
    } catch (Error const& error) { return error.what(); }
    return "no error";
}

double rate(auto const& schedule, SchedulePosition const& position) { return schedule(0.1, position).learning_rate; }

}  // namespace

static_assert(Schedule<ConstantLR> && Schedule<StepLR> && Schedule<CosineAnnealingLR> && Schedule<OneCycleLR>);
static_assert(Schedule<MultiStepLR> && Schedule<ExponentialLR> && Schedule<PolynomialLR>);
static_assert(Schedule<CosineAnnealingWarmRestarts> && Schedule<SequentialLR<StepLR, LinearWarmup<MultiStepLR>>>);
static_assert(Schedule<LinearWarmup<StepLR>> && !Schedule<int> && !Schedule<SchedulePosition>);

TEST_CASE("ConstantLR leaves learning rate and momentum to the optimizer") {
    auto const value = ConstantLR{}(0.1, {.step = 1000, .epoch = 10});
    CHECK(value.learning_rate == 0.1);
    CHECK_FALSE(value.momentum);
}

TEST_CASE("StepLR falls every step_size ticks") {
    StepLR const by_epoch{.step_size = 3};
    CHECK(rate(by_epoch, {.step = 999, .epoch = 2}) == 0.1);
    check_near(rate(by_epoch, {.step = 0, .epoch = 3}), 0.01, 0.01);
    check_near(rate(by_epoch, {.step = 0, .epoch = 8}), 0.001, 0.001);
    check_rates(StepLR{.step_size = 2, .gamma = 0.5, .every = Every::step},
                {0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125});
    CHECK(message_of([] { rate(StepLR{}, {}); }) == "StepLR: step_size is 0, expected at least 1 (epochs)");
}

TEST_CASE("CosineAnnealingLR follows the cosine and comes back") {
    std::vector<double> const torch{0.10000000000000001,  0.091405764746872634, 0.068905764746872628,
                                    0.041094235253127359, 0.018594235253127367, 0.01,
                                    0.018594235253127367, 0.041094235253127387, 0.068905764746872669,
                                    0.091405764746872689, 0.10000000000000006,  0.091405764746872717};
    check_rates(CosineAnnealingLR{.t_max = 5, .eta_min = 0.01, .every = Every::step}, torch);
    CosineAnnealingLR const by_epoch{.t_max = 5, .eta_min = 0.01};
    for (std::size_t i = 0; i < torch.size(); ++i) {
        check_near(rate(by_epoch, {.step = 77, .epoch = static_cast<std::int64_t>(i)}), torch[i], 1);
    }
    // cos(pi) is exactly -1 in double, so the minimum is exact.
    CHECK(rate(by_epoch, {.epoch = 5}) == 0.01);
}

TEST_CASE("CosineAnnealingLR without t_max lasts as long as the training") {
    CHECK(rate(CosineAnnealingLR{}, {.step = 40, .epoch = 4, .steps_per_epoch = 10, .total_steps = 80}) ==
          doctest::Approx(0.05).epsilon(1e-12));
    // Eight epochs and a half are nine epochs.
    CHECK(rate(CosineAnnealingLR{}, {.step = 40, .epoch = 4, .steps_per_epoch = 10, .total_steps = 85}) ==
          rate(CosineAnnealingLR{.t_max = 9}, {.epoch = 4}));
    CHECK(rate(CosineAnnealingLR{.every = Every::step}, {.step = 40, .epoch = 1, .total_steps = 80}) ==
          rate(CosineAnnealingLR{.t_max = 80, .every = Every::step}, {.step = 40}));
    CHECK(
        message_of([] { rate(CosineAnnealingLR{}, {.step = 3}); }) ==
        "CosineAnnealingLR: t_max is 0 (the whole training), but the length of training is unknown here; give t_max in "
        "epochs");
    CHECK(message_of([] { rate(CosineAnnealingLR{.every = Every::step}, {.step = 5, .total_steps = 4}); }) ==
          "CosineAnnealingLR: asked for the learning rate after 5 steps of a training of 4; give t_max to go on");
    CHECK(message_of([] { rate(CosineAnnealingLR{.t_max = -1}, {}); }) ==
          "CosineAnnealingLR: t_max is -1, expected at least 1, or 0 for the whole training");
}

TEST_CASE("OneCycleLR cycles learning rate and momentum") {
    OneCycleLR const cosine{.max_learning_rate = 1, .total_steps = 10};
    check_rates(cosine, {0.040000000000000036, 0.52000000000000002, 1, 0.95048463201347366, 0.81174565394976306,
                         0.61126202193628931, 0.38874197806371075, 0.18825834605023697, 0.049519367986526286,
                         3.9999999999999998e-06});
    check_momentum(cosine, {0.94999999999999996, 0.89999999999999991, 0.84999999999999998, 0.85495155660487898,
                            0.86882550990706331, 0.88887395330218422, 0.91112604669781572, 0.93117449009293662,
                            0.94504844339512095, 0.94999999999999996});

    OneCycleLR const three{.max_learning_rate = 1, .total_steps = 10, .anneal = Anneal::linear, .three_phase = true};
    check_rates(three, {0.040000000000000001, 0.52000000000000002, 1, 0.52000000000000002, 0.040000000000000036,
                        0.032000799999999996, 0.024001599999999998, 0.0160024, 0.008003199999999995, 4.0e-06});
    check_momentum(three, {0.95, 0.90, 0.85, 0.90, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95});
}

TEST_CASE("OneCycleLR takes what is left out from the training") {
    OneCycleLR const explicit_values{.max_learning_rate = 0.1, .total_steps = 10};
    for (std::int64_t step = 0; step <= 10; ++step) {
        CAPTURE(step);
        CHECK(rate(OneCycleLR{}, {.step = step, .total_steps = 10}) == rate(explicit_values, {.step = step}));
    }
    OneCycleLR const by_epoch{.max_learning_rate = 1, .every = Every::epoch};
    CHECK(rate(by_epoch, {.step = 13, .epoch = 1, .steps_per_epoch = 9, .total_steps = 90}) ==
          doctest::Approx(0.52).epsilon(1e-12));
    CHECK_FALSE(OneCycleLR{.total_steps = 10, .cycle_momentum = false}(0.1, {}).momentum);
}

TEST_CASE("OneCycleLR at its edges") {
    // pct_start * total_steps = 1: the rising phase has no length.
    CHECK(rate(OneCycleLR{.max_learning_rate = 1, .total_steps = 10, .pct_start = 0.1}, {}) ==
          doctest::Approx(1).epsilon(1e-12));
    // A training of one step is the last step of a cycle.
    CHECK(rate(OneCycleLR{.max_learning_rate = 1, .total_steps = 1}, {}) == doctest::Approx(4e-6).epsilon(1e-12));
    CHECK(message_of([] { rate(OneCycleLR{}, {}); }) ==
          "OneCycleLR: total_steps is 0 (the whole training), but the length of training is unknown here; give "
          "total_steps "
          "in steps");
    CHECK(message_of([] { rate(OneCycleLR{.total_steps = 10}, {.step = 11}); }) ==
          "OneCycleLR: asked for the learning rate after 11 steps, expected at most 10 (total_steps)");
    CHECK(message_of([] { rate(OneCycleLR{.total_steps = 10, .pct_start = 1.5}, {}); }) ==
          "OneCycleLR: pct_start is 1.5, expected a number from 0 to 1");
    CHECK(message_of([] { rate(OneCycleLR{.total_steps = 10, .pct_start = std::nan("")}, {}); }) ==
          "OneCycleLR: pct_start is nan, expected a number from 0 to 1");
    CHECK(message_of([] { rate(OneCycleLR{.total_steps = 10, .pct_start = 0.6, .three_phase = true}, {}); }) ==
          "OneCycleLR: pct_start is 0.6, but the three phases need at most 0.5: the second lasts as long as the first");
    CHECK(message_of([] { rate(OneCycleLR{.max_learning_rate = -1, .total_steps = 10}, {}); }) ==
          "OneCycleLR: max_learning_rate is -1, expected a positive number");
    CHECK(message_of([] { rate(OneCycleLR{.total_steps = 10, .div_factor = 0}, {}); }) ==
          "OneCycleLR: div_factor is 0, expected a positive number");
    CHECK(message_of([] { rate(OneCycleLR{.total_steps = 10, .final_div_factor = 0}, {}); }) ==
          "OneCycleLR: final_div_factor is 0, expected a positive number");
    CHECK(message_of([] { rate(OneCycleLR{.total_steps = -2}, {}); }) ==
          "OneCycleLR: total_steps is -2, expected at least 1, or 0 for the whole training");
}

TEST_CASE("LinearWarmup leads to the next schedule") {
    check_rates(LinearWarmup(StepLR{.step_size = 3, .every = Every::step}, {.steps = 4}),
                {0.033333333333333333, 0.05, 0.06666666666666668, 0.083333333333333343, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01,
                 0.001, 0.001});
    check_rates(LinearWarmup(CosineAnnealingLR{.t_max = 5, .eta_min = 0.01, .every = Every::step}, {.steps = 4}),
                {0.033333333333333333, 0.05, 0.06666666666666668, 0.083333333333333343, 0.1, 0.091405764746872634,
                 0.068905764746872628, 0.041094235253127359, 0.018594235253127367, 0.01, 0.018594235253127367,
                 0.041094235253127387});
    // A factor is no part of the base: the warm-up leads to the base learning rate, the factor 0.5 comes after it.
    check_rates(LinearWarmup(LambdaLR([](SchedulePosition const& p) {
                                 return 0.5 * std::pow(0.9, static_cast<double>(p.step));
                             }),
                             {.steps = 4}),
                {0.033333333333333333, 0.05, 0.06666666666666668, 0.083333333333333343, 0.05, 0.045000000000000005,
                 0.040500000000000008, 0.036450000000000003});
    check_rates(LinearWarmup(ConstantLR{}, {.steps = 2, .start_factor = 0.5}), {0.05, 0.075, 0.1, 0.1});
}

TEST_CASE("LinearWarmup leads to the initial learning rate and momentum of OneCycleLR") {
    std::vector<double> const rates{0.013333333333333332, 0.019999999999999997, 0.026666666666666665,
                                    0.033333333333333333, 0.040000000000000036, 0.81927510489219202,
                                    0.97194177738752319,  0.81174565394976295,  0.5559840141227016,
                                    0.28306099820869923,  0.076641593834256394, 3.9999999999999998e-06};
    std::vector<double> const momenta{0.95,
                                      0.95,
                                      0.95,
                                      0.95,
                                      0.95,
                                      0.86882550990706331,
                                      0.85280583348458161,
                                      0.86882550990706331,
                                      0.89440177619483463,
                                      0.9216941869558779,
                                      0.94233620996141421,
                                      0.95};
    LinearWarmup const given(OneCycleLR{.max_learning_rate = 1, .total_steps = 8}, {.steps = 4});
    check_rates(given, rates);
    check_momentum(given, momenta);
    // The same length, taken from what the warm-up leaves of the training.
    LinearWarmup const planned(OneCycleLR{.max_learning_rate = 1}, {.steps = 4});
    check_rates(planned, rates, 12);
    check_momentum(planned, momenta, 12);
}

TEST_CASE("LinearWarmup counts the epochs of the next schedule from its own end") {
    LinearWarmup const by_step(StepLR{.step_size = 1}, {.steps = 15});
    CHECK(rate(by_step, {.step = 24, .epoch = 2, .steps_per_epoch = 10, .total_steps = 100}) == 0.1);
    CHECK(rate(by_step, {.step = 25, .epoch = 2, .steps_per_epoch = 10, .total_steps = 100}) ==
          doctest::Approx(0.01).epsilon(1e-12));

    LinearWarmup const by_epoch(CosineAnnealingLR{}, {.steps = 2, .start_factor = 0.5, .every = Every::epoch});
    CHECK(rate(by_epoch, {.step = 10, .epoch = 1, .steps_per_epoch = 10, .total_steps = 100}) ==
          doctest::Approx(0.075).epsilon(1e-12));
    CHECK(rate(by_epoch, {.step = 65, .epoch = 6, .steps_per_epoch = 10, .total_steps = 100}) ==
          doctest::Approx(0.05).epsilon(1e-12));

    // A training shorter than its warm-up is warmed up all the same.
    CHECK(rate(LinearWarmup(CosineAnnealingLR{}, {.steps = 50}),
               {.step = 25, .epoch = 2, .steps_per_epoch = 10, .total_steps = 30}) ==
          doctest::Approx(0.1 * 2 / 3).epsilon(1e-12));
}

TEST_CASE("LinearWarmup says what is wrong at once") {
    CHECK(message_of([] { LinearWarmup(ConstantLR{}, {.steps = 0}); }) ==
          "LinearWarmup: steps is 0, expected at least 1");
    CHECK(message_of([] { LinearWarmup(ConstantLR{}, {.start_factor = 0}); }) ==
          "LinearWarmup: start_factor is 0, expected a number above 0 and at most 1");
    // An impossible next schedule is found at the first step, not after the warm-up.
    CHECK(message_of([] { rate(LinearWarmup(StepLR{}), {}); }) ==
          "StepLR: step_size is 0, expected at least 1 (epochs)");
}

TEST_CASE("LambdaLR multiplies the base") {
    LambdaLR const schedule([](SchedulePosition const& position) { return position.epoch < 3 ? 1.0 : 0.25; });
    static_assert(Schedule<decltype(schedule)>);
    CHECK(rate(schedule, {.epoch = 2}) == 0.1);
    CHECK(rate(schedule, {.epoch = 3}) == 0.025);
    CHECK_FALSE(schedule(0.1, {}).momentum);
}

TEST_CASE("PolynomialLR spans the whole training where no length is given") {
    CHECK(rate(PolynomialLR{.every = Every::step}, {.step = 30, .total_steps = 40}) == 0.025);
    CHECK(rate(PolynomialLR{.power = 2}, {.step = 30, .epoch = 3, .steps_per_epoch = 10, .total_steps = 35}) ==
          doctest::Approx(0.1 / 16).epsilon(1e-12));
    CHECK(rate(PolynomialLR{.total_iters = 4}, {.epoch = 9}) == 0);
    CHECK(message_of([] { rate(PolynomialLR{}, {}); }) ==
          "PolynomialLR: total_iters is 0 (the whole training), but the length of training is unknown here; give "
          "total_iters in epochs");
    CHECK(message_of([] { rate(PolynomialLR{.every = Every::step}, {.step = 11, .total_steps = 10}); }) ==
          "PolynomialLR: asked for the learning rate after 11 steps of a training of 10; give total_iters");
    CHECK(message_of([] { rate(PolynomialLR{.total_iters = -1}, {}); }) ==
          "PolynomialLR: total_iters is -1, expected at least 1, or 0 for the whole training");
    CHECK(message_of([] { rate(PolynomialLR{.total_iters = 2, .power = -1}, {}); }) ==
          "PolynomialLR: power is -1, expected a number of at least 0");
}

TEST_CASE("MultiStepLR, ExponentialLR and CosineAnnealingWarmRestarts say what is wrong") {
    CHECK(message_of([] { rate(MultiStepLR{}, {}); }) ==
          "MultiStepLR: milestones is empty, expected at least one (epochs)");
    CHECK(message_of([] { rate(MultiStepLR{.milestones = {30, 20}}, {}); }) ==
          "MultiStepLR: milestones has 20 behind 30, expected numbers of at least 0 that rise");
    CHECK(message_of([] { rate(MultiStepLR{.milestones = {-1}}, {}); }) ==
          "MultiStepLR: milestones has -1 behind 0, expected numbers of at least 0 that rise");
    CHECK(message_of([] { rate(ExponentialLR{}, {}); }) == "ExponentialLR: gamma is 0, expected a number above 0");
    CHECK(message_of([] { rate(CosineAnnealingWarmRestarts{}, {}); }) ==
          "CosineAnnealingWarmRestarts: t_0 is 0, expected at least 1 (epochs)");
    CHECK(message_of([] { rate(CosineAnnealingWarmRestarts{.t_0 = 5, .t_mult = 0, .every = Every::step}, {}); }) ==
          "CosineAnnealingWarmRestarts: t_mult is 0, expected at least 1");
    // Periods that no number holds are longer than every training.
    CHECK(rate(CosineAnnealingWarmRestarts{.t_0 = 2, .t_mult = std::int64_t{1} << 62}, {.epoch = 1000}) ==
          doctest::Approx(0.1));
}

TEST_CASE("SequentialLR: the whole training of a part is the time up to the next one") {
    SequentialLR const steps({.milestones = {10, 30}, .every = Every::step}, PolynomialLR{.every = Every::step},
                             CosineAnnealingLR{.every = Every::step}, PolynomialLR{.power = 2, .every = Every::step});
    auto const at = [&](std::int64_t step) { return rate(steps, {.step = step, .total_steps = 50}); };
    CHECK(at(5) == doctest::Approx(0.05));
    CHECK(at(10) == doctest::Approx(0.1));
    CHECK(at(20) == doctest::Approx(0.05));
    CHECK(at(30) == doctest::Approx(0.1));
    CHECK(at(40) == doctest::Approx(0.025));
    SequentialLR const epochs({.milestones = {3}}, CosineAnnealingLR{}, CosineAnnealingLR{});
    auto const in_epoch = [&](std::int64_t epoch) {
        return rate(epochs, {.step = 10 * epoch, .epoch = epoch, .steps_per_epoch = 10, .total_steps = 70});
    };
    CHECK(in_epoch(3) == doctest::Approx(0.1));
    CHECK(in_epoch(5) == doctest::Approx(0.05));
    CHECK(in_epoch(7) == doctest::Approx(0).epsilon(1e-12));
    // A warm-up in front leads to the first part's initial learning rate.
    LinearWarmup const warm(SequentialLR({.milestones = {20}, .every = Every::step},
                                         OneCycleLR{.max_learning_rate = 1, .total_steps = 20}, ConstantLR{}),
                            {.steps = 4, .start_factor = 0.5});
    CHECK(rate(warm, {}) == doctest::Approx(0.5 / 25));
    CHECK(rate(warm, {.step = 4}) == doctest::Approx(1.0 / 25));
    CHECK_FALSE(warm(0.1, {.step = 24}).momentum);
    CHECK(warm(0.1, {.step = 23}).momentum.has_value());
}

TEST_CASE("SequentialLR says what is wrong at once") {
    CHECK(message_of([] { SequentialLR({.milestones = {3, 5}}, ConstantLR{}, ConstantLR{}); }) ==
          "SequentialLR: 2 milestones between 2 schedules, expected 1");
    CHECK(message_of([] { SequentialLR({.milestones = {5, 5}}, ConstantLR{}, ConstantLR{}, ConstantLR{}); }) ==
          "SequentialLR: milestones has 5 behind 5, expected numbers above 0 that rise");
    CHECK(message_of([] { SequentialLR({.milestones = {0}}, ConstantLR{}, ConstantLR{}); }) ==
          "SequentialLR: milestones has 0 behind 0, expected numbers above 0 that rise");
    // An impossible part is found at the first step, not at its milestone.
    CHECK(message_of([] { rate(SequentialLR({.milestones = {3}}, ConstantLR{}, StepLR{}), {}); }) ==
          "StepLR: step_size is 0, expected at least 1 (epochs)");
}

TEST_CASE("a schedule that begins later sees the losses of its own epochs") {
    std::vector<double> const losses{1, 2, 2, 2, 0.5};  // with patience 1 the fourth epoch is too many, or the third
    ReduceLROnPlateau const plateau{.factor = 0.5, .patience = 1};
    auto const at = [&](auto const& schedule, std::size_t epochs) {
        auto const epoch = static_cast<std::int64_t>(epochs);
        return rate(schedule, {.step = 10 * epoch,
                               .epoch = epoch,
                               .steps_per_epoch = 10,
                               .total_steps = 100,
                               .losses = std::span(losses).first(epochs)});
    };
    CHECK(at(plateau, 2) == 0.1);
    CHECK(at(plateau, 3) == 0.05);
    auto const check = [&](auto const& schedule) {
        CHECK(at(schedule, 3) == 0.1);
        CHECK(at(schedule, 4) == 0.05);
        CHECK(at(schedule, 5) == 0.05);
    };
    check(SequentialLR({.milestones = {1}}, ConstantLR{}, plateau));
    check(SequentialLR({.milestones = {10}, .every = Every::step}, ConstantLR{}, plateau));
    check(LinearWarmup(plateau, {.steps = 10}));
    check(LinearWarmup(plateau, {.steps = 1, .every = Every::epoch}));
}
