// labels: isa
// Networks of large matrices run in tiles of up to 128 samples: the same gradients as sample by sample, and the same
// bits for any number of threads.
#include <doctest/doctest.h>
#include <strata/strata.hpp>

#include <vector>

using namespace strata;

namespace {
using Net = Network<Input<600>, Linear<512>, ReLU, Linear<10>>;
static_assert(detail::weights_dominate<Net> && detail::tile_samples<Net>(130) == 128);

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
    constexpr int batch = 130;  // a tile of 128 and a ragged one
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
        for (int const threads : {2, 3, 4}) CHECK(trained(threads) == alone);
    }
}
