// Losses against LibTorch on scalars and vectors of samples, by central differences, and with
// logits that are no numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "../reference/reference.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/loss/bce_with_logits.hpp"
#include "strata/loss/cross_entropy.hpp"
#include "strata/loss/huber.hpp"
#include "strata/loss/kl_div.hpp"
#include "strata/loss/l1.hpp"
#include "strata/loss/mse.hpp"
#include "strata/loss/nll.hpp"
#include "strata/loss/smooth_l1.hpp"
#include "strata/loss/soft_cross_entropy.hpp"
#include "strata/loss/weighted_cross_entropy.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

struct LossResult {
    double loss = 0;
    std::vector<double> dx;
};

/// A loss over a batch [samples][K], the samples in lanes of type L; the mean and its gradient. None of its labels are
/// ignored.
template <int K, class L, class Loss>
LossResult run_loss(Loss const& loss, std::vector<double> const& x, std::vector<double> const& targets,
                    std::vector<int> const& labels) {
    using T = scalar_of<L>;
    constexpr auto n = static_cast<std::size_t>(width_of<L>);
    std::size_t const samples = x.size() / K;
    LossResult result;
    result.dx.resize(x.size());
    std::vector<std::int32_t> const numbers(labels.begin(), labels.end());
    LossMean const mean = strata::detail::loss_mean(
        loss,
        Batch{.size = static_cast<int>(samples), .shape = {}, .labels = numbers.empty() ? nullptr : numbers.data()});
    for (std::size_t first = 0; first < samples; first += n) {
        T in[K * n] = {}, target[K * n] = {}, out[K * n], label[n] = {}, value[n];
        for (T& v : out) v = std::numeric_limits<T>::quiet_NaN();
        std::size_t const count = std::min(n, samples - first);
        for (std::size_t s = 0; s < count; ++s) {
            if (!labels.empty()) label[s] = static_cast<T>(labels[first + s]);
            for (std::size_t k = 0; k < K; ++k) {
                in[k * n + s] = static_cast<T>(x[(first + s) * K + k]);
                if (!targets.empty()) target[k * n + s] = static_cast<T>(targets[(first + s) * K + k]);
            }
        }
        using X = TileView<Shape<K>, L, T const>;
        using DX = TileView<Shape<K>, L, T>;
        L const scale = select(first_lanes<L>(static_cast<int>(count)), L(static_cast<T>(mean.factor())), L(T(0)));
        LossInput<X, DX, X> const io{X{in, n}, DX{out, n}, X{target, n}, load_lane<L>(label), scale};
        store_lane(value, strata::detail::loss_of_row<K>(loss, io));
        LossInput<X, DX, X> const without{X{in, n}, DX{nullptr, n}, X{target, n}, load_lane<L>(label), scale};
        T again[n];
        store_lane(again, strata::detail::loss_of_row<K>(loss, without));
        for (std::size_t s = 0; s < count; ++s) {
            CHECK((again[s] == value[s] ||
                   (again[s] != again[s] && value[s] != value[s])));  // with and without a gradient
            result.loss += static_cast<double>(value[s]) / mean.divisor;
            for (std::size_t k = 0; k < K; ++k) result.dx[(first + s) * K + k] = static_cast<double>(out[k * n + s]);
        }
        for (std::size_t s = count; s < n; ++s)
            for (std::size_t k = 0; k < K; ++k) CHECK(out[k * n + s] == T(0));  // empty lanes have no gradient
    }
    return result;
}

template <int K, class Loss>
void compare(std::string const& name, Loss const& loss, std::vector<double> const& x,
             std::vector<double> const& targets, std::vector<int> const& labels) {
    CAPTURE(name);
    auto const check = [&](LossResult const& result, double tolerance) {
        CAPTURE(tolerance);
        CHECK(reference_difference(std::vector{result.loss}, name + "/loss") < tolerance);
        CHECK(reference_difference(result.dx, name + "/dx") < tolerance);
    };
    check(run_loss<K, double>(loss, x, targets, labels), 1e-14);
    check(run_loss<K, lane_for<double, 16>>(loss, x, targets, labels), 1e-14);
    // Single precision: a few roundings of 6e-8 in exp, log and sums of ten.
    check(run_loss<K, float>(loss, x, targets, labels), 1e-6);
    check(run_loss<K, lane_for<float, 16>>(loss, x, targets, labels), 1e-6);
    check(run_loss<K, lane_for<float, 4>>(loss, x, targets, labels), 1e-6);
}

std::vector<int> labels_of(int count) {
    std::vector<int> labels;
    for (int i = 0; i < count; ++i) labels.push_back(reference_label(5, static_cast<std::uint32_t>(i), 10));
    return labels;
}

/// ln cosh(x - target), whose derivative nobody wrote down.
struct LogCosh {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    template <class L>
    static L forward(L x, L target) {
        L const d = absolute(x - target);
        return d + log1p(exp(-d - d)) - L(0.6931471805599453);
    }
};
/// The same with a backward of its own.
struct LogCoshByHand : LogCosh {
    template <class L>
    static L backward(L x, L target) {
        return tanh(x - target);
    }
};
static_assert(Loss<LogCosh> && PointwiseLoss<LogCosh> && !PointwiseLoss<MSE>);

}  // namespace

TEST_CASE("CrossEntropy, label smoothing, logits of thousands") {
    for (bool const large : {false, true})
        for (double const smoothing : {0.0, 0.1}) {
            auto const name =
                std::string("cross_entropy/5x10") + (large ? "_large" : "") + (smoothing > 0 ? "_smooth0.1" : "");
            compare<10>(name, CrossEntropy{.label_smoothing = smoothing}, reference_values(1, 50, large ? 1000 : 4), {},
                        labels_of(5));
        }
}

TEST_CASE("MSE") { compare<4>("mse/5x4", MSE{}, reference_values(1, 20), reference_values(5, 20), {}); }

TEST_CASE("L1, Huber, SmoothL1, and errors of 0") {
    auto const x = reference_values(1, 20, 4), y = reference_values(5, 20);
    std::vector<double> ties, equal;
    for (std::uint32_t i = 0; i < 20; ++i) {
        ties.push_back(reference_coarse_value(1, i));
        equal.push_back(reference_coarse_value(5, i));
    }
    compare<4>("l1/5x4", L1{}, x, y, {});
    compare<4>("l1/5x4_ties", L1{}, ties, equal, {});
    compare<4>("huber/5x4_delta1", Huber{}, x, y, {});
    compare<4>("huber/5x4_delta0.5", Huber{.delta = 0.5}, x, y, {});
    compare<4>("smooth_l1/5x4_beta1", SmoothL1{}, x, y, {});
    compare<4>("smooth_l1/5x4_beta0.25", SmoothL1{.beta = 0.25}, x, y, {});
    compare<4>("smooth_l1/5x4_beta0", SmoothL1{.beta = 0}, x, y, {});
    compare<4>("smooth_l1/5x4_beta0_ties", SmoothL1{.beta = 0}, ties, equal, {});
}

TEST_CASE("BCEWithLogits: soft and hard targets, logits of hundreds, pos_weight") {
    auto const soft = reference_values(5, 20, 0.5, 0.5);
    std::vector<double> hard;
    for (double const t : soft) hard.push_back(t > 0.5 ? 1 : 0);
    std::string const name = "bce_with_logits/5x4";
    compare<4>(name, BCEWithLogits{}, reference_values(1, 20, 8), soft, {});
    compare<4>(name + "_hard", BCEWithLogits{}, reference_values(1, 20, 8), hard, {});
    compare<4>(name + "_large", BCEWithLogits{}, reference_values(1, 20, 1000), soft, {});
    compare<4>(name + "_hard_large", BCEWithLogits{}, reference_values(1, 20, 1000), hard, {});
    compare<4>(name + "_pos3", BCEWithLogits{.pos_weight = 3}, reference_values(1, 20, 8), soft, {});
    compare<4>(name + "_hard_large_pos3", BCEWithLogits{.pos_weight = 3}, reference_values(1, 20, 1000), hard, {});
}

TEST_CASE("NLL and KLDiv, targets of 0 too") {
    auto const x = reference_values(1, 50, 4);
    std::vector<double> zeros;
    for (std::uint32_t i = 0; i < 50; ++i) zeros.push_back(std::max(reference_coarse_value(5, i), 0.0));
    compare<10>("nll/5x10", NLL{}, x, {}, labels_of(5));
    compare<10>("kl_div/5x10", KLDiv{}, x, reference_values(5, 50, 0.5, 0.5), {});
    compare<10>("kl_div/5x10_zeros", KLDiv{}, x, zeros, {});
}

namespace {
/// The weights of the reference values, in which class 3 counts nothing.
ClassWeights<10> reference_weights() {
    auto weights = reference_values(6, 10, 1, 1);
    weights[3] = 0;
    return ClassWeights<10>(weights);
}
}  // namespace

TEST_CASE("cross-entropy of targets that are probabilities, and of classes with weights") {
    for (bool const large : {false, true})
        for (double const smoothing : {0.0, 0.1}) {
            auto const x = reference_values(1, 50, large ? 1000 : 4);
            auto const name = std::string("5x10") + (large ? "_large" : "") + (smoothing > 0 ? "_smooth0.1" : "");
            compare<10>("soft_cross_entropy/" + name, SoftCrossEntropy{.label_smoothing = smoothing}, x,
                        reference_values(5, 50, 0.5, 0.5), {});
            compare<10>("weighted_cross_entropy/" + name,
                        WeightedCrossEntropy<10>{.class_weights = reference_weights(), .label_smoothing = smoothing}, x,
                        {}, labels_of(5));
        }
}

TEST_CASE("far from 0 losses keep the digits that PyTorch's lose") {
    // Sigmoids far on the right side of their targets. From -17 on 1 + e^x is 1 in float.
    for (double const x : {-3.0, -9.0, -20.0, -80.0})
        for (bool const mirrored : {false, true}) {
            CAPTURE(x);
            auto const result =
                run_loss<1, lane_for<float, 16>>(BCEWithLogits{}, {mirrored ? -x : x}, {mirrored ? 1.0 : 0.0}, {});
            double const sigmoid = std::exp(x) / (1 + std::exp(x));
            CHECK(std::abs(result.loss / std::log1p(std::exp(x)) - 1) < 1e-6);
            CHECK(std::abs(result.dx[0] / (mirrored ? -sigmoid : sigmoid) - 1) < 1e-6);
        }
    // No square of an error overflows.
    auto const huber = run_loss<1, float>(Huber{}, {3e38}, {0}, {}),
               smooth = run_loss<1, float>(SmoothL1{}, {-3e38}, {0}, {});
    CHECK(huber.loss == doctest::Approx(3e38).epsilon(1e-6));
    CHECK(huber.dx[0] == 1);
    CHECK(smooth.loss == doctest::Approx(3e38).epsilon(1e-6));
    CHECK(smooth.dx[0] == -1);
}

TEST_CASE("an infinite output costs nothing where the target leaves it out, and NaN is seen everywhere") {
    double const infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    auto const of = [&](auto const& loss, std::vector<double> const& x, std::vector<double> const& targets) {
        auto const scalar = run_loss<2, double>(loss, x, targets, {});
        auto const wide = run_loss<2, lane_for<float, 16>>(loss, x, targets, {});
        CHECK(std::isfinite(scalar.loss) == std::isfinite(wide.loss));
        for (double const g : wide.dx) CHECK((std::isfinite(g) || !std::isfinite(wide.loss)));
        return scalar.loss;
    };
    CHECK(of(BCEWithLogits{}, {infinity, -infinity}, {1, 0}) == 0);
    CHECK(of(BCEWithLogits{}, {infinity, 0}, {0, 0}) == infinity);
    CHECK(of(KLDiv{}, {-infinity, 0}, {0, 1}) == 0);
    CHECK(of(KLDiv{}, {-infinity, 0}, {0.5, 0.5}) == infinity);
    CHECK(of(SoftCrossEntropy{}, {-infinity, 3}, {0, 1}) == 0);
    for (double const target : {0.0, 1.0}) {
        CHECK(std::isnan(of(L1{}, {nan, 1}, {target, 1})));
        CHECK(std::isnan(of(Huber{}, {nan, 1}, {target, 1})));
        CHECK(std::isnan(of(SmoothL1{}, {1, nan}, {1, target})));
        CHECK(std::isnan(of(BCEWithLogits{}, {nan, 1}, {target, 1})));
        CHECK(std::isnan(of(BCEWithLogits{.pos_weight = 0}, {nan, 1}, {target, 1})));
        CHECK(std::isnan(of(KLDiv{}, {1, nan}, {1, target})));
        CHECK(std::isnan(of(SoftCrossEntropy{}, {nan, 1}, {target, 1})));
    }
    WeightedCrossEntropy<3> const weighted{.class_weights = {1, 0, 2}};
    for (std::size_t at = 0; at < 3; ++at) {
        std::vector<double> x{1, 2, 3};
        x[at] = nan;
        CHECK(std::isnan(run_loss<3, double>(weighted, x, {}, {0}).loss));
    }
    CHECK(run_loss<3, double>(weighted, {1, -infinity, 1}, {}, {0}).loss == doctest::Approx(std::log(2.0)));
}

// One sum after another loses 1.4 % of the first and 1e-3 of the second.
TEST_CASE("losses over a million outputs are right") {
    constexpr int K = 1 << 20;
    std::vector<float> const x(K, 0.1f), zeros(K);
    using View = TileView<Shape<K>, float, float const>;
    LossInput<View, TileView<Shape<K>, float, float>, View> io{
        View{x.data(), 1}, {nullptr, 1}, View{zeros.data(), 1}, 0.0f, 1.0f};
    CHECK(std::abs(MSE{}.operator()<K>(io) / 0.01f - 1) < 1e-6f);
    double const expected = std::log(1.0 * K);  // equal logits, whatever the smoothing
    for (double const smoothing : {0.0, 0.5})
        CHECK(std::abs(double(CrossEntropy{smoothing}.operator()<K>(io)) / expected - 1) < 1e-6);
}

TEST_CASE("gradient checks through a layer, one output included") {
    CHECK(check_gradients<Network<Input<4>, Linear<5>>, 3, 2>(CrossEntropy{}).error < 1e-6);
    CHECK(check_gradients<Network<Input<4>, Linear<5>>, 5, 4>(CrossEntropy{.label_smoothing = 0.3}).error < 1e-6);
    CHECK(check_gradients<Network<Input<4>, Linear<3>>, 3, 2>(MSE{}).error < 1e-6);
    CHECK(check_gradients<Network<Input<4>, Linear<1>>, 3, 2>(MSE{}).error < 1e-6);
    using Net = Network<Input<4>, Linear<3>>;
    CHECK(check_gradients<Net>(L1{}).error < 1e-6);
    CHECK(check_gradients<Net>(Huber{.delta = 0.4}).error < 1e-6);
    CHECK(check_gradients<Net>(SmoothL1{.beta = 0.4}).error < 1e-6);
    CHECK(check_gradients<Net>(BCEWithLogits{.pos_weight = 3}).error < 1e-6);
    CHECK(check_gradients<Net>(SoftCrossEntropy{.label_smoothing = 0.2}).error < 1e-6);
    CHECK(check_gradients<Net, 5, 4>(NLL{.ignore_index = 1}).error < 1e-6);
    CHECK(check_gradients<Net, 5, 4>(CrossEntropy{.ignore_index = 1}).error < 1e-6);
    CHECK(check_gradients<Net, 5, 4>(WeightedCrossEntropy<3>{{0.5, 2, 1.25}, 0.1, 2}).error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 3, 3>, Conv2d<2, 2>>>(BCEWithLogits{}).error < 1e-6);  // [2][2][2]
}

TEST_CASE("one class: nothing to lose, nothing to learn") {
    auto const result = run_loss<1, lane_for<float, 8>>(CrossEntropy{}, {3, -1000, 7}, {}, {0, 0, 0});
    CHECK(result.loss == 0);
    CHECK(result.dx == std::vector<double>{0, 0, 0});
}

TEST_CASE("NaN in any logit gives NaN in the loss, wherever it stands; its neighbours are untouched") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    for (std::size_t at = 0; at < 3; ++at) {
        std::vector<double> x{1, 2, 3, 0.5, 1, 0};
        x[at] = nan;
        for (int label = 0; label < 3; ++label) {
            CHECK(std::isnan(run_loss<3, double>(CrossEntropy{}, x, {}, {label, 0}).loss));
            auto const wide = run_loss<3, lane_for<float, 16>>(CrossEntropy{}, x, {}, {label, 0});
            CHECK(std::isnan(wide.loss));
            CHECK(std::isfinite(wide.dx[3]));
        }
        CHECK(std::isnan(run_loss<3, double>(MSE{}, x, std::vector<double>(6), {}).loss));
        x[at] = infinity;
        CHECK(!std::isfinite(run_loss<3, lane_for<float, 16>>(CrossEntropy{}, x, {}, {0, 0}).loss));
    }
}

TEST_CASE("a class masked with minus infinity costs nothing, as in PyTorch") {
    double const infinity = std::numeric_limits<double>::infinity();
    std::vector<double> const x{1, -infinity, 2};
    double const expected = std::log(1 + std::exp(1.0));
    CHECK(run_loss<3, double>(CrossEntropy{}, x, {}, {0}).loss == doctest::Approx(expected));
    auto const wide = run_loss<3, lane_for<float, 16>>(CrossEntropy{}, x, {}, {0});
    CHECK(wide.loss == doctest::Approx(expected));
    CHECK(std::abs(wide.dx[1]) < 1e-37);
}

TEST_CASE("the predicted class is the first of the largest; NaN never is, unless it comes first") {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    auto const predict = [](std::vector<double> const& x) {
        return predicted_class<4>(TileView<Shape<4>, double, double const>{x.data(), 1});
    };
    CHECK(predict({1, 3, 3, 2}) == 1);
    CHECK(predict({0, 0, 0, 0}) == 0);
    CHECK(predict({-4, -3, -2, -1}) == 3);
    CHECK(predict({1, nan, 3, 2}) == 2);
}

TEST_CASE("values out of range are named") {
    CHECK_THROWS_WITH_AS((CrossEntropy{.label_smoothing = 1}).check(),
                         "CrossEntropy: label_smoothing is 1, expected at least 0 and below 1", Error);
    CHECK_THROWS_AS((CrossEntropy{.label_smoothing = -0.1}).check(), Error);
    CHECK_THROWS_AS((CrossEntropy{.label_smoothing = std::numeric_limits<double>::quiet_NaN()}).check(), Error);
}

TEST_CASE("the new losses' options, too") {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS((Huber{.delta = 0}).check(), "Huber: delta is 0, expected above 0", Error);
    CHECK_THROWS_AS((Huber{.delta = nan}).check(), Error);
    CHECK_THROWS_WITH_AS((SmoothL1{.beta = -1}).check(), "SmoothL1: beta is -1, expected at least 0", Error);
    CHECK_THROWS_WITH_AS((BCEWithLogits{.pos_weight = -2}).check(),
                         "BCEWithLogits: pos_weight is -2, expected at least 0", Error);
    CHECK_THROWS_WITH_AS((SoftCrossEntropy{.label_smoothing = 1}).check(),
                         "SoftCrossEntropy: label_smoothing is 1, expected at least 0 and below 1", Error);
    WeightedCrossEntropy<2> loss{.class_weights = {1, -1}};
    CHECK_THROWS_WITH_AS(loss.check(), "WeightedCrossEntropy: the weight of class 1 is -1, expected at least 0", Error);
    CHECK_THROWS_WITH_AS(ClassWeights<3>(std::vector<double>{1, 2}), "ClassWeights: got 2 weights for 3 classes",
                         Error);
}

TEST_CASE("a loss by number: its gradient follows from forward, or is its own backward") {
    auto const x = reference_values(1, 20, 4), targets = reference_values(5, 20);
    compare<4>("pointwise/5x4", LogCosh{}, x, targets, {});
    compare<4>("pointwise/5x4", LogCoshByHand{}, x, targets, {});
    CHECK(check_gradients<Network<Input<7>, Linear<5>>>(LogCosh{}).error < 1e-6);
}

TEST_CASE("losses of a label at each place, by differences") {
    using Net = Network<Input<2, 4, 5>, Conv2d<3, 3>>;
    CHECK(check_gradients<Net, 3, 2>(CrossEntropy{.label_smoothing = 0.1}).error < 1e-6);
    CHECK(check_gradients<Net, 3, 1>(WeightedCrossEntropy<3>{{1, 0.5, 3}}).error < 1e-6);
    CHECK(check_gradients<Net, 3, 4>(NLL{}).error < 1e-6);
}
