// LARS: SGD with momentum whose gradient is, in every matrix, scaled to a share of the matrix: for large batches.
//
//   s = trust_coefficient |w| / (|dw| + weight_decay |w|)  (1 where a norm is 0),
//   v = momentum v + s (dw + weight_decay w),  w = w - learning_rate v
//
// Source: You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", arXiv:1708.03888, Algorithm 1, in
// the form of SGD here and in PyTorch: the learning rate multiplies the velocity.
#pragma once

#include "matrix_optimizer.hpp"
#include "sgd.hpp"
#include "tensor_norm.hpp"

namespace strata::inline STRATA_ABI {

/// LARS for matrices and the weights of convolutions, whole; `rest` for biases and BatchNorm, which as a rule are not
/// scaled. `learning_rate` is the matrices'; a schedule moves the rest's in proportion, and its momentum takes the place
/// of both.
struct LARS {
    using policy = OptimizerPolicy;
    static constexpr char const* name = "LARS";
    double learning_rate = 1.0;
    double momentum = 0.9;
    double weight_decay = 0.0;
    double trust_coefficient = 1e-3;
    SGD rest{.learning_rate = 0.1, .momentum = 0.9};

    STRATA_COLD void check() const {
        detail::check_rate(name, "learning_rate", learning_rate);
        if (learning_rate == 0) fail("LARS: learning_rate is 0, expected a number above 0");
        detail::check_rate(name, "momentum", momentum, true);
        detail::check_rate(name, "weight_decay", weight_decay);
        detail::check_rate(name, "trust_coefficient", trust_coefficient);
        rest.check();
    }

    [[nodiscard]] static bool takes(MatrixShape) { return true; }
    /// The velocity.
    [[nodiscard]] static std::size_t state_size(MatrixShape shape) {
        return static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(shape.columns);
    }
    template <class T>
    STRATA_HOT void update(MatrixShape shape, T* weight, T const* gradient, T* state, OptimizerStep const& step) const {
        auto const count = static_cast<std::ptrdiff_t>(shape.rows) * shape.columns;
        auto const norm = [&](T const* numbers) {
            return detail::tensor_norm<T>(count, [&]<class L>(std::ptrdiff_t i) { return load_lane<L>(numbers + i); });
        };
        double const length = norm(weight), slope = norm(gradient);
        double const trust =
            slope > 0 ? detail::trust_ratio(trust_coefficient, length, slope + weight_decay * length) : 1.0;
        auto const scale = static_cast<T>(trust), scaled_decay = static_cast<T>(trust * weight_decay);
        auto const m = static_cast<T>(step.momentum.value_or(momentum)), rate = static_cast<T>(step.learning_rate);
        detail::for_lanes<T>(0, count, [&]<class L>(std::ptrdiff_t i) {
            L const w = load_lane<L>(weight + i), fresh = L(scale) * load_lane<L>(gradient + i);
            L const g = scaled_decay != T(0) ? multiply_add(L(scaled_decay), w, fresh) : fresh;
            L const v = m != T(0) ? multiply_add(L(m), load_lane<L>(state + i), g) : g;
            store_lane(state + i, v);
            store_lane(weight + i, multiply_add(L(-rate), v, w));
        });
    }
};

}  // namespace strata::inline STRATA_ABI
