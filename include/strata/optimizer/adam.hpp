// Adam, as torch.optim.Adam (weight_decay is L2: added to the gradient).
//
//   g = dw + weight_decay w,  m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
//   w = w - learning_rate / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
//
// Source: Kingma and Ba, arXiv:1412.6980, Algorithm 1.
#pragma once

#include <limits>

#include "adam_moments.hpp"

namespace strata::inline STRATA_ABI {

/// One Adam update of parameter, gradient and moments; `decoupled` is AdamW's decay, that of the moments Adam's.
template <class T>
struct AdamUpdate {
    AdamMoments<T> moments;
    T rate, inverse_root, epsilon, decoupled;

    template <class L>
    STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[2]) const {
        moments(w, gradient, state);
        // Every product with a sum is said as one multiply_add: what compilers contract by themselves differs between
        // vectors and scalars, and so would an element's bits.
        L const step = L(rate) * state[0] / multiply_add(sqrt(state[1]), L(inverse_root), L(epsilon));
        w = multiply_add(w, L(decoupled), -step);
    }
    /// See optimizer.hpp. Without an epsilon a step has no bound.
    double bound(double& w, double gradient, double (&state)[2]) const {
        if (!(epsilon > T(0))) return (std::numeric_limits<double>::max)();
        auto const of = [](T x) { return static_cast<double>(x); };
        double const g = moments.bound(w, gradient, state);
        double const product = of(rate) * state[0], root = std::sqrt(state[1]) * of(inverse_root);
        w = std::fabs(of(decoupled)) * w + product / of(epsilon);
        return g + state[0] + state[1] + product + root + w;
    }
};

struct Adam {
    using policy = OptimizerPolicy;
    static constexpr int states = 2;                                         ///< first and second moment
    static constexpr char const* state_names[] = {"exp_avg", "exp_avg_sq"};  ///< in checkpoints, as PyTorch calls them
    static constexpr char const* name = "Adam";
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0;

    STRATA_COLD void check() const { detail::check_adam_options(*this); }

    template <class T>
    [[nodiscard]] AdamUpdate<T> prepare(OptimizerStep const& step) const {
        double const b1 = step.momentum.value_or(beta1);
        auto const t = static_cast<double>(step.index + 1);
        double const correction1 = 1 - std::pow(b1, t), correction2 = 1 - std::pow(beta2, t);
        auto const as = [](double v) { return static_cast<T>(v); };
        return {{b1, beta2, weight_decay},
                as(step.learning_rate / correction1),
                as(1 / std::sqrt(correction2)),
                as(epsilon),
                T(1)};
    }
};

}  // namespace strata::inline STRATA_ABI
