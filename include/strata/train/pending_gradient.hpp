// The gradient between backward and update.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "../backend/backend.hpp"
#include "../backend/gradient_norm.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI {

/// What update() waits for: the passes since the last one.
struct PendingGradient {
    std::uint32_t passes = 0;
    bool finite = true, loss_is_finite = true;
    bool statistics = false;  ///< the running statistics of the last pass are not the model's yet
    bool lent = false;        ///< the gradient may not be what the passes left

    void add(StepResult const& result) {
        lent = ++passes > 1;  // sums may overflow
        finite = finite && result.finite;
        loss_is_finite = loss_is_finite && is_finite(result.loss);
        statistics = result.finite;
    }
};

namespace detail {
/// The part of a model's tensors that are parameters, each with its piece of an arena of gradients.
template <class Model, class Gradient>
STRATA_COLD std::vector<TensorView> tensors_of_gradient(Model& model, Gradient* gradient) {
    auto const parameters = model.parameters();
    std::vector<TensorView> tensors;
    for (auto& tensor : model.tensors()) {
        auto const* const data = static_cast<typename Model::Scalar const*>(tensor.data);
        if (tensor.type != data_type_of<typename Model::Scalar> || data < parameters.data() ||
            data >= parameters.data() + parameters.size())
            continue;  // a buffer
        tensor.type = data_type_of<Gradient>;
        tensor.data = gradient + (data - parameters.data());
        tensors.push_back(std::move(tensor));
    }
    return tensors;
}

/// Adds earlier gradients to the newest one.
template <class Gradient>
STRATA_COLD void add_gradients(std::span<Gradient> sum, Gradient const* earlier) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += earlier[i];
}

/// A pass whose loss is scaled, by backends that can.
template <class Executor, class Model>
StepResult scaled_gradients(Executor& executor, Model const& model, Batch const& batch, RandomKey key, double scale) {
    if constexpr (ScalesLoss<Executor>) {
        return executor.gradients(model, batch, key, scale);
    } else {
        if (scale != 1) fail("training step ", key.step, ": this backend does not scale losses");
        return executor.gradients(model, batch, key);
    }
}

/// The norm of an executor's gradient; `asked` for by the program, which may ask on one rank alone.
template <class Executor>
double gradient_norm_of(Executor& executor, bool asked = false) {
    if constexpr (requires { executor.meet(""); })
        if (asked) executor.meet("gradient_norm()");
    if constexpr (KnowsGradientNorm<Executor>)
        return executor.gradient_norm();
    else
        return norm_of(std::as_const(executor).gradient());
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
