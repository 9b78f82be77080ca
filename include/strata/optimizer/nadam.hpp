// NAdam: Adam with Nesterov's momentum, as torch.optim.NAdam.
//
//   mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2),  M(t) = mu(1) mu(2) ... mu(t),  m and v as in Adam,
//   w = w - learning_rate ((1 - mu(t)) / (1 - M(t)) g + mu(t + 1) / (1 - M(t + 1)) m) / (sqrt(v / (1 - beta2^t)) + epsilon)
//
// Source: Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop 2016.
#pragma once

#include <limits>

#include "adam_moments.hpp"

namespace strata::inline STRATA_ABI {

/// PyTorch keeps M in float32 (its state mu_product) as a product over the steps that were made; here it follows from
/// their number, in double. So a schedule that moves beta1 moves all of M's factors.
struct NAdam {
    using policy = OptimizerPolicy;
    static constexpr int states = 2;                                         ///< first and second moment
    static constexpr char const* state_names[] = {"exp_avg", "exp_avg_sq"};  ///< in checkpoints, as PyTorch calls them
    static constexpr char const* name = "NAdam";
    double learning_rate = 2e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 0.0;
    double momentum_decay = 4e-3;
    bool decoupled_weight_decay = false;  ///< as AdamW's; else as Adam's, added to the gradient

    STRATA_COLD void check() const {
        detail::check_adam_options(*this);
        detail::check_rate(name, "momentum_decay", momentum_decay);
    }

    template <class T>
    struct Update {
        AdamMoments<T> moments;
        T gradient_rate, moment_rate, inverse_root, epsilon, decoupled;

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[2]) const {
            L const g = moments(w, gradient, state);
            L const ahead = multiply_add(L(moment_rate), state[0], L(gradient_rate) * g);
            L const step = ahead / multiply_add(sqrt(state[1]), L(inverse_root), L(epsilon));
            w = multiply_add(w, L(decoupled), -step);
        }
        double bound(double& w, double gradient, double (&state)[2]) const {  // see optimizer.hpp
            if (!(epsilon > T(0))) return (std::numeric_limits<double>::max)();
            auto const of = [](T x) { return static_cast<double>(x); };
            double const g = moments.bound(w, gradient, state);
            double const ahead = of(moment_rate) * state[0] + of(gradient_rate) * g;
            double const root = std::sqrt(state[1]) * of(inverse_root);
            w = std::fabs(of(decoupled)) * w + ahead / of(epsilon);
            return g + state[0] + state[1] + ahead + root + w;
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        double const b1 = step.momentum.value_or(beta1), rate = step.learning_rate;
        std::int64_t const t = step.index + 1;
        double const now = momentum_at(b1, t), next = momentum_at(b1, t + 1), product = momentum_product(b1, t);
        auto const as = [](double v) { return static_cast<T>(v); };
        return {{b1, beta2, decoupled_weight_decay ? 0.0 : weight_decay},
                as(rate * (1 - now) / (1 - product)),
                as(rate * next / (1 - product * next)),
                as(1 / std::sqrt(1 - std::pow(beta2, static_cast<double>(t)))),
                as(epsilon),
                as(decoupled_weight_decay ? 1 - rate * weight_decay : 1.0)};
    }

private:
    [[nodiscard]] double momentum_at(double b1, std::int64_t t) const {
        return b1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * momentum_decay));
    }
    /// M(t). Some hundred factors are all that a double can tell from none or from beta1, a few thousand in the worst
    /// case: those that follow are beta1 to the last bit, or the product is so small that 1 - M is 1.
    [[nodiscard]] STRATA_COLD double momentum_product(double b1, std::int64_t t) const {
        constexpr double nothing = 0x1p-60;
        double product = 1;
        for (std::int64_t i = 1; i <= t && product > nothing; ++i) {
            double const factor = momentum_at(b1, i);
            if (factor == b1) return product * std::pow(b1, static_cast<double>(t - i + 1));
            product *= factor;
        }
        return product;
    }
};

}  // namespace strata::inline STRATA_ABI
