// A few CPU training steps of LeNet, boiled down to one number. Compiled by g++ (cpu_step_test.cpp) and by nvcc
// (cpu_step_test.cu): every bit of the weights must be the same.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include <strata/backend/cpu/run/executor.hpp>
#include <strata/core/random.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/max_pool2d.hpp>
#include <strata/layer/relu.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/optimizer/sgd.hpp>

namespace cuda_tests {

using namespace strata;

using LeNet = Network<Input<3, 32, 32>, Named<"conv1", Conv2d<6, 5>>, ReLU, MaxPool2d<2>, Named<"conv2", Conv2d<16, 5>>,
                      ReLU, MaxPool2d<2>, Flatten, Named<"fc1", Linear<120>>, ReLU, Named<"fc2", Linear<84>>, ReLU,
                      Named<"fc3", Linear<10>>>;

/// The bits of the loss and of all weights after three steps (FNV-1a over 32-bit words), as "checksum
/// 0123456789abcdef".
inline std::string lenet_checksum() {
    constexpr int size = 37;  // two full tiles and a ragged one
    std::vector<std::uint8_t> images(static_cast<std::size_t>(size) * 3072);
    std::vector<std::int32_t> labels(size);
    Random random(7, Purpose::user);
    for (auto& pixel : images) pixel = static_cast<std::uint8_t>(random.below(256));
    for (auto& label : labels) label = static_cast<std::int32_t>(random.below(10));
    double const scale[] = {0.01, 0.011, 0.012}, shift[] = {-1.2, -1.3, -1.4};
    Batch batch;
    batch.size = size;
    batch.shape = {3, 32, 32};
    batch.type = DataType::uint8;
    batch.inputs = images.data();
    batch.scale = scale;
    batch.shift = shift;
    batch.labels = labels.data();

    Model<LeNet> model(1);
    CrossEntropy const loss{.label_smoothing = 0.1};
    SGD const optimizer{.learning_rate = 0.05, .momentum = 0.9};
    CpuExecutor<LeNet, Float32, CrossEntropy> executor(Cpu{.threads = 2}, loss);
    std::vector<float> state(static_cast<std::size_t>(LeNet::parameter_count));
    std::uint64_t hash = 0xcbf29ce484222325u;
    auto const add = [&](std::uint32_t word) { hash = (hash ^ word) * 0x100000001b3u; };
    for (std::uint32_t step = 0; step < 3; ++step) {
        StepResult const result = executor.gradients(model, batch, {5, 0, step});
        executor.update(model, optimizer, state, {optimizer.learning_rate, std::nullopt, step});
        add(std::bit_cast<std::uint32_t>(static_cast<float>(result.loss)));
    }
    for (float const weight : model.parameters()) add(std::bit_cast<std::uint32_t>(weight));
    std::string text = "checksum ";
    for (int digit = 15; digit >= 0; --digit) text += "0123456789abcdef"[(hash >> (4 * digit)) & 15];
    return text;
}

}  // namespace cuda_tests
