// The CUDA backend's executor and functors, run on the CPU by HostDevice, against CpuExecutor.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <strata/backend/cpu/run/executor.hpp>
#include <strata/backend/cuda/executor.hpp>
#include <strata/backend/cuda/host_device.hpp>
#include <strata/loss/bce_with_logits.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/loss/mse.hpp>
#include <strata/loss/weighted_cross_entropy.hpp>
#include <strata/optimizer/adam.hpp>
#include <strata/optimizer/adamw.hpp>
#include <strata/optimizer/sgd.hpp>
#include <strata/precision/mixed.hpp>
#include <strata/train/accumulate.hpp>

#include "networks.hpp"

using namespace cuda_tests;

namespace {

using Tuned = Network<Input<2, 6, 6>, Conv2d<3, 3>, BatchNorm2d<>,
                      Frozen<Conv2d<4, 3>, BatchNorm2d<>, PReLU<>, Dropout<0.5>>, Flatten, Linear<3>>;

template <class Net, class Loss, class Precision = Float64>
using OnGrid = CudaExecutor<Net, Precision, Loss, HostDevice>;

// What the trainer asks of a backend, which executors assert of themselves; on the GPU's own device the same class is asked.
static_assert(Executor<OnGrid<Seam, CrossEntropy>, SGD> && Executor<CpuExecutor<Seam, Float32, CrossEntropy>, Adam>);
static_assert(!ScalesLoss<OnGrid<Seam, CrossEntropy>> && !TakesParts<OnGrid<Seam, CrossEntropy>>);
static_assert(Backend<Cpu, Seam, Mixed<bfloat16>, CrossEntropy, AdamW>);

// Both executors add the same numbers in different orders: with 10^4 terms a relative 1e-12 is 50
// times the expected rounding.
constexpr double rounding = 1e-12;

template <class Net, class Loss>
void check_gradients(Loss loss, int size, bool as_bytes = false) {
    CAPTURE(size);
    Samples<Net> const samples(size, 11, as_bytes);
    Model<Net, Float64> const model(3);
    RandomKey const key{5, 0, 2};
    CpuExecutor<Net, Float64, Loss> cpu(Cpu{.threads = 1}, loss);
    OnGrid<Net, Loss> grid(Cuda{}, loss), reversed(std::make_unique<HostDevice>(Cuda{}, true), loss);

    StepResult const a = cpu.gradients(model, samples.batch, key), b = grid.gradients(model, samples.batch, key);
    CHECK(std::fabs(a.loss - b.loss) <= rounding * std::fabs(a.loss));
    CHECK(a.correct == b.correct);
    CHECK(a.ignored == b.ignored);
    CHECK(a.weight() == b.weight());
    CHECK(b.finite);
    CHECK(b.samples == size);
    CHECK(difference(grid.gradient(), cpu.gradient()) <= rounding);

    // Threads of a launch are independent: any order gives the same bits.
    StepResult const c = reversed.gradients(model, samples.batch, key);
    CHECK(b.loss == c.loss);
    CHECK(difference(reversed.gradient(), grid.gradient()) == 0);

    // Gradients do not pile up from step to step.
    std::vector<double> const first(grid.gradient().begin(), grid.gradient().end());
    grid.gradients(model, samples.batch, key);
    CHECK(difference(grid.gradient(), first) == 0);
}

template <class Net, class Loss, class Optimizer>
void check_training(Loss loss, Optimizer optimizer, int size) {
    Model<Net, Float64> on_cpu(3), on_grid(3);
    auto const count = static_cast<std::size_t>(Optimizer::states) * static_cast<std::size_t>(Net::parameter_count);
    std::vector<double> cpu_state(count), grid_state(count);
    CpuExecutor<Net, Float64, Loss> cpu(Cpu{.threads = 1}, loss);
    OnGrid<Net, Loss> grid(Cuda{}, loss);
    grid.load(on_grid, grid_state);
    for (std::uint32_t step = 0; step < 5; ++step) {
        Samples<Net> const samples(size - static_cast<int>(step), 100 + step);  // the batch size changes
        RandomKey const key{5, 0, step};
        OptimizerStep const now{optimizer.learning_rate, std::nullopt, step};
        cpu.gradients(on_cpu, samples.batch, key);
        grid.gradients(on_grid, samples.batch, key);
        if (step == 2) {  // someone changes the gradient between the halves of a step
            for (double& g : cpu.gradient()) g *= 0.25;
            for (double& g : grid.gradient()) g *= 0.25;
        }
        if (step == 3) {  // and leaves an update out, but not what its batch says
            cpu.update_statistics(on_cpu);
            grid.update_statistics(on_grid);
            continue;
        }
        cpu.update(on_cpu, optimizer, cpu_state, now);
        grid.update(on_grid, optimizer, grid_state, now);
    }
    grid.store(on_grid, grid_state);
    // Adam divides by the root of the second moment: rounding of tiny gradients is magnified, five times over.
    double const tolerance = 1e-8;
    CHECK(difference(on_grid.parameters(), on_cpu.parameters()) <= tolerance);
    CHECK(difference(on_grid.buffers(), on_cpu.buffers()) <= tolerance);
    CHECK(difference(grid_state, cpu_state) <= tolerance);
    for (std::size_t i = 0; i < on_cpu.batches_tracked().size(); ++i)
        CHECK(on_grid.batches_tracked()[i] == on_cpu.batches_tracked()[i]);

    Samples<Net> const samples(19, 1);
    auto const outputs = static_cast<std::size_t>(19 * Net::OutputShape::size);
    std::vector<double> cpu_outputs(outputs), grid_outputs(outputs);
    std::vector<std::int32_t> cpu_predictions(19), grid_predictions(19);
    auto const a = cpu.evaluate(on_cpu, samples.batch, cpu_predictions.data(), cpu_outputs.data());
    auto const b = grid.evaluate(on_grid, samples.batch, grid_predictions.data(), grid_outputs.data());
    CHECK(difference(grid_outputs, cpu_outputs) <= tolerance);
    CHECK(grid_predictions == cpu_predictions);
    CHECK(b.correct == a.correct);
    CHECK(std::fabs(b.loss - a.loss) <= tolerance * std::fabs(a.loss));
}

}  // namespace

TEST_CASE("a fixed tree sums a block's threads") {
    std::vector<double> values(1000);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i) * 0.1;
    double forward = 0, backward = 0;
    HostDevice(Cuda{}).launch_blocks(detail::SumBody{values.data(), &forward, 1000});
    HostDevice(Cuda{}, true).launch_blocks(detail::SumBody{values.data(), &backward, 1000});
    CHECK(forward == backward);
    CHECK(forward == doctest::Approx(49950).epsilon(1e-14));
}

TEST_CASE("the seam: Linear, BatchNorm, ReLU and softmax cross-entropy") {
    for (int size : {2, 17, 130, 300}) check_gradients<Seam>(CrossEntropy{.label_smoothing = 0.1}, size);
    check_training<Seam>(CrossEntropy{},
                         SGD{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}, 33);
}

// Batches are a whole on the GPU.
static_assert(detail::AccumulateCheck<false, Seam, OnGrid<Seam, CrossEntropy>>::ok);
static_assert(!detail::AccumulateCheck<true, Seam, OnGrid<Seam, CrossEntropy>, false>::ok);

/// Calls f(CPU's step, device's step) for all steps of a network's operations; of neither a kernel may take several.
template <class Net, class F>
void for_both_programs(F const& f) {
    using Program = detail::DeviceProgram<Net, Float64, HostDevice>;
    std::vector<detail::DeviceStep<Float64, HostDevice>> steps;
    for (auto const& step : Program::template forward<true>()) steps.push_back(step);
    for (auto const& step : Program::backward()) steps.push_back(step);
    std::size_t at = 0;
    for (auto const& step : detail::program_of<Net, Float64, CrossEntropy, true>().steps)
        if (step.kernel) {
            REQUIRE(at < steps.size());
            f(step, steps[at++]);
        }
    CHECK(at == steps.size());
}

TEST_CASE("both backends run the same steps") {
    auto const compare = [](detail::Step const& a, detail::Step const& b) {
        CHECK(a.operation == b.operation);
        CHECK(a.backward == b.backward);
        CHECK(a.offsets.x == b.offsets.x);
        CHECK(a.offsets.y == b.offsets.y);
        CHECK(a.offsets.dy == b.offsets.dy);
        CHECK(a.offsets.dx == b.offsets.dx);
        CHECK(a.offsets.extra == b.offsets.extra);
        CHECK(a.offsets.parameters == b.offsets.parameters);
        CHECK(a.offsets.inputs == b.offsets.inputs);
        CHECK(a.write == b.write);
        CHECK(a.parameters.gradients == b.parameters.gradients);
        CHECK(a.parameters.frozen == b.parameters.frozen);
        CHECK(a.reduction.at == b.reduction.at);
        CHECK(a.reduction.numbers == b.reduction.numbers);
        CHECK(a.reduction.buffers == b.reduction.buffers);
    };
    for_both_programs<BatchPasses>(compare);
    for_both_programs<Tuned>(compare);
}

TEST_CASE("a device's launches are as many as the operations that differ, however deep a network is") {
    auto const kinds = []<class Net>(Net) {
        std::vector<void (*)(detail::DeviceLaunch<Float64, HostDevice> const&)> launches;
        for (auto const& step : detail::DeviceProgram<Net, Float64, HostDevice>::backward())
            if (std::find(launches.begin(), launches.end(), step.launch) == launches.end())
                launches.push_back(step.launch);
        return launches.size();
    };
    CHECK(kinds(Network<Input<4>, Linear<4>, Repeat<2, Linear<4>, OwnTanh>>{}) == 3);
    CHECK(kinds(Network<Input<4>, Linear<4>, Repeat<9, Linear<4>, OwnTanh>>{}) == 3);
}

TEST_CASE("groups of parameters") {
    auto const grouped = [](auto const&... groups) {
        return detail::with_groups_of<Seam>(detail::grouped(AdamW{.learning_rate = 0.01}, groups...));
    };
    check_training<Seam>(CrossEntropy{}, grouped(Group{"*.bias", {.weight_decay = 0}}, Group{"0.*", {.rate = 10}}), 33);
}

TEST_CASE("ignored labels and weights of classes") {
    for (int size : {2, 17, 130}) {
        check_gradients<Seam>(CrossEntropy{.ignore_index = 1}, size);
        std::vector<double> weights(static_cast<std::size_t>(Seam::OutputShape::size));
        for (std::size_t k = 0; k < weights.size(); ++k) weights[k] = 0.5 * static_cast<double>(k);
        ClassWeights<Seam::OutputShape::size> const of_classes(weights);
        check_gradients<Seam>(WeightedCrossEntropy<Seam::OutputShape::size>{of_classes, 0.1, 1}, size);
    }
}

TEST_CASE("LeNet") {
    for (int size : {1, 4, 15, 33}) check_gradients<SmallLeNet>(CrossEntropy{}, size);
    check_gradients<SmallLeNet>(CrossEntropy{}, 16, true);
    check_training<SmallLeNet>(CrossEntropy{}, Adam{.learning_rate = 0.01}, 20);
}

TEST_CASE("ResNet with every kind of shortcut") {
    for (int size : {2, 5, 18}) check_gradients<SmallResNet>(CrossEntropy{}, size);
    check_training<SmallResNet>(CrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9, .dampening = 0.1}, 12);
}

TEST_CASE("passes over the batch") {
    for (int size : {2, 17, 130}) check_gradients<BatchPasses>(CrossEntropy{}, size);
    check_training<BatchPasses>(CrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, 33);
}

TEST_CASE("frozen layers between trained ones") {
    check_gradients<Tuned>(CrossEntropy{}, 17);
    check_training<Tuned>(CrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9}, 33);
}

TEST_CASE("shared layers, several inputs") {
    for (int size : {1, 17}) check_gradients<Tied>(CrossEntropy{}, size);
    check_training<Tied>(CrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9}, 33);
}

TEST_CASE("regression with Dropout and one's own activation") {
    for (int size : {1, 7, 140}) check_gradients<Regression>(MSE{}, size);
    check_gradients<Regression>(BCEWithLogits{.pos_weight = 2}, 7);
    check_training<Regression>(MSE{}, AdamW{.learning_rate = 0.01}, 21);
}

TEST_CASE("windows: groups, strides, dilation, average and overlapping maximum pooling") {
    for (int size : {1, 6, 17}) check_gradients<Windows>(CrossEntropy{}, size);
    check_training<Windows>(CrossEntropy{}, AdamW{.learning_rate = 0.01}, 9);
}

TEST_CASE("larger images, and lines") {
    for (int size : {1, 17}) {
        check_gradients<Larger>(MSE{}, size);
        check_gradients<Lines>(MSE{}, size);
    }
}

TEST_CASE("branches that meet, and the input's gradient") {
    for (int size : {1, 5, 18}) check_gradients<Joined>(CrossEntropy{}, size);
    check_training<Joined>(CrossEntropy{}, SGD{.learning_rate = 0.1, .momentum = 0.9}, 12);
    Samples<Joined> const samples(18, 4);
    Model<Joined, Float64> const model(3);
    CpuExecutor<Joined, Float64, CrossEntropy> cpu(Cpu{.threads = 1}, CrossEntropy{});
    OnGrid<Joined, CrossEntropy> grid(Cuda{}, CrossEntropy{});
    CHECK(grid.input_gradients().empty());
    cpu.gradients(model, samples.batch, {});
    grid.gradients(model, samples.batch, {});
    grid.evaluate(model, samples.batch, nullptr, nullptr);
    CHECK(cpu.input_gradients().size() == 18 * 90);
    CHECK(difference(grid.input_gradients(), cpu.input_gradients()) <= rounding);
}

TEST_CASE("the first layer that is not finite") {
    Samples<Seam> const samples(8, 2);
    Model<Seam, Float64> model(3);
    OnGrid<Seam, CrossEntropy> grid(Cuda{}, CrossEntropy{});
    CHECK(grid.first_non_finite(model, samples.batch, {}) == -1);
    model.parameters()[static_cast<std::size_t>(Seam::parameter_offset[3])] = INFINITY;
    std::vector<double> const state;
    grid.load(model, state);
    CHECK(grid.first_non_finite(model, samples.batch, {}) == 3);
    CHECK_FALSE(grid.gradients(model, samples.batch, {}).finite);
}

TEST_CASE("what an update would write is known to be finite, or not written") {
    Samples<Seam> const samples(8, 2);
    Model<Seam, Float64> model(3);
    std::vector<double> state(2 * static_cast<std::size_t>(Seam::parameter_count));
    OnGrid<Seam, CrossEntropy> grid(Cuda{}, CrossEntropy{});
    auto const same = [&](Model<Seam, Float64> const& before) {
        grid.store(model, state);
        return difference(model.parameters(), before.parameters()) == 0 &&
               difference(model.buffers(), before.buffers()) == 0;
    };
    for (int step = 0; step < 2; ++step) {  // looked at, and proved
        grid.gradients(model, samples.batch, {});
        CHECK_FALSE(grid.update(model, Adam{}, state, {1e-3, std::nullopt, step}));
    }
    grid.store(model, state);
    auto const before = model;
    grid.gradients(model, samples.batch, {});
    grid.gradient()[3] = 1e180;  // whose square is too much for the second moment
    auto const fault = grid.update(model, Adam{}, state, {1e-3, std::nullopt, 2});
    CHECK(fault.part == UpdateFault::Part::state);
    CHECK(fault.state == 1);
    CHECK(fault.index == 3);
    CHECK(same(before));
    // A running variance that does not fit.
    Samples<Seam> huge(8, 2);
    for (double& number : huge.numbers) number *= 1e160;
    CHECK(grid.gradients(model, huge.batch, {}).samples == 8);
    CHECK(grid.statistics_fault(model).part == UpdateFault::Part::buffer);
    CHECK(grid.update(model, Adam{}, state, {1e-3, std::nullopt, 2}).part == UpdateFault::Part::buffer);
    CHECK(same(before));
}

TEST_CASE("BatchNorm's sums of large floats on a device do not overflow") {
    using Norm = Network<Input<2, 9, 9>, BatchNorm2d<>, Flatten, Linear<3>>;
    Samples<Norm> samples(5, 2);
    for (double& number : samples.numbers) number *= 1e18;
    Model<Norm, Float32> model(3);
    CudaExecutor<Norm, Float32, CrossEntropy, HostDevice> grid(Cuda{}, CrossEntropy{});
    CpuExecutor<Norm, Float32, CrossEntropy> cpu(Cpu{.threads = 1}, CrossEntropy{});
    auto const a = grid.gradients(model, samples.batch, {}), b = cpu.gradients(model, samples.batch, {});
    CHECK(a.finite);
    CHECK(b.finite);
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-5));
    CHECK_FALSE(grid.statistics_fault(model));
}

TEST_CASE("a model is known by itself, not by its place") {
    Samples<Seam> const samples(5, 2);
    auto const outputs = static_cast<std::size_t>(5 * Seam::OutputShape::size);
    CpuExecutor<Seam, Float64, CrossEntropy> cpu(Cpu{.threads = 1}, CrossEntropy{});
    OnGrid<Seam, CrossEntropy> grid(Cuda{}, CrossEntropy{});
    std::vector<double> expected(outputs), got(outputs);
    auto const check = [&](Model<Seam, Float64> const& model) {
        cpu.evaluate(model, samples.batch, nullptr, expected.data());
        grid.evaluate(model, samples.batch, nullptr, got.data());
        CHECK(difference(got, expected) <= rounding);
    };
    std::optional<Model<Seam, Float64>> place;
    for (unsigned const seed : {1u, 2u, 3u}) check(place.emplace(seed));
    *place = Model<Seam, Float64>(4);
    check(*place);

    // What the device has learned goes with a model that is moved, and is no copy's.
    std::vector<double> state(static_cast<std::size_t>(Seam::parameter_count));
    SGD const sgd{.learning_rate = 0.5, .momentum = 0.9};
    Model<Seam, Float64> const before = *place;
    grid.gradients(*place, samples.batch, {});
    grid.update(*place, sgd, state, {sgd.learning_rate, std::nullopt, 0});
    check(before);
    grid.load(*place, state);
    grid.gradients(*place, samples.batch, {});
    grid.update(*place, sgd, state, {sgd.learning_rate, std::nullopt, 0});
    Model<Seam, Float64> moved = std::move(*place);
    grid.store(moved, state);
    CHECK(difference(moved.parameters(), before.parameters()) > 1e-3);
    check(moved);
}

TEST_CASE("a batch of the wrong size is refused, memory stays after the first step") {
    Samples<Seam> const samples(8, 2);
    Model<Seam, Float64> const model(3);
    OnGrid<Seam, CrossEntropy> grid(Cuda{}, CrossEntropy{});
    grid.gradients(model, samples.batch, {});
    std::size_t const held = grid.memory_bytes();
    grid.gradients(model, samples.batch, {});
    CHECK(grid.memory_bytes() == held);
    Batch wrong = samples.batch;
    wrong.shape = {1, 1, 6};
    CHECK_THROWS_WITH_AS(grid.gradients(model, wrong, {}),
                         "Cuda: got a batch of 8 samples of 6 values, expected at least 1 of 7", Error);
}
