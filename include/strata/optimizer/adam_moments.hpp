// The two running averages that Adam and its kin keep of each gradient.
#pragma once

#include "optimizer.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// Throws Error unless the options that Adam and its kin share make sense.
template <class Optimizer>
STRATA_COLD void check_adam_options(Optimizer const& optimizer) {
    check_rate(Optimizer::name, "learning_rate", optimizer.learning_rate);
    check_rate(Optimizer::name, "beta1", optimizer.beta1, true);
    check_rate(Optimizer::name, "beta2", optimizer.beta2, true);
    check_rate(Optimizer::name, "epsilon", optimizer.epsilon);
    check_rate(Optimizer::name, "weight_decay", optimizer.weight_decay);
}
}  // namespace detail

/// g = dw + decay w,  m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2; state is {m, v}.
template <class T>
struct AdamMoments {
    T beta1, beta2, one_minus_beta1, one_minus_beta2, decay;

    AdamMoments(double b1, double b2, double weight_decay)
        : beta1(static_cast<T>(b1)),
          beta2(static_cast<T>(b2)),
          one_minus_beta1(static_cast<T>(1 - b1)),
          one_minus_beta2(static_cast<T>(1 - b2)),
          decay(static_cast<T>(weight_decay)) {}

    /// Moves the state; returns g.
    template <class L>
    STRATA_HD STRATA_INLINE L operator()(L w, L gradient, L (&state)[2]) const {
        // What is switched off is left out: 0 times an infinite number, a masked class's bias, would be NaN.
        L const g = decay != T(0) ? multiply_add(L(decay), w, gradient) : gradient;
        L const first = L(one_minus_beta1) * g, second = L(one_minus_beta2) * g * g;
        state[0] = beta1 != T(0) ? multiply_add(L(beta1), state[0], first) : first;
        state[1] = beta2 != T(0) ? multiply_add(L(beta2), state[1], second) : second;
        return g;
    }
    /// The same for magnitudes: see optimizer.hpp.
    double bound(double w, double gradient, double (&state)[2]) const {
        auto const of = [](T x) { return static_cast<double>(x); };
        double const g = gradient + of(decay) * w;
        state[0] = of(beta1) * state[0] + of(one_minus_beta1) * g;
        state[1] = of(beta2) * state[1] + of(one_minus_beta2) * g * g;
        return g;
    }
};

}  // namespace strata::inline STRATA_ABI
