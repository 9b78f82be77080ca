// labels: threads
// Layers of a user's own that look at the whole batch and are no BatchNorm: values, gradients, and that training knows them.
#include <cmath>
#include <mutex>
#include <strata/distributed.hpp>

#include "../network/recorded_run.hpp"
#include "batch_pass_layers.hpp"
#include "strata/strata.hpp"

using namespace strata;

namespace {
using Images = Network<Input<2, 4, 3>, Conv2d<3, 3, Padding<1>>, Named<"deviation", MinibatchDeviation>,
                       Conv2d<2, 3, Padding<1>>, Standardized, ReLU, Centered, Flatten, Linear<3>>;

double largest_difference(std::vector<double> const& a, std::vector<double> const& b) {
    double most = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
    return most;
}

template <class Precision, class... More>
auto trained(int threads, More const&... more) {
    auto trainer = train<Images>(Cpu{.threads = threads, .team_flops = 0}, Precision{}, Seed{3},
                                 SGD{.learning_rate = 0.05, .momentum = 0.9}, more...);
    for (std::uint32_t step = 0; step < 3; ++step) {
        std::size_t const count = 40 - step;  // a ragged tile
        auto const x = reference_values(step, count * 24);
        std::vector<int> labels;
        for (std::uint32_t i = 0; i < count; ++i) labels.push_back(reference_label(9, i, 3));
        CHECK(trainer.train_step(std::vector<float>(x.begin(), x.end()), labels).finite);
    }
    auto const model = trainer.snapshot();
    std::vector<double> all(model.parameters().begin(), model.parameters().end());
    all.insert(all.end(), model.buffers().begin(), model.buffers().end());
    return all;
}
}  // namespace

TEST_CASE("gradients") {
    CHECK(check_gradients<Network<Input<3>, Centered>>().error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 2, 3>, MinibatchDeviation>, 5, 4>().error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 2, 2>, Standardized, Centered>, 5, 2>().error < 1e-6);
    CHECK(check_gradients<Images, 3, 2>().error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 2, 2>, Conv2d<2, 1>, Frozen<MinibatchDeviation, Centered>>>().error < 1e-6);
}

TEST_CASE("the minibatch standard deviation, forward and in evaluation") {
    constexpr std::size_t size = 12;  // 19 samples are a full tile and a ragged one
    RecordedRun<Network<Input<2, 2, 3>, MinibatchDeviation>, 19, Float64> run;
    auto const x = reference_values(3, 19 * size);
    run.train(x, reference_values(4, 19 * 18));
    double mean_of_deviations = 0;
    for (std::size_t i = 0; i < size; ++i) {
        double sum = 0, squares = 0;
        for (std::size_t s = 0; s < 19; ++s) sum += x[s * size + i];
        for (std::size_t s = 0; s < 19; ++s) squares += std::pow(x[s * size + i] - sum / 19, 2);
        double const deviation = std::sqrt(squares / 19 + 1e-8);
        mean_of_deviations += deviation / size;
        CHECK(run.buffers()[i] == doctest::Approx(0.75 + 0.25 * deviation).epsilon(1e-12));
    }
    for (std::size_t s = 0; s < 19; ++s)
        for (std::size_t i = 0; i < 18; ++i)
            CHECK(run.y[s * 18 + i] == doctest::Approx(i < size ? x[s * size + i] : mean_of_deviations).epsilon(1e-12));
    run.evaluate({x.begin(), x.begin() + size});
    CHECK(run.y[17] == doctest::Approx(0.75 + 0.25 * mean_of_deviations).epsilon(1e-12));
    // Of one sample there is no deviation.
    CHECK_THROWS_WITH_AS(
        run.train({x.begin(), x.begin() + size}, std::vector<double>(18)),
        "layer layers.0 (MinibatchDeviation): one value a channel has no variance, expected at least 2 "
        "samples in a training batch (drop_last leaves a smaller last batch out)",
        Error);
}

TEST_CASE("means in two phases are BatchNorm's moments") {
    RecordedRun<Network<Input<3, 2, 2>, Standardized>, 19, Float64> run;
    RecordedRun<Network<Input<3, 2, 2>, BatchNorm2d<>>, 19, Float64> norm;
    auto const x = reference_values(5, 19 * 12), dy = reference_values(6, 19 * 12);
    run.parameters()[1] = norm.parameters()[1] = 0.5;
    run.train(x, dy);
    norm.train(x, dy);
    CHECK(largest_difference(run.y, norm.y) < 1e-12);
    CHECK(largest_difference(run.dx, norm.dx) < 1e-12);
    auto gradients = norm.gradients();
    gradients.resize(3);
    CHECK(largest_difference(run.gradients(), gradients) < 1e-12);
}

TEST_CASE("the same bits on 1 and 2 threads and on ranks") {
    static_assert(Images::is_batch_wide && Images::buffer_count == 36);
    CHECK(trained<Mixed<bfloat16>>(1) == trained<Mixed<bfloat16>>(2));
    auto const expected = trained<Float32>(1);
    CHECK(trained<Float32>(2) == expected);
    for (int const ranks : {2, 3}) {
        std::mutex checking;
        Threads::run_ranks(ranks, [&](Threads communicator) {
            auto const got = trained<Float32>(1, DataParallel{communicator});
            std::lock_guard const lock(checking);
            CHECK(got == expected);
        });
    }
}
