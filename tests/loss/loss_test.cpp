// Losses against LibTorch on scalars and vectors of samples, by central differences, and with
// logits that are no numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "../reference/reference.hpp"
#include "strata/layer/linear.hpp"
#include "strata/loss/cross_entropy.hpp"
#include "strata/loss/mse.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

struct LossResult {
    double loss = 0;
    std::vector<double> dx;
};

/// A loss over a batch [samples][K], the samples in lanes of type L; the mean and its gradient.
template <int K, class L, class Loss>
LossResult run_loss(Loss const& loss, std::vector<double> const& x, std::vector<double> const& targets,
                    std::vector<int> const& labels) {
    using T = scalar_of<L>;
    constexpr auto n = static_cast<std::size_t>(width_of<L>);
    std::size_t const samples = x.size() / K;
    LossResult result;
    result.dx.resize(x.size());
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
        L const scale = select(first_lanes<L>(static_cast<int>(count)), L(T(1) / static_cast<T>(samples)), L(T(0)));
        LossInput<X, DX, X> const io{X{in, n}, DX{out, n}, X{target, n}, load_lane<L>(label), scale};
        store_lane(value, loss.template operator()<K>(io));
        LossInput<X, DX, X> const without{X{in, n}, DX{nullptr, n}, X{target, n}, load_lane<L>(label), scale};
        T again[n];
        store_lane(again, loss.template operator()<K>(without));
        for (std::size_t s = 0; s < count; ++s) {
            CHECK((again[s] == value[s] ||
                   (again[s] != again[s] && value[s] != value[s])));  // with and without a gradient
            result.loss += static_cast<double>(value[s]) / static_cast<double>(samples);
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
