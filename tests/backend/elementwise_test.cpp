// labels: isa
// Elementwise operations on teams, and networks without anything to train.
#include <doctest/doctest.h>
#include <strata/strata.hpp>

#include <vector>

using namespace strata;

namespace {
// exp of a vector and of a scalar differ in their last bits: a team's split must not move a number between the two.
struct Swish {
    template <class L>
    static L forward(L x) {
        return x / (L(1) + exp(-x));
    }
    template <class L>
    static L backward(L x, L, L dy) {
        L const s = L(1) / (L(1) + exp(-x));
        return dy * s * (L(1) + x * (L(1) - s));
    }
};
using Net = Network<Input<19>, Linear<37>, Swish, Linear<3>>;

std::vector<float> trained(int batch, int threads) {
    Random random(3, Purpose::user);
    std::vector<float> x(static_cast<std::size_t>(batch * 19));
    std::vector<std::int32_t> labels(static_cast<std::size_t>(batch));
    for (auto& v : x) v = static_cast<float>(random.uniform(-1, 1));
    for (auto& l : labels) l = static_cast<std::int32_t>(random.below(3));
    auto trainer = train<Net>(Cpu{.threads = threads}, SGD{.learning_rate = 0.1, .momentum = 0.9}, Seed{1});
    for (int step = 0; step < 20; ++step) trainer.train_step(x, labels);
    auto const weights = trainer.model().parameters();
    return {weights.begin(), weights.end()};
}
}  // namespace

TEST_CASE("an activation with exp gives the same bits however a team splits it") {
    for (int const batch : {1, 2, 4, 8, 17}) {
        auto const alone = trained(batch, 1);
        for (int const threads : {2, 3, 4, 5, 7}) {
            CAPTURE(batch);
            CAPTURE(threads);
            CHECK(trained(batch, threads) == alone);
        }
    }
}

TEST_CASE("a network without parameters can be stepped and evaluated") {
    std::vector<float> const x(17 * 4, 0.5f);
    std::vector<std::int32_t> const labels(17, 1);
    auto relu = train<Network<Input<4>, ReLU>>(Cpu{.threads = 2});
    CHECK(relu.train_step(x, labels).loss == doctest::Approx(std::log(4.0)).epsilon(1e-6));
    auto norm = train<Network<Input<4>, BatchNorm1d<NoAffine>>>(Cpu{.threads = 2});
    CHECK(norm.train_step(x, labels).loss == doctest::Approx(std::log(4.0)).epsilon(1e-6));
    auto dropout = train<Network<Input<4>, Dropout<0.5>>>(Cpu{.threads = 2});
    CHECK(dropout.train_step(x, labels).finite);
}
