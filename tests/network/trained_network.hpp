// Five training steps of a small network, as generate.cpp describes them, for comparison with LibTorch.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../reference/reference.hpp"
#include "strata/backend/cpu/run/executor.hpp"
#include "strata/loss/cross_entropy.hpp"

namespace strata {

/// How far results may be from LibTorch's.
struct Tolerances {
    double loss, logits, gradient, parameter;
};
// Double: sums in another order, over five steps.
constexpr Tolerances double_tolerances{1e-11, 1e-11, 1e-11, 1e-10};

/// Trains Net from the parameters of generate.cpp and compares losses, first logits and gradients, final parameters and
/// buffers, and logits in evaluation mode with the entries "<name>/…".
template <class Net, class Precision, class Optimizer>
void compare_training(std::string const& name, Optimizer const& optimizer, Tolerances const& tolerances,
                      double smoothing = 0, int last_batch = 6, int threads = 1) {
    using Scalar = typename Precision::master;
    Model<Net, Precision> model;
    std::uint32_t seed = 240;
    bool norm = false;
    for (auto const& tensor : model.tensors()) {
        if (tensor.name.find("running") != std::string::npos || tensor.type == DataType::int64) continue;
        auto* const values = static_cast<Scalar*>(tensor.data);
        bool const weight = tensor.name.ends_with("weight");
        if (weight) norm = tensor.shape.size() == 1;
        auto const v = reference_values(seed++, tensor.size());
        for (std::size_t i = 0; i < v.size(); ++i)
            values[i] = static_cast<Scalar>(weight && norm ? 1 + 0.5 * v[i] : (weight || norm ? 0.5 : 0.25) * v[i]);
    }
    CpuExecutor<Net, Precision, CrossEntropy> executor(Cpu{.threads = threads},
                                                       CrossEntropy{.label_smoothing = smoothing});
    std::vector<Scalar> state(static_cast<std::size_t>(Optimizer::states * Net::parameter_count));
    std::vector<typename Precision::storage> logits(60);
    std::vector<double> losses;
    std::vector<double> x;
    std::int32_t labels[6];
    auto const batch = [&](std::uint32_t t, int count) {
        x = reference_values(300 + t, static_cast<std::size_t>(count * Net::InputShape::size));
        for (int i = 0; i < count; ++i) labels[i] = reference_label(400 + t, static_cast<std::uint32_t>(i), 10);
        Batch b;
        b.size = count;
        b.shape = {1, 1, Net::InputShape::size};
        b.type = DataType::float64;
        b.inputs = x.data();
        b.labels = labels;
        return b;
    };
    CAPTURE(name);
    for (std::uint32_t t = 1; t <= 5; ++t) {
        auto const b = batch(t, t == 5 ? last_batch : 6);
        if (t == 1 && !Net::is_batch_wide) {
            executor.evaluate(model, b, nullptr, logits.data());
            CHECK(reference_difference(logits, name + "/logits") < tolerances.logits);
        }
        auto const result = executor.gradients(model, b, {});
        CHECK(result.finite);
        losses.push_back(result.loss);
        if (t == 1)
            for (auto const& tensor : model.tensors()) {
                if (tensor.name.find("running") != std::string::npos || tensor.type == DataType::int64) continue;
                CAPTURE(tensor.name);
                auto const at = static_cast<std::size_t>(static_cast<Scalar*>(tensor.data) - model.parameters().data());
                CHECK(reference_difference(executor.gradient().subspan(at, tensor.size()),
                                           name + "/gradient/" + tensor.name) < tolerances.gradient);
            }
        executor.update(model, optimizer, std::span<Scalar>(state),
                        {.learning_rate = optimizer.learning_rate, .index = static_cast<std::int64_t>(t) - 1});
    }
    CHECK(reference_difference(losses, name + "/loss") < tolerances.loss);
    for (auto const& tensor : model.tensors()) {
        CAPTURE(tensor.name);
        if (tensor.type == DataType::int64)
            CHECK(reference_difference(std::span(static_cast<std::int64_t*>(tensor.data), 1),
                                       name + "/" + tensor.name) == 0);
        else
            CHECK(reference_difference(std::span(static_cast<Scalar*>(tensor.data), tensor.size()),
                                       name + "/" + tensor.name) < tolerances.parameter);
    }
    executor.evaluate(model, batch(6, 6), nullptr, logits.data());
    CHECK(reference_difference(logits, name + "/eval_logits") < tolerances.parameter * 10);
}

}  // namespace strata
