// SGD, Adam and AdamW against LibTorch for five steps, on scalars and vectors alike; their errors.
#include <doctest/doctest.h>

#include "../reference/reference.hpp"
#include "strata/optimizer/adam.hpp"
#include "strata/optimizer/adamw.hpp"
#include "strata/optimizer/sgd.hpp"

using namespace strata;

namespace {

constexpr std::size_t count = 7;

/// Five steps of the seven parameters of values.txt as elements 0…6 of lanes of type L (one after another for scalars);
/// returns the parameters after each step.
template <class L, class Optimizer>
std::vector<std::vector<double>> run(Optimizer const& optimizer, bool schedule) {
    using T = scalar_of<L>;
    constexpr auto n = static_cast<std::size_t>(width_of<L>);
    constexpr std::size_t padded = (count + n - 1) / n * n, states = Optimizer::states;
    T weight[padded] = {}, state[states][padded] = {}, gradient[padded] = {};
    auto const start = reference_values<T>(1, count);
    std::copy(start.begin(), start.end(), weight);
    std::vector<std::vector<double>> history;
    for (std::uint32_t t = 1; t <= 5; ++t) {
        auto const g = reference_values<T>(100 + t, count);
        std::copy(g.begin(), g.end(), gradient);
        OptimizerStep const step{.learning_rate = optimizer.learning_rate / (schedule ? t : 1),
                                 .index = static_cast<std::int64_t>(t) - 1};
        auto const apply = optimizer.template prepare<T>(step);
        for (std::size_t i = 0; i < count; i += n) {
            L w = load_lane<L>(weight + i), s[states];
            for (std::size_t k = 0; k < states; ++k) s[k] = load_lane<L>(state[k] + i);
            apply(w, load_lane<L>(gradient + i), s);
            store_lane(weight + i, w);
            for (std::size_t k = 0; k < states; ++k) store_lane(state[k] + i, s[k]);
        }
        history.emplace_back(weight, weight + count);
    }
    return history;
}

template <class Optimizer>
void compare(std::string const& name, Optimizer const& optimizer, bool schedule = false) {
    optimizer.check();
    auto const doubles = run<double>(optimizer, schedule);
    auto const floats = run<float>(optimizer, schedule);
    CAPTURE(name);
    for (std::size_t t = 0; t < 5; ++t) {
        auto const entry = name + "/step" + std::to_string(t + 1);
        CAPTURE(entry);
        CHECK(reference_difference(doubles[t], entry) < 1e-14);
        // A few roundings of 6e-8 a step; Adam's square root of a tiny second moment loses a little more.
        CHECK(reference_difference(floats[t], entry) < 1e-6);
    }
    // An element's bits do not depend on whether it stands in a vector or in the tail.
    CHECK(run<lane_for<double, 16>>(optimizer, schedule) == doubles);
    CHECK(run<lane_for<float, 16>>(optimizer, schedule) == floats);
    CHECK(run<lane_for<float, 4>>(optimizer, schedule) == floats);
}

}  // namespace

TEST_CASE("SGD") {
    compare("sgd/plain", SGD{.learning_rate = 0.1});
    compare("sgd/momentum", SGD{.learning_rate = 0.1, .momentum = 0.9});
    compare("sgd/dampening", SGD{.learning_rate = 0.1, .momentum = 0.9, .dampening = 0.5});
    compare("sgd/nesterov", SGD{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
    compare("sgd/weight_decay", SGD{.learning_rate = 0.1, .weight_decay = 0.05});
    compare("sgd/nesterov_weight_decay",
            SGD{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true});
    compare("sgd/momentum_schedule", SGD{.learning_rate = 0.1, .momentum = 0.9}, true);
}

TEST_CASE("without momentum, dampening does nothing, as in PyTorch") {
    CHECK(run<double>(SGD{.learning_rate = 0.1, .dampening = 0.5}, false) ==
          run<double>(SGD{.learning_rate = 0.1}, false));
}

TEST_CASE("Adam") {
    compare("adam/default", Adam{.learning_rate = 0.01});
    compare("adam/betas", Adam{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.99});
    compare("adam/eps", Adam{.learning_rate = 0.01, .epsilon = 1e-2});
    compare("adam/weight_decay", Adam{.learning_rate = 0.01, .weight_decay = 0.05});
    compare("adam/schedule", Adam{.learning_rate = 0.01}, true);
}

TEST_CASE("AdamW") {
    compare("adamw/default", AdamW{.learning_rate = 0.01});
    compare("adamw/betas", AdamW{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.99});
    compare("adamw/eps", AdamW{.learning_rate = 0.01, .epsilon = 1e-2});
    compare("adamw/weight_decay", AdamW{.learning_rate = 0.01, .weight_decay = 0.05});
    compare("adamw/schedule", AdamW{.learning_rate = 0.01}, true);
}

TEST_CASE("a schedule's momentum takes the place of momentum and beta1") {
    OptimizerStep const step{.learning_rate = 0.1, .momentum = 0.5, .index = 3};
    CHECK(SGD{.momentum = 0.9}.prepare<double>(step).momentum == 0.5);
    CHECK(Adam{}.prepare<double>(step).beta1 == 0.5);
    CHECK(AdamW{}.prepare<double>(step).beta1 == 0.5);
}

TEST_CASE("what is switched off is left out: an infinite weight stays, and what it was not multiplied with is finite") {
    auto const step_of = [](auto const& optimizer, float weight, float first_state) {
        using Optimizer = std::remove_cvref_t<decltype(optimizer)>;
        auto const apply = optimizer.template prepare<float>({.learning_rate = 0.1, .index = 1});
        float state[Optimizer::states] = {first_state};
        apply(weight, 0.5f, state);
        CHECK(std::isfinite(state[0]));
        return weight;
    };
    CHECK(step_of(SGD{}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(SGD{.momentum = 0.9, .nesterov = true}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(Adam{}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(AdamW{}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(SGD{}, 1, INFINITY) == 1 - 0.1f * 0.5f);  // without momentum the old velocity does not count
    CHECK(std::isfinite(step_of(Adam{.beta1 = 0, .beta2 = 0}, 1, INFINITY)));
}

TEST_CASE("an update's bound is above every number that it makes, and not far above") {
    auto const check = [](auto const& optimizer) {
        using Optimizer = std::remove_cvref_t<decltype(optimizer)>;
        constexpr int states = Optimizer::states;
        double weight = 0, state[states] = {}, bound = 2,
               bounds[states] = {};  // the numbers of the worst of many weights
        double weights[32], velocities[32][states] = {};
        for (int i = 0; i < 32; ++i) weights[i] = 2 * std::sin(i);
        for (int t = 0; t < 50; ++t) {
            auto const apply = optimizer.template prepare<double>({.learning_rate = 0.1, .index = t});
            double const largest = apply.bound(bound, 3, bounds);
            weight = 0;
            for (int i = 0; i < 32; ++i) {
                apply(weights[i], 3 * std::sin(i * t + i), velocities[i]);
                weight = std::max(weight, std::abs(weights[i]));
                for (int k = 0; k < states; ++k)
                    state[k] = std::max(k > 0 || i > 0 ? state[k] : 0, std::abs(velocities[i][k]));
            }
            CHECK(weight <= bound);
            for (int k = 0; k < states; ++k) CHECK(state[k] <= bounds[k]);
            CHECK(largest >= bound);
            CHECK(largest >= bounds[0]);
        }
        return bound;
    };
    CHECK(check(SGD{}) <= 2 + 50 * 0.3 + 1e-9);
    CHECK(check(SGD{.momentum = 0.9, .dampening = 0.5, .weight_decay = 0.01}) < 1e3);
    CHECK(check(SGD{.momentum = 0.9, .nesterov = true}) < 1e3);
    CHECK(check(Adam{.epsilon = 1, .weight_decay = 0.01}) < 1e3);
    CHECK(check(AdamW{}) < 1e12);  // an epsilon of 1e-8 divides the largest moment
    double weight = 1, state[2] = {};
    CHECK(Adam{.epsilon = 0}.prepare<double>({}).bound(weight, 1, state) == std::numeric_limits<double>::max());
}

TEST_CASE("values out of range are named") {
    CHECK_THROWS_WITH_AS((SGD{.learning_rate = -1}).check(),
                         "SGD: learning_rate is -1, expected a number of at least 0", Error);
    CHECK_THROWS_WITH_AS((SGD{.momentum = 1}).check(),
                         "SGD: momentum is 1, expected a number of at least 0 and below 1", Error);
    CHECK_THROWS_AS((SGD{.learning_rate = NAN}).check(), Error);
    CHECK_THROWS_AS((SGD{.nesterov = true}).check(), Error);
    CHECK_THROWS_WITH_AS((Adam{.beta2 = 1}).check(), "Adam: beta2 is 1, expected a number of at least 0 and below 1",
                         Error);
    CHECK_THROWS_AS((Adam{.epsilon = -1e-8}).check(), Error);
    CHECK_THROWS_WITH_AS((AdamW{.weight_decay = -0.1}).check(),
                         "AdamW: weight_decay is -0.1, expected a number of at least 0", Error);
    CHECK_THROWS_AS((AdamW{.learning_rate = INFINITY}).check(), Error);
}
