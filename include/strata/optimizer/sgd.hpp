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
        detail::check_rate("SGD", "learning_rate", learning_rate, HUGE_VAL);
        detail::check_rate("SGD", "momentum", momentum, 1);
        if (!std::isfinite(dampening)) fail("SGD: dampening is ", dampening, ", expected a finite number");
        detail::check_rate("SGD", "weight_decay", weight_decay, HUGE_VAL);
        if (nesterov && (momentum == 0 || dampening != 0))
            fail("SGD: nesterov needs a momentum above 0 and dampening 0");
    }

    template <class T>
    struct Update {
        T rate, momentum, keep, decay;
        bool nesterov;

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[1]) const {
            L const g = multiply_add(L(decay), w, gradient);
            state[0] = multiply_add(L(momentum), state[0], L(keep) * g);
            L const direction = nesterov ? multiply_add(L(momentum), state[0], g) : state[0];
            w = multiply_add(L(-rate), direction, w);
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        double const m = std::isnan(step.momentum) ? momentum : step.momentum;
        double const keep = step.index == 0 || m == 0 ? 1.0 : 1.0 - dampening;  // dampening belongs to momentum
        return {static_cast<T>(step.learning_rate), static_cast<T>(m), static_cast<T>(keep),
                static_cast<T>(weight_decay), nesterov};
    }
};

}  // namespace strata::inline STRATA_ABI
