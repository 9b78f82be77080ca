// CPU against GPU on the same networks. Without a GPU it says so and passes: then it shows that
// everything compiles and links.
#include <strata/backend/cpu/run/executor.hpp>
#include <strata/backend/cuda/cuda_device.hpp>
#include <strata/backend/cuda/executor.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/loss/mse.hpp>
#include <strata/optimizer/adam.hpp>
#include <strata/optimizer/adamw.hpp>
#include <strata/optimizer/sgd.hpp>

#include <doctest/doctest.h>

#include "networks.hpp"

using namespace cuda_tests;

namespace {

bool no_gpu() {
    static bool const missing = [] {
        try {
            CudaDevice const device(Cuda{});
            return false;
        } catch (Error const& error) {
            std::printf("SKIPPED: CPU-GPU parity: %s\n", error.what());
            return true;
        }
    }();
    return missing;
}

/// Five steps on both sides, compared after each. Tolerances are for sums of some thousand terms in another order, with
/// device functions (exp, tanh) that are right to two units in the last place.
template <class Precision, class Net, class Loss, class Optimizer>
void check(Loss loss, Optimizer optimizer, int size) {
    if (no_gpu()) return;
    using Scalar = typename Precision::master;
    constexpr bool single = sizeof(Scalar) == 4;
    double const gradient_tolerance = single ? 2e-4 : 1e-11, weight_tolerance = single ? 5e-3 : 1e-8;
    CAPTURE(size);
    CAPTURE(single);
    Model<Net, Precision> on_cpu(3), on_gpu(3);
    auto const count = static_cast<std::size_t>(Optimizer::states) * static_cast<std::size_t>(Net::parameter_count);
    std::vector<Scalar> cpu_state(count), gpu_state(count);
    CpuExecutor<Net, Precision, Loss> cpu(Cpu{.threads = 1}, loss);
    Cuda::Executor<Net, Precision, Loss> gpu(Cuda{}, loss), again(Cuda{}, loss);
    gpu.load(on_gpu, gpu_state);
    for (std::uint32_t step = 0; step < 5; ++step) {
        Samples<Net> const samples(size - static_cast<int>(step), 100 + step, step % 2 == 1);
        RandomKey const key{5, 0, step};
        OptimizerStep const now{optimizer.learning_rate, std::nullopt, step};
        auto const a = cpu.gradients(on_cpu, samples.batch, key), b = gpu.gradients(on_gpu, samples.batch, key);
        CHECK(std::fabs(a.loss - b.loss) <= weight_tolerance * std::fabs(a.loss));
        CHECK(b.finite);
        if (step == 0) {
            CHECK(difference(gpu.gradient(), cpu.gradient()) <= gradient_tolerance);
            again.gradients(on_gpu, samples.batch, key);  // the same bits every time
            CHECK(difference(again.gradient(), gpu.gradient()) == 0);
        }
        cpu.update(on_cpu, optimizer, cpu_state, now);
        gpu.update(on_gpu, optimizer, gpu_state, now);
    }
    gpu.store(on_gpu, gpu_state);
    CHECK(difference(on_gpu.parameters(), on_cpu.parameters()) <= weight_tolerance);
    CHECK(difference(on_gpu.buffers(), on_cpu.buffers()) <= weight_tolerance);

    Samples<Net> const samples(19, 1);
    std::vector<Scalar> cpu_outputs(static_cast<std::size_t>(19 * Net::OutputShape::size)),
        gpu_outputs(cpu_outputs.size());
    std::vector<std::int32_t> predictions(19);
    gpu.load(on_cpu, cpu_state);  // the same weights on both sides
    cpu.evaluate(on_cpu, samples.batch, nullptr, cpu_outputs.data());
    gpu.evaluate(on_cpu, samples.batch, predictions.data(), gpu_outputs.data());
    CHECK(difference(gpu_outputs, cpu_outputs) <= gradient_tolerance);
}

}  // namespace

TEST_CASE("a GPU that is not there is refused in one sentence") {
    CHECK_THROWS_AS(CudaDevice(Cuda{.device = 4096}), Error);
    CHECK_THROWS_AS(CudaDevice(Cuda{.device = -1}), Error);
}

TEST_CASE("the seam: Linear, BatchNorm, ReLU and softmax cross-entropy") {
    CrossEntropy const loss{.label_smoothing = 0.1};
    SGD const optimizer{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true};
    check<Float32, Seam>(loss, optimizer, 300);
    check<Float64, Seam>(loss, optimizer, 300);
}

TEST_CASE("LeNet") { check<Float32, SmallLeNet>(CrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, 70); }

TEST_CASE("ResNet with every kind of shortcut") {
    check<Float64, SmallResNet>(CrossEntropy{}, Adam{.learning_rate = 0.01}, 40);
}

TEST_CASE("regression with Dropout and one's own activation") {
    check<Float64, Regression>(MSE{}, AdamW{.learning_rate = 0.01}, 140);
}

TEST_CASE("windows: groups, strides, dilation, average and overlapping maximum pooling") {
    check<Float64, Windows>(CrossEntropy{}, AdamW{.learning_rate = 0.01}, 33);
}

TEST_CASE("larger images, and lines") {
    check<Float64, Larger>(MSE{}, AdamW{.learning_rate = 0.01}, 33);
    check<Float64, Lines>(MSE{}, AdamW{.learning_rate = 0.01}, 33);
}

TEST_CASE("branches that meet") {
    check<Float64, Tied>(CrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, 40);
    check<Float32, Joined>(CrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, 40);
}
