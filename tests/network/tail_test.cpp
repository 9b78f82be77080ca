// Batches that do not fill their tiles: a sample's results do not depend on the batch it sits
// in, empty lanes add nothing.
#include <doctest/doctest.h>

#include <vector>

#include "../reference/reference.hpp"
#include "strata/backend/cpu/run/executor.hpp"
#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/relu.hpp"
#include "strata/loss/cross_entropy.hpp"

using namespace strata;

namespace {

using Plain = Network<Input<2, 7, 5>, Conv2d<5, 3, Padding<1>>, ReLU, MaxPool2d<2>, Conv2d<3, 2>, ReLU, Flatten,
                      Linear<7>, ReLU, Linear<4>>;
using Normed = Network<Input<2, 7, 5>, Conv2d<3, 3, NoBias>, BatchNorm2d<>, ReLU, Flatten, Linear<4>, BatchNorm1d<>>;
constexpr int sizes[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 48};
constexpr std::size_t in = 70, out = 4;

struct Run {
    std::vector<double> outputs, gradient;
    double loss = 0;
};

/// Evaluation and gradients of the samples from `first` on.
template <class Net, class Precision>
Run run(int count, std::size_t first = 0, int rotate = 0) {
    Model<Net, Precision> const model(1);
    CpuExecutor<Net, Precision, CrossEntropy> executor(Cpu{.threads = 1}, {});
    auto const samples = static_cast<std::size_t>(count);
    std::vector<double> x;
    std::vector<std::int32_t> labels;
    for (std::size_t s = 0; s < samples; ++s) {
        auto const sample = static_cast<std::uint32_t>(first + (s + static_cast<std::size_t>(rotate)) % samples);
        for (std::size_t i = 0; i < in; ++i)
            x.push_back(reference_value(1, static_cast<std::uint32_t>(sample * in + i)));
        labels.push_back(reference_label(2, sample, out));
    }
    Batch batch;
    batch.size = count;
    batch.shape = {2, 7, 5};
    batch.type = DataType::float64;
    batch.inputs = x.data();
    batch.labels = labels.data();
    std::vector<typename Precision::storage> outputs(samples * out);
    Run result;
    executor.evaluate(model, batch, nullptr, outputs.data());
    result.outputs.assign(outputs.begin(), outputs.end());
    result.loss = executor.gradients(model, batch, {}).loss;
    result.gradient.assign(executor.gradient().begin(), executor.gradient().end());
    return result;
}
double difference(std::vector<double> const& a, std::vector<double> const& b) {
    double largest = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        double const d = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
        largest = std::isnan(d) ? INFINITY : std::max(largest, d);
    }
    return largest;
}

}  // namespace

TEST_CASE("outputs, loss and gradients are the mean over single samples, whatever the batch") {
    std::vector<Run> singles;
    for (std::size_t s = 0; s < 48; ++s) singles.push_back(run<Plain, Float64>(1, s));
    for (int const count : sizes) {
        CAPTURE(count);
        Run expected;
        expected.gradient.resize(static_cast<std::size_t>(Plain::parameter_count));
        for (std::size_t s = 0; s < static_cast<std::size_t>(count); ++s) {
            expected.outputs.insert(expected.outputs.end(), singles[s].outputs.begin(), singles[s].outputs.end());
            expected.loss += singles[s].loss / count;
            for (std::size_t i = 0; i < expected.gradient.size(); ++i)
                expected.gradient[i] += singles[s].gradient[i] / count;
        }
        auto const doubles = run<Plain, Float64>(count);
        CHECK(difference(doubles.outputs, expected.outputs) < 1e-13);
        CHECK(doubles.loss == doctest::Approx(expected.loss).epsilon(1e-13));
        CHECK(difference(doubles.gradient, expected.gradient) < 1e-13);
        // Single precision: sums of up to 50 products of numbers below 1.
        auto const floats = run<Plain, Float32>(count);
        CHECK(difference(floats.outputs, expected.outputs) < 1e-5);
        CHECK(difference(floats.gradient, expected.gradient) < 1e-5);
    }
}

TEST_CASE("in tiles of one size a sample has the same bits in every batch") {
    auto const check = []<class Precision>(Precision) {
        auto const full = run<Plain, Precision>(48);
        for (int const count : {16, 17, 31, 33}) {
            auto const part = run<Plain, Precision>(count);
            CHECK(difference(part.outputs, full.outputs) == 0);
        }
        // Sample 20 as the fifth of a full tile and as the second of a ragged one.
        auto const moved = run<Plain, Precision>(18, 3);
        CHECK(std::equal(moved.outputs.end() - out, moved.outputs.end(), full.outputs.begin() + 20 * out));
        auto const eight = run<Plain, Precision>(8), fifteen = run<Plain, Precision>(15);
        CHECK(difference(eight.outputs, fifteen.outputs) == 0);
    };
    check(Float32{});
    check(Float64{});
}

TEST_CASE("statistics of a batch do not depend on how it falls into tiles") {
    for (int const count : {2, 3, 15, 16, 17, 33}) {
        CAPTURE(count);
        auto const straight = run<Normed, Float64>(count), rotated = run<Normed, Float64>(count, 0, 1 + count / 3);
        CHECK(rotated.loss == doctest::Approx(straight.loss).epsilon(1e-12));
        // Two normalisations of few values amplify rounding.
        CHECK(difference(rotated.gradient, straight.gradient) < 1e-10);
        CHECK(difference(run<Normed, Float32>(count).gradient, straight.gradient) < 2e-3);
    }
}
