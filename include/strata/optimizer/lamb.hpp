// LAMB: AdamW whose step is, in every matrix, as long as the matrix times the learning rate: for large batches.
//
//   m and v as in Adam,  r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w,
//   w = w - learning_rate |w| / |r| r,  and w = w - learning_rate r where a norm is 0
//
// Source: You et al., "Large Batch Optimization for Deep Learning", arXiv:1904.00962, Algorithm 2, phi(z) = z.
#pragma once

#include "adam_moments.hpp"
#include "adamw.hpp"
#include "matrix_optimizer.hpp"
#include "tensor_norm.hpp"

namespace strata::inline STRATA_ABI {

/// LAMB for matrices and the weights of convolutions, whole; `rest` for biases and BatchNorm, which as a rule are not
/// scaled: LAMB's step is AdamW's then. `learning_rate` is the matrices'; a schedule moves the rest's in proportion.
struct LAMB {
    using policy = OptimizerPolicy;
    static constexpr char const* name = "LAMB";
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-6;
    double weight_decay = 0.01;
    AdamW rest{.learning_rate = 1e-3, .epsilon = 1e-6, .weight_decay = 0.0};

    STRATA_COLD void check() const {
        detail::check_adam_options(*this);
        if (learning_rate == 0) fail("LAMB: learning_rate is 0, expected a number above 0");
        rest.check();
    }

    [[nodiscard]] static bool takes(MatrixShape) { return true; }
    /// The two moments.
    [[nodiscard]] static std::size_t state_size(MatrixShape shape) {
        return 2 * static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(shape.columns);
    }
    template <class T>
    STRATA_HOT void update(MatrixShape shape, T* weight, T const* gradient, T* state, OptimizerStep const& step) const {
        auto const count = static_cast<std::ptrdiff_t>(shape.rows) * shape.columns;
        double const b1 = step.momentum.value_or(beta1);
        auto const t = static_cast<double>(step.index + 1);
        AdamMoments<T> const moments(b1, beta2, 0);
        detail::for_lanes<T>(0, count, [&]<class L>(std::ptrdiff_t i) {
            L both[2] = {load_lane<L>(state + i), load_lane<L>(state + count + i)};
            moments(load_lane<L>(weight + i), load_lane<L>(gradient + i), both);
            store_lane(state + i, both[0]);
            store_lane(state + count + i, both[1]);
        });
        auto const correction = static_cast<T>(1 / (1 - std::pow(b1, t)));
        auto const inverse_root = static_cast<T>(1 / std::sqrt(1 - std::pow(beta2, t)));
        auto const eps = static_cast<T>(epsilon), decay = static_cast<T>(weight_decay);
        auto const direction = [&]<class L>(std::ptrdiff_t i) {
            L const root = multiply_add(sqrt(load_lane<L>(state + count + i)), L(inverse_root), L(eps));
            L const adam = L(correction) * load_lane<L>(state + i) / root;
            return decay != T(0) ? multiply_add(L(decay), load_lane<L>(weight + i), adam) : adam;
        };
        double const length =
            detail::tensor_norm<T>(count, [&]<class L>(std::ptrdiff_t i) { return load_lane<L>(weight + i); });
        auto const rate = static_cast<T>(step.learning_rate *
                                         detail::trust_ratio(1, length, detail::tensor_norm<T>(count, direction)));
        detail::for_lanes<T>(0, count, [&]<class L>(std::ptrdiff_t i) {
            store_lane(weight + i,
                       multiply_add(L(-rate), direction.template operator()<L>(i), load_lane<L>(weight + i)));
        });
    }
};

}  // namespace strata::inline STRATA_ABI
