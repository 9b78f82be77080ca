// RMSprop, as torch.optim.RMSprop (weight_decay is L2: added to the gradient).
//
//   g = dw + weight_decay w,  v = alpha v + (1 - alpha) g^2,  a = alpha a + (1 - alpha) g (where it is centered),
//   d = g / (sqrt(centered ? v - a^2 : v) + epsilon),  b = momentum b + d,  w = w - learning_rate (momentum > 0 ? b : d)
//
// Sources: Tieleman and Hinton, "Lecture 6.5", Coursera 2012; centered: Graves, arXiv:1308.0850, equations 38 to 45.
#pragma once

#include <limits>

#include "optimizer.hpp"

namespace strata::inline STRATA_ABI {

/// Keeps three numbers a parameter whatever its options are; a state that they switch off stays as it is.
struct RMSprop {
    using policy = OptimizerPolicy;
    static constexpr int states = 3;                                                             ///< v, b, a
    static constexpr char const* state_names[] = {"square_avg", "momentum_buffer", "grad_avg"};  ///< as PyTorch's
    static constexpr char const* name = "RMSprop";
    double learning_rate = 1e-2;
    double alpha = 0.99;
    double epsilon = 1e-8;
    double weight_decay = 0.0;
    double momentum = 0.0;
    bool centered = false;

    STRATA_COLD void check() const {
        detail::check_rate(name, "learning_rate", learning_rate);
        detail::check_rate(name, "alpha", alpha, true);
        detail::check_rate(name, "epsilon", epsilon);
        detail::check_rate(name, "weight_decay", weight_decay);
        detail::check_rate(name, "momentum", momentum, true);
    }

    template <class T>
    struct Update {
        T rate, alpha, one_minus_alpha, epsilon, decay, momentum;
        bool centered;

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[3]) const {
            // What is switched off is left out: 0 times an infinite number, a masked class's bias, would be NaN.
            L const g = decay != T(0) ? multiply_add(L(decay), w, gradient) : gradient;
            L const fresh = L(one_minus_alpha) * g, square = fresh * g;
            state[0] = alpha != T(0) ? multiply_add(L(alpha), state[0], square) : square;
            L variance = state[0];
            if (centered) {
                state[2] = alpha != T(0) ? multiply_add(L(alpha), state[2], fresh) : fresh;
                // Of a gradient that hardly changes nothing is left but rounding, below 0 at times: NaN in PyTorch.
                variance = maximum(multiply_add(-state[2], state[2], variance), L(T(0)));
            }
            L direction = g / (sqrt(variance) + L(epsilon));
            if (momentum != T(0)) direction = state[1] = multiply_add(L(momentum), state[1], direction);
            w = multiply_add(L(-rate), direction, w);
        }
        double bound(double& w, double gradient, double (&state)[3]) const {  // see optimizer.hpp
            if (!(epsilon > T(0))) return (std::numeric_limits<double>::max)();
            auto const of = [](T x) { return static_cast<double>(x); };
            double const g = gradient + of(decay) * w;
            state[0] = of(alpha) * state[0] + of(one_minus_alpha) * g * g;
            if (centered) state[2] = of(alpha) * state[2] + of(one_minus_alpha) * g;
            double direction = g / of(epsilon);
            if (!centered) {
                // v is (1 - alpha) g^2 at least, but where that has lost its last digits, or all of them.
                double const smallest = 1e3 * of((std::numeric_limits<T>::min)()) / of(one_minus_alpha);
                direction = std::fmin(
                    direction, std::fmax(1.01 / std::sqrt(of(one_minus_alpha)), std::sqrt(smallest) / of(epsilon)));
            }
            double const divided = direction;
            if (momentum != T(0)) direction = state[1] = of(momentum) * state[1] + divided;
            w += of(rate) * direction;
            return g + state[0] + std::sqrt(state[0]) + state[2] + state[2] * state[2] + divided + direction + w;
        }
    };
    template <class T>
    [[nodiscard]] Update<T> prepare(OptimizerStep const& step) const {
        auto const as = [](double v) { return static_cast<T>(v); };
        return {as(step.learning_rate),
                as(alpha),
                as(1 - alpha),
                as(epsilon),
                as(weight_decay),
                as(step.momentum.value_or(momentum)),
                centered};
    }
};

}  // namespace strata::inline STRATA_ABI
