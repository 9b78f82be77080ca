// Adagrad, as torch.optim.Adagrad (weight_decay is L2: added to the gradient).
//
//   g = dw + weight_decay w,  s = s + g^2 (s begins as initial_accumulator_value),
//   w = w - learning_rate / (1 + (t - 1) lr_decay) g / (sqrt(s) + epsilon)
//
// Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods", JMLR 12, 2011.
#pragma once

#include <limits>

#include "optimizer.hpp"

namespace strata::inline STRATA_ABI {

/// It has no momentum, so a schedule's momentum changes nothing.
struct Adagrad {
    using policy = OptimizerPolicy;
    static constexpr int states = 1;                       ///< s
    static constexpr char const* state_names[] = {"sum"};  ///< in checkpoints, as PyTorch calls it
    static constexpr char const* name = "Adagrad";
    double learning_rate = 1e-2;
    double lr_decay = 0.0;
    double weight_decay = 0.0;
    double initial_accumulator_value = 0.0;
    double epsilon = 1e-10;

    STRATA_COLD void check() const {
        detail::check_rate(name, "learning_rate", learning_rate);
        detail::check_rate(name, "lr_decay", lr_decay);
        detail::check_rate(name, "weight_decay", weight_decay);
        detail::check_rate(name, "initial_accumulator_value", initial_accumulator_value);
        detail::check_rate(name, "epsilon", epsilon);
    }

    template <class T>
    struct Update {
        T rate, epsilon, decay, start;

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[1]) const {
            // What is switched off is left out: 0 times an infinite number, a masked class's bias, would be NaN.
            L const g = decay != T(0) ? multiply_add(L(decay), w, gradient) : gradient;
            state[0] = multiply_add(g, g, state[0] + L(start));
            w = w - L(rate) * g / (sqrt(state[0]) + L(epsilon));
        }
        double bound(double& w, double gradient, double (&state)[1]) const {  // see optimizer.hpp
            if (!(epsilon > T(0))) return (std::numeric_limits<double>::max)();
            auto const of = [](T x) { return static_cast<double>(x); };
            double const g = gradient + of(decay) * w, product = of(rate) * g;
            state[0] += of(start) + g * g;
            // s is g^2 at least, but where that has lost its last digits, or all of them.
            double const smallest = std::sqrt(1e3 * of((std::numeric_limits<T>::min)()));
            w += of(rate) * std::fmin(g / of(epsilon), std::fmax(1.01, smallest / of(epsilon)));
            return g + state[0] + std::sqrt(state[0]) + product + w;
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        auto const as = [](double v) { return static_cast<T>(v); };
        double const slower = 1 + static_cast<double>(step.index) * lr_decay;
        // States begin as 0: what PyTorch begins with is added in the first step.
        return {as(step.learning_rate / slower), as(epsilon), as(weight_decay),
                as(step.index == 0 ? initial_accumulator_value : 0.0)};
    }
};

}  // namespace strata::inline STRATA_ABI
