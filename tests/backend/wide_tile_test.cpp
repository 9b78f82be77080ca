// labels: isa
// Samples in a tile follow from the plan, or from a precision policy. Networks of large matrices run in tiles of up to
// 64 samples: the same gradients as sample by sample, and the same bits for any number of threads.
#include <doctest/doctest.h>
#include <strata/strata.hpp>

#include <vector>

#include "../tested_types.hpp"

using namespace strata;

namespace {
using Net = Network<Input<600>, Linear<512>, ReLU, Linear<70>, ReLU, Linear<10>>;
static_assert(detail::weights_dominate<Net> && detail::tile_samples<Net, Float32>(130) == 64);

using Small = Network<Input<2, 12, 12>, Conv2d<4, 3>, ReLU, MaxPool2d<2>, Flatten, Linear<10>>;
template <class Net, class Precision = Float32>
constexpr bool tiles(int batch, int samples) {
    return detail::tile_samples<Net, Precision>(batch) == samples;
}
static_assert(tiles<Small>(1000, 16) && tiles<Small>(15, 8) && tiles<Small>(1, 1));
struct Fours : Float32 {
    static constexpr int tile_samples = 4;
};
struct Wide : Float32 {
    static constexpr int tile_samples = 128;
};
static_assert(tiles<Small, Fours>(64, 4) && tiles<Small, Wide>(256, 128) && tiles<Small, Wide>(127, 64));

struct Pictures {
    std::vector<float> x;
    std::vector<std::int32_t> labels;
    explicit Pictures(int batch) : x(static_cast<std::size_t>(batch * 600)), labels(static_cast<std::size_t>(batch)) {
        Random random(3, Purpose::user);
        for (auto& v : x) v = static_cast<float>(random.uniform(-1, 1));
        for (auto& l : labels) l = static_cast<std::int32_t>(random.below(10));
    }
};
}  // namespace

TEST_CASE("the gradient of a wide, ragged batch is the mean of its samples' gradients") {
    constexpr int batch = 130;  // two tiles of 64 and a ragged one
    Pictures const samples(batch);
    auto trainer = train<Net>(Cpu{.threads = 1}, SGD{.learning_rate = 1e-30}, Seed{1});  // the weights stay
    trainer.train_step(samples.x, samples.labels);
    auto const whole = trainer.executor().gradient();
    std::vector<double> const got(whole.begin(), whole.end());
    std::vector<double> expected(got.size());
    for (int s = 0; s < batch; ++s) {
        trainer.train_step(std::span(samples.x).subspan(static_cast<std::size_t>(s * 600), 600),
                           std::span(samples.labels).subspan(static_cast<std::size_t>(s), 1));
        auto const one = trainer.executor().gradient();
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += static_cast<double>(one[i]) / batch;
    }
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        worst = std::max(worst, std::abs(got[i] - expected[i]));
        largest = std::max(largest, std::abs(expected[i]));
    }
    CHECK(worst < 1e-5 * largest);  // sums of up to 600 products in float, in another order
}

TEST_CASE("the same bits for any number of threads") {
    for (int const batch : {20, 130}) {
        Pictures const samples(batch);
        auto const trained = [&](int threads) {
            auto trainer = train<Net>(Cpu{.threads = threads}, SGD{.learning_rate = 0.1, .momentum = 0.9}, Seed{1});
            for (int step = 0; step < 3; ++step) trainer.train_step(samples.x, samples.labels);
            auto const weights = trainer.model().parameters();
            return std::vector<float>(weights.begin(), weights.end());
        };
        auto const alone = trained(1);
        for (int const threads : tested_of({2, 3, 4})) CHECK(trained(threads) == alone);
    }
}

TEST_CASE_TEMPLATE("tiles of a policy's size: gradients as in those of the plan's, for any number of threads", Policy,
                   Fours, Wide) {
    constexpr int batch = 300, size = 2 * 12 * 12;
    Random random(5, Purpose::user);
    std::vector<float> x(static_cast<std::size_t>(batch * size));
    std::vector<std::int32_t> labels(static_cast<std::size_t>(batch));
    for (auto& v : x) v = static_cast<float>(random.uniform(-1, 1));
    for (auto& l : labels) l = static_cast<std::int32_t>(random.below(10));
    auto const gradient = [&](auto precision, int threads) {
        auto trainer = train<Small>(Cpu{.threads = threads}, precision, SGD{.learning_rate = 0.1}, Seed{1});
        trainer.train_step(x, labels);
        auto const all = trainer.executor().gradient();
        return std::vector<float>(all.begin(), all.end());
    };
    auto const expected = gradient(Float32{}, 1), got = gradient(Policy{}, 1);
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-5).scale(0.1));  // float sums in another order
    for (int const threads : {2, 3}) CHECK(gradient(Policy{}, threads) == got);
}
