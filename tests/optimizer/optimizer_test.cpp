// Every optimizer against PyTorch, or its paper where that has none, on scalars and vectors alike; their errors.
#include <doctest/doctest.h>

#include "../reference/reference.hpp"
#include "strata/optimizer/adagrad.hpp"
#include "strata/optimizer/adam.hpp"
#include "strata/optimizer/adamw.hpp"
#include "strata/optimizer/lamb.hpp"
#include "strata/optimizer/lars.hpp"
#include "strata/optimizer/lion.hpp"
#include "strata/optimizer/nadam.hpp"
#include "strata/optimizer/radam.hpp"
#include "strata/optimizer/rmsprop.hpp"
#include "strata/optimizer/sgd.hpp"

using namespace strata;

namespace {

constexpr std::size_t count = 7;

/// How a case of values.txt is run.
struct Case {
    bool schedule = false;  ///< the learning rate of step t is divided by t
    bool zeros = false;     ///< the gradient is 0 in elements 0 and 1, and everywhere in step 3
    std::uint32_t steps = 5;
    std::vector<std::uint32_t> recorded = {};  ///< steps that are there; none: all
};

/// Steps of the seven parameters of values.txt as elements 0…6 of lanes of type L (one after another for scalars);
/// returns the parameters after each step.
template <class L, class Optimizer>
std::vector<std::vector<double>> run(Optimizer const& optimizer, Case const& how = {}) {
    using T = scalar_of<L>;
    constexpr auto n = static_cast<std::size_t>(width_of<L>);
    constexpr std::size_t padded = (count + n - 1) / n * n, states = Optimizer::states;
    T weight[padded] = {}, state[states][padded] = {}, gradient[padded] = {};
    auto const start = reference_values<T>(1, count);
    std::copy(start.begin(), start.end(), weight);
    std::vector<std::vector<double>> history;
    for (std::uint32_t t = 1; t <= how.steps; ++t) {
        auto g = reference_values<T>(100 + t, count);
        if (how.zeros) std::fill_n(g.begin(), t == 3 ? count : 2, T(0));
        std::copy(g.begin(), g.end(), gradient);
        OptimizerStep const step{.learning_rate = optimizer.learning_rate / (how.schedule ? t : 1),
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

// A few roundings of 6e-8 a step; a square root of a tiny second moment loses a little more.
constexpr double of_floats = 1e-6;

template <class Optimizer>
void compare(std::string const& name, Optimizer const& optimizer, Case const& how = {}) {
    optimizer.check();
    auto const doubles = run<double>(optimizer, how);
    auto const floats = run<float>(optimizer, how);
    CAPTURE(name);
    for (std::uint32_t t = 1; t <= how.steps; ++t) {
        if (!how.recorded.empty() && std::find(how.recorded.begin(), how.recorded.end(), t) == how.recorded.end())
            continue;
        auto const entry = name + "/step" + std::to_string(t);
        CAPTURE(entry);
        CHECK(reference_difference(doubles[t - 1], entry) < 1e-14);
        CHECK(reference_difference(floats[t - 1], entry) < of_floats);
    }
    // An element's bits do not depend on whether it stands in a vector or in the tail.
    CHECK(run<lane_for<double, 16>>(optimizer, how) == doubles);
    CHECK(run<lane_for<float, 16>>(optimizer, how) == floats);
    CHECK(run<lane_for<float, 4>>(optimizer, how) == floats);
}

/// The cases of generate_optimizers.py that all have.
template <class Optimizer>
void compare_common(std::string const& name, Optimizer optimizer) {
    compare(name + "/default", optimizer, {.steps = 8});
    compare(name + "/schedule", optimizer, {.schedule = true, .steps = 8});
    compare(name + "/zeros", optimizer, {.zeros = true, .steps = 8});
    optimizer.weight_decay = 0.05;
    compare(name + "/weight_decay", optimizer, {.steps = 8});
}

/// Six steps of a matrix in T, as generate_optimizers.py has them.
template <class T, class Optimizer>
void compare_matrix(std::string const& name, int rows, int columns, Optimizer const& optimizer, double tolerance,
                    bool zero_weights = false, std::uint32_t zero_step = 0) {
    optimizer.check();
    MatrixShape const shape{rows, columns};
    auto const size = static_cast<std::size_t>(rows * columns);
    auto w = reference_values<T>(800 + static_cast<std::uint32_t>(rows), size, zero_weights ? 0 : 1);
    std::vector<T> state(optimizer.state_size(shape));
    for (std::uint32_t t = 1; t <= 6; ++t) {
        auto const g = reference_values<T>(810 + t, size, t == zero_step ? 0 : 1);
        optimizer.update(shape, w.data(), g.data(), state.data(),
                         OptimizerStep{.learning_rate = optimizer.learning_rate, .index = t - 1});
        auto const entry = name + "/step" + std::to_string(t);
        CAPTURE(entry);
        CHECK(reference_difference(w, entry) < tolerance);
    }
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
    compare("sgd/momentum_schedule", SGD{.learning_rate = 0.1, .momentum = 0.9}, {.schedule = true});
}

TEST_CASE("without momentum, dampening does nothing, as in PyTorch") {
    CHECK(run<double>(SGD{.learning_rate = 0.1, .dampening = 0.5}) == run<double>(SGD{.learning_rate = 0.1}));
}

TEST_CASE("Adam") {
    compare("adam/default", Adam{.learning_rate = 0.01});
    compare("adam/betas", Adam{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.99});
    compare("adam/eps", Adam{.learning_rate = 0.01, .epsilon = 1e-2});
    compare("adam/weight_decay", Adam{.learning_rate = 0.01, .weight_decay = 0.05});
    compare("adam/schedule", Adam{.learning_rate = 0.01}, {.schedule = true});
}

TEST_CASE("AdamW") {
    compare("adamw/default", AdamW{.learning_rate = 0.01});
    compare("adamw/betas", AdamW{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.99});
    compare("adamw/eps", AdamW{.learning_rate = 0.01, .epsilon = 1e-2});
    compare("adamw/weight_decay", AdamW{.learning_rate = 0.01, .weight_decay = 0.05});
    compare("adamw/schedule", AdamW{.learning_rate = 0.01}, {.schedule = true});
}

TEST_CASE("RMSprop") {
    RMSprop const plain{.learning_rate = 0.01};
    compare_common("rmsprop", plain);
    auto momentum = plain, centered = plain;
    momentum.momentum = 0.9;
    compare("rmsprop/momentum", momentum, {.steps = 8});
    centered.centered = true;
    compare("rmsprop/centered", centered, {.steps = 8});
    centered.momentum = 0.9;
    compare("rmsprop/centered_momentum", centered, {.steps = 8});
    compare("rmsprop/all",
            RMSprop{.learning_rate = 0.01,
                    .alpha = 0.9,
                    .epsilon = 1e-3,
                    .weight_decay = 0.05,
                    .momentum = 0.8,
                    .centered = true},
            {.steps = 8});
}

TEST_CASE("a centered RMSprop's gradient that does not change makes no NaN") {
    // In PyTorch 2.15 one of 37 of these gradients does with alpha 0.99, every second with 0.9; where products and sums
    // are one rounding, every second with 0.5.
    RMSprop const optimizer{.alpha = 0.5, .centered = true};
    for (int k = 1; k <= 1000; ++k) {
        float w = 1, state[3] = {};
        for (int t = 0; t < 100; ++t)
            optimizer.prepare<float>({.learning_rate = 1e-6, .index = t})(w, static_cast<float>(k) / 1000, state);
        REQUIRE(std::isfinite(w));
    }
}

TEST_CASE("Adagrad") {
    compare_common("adagrad", Adagrad{});
    compare("adagrad/lr_decay", Adagrad{.lr_decay = 0.1}, {.steps = 8});
    compare("adagrad/start", Adagrad{.initial_accumulator_value = 0.5}, {.steps = 8});
    compare("adagrad/all",
            Adagrad{.lr_decay = 0.1, .weight_decay = 0.05, .initial_accumulator_value = 0.5, .epsilon = 1e-3},
            {.steps = 8});
}

TEST_CASE("NAdam") {
    NAdam const plain{.learning_rate = 0.01};
    compare_common("nadam", plain);
    auto decoupled = plain;
    decoupled.weight_decay = 0.05;
    decoupled.decoupled_weight_decay = true;
    compare("nadam/decoupled", decoupled, {.steps = 8});
    compare("nadam/betas", NAdam{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.95}, {.steps = 8});
    compare("nadam/eps", NAdam{.learning_rate = 0.01, .epsilon = 1e-2}, {.steps = 8});
    compare("nadam/decay", NAdam{.learning_rate = 0.01, .momentum_decay = 0.3},
            {.steps = 40, .recorded = {1, 2, 20, 40}});
}

TEST_CASE("NAdam's product of momenta is that of all steps, however it is found") {
    for (double const beta1 : {0.0, 0.9, 0.999999})
        for (double const decay : {0.0, 4e-3, 1.0, 100.0}) {
            NAdam const optimizer{.beta1 = beta1, .beta2 = 0, .momentum_decay = decay};
            auto const mu = [&](int t) { return beta1 * (1 - 0.5 * std::pow(0.96, t * decay)); };
            double product = 1;
            for (int t = 1; t <= 20000; ++t) {
                product *= mu(t);
                if (t > 10 && t % 1999 != 0) continue;
                CAPTURE(beta1);
                CAPTURE(decay);
                CAPTURE(t);
                auto const update = optimizer.prepare<double>({.learning_rate = 1, .index = t - 1});
                CHECK(update.gradient_rate == doctest::Approx((1 - mu(t)) / (1 - product)).epsilon(1e-10));
                CHECK(update.moment_rate == doctest::Approx(mu(t + 1) / (1 - product * mu(t + 1))).epsilon(1e-10));
            }
        }
}

TEST_CASE("RAdam") {
    RAdam const plain{.learning_rate = 0.01};
    CHECK_FALSE(plain.prepare<double>({.learning_rate = 1, .index = 4}).adaptive);
    CHECK(plain.prepare<double>({.learning_rate = 1, .index = 5}).adaptive);
    compare_common("radam", plain);
    auto decoupled = plain;
    decoupled.weight_decay = 0.05;
    decoupled.decoupled_weight_decay = true;
    compare("radam/decoupled", decoupled, {.steps = 8});
    compare("radam/betas", RAdam{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.95}, {.steps = 8});
    compare("radam/eps", RAdam{.learning_rate = 0.01, .epsilon = 1e-2}, {.steps = 8});
}

TEST_CASE("Lion") {
    compare_common("lion", Lion{.learning_rate = 0.01});
    compare("lion/betas", Lion{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.95}, {.steps = 8});
}

TEST_CASE("LAMB and LARS") {
    auto const check = []<class T>(T, double tolerance) {
        LAMB const lamb{.learning_rate = 0.01};
        compare_matrix<T>("lamb/wide", 4, 6, lamb, tolerance);
        compare_matrix<T>("lamb/tall", 6, 4, lamb, tolerance);
        compare_matrix<T>("lamb/no_decay", 4, 6, LAMB{.learning_rate = 0.01, .weight_decay = 0}, tolerance);
        compare_matrix<T>("lamb/zero", 4, 6, lamb, tolerance, true);
        LARS const lars{.learning_rate = 0.5, .trust_coefficient = 0.02};
        auto decay = lars, plain = lars;
        decay.weight_decay = plain.weight_decay = 0.05;
        plain.momentum = 0;
        compare_matrix<T>("lars/wide", 4, 6, lars, tolerance);
        compare_matrix<T>("lars/tall", 6, 4, lars, tolerance);
        compare_matrix<T>("lars/decay", 4, 6, decay, tolerance);
        compare_matrix<T>("lars/zero", 4, 6, lars, tolerance, false, 3);
        compare_matrix<T>("lars/plain", 4, 6, plain, tolerance);
    };
    check(0.0, 1e-14);
    check(0.0f, of_floats);
}

TEST_CASE("the norm of a tensor is that of its numbers, also where the sum of their squares is none") {
    auto const check = []<class T>(T factor) {
        for (std::size_t const size : {1u, 7u, 64u, 1001u}) {
            auto values = reference_values<T>(3, size);
            double squares = 0;
            for (T& v : values) {
                squares += static_cast<double>(v) * static_cast<double>(v);
                v *= factor;
            }
            double const norm =
                detail::tensor_norm<T>(static_cast<std::ptrdiff_t>(size),
                                       [&]<class L>(std::ptrdiff_t i) { return load_lane<L>(values.data() + i); });
            CHECK(norm / static_cast<double>(factor) == doctest::Approx(std::sqrt(squares)).epsilon(1e-12));
        }
    };
    for (float const factor : {1.0f, 0x1p-120f, 0x1p127f}) check(factor);
    for (double const factor : {1.0, 0x1p-1000, 0x1p1000}) check(factor);
    check(0x1p-480);
    CHECK(detail::trust_ratio(1, 0, 2) == 1);
    CHECK(detail::trust_ratio(1, 2, 0) == 1);
    CHECK(detail::trust_ratio(3, 2, 4) == 1.5);
    // A gradient of 1e160 is finite although its square is not.
    double w[4] = {1, 2, 3, 4}, v[4] = {};
    double const g[4] = {1e160, 0, 0, 0};
    LARS{.momentum = 0, .trust_coefficient = 0.1}.update({2, 2}, w, g, v, {.learning_rate = 1});
    CHECK(w[0] == doctest::Approx(1 - 0.1 * std::sqrt(30.0)));
}

TEST_CASE("a schedule's momentum takes the place of momentum and beta1") {
    OptimizerStep const step{.learning_rate = 0.1, .momentum = 0.5, .index = 3};
    CHECK(SGD{.momentum = 0.9}.prepare<double>(step).momentum == 0.5);
    CHECK(Adam{}.prepare<double>(step).moments.beta1 == 0.5);
    CHECK(AdamW{}.prepare<double>(step).moments.beta1 == 0.5);
    CHECK(NAdam{}.prepare<double>(step).moments.beta1 == 0.5);
    CHECK(RAdam{}.prepare<double>(step).moments.beta1 == 0.5);
    CHECK(Lion{}.prepare<double>(step).beta1 == 0.5);
    CHECK(RMSprop{}.prepare<double>(step).momentum == 0.5);
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
    for (bool const centered : {false, true}) CHECK(step_of(RMSprop{.centered = centered}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(Adagrad{}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(NAdam{}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(RAdam{}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(Lion{}, -INFINITY, 0) == -INFINITY);
    CHECK(step_of(NAdam{.weight_decay = 0.1, .decoupled_weight_decay = true}, -INFINITY, 0) == -INFINITY);
    CHECK(std::isfinite(step_of(RMSprop{.alpha = 0}, 1, INFINITY)));
    CHECK(std::isfinite(step_of(Lion{.beta1 = 0, .beta2 = 0}, 1, INFINITY)));
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
            for (int k = 0; k < states; ++k) CHECK(largest >= bounds[k]);
        }
        return bound;
    };
    CHECK(check(SGD{}) <= 2 + 50 * 0.3 + 1e-9);
    CHECK(check(SGD{.momentum = 0.9, .dampening = 0.5, .weight_decay = 0.01}) < 1e3);
    CHECK(check(SGD{.momentum = 0.9, .nesterov = true}) < 1e3);
    CHECK(check(Adam{.epsilon = 1, .weight_decay = 0.01}) < 1e3);
    CHECK(check(AdamW{}) < 1e12);  // an epsilon of 1e-8 divides the largest moment
    CHECK(check(RMSprop{}) <= 2 + 50 * 0.1 * 1.01 / std::sqrt(0.01) + 1e-9);
    CHECK(check(RMSprop{.alpha = 0, .weight_decay = 0.1, .momentum = 0.9}) < 1e3);
    CHECK(check(RMSprop{.epsilon = 1, .momentum = 0.9, .centered = true}) < 1e3);
    CHECK(check(Adagrad{}) <= 2 + 50 * 0.1 * 1.01 + 1e-9);
    CHECK(check(Adagrad{.lr_decay = 0.1, .weight_decay = 0.1, .initial_accumulator_value = 2}) < 1e3);
    CHECK(check(NAdam{.epsilon = 1, .weight_decay = 0.01}) < 1e3);
    CHECK(check(NAdam{.weight_decay = 0.01, .decoupled_weight_decay = true}) < 1e12);
    CHECK(check(RAdam{.epsilon = 1, .weight_decay = 0.01}) < 1e3);
    CHECK(check(RAdam{.weight_decay = 0.01, .decoupled_weight_decay = true}) < 1e12);
    CHECK(check(Lion{.weight_decay = 0.01}) <= 2 + 50 * 0.1 + 1e-9);
    double weight = 1, state[2] = {}, one[1] = {}, three[3] = {};
    for (auto const bound : {RMSprop{.epsilon = 0}.prepare<double>({}).bound(weight, 1, three),
                             Adagrad{.epsilon = 0}.prepare<double>({}).bound(weight, 1, one),
                             NAdam{.epsilon = 0}.prepare<double>({}).bound(weight, 1, state),
                             RAdam{.epsilon = 0}.prepare<double>({.index = 5}).bound(weight, 1, state)})
        CHECK(bound == std::numeric_limits<double>::max());
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
    CHECK_THROWS_WITH_AS((RMSprop{.alpha = 1}).check(),
                         "RMSprop: alpha is 1, expected a number of at least 0 and below 1", Error);
    CHECK_THROWS_AS((RMSprop{.momentum = 1}).check(), Error);
    CHECK_THROWS_WITH_AS((Adagrad{.lr_decay = -1}).check(), "Adagrad: lr_decay is -1, expected a number of at least 0",
                         Error);
    CHECK_THROWS_AS((Adagrad{.initial_accumulator_value = -1}).check(), Error);
    CHECK_THROWS_WITH_AS((NAdam{.momentum_decay = NAN}).check(),
                         "NAdam: momentum_decay is nan, expected a number of at least 0", Error);
    CHECK_THROWS_AS((RAdam{.beta1 = -0.1}).check(), Error);
    CHECK_THROWS_WITH_AS((Lion{.beta2 = 1}).check(), "Lion: beta2 is 1, expected a number of at least 0 and below 1",
                         Error);
    CHECK_THROWS_WITH_AS((LAMB{.learning_rate = 0}).check(), "LAMB: learning_rate is 0, expected a number above 0",
                         Error);
    CHECK_THROWS_AS((LAMB{.rest = {.beta1 = 1}}).check(), Error);
    CHECK_THROWS_WITH_AS((LARS{.trust_coefficient = -1}).check(),
                         "LARS: trust_coefficient is -1, expected a number of at least 0", Error);
    CHECK_THROWS_AS((LARS{.learning_rate = 0}).check(), Error);
}
