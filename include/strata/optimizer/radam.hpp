// RAdam: Adam whose first steps, before the second moment has seen enough gradients, go without it, as
// torch.optim.RAdam.
//
//   m and v as in Adam,  M = m / (1 - beta1^t),
//   rho = 2 / (1 - beta2) - 1,  rho(t) = rho - 2 t beta2^t / (1 - beta2^t),
//   w = w - learning_rate M,  and where rho(t) > 5
//   w = w - learning_rate M sqrt((rho(t) - 4) (rho(t) - 2) rho / ((rho - 4) (rho - 2) rho(t)))
//           sqrt(1 - beta2^t) / (sqrt(v) + epsilon)
//
// Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", arXiv:1908.03265, Algorithm 2.
#pragma once

#include <limits>

#include "adam_moments.hpp"

namespace strata::inline STRATA_ABI {

struct RAdam {
    using policy = OptimizerPolicy;
    static constexpr int states = 2;                                         ///< first and second moment
    static constexpr char const* state_names[] = {"exp_avg", "exp_avg_sq"};  ///< in checkpoints, as PyTorch calls them
    static constexpr char const* name = "RAdam";
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0;
    bool decoupled_weight_decay = false;  ///< as AdamW's; else as Adam's, added to the gradient

    STRATA_COLD void check() const { detail::check_adam_options(*this); }

    template <class T>
    struct Update {
        AdamMoments<T> moments;
        T rate, epsilon, decoupled;
        bool adaptive;

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[2]) const {
            moments(w, gradient, state);
            L step = L(rate) * state[0];
            if (adaptive) step = step / (sqrt(state[1]) + L(epsilon));
            w = multiply_add(w, L(decoupled), -step);
        }
        double bound(double& w, double gradient, double (&state)[2]) const {  // see optimizer.hpp
            if (adaptive && !(epsilon > T(0))) return (std::numeric_limits<double>::max)();
            auto const of = [](T x) { return static_cast<double>(x); };
            double const g = moments.bound(w, gradient, state);
            double const product = of(rate) * state[0];
            w = std::fabs(of(decoupled)) * w + (adaptive ? product / of(epsilon) : product);
            return g + state[0] + state[1] + product + std::sqrt(state[1]) + w;
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        double const b1 = step.momentum.value_or(beta1);
        auto const t = static_cast<double>(step.index + 1);
        double const power = std::pow(beta2, t), correction2 = 1 - power;
        double const limit = 2 / (1 - beta2) - 1, length = limit - 2 * t * power / correction2;
        bool const adaptive = length > 5;
        double const rectified =
            adaptive ? std::sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) *
                           std::sqrt(correction2)
                     : 1.0;
        auto const as = [](double v) { return static_cast<T>(v); };
        return {{b1, beta2, decoupled_weight_decay ? 0.0 : weight_decay},
                as(step.learning_rate / (1 - std::pow(b1, t)) * rectified),
                as(epsilon),
                as(decoupled_weight_decay ? 1 - step.learning_rate * weight_decay : 1.0),
                adaptive};
    }
};

}  // namespace strata::inline STRATA_ABI
