// Lion: steps of one size, in the direction of the sign of a momentum, with decoupled weight decay.
//
//   c = beta1 m + (1 - beta1) dw,  w = w - learning_rate (sign(c) + weight_decay w),  m = beta2 m + (1 - beta2) dw
//
// Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675, Algorithm 2.
#pragma once

#include "optimizer.hpp"

namespace strata::inline STRATA_ABI {

/// Its authors advise a learning rate 3 to 10 times smaller than AdamW's, and a decay as many times larger.
struct Lion {
    using policy = OptimizerPolicy;
    static constexpr int states = 1;                           ///< the momentum
    static constexpr char const* state_names[] = {"exp_avg"};  ///< in checkpoints, as its authors call it
    static constexpr char const* name = "Lion";
    double learning_rate = 1e-4;
    double beta1 = 0.9;
    double beta2 = 0.99;
    double weight_decay = 0.0;

    STRATA_COLD void check() const {
        detail::check_rate(name, "learning_rate", learning_rate);
        detail::check_rate(name, "beta1", beta1, true);
        detail::check_rate(name, "beta2", beta2, true);
        detail::check_rate(name, "weight_decay", weight_decay);
    }

    template <class T>
    struct Update {
        T rate, beta1, beta2, one_minus_beta1, one_minus_beta2, decoupled;

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[1]) const {
            // What is switched off is left out: 0 times an infinite number would be NaN.
            L const fresh = L(one_minus_beta1) * gradient, kept = L(one_minus_beta2) * gradient;
            L const c = beta1 != T(0) ? multiply_add(L(beta1), state[0], fresh) : fresh;
            state[0] = beta2 != T(0) ? multiply_add(L(beta2), state[0], kept) : kept;
            L const zero(T(0));
            w = multiply_add(w, L(decoupled), select(c > zero, L(-rate), select(c < zero, L(rate), zero)));
        }
        double bound(double& w, double gradient, double (&state)[1]) const {  // see optimizer.hpp
            auto const of = [](T x) { return static_cast<double>(x); };
            double const c = of(beta1) * state[0] + of(one_minus_beta1) * gradient;
            state[0] = of(beta2) * state[0] + of(one_minus_beta2) * gradient;
            w = std::fabs(of(decoupled)) * w + of(rate);
            return c + state[0] + w;
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        double const b1 = step.momentum.value_or(beta1);
        auto const as = [](double v) { return static_cast<T>(v); };
        return {as(step.learning_rate),
                as(b1),
                as(beta2),
                as(1 - b1),
                as(1 - beta2),
                as(1 - step.learning_rate * weight_decay)};
    }
};

}  // namespace strata::inline STRATA_ABI
