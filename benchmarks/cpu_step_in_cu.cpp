// The CPU training step of LeNet compiled by the host's compiler (this file) and by nvcc (cpu_step_in_cu.cu): they
// should be equally fast, at least 90 %.
//
//   cpu_step_in_cu                  prints its own images/s, one thread, batch 64
//   cpu_step_in_cu_cuda PROGRAM     runs PROGRAM (the other one) and itself in turns and prints the ratio of
//                                   paired medians
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <strata/backend/cpu/run/executor.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/max_pool2d.hpp>
#include <strata/layer/relu.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/optimizer/sgd.hpp>

namespace {

using namespace strata;

using LeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Conv2d<16, 5>, ReLU, MaxPool2d<2>, Flatten,
                      Linear<120>, ReLU, Linear<84>, ReLU, Linear<10>>;

/// Images per second of training steps, for about half a second after a warm-up.
double images_per_second() {
    constexpr int size = 64;
    std::vector<float> images(static_cast<std::size_t>(size) * 3072);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i * 7919 % 1000) * 0.002F - 1.0F;
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 10);
    Batch batch;
    batch.size = size;
    batch.shape = {3, 32, 32};
    batch.type = DataType::float32;
    batch.inputs = images.data();
    batch.labels = labels.data();
    Model<LeNet> model(1);
    SGD const optimizer{.learning_rate = 1e-3, .momentum = 0.9};
    CpuExecutor<LeNet, Float32, CrossEntropy> executor(Cpu{.threads = 1}, CrossEntropy{});
    std::vector<float> state(static_cast<std::size_t>(LeNet::parameter_count));
    auto const run = [&](double seconds) {
        auto const start = std::chrono::steady_clock::now();
        int steps = 0;
        double passed = 0;
        for (; passed < seconds; ++steps) {
            executor.gradients(model, batch, {});
            executor.update(model, optimizer, state, {optimizer.learning_rate});
            passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        }
        return steps * size / passed;
    };
    run(0.1);
    return run(0.5);
}

/// The number that a program prints.
double ask(std::string const& program) {
    double value = 0;
    if (FILE* const pipe = popen(("'" + program + "'").c_str(), "r")) {
        if (std::fscanf(pipe, "%lf", &value) != 1) value = 0;
        pclose(pipe);
    }
    return value;
}

}  // namespace

int main(int argument_count, char** arguments) {
    if (argument_count == 1) {
        std::printf("%.0f images/s\n", images_per_second());
        return 0;
    }
    std::vector<double> ratios;
    for (int round = 0; round < 9; ++round) {
        double const other = ask(arguments[1]), own = images_per_second();
        if (other <= 0) {
            std::fprintf(stderr, "cpu_step_in_cu: %s prints no number of images/s\n", arguments[1]);
            return 1;
        }
        std::printf("%.0f images/s here, %.0f there\n", own, other);
        ratios.push_back(own / other);
    }
    std::sort(ratios.begin(), ratios.end());
    std::printf("%.1f %% of the other program's speed\n", 100 * ratios[ratios.size() / 2]);
    return 0;
}
