// SGD with momentum, dampening, Nesterov and weight decay, as torch.optim.SGD.
//
//   g = dw + weight_decay w,  v = momentum v + (1 - dampening) g (v = g at the first step and without momentum),
//   w = w - learning_rate (nesterov ? g + momentum v : v)
//
// Source: Sutskever et al. 2013, in PyTorch's form (the learning rate multiplies the velocity).
#pragma once

#include "optimizer.hpp"

namespace strata::inline STRATA_ABI {

struct SGD {
    using policy = OptimizerPolicy;
    static constexpr int states = 1;                                   ///< arrays of optimizer state: the velocity
    static constexpr char const* state_names[] = {"momentum_buffer"};  ///< in checkpoints, as PyTorch calls them
    static constexpr char const* name = "SGD";
    double learning_rate = 1e-3;
    double momentum = 0.0;
    double dampening = 0.0;
    double weight_decay = 0.0;
    bool nesterov = false;

    STRATA_COLD void check() const {
        detail::check_rate("SGD", "learning_rate", learning_rate);
        detail::check_rate("SGD", "momentum", momentum, true);
        if (!is_finite(dampening)) fail("SGD: dampening is ", dampening, ", expected a finite number");
        detail::check_rate("SGD", "weight_decay", weight_decay);
        if (nesterov && (momentum == 0 || dampening != 0))
            fail("SGD: nesterov needs a momentum above 0 and dampening 0");
    }

    template <class T>
    struct Update {
        T rate, momentum, keep, decay;
        bool nesterov;

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[1]) const {
            // What is switched off is left out: 0 times an infinite number, a masked class's bias, would be NaN.
            L const g = decay != T(0) ? multiply_add(L(decay), w, gradient) : gradient;
            state[0] = momentum != T(0) ? multiply_add(L(momentum), state[0], L(keep) * g) : L(keep) * g;
            L const direction = nesterov ? multiply_add(L(momentum), state[0], g) : state[0];
            w = multiply_add(L(-rate), direction, w);
        }
        double bound(double& w, double gradient, double (&state)[1]) const {  // see optimizer.hpp
            auto const m = static_cast<double>(momentum), g = gradient + static_cast<double>(decay) * w;
            state[0] = m * state[0] + std::fabs(static_cast<double>(keep)) * g;
            double const direction = nesterov ? m * state[0] + g : state[0];
            w += static_cast<double>(rate) * direction;
            return g + state[0] + direction + w;
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        double const m = step.momentum.value_or(momentum);
        double const keep = step.index == 0 || m == 0 ? 1.0 : 1.0 - dampening;  // dampening belongs to momentum
        return {static_cast<T>(step.learning_rate), static_cast<T>(m), static_cast<T>(keep),
                static_cast<T>(weight_decay), nesterov};
    }
};

}  // namespace strata::inline STRATA_ABI
