// ClipNorm and ClipValue: gradients are made smaller before an update, as torch.nn.utils.clip_grad_norm_ and
// clip_grad_value_ do. Policies of a training, beside any optimizer: train<Net>(AdamW{…}, ClipNorm{1.0}).
//
// Elementwise optimizers take a clipped number where they read the gradient: memory is not read and written once more.
#pragma once

#include <limits>
#include <type_traits>

#include "optimizer.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of the policies that clip gradients.
struct ClippingPolicy {};

/// g = g min(1, max_norm / (norm + 1e-6)), with the Euclidean norm of the gradient of all parameters together (Pascanu et
/// al. 2013, in PyTorch's form). An infinite max_norm changes nothing: the norm is known then (StepResult::gradient_norm).
struct ClipNorm {
    using policy = ClippingPolicy;
    static constexpr bool needs_norm = true;
    double max_norm = 1;

    STRATA_COLD void check() const {
        if (!(max_norm > 0)) fail("ClipNorm: max_norm is ", max_norm, ", expected a number above 0");
    }
    /// What gradients of this norm are multiplied by.
    [[nodiscard]] double factor(double norm) const {
        double const whole = max_norm / (norm + 1e-6);
        return whole < 1 ? whole : 1;
    }
    /// What is done to a gradient's numbers in a step.
    template <class T>
    struct Change {
        T factor;
        template <class L>
        STRATA_HD STRATA_INLINE L operator()(L gradient) const {
            return L(factor) * gradient;
        }
    };
    template <class T>
    [[nodiscard]] Change<T> change(double norm) const {
        return {static_cast<T>(factor(norm))};
    }
};

/// Each number of the gradient is at least -max_value and at most max_value.
struct ClipValue {
    using policy = ClippingPolicy;
    static constexpr bool needs_norm = false;
    double max_value = 1;

    STRATA_COLD void check() const {
        if (!is_finite(max_value) || !(max_value > 0))
            fail("ClipValue: max_value is ", max_value, ", expected a finite number above 0");
    }
    template <class T>
    struct Change {
        T most;
        template <class L>
        STRATA_HD STRATA_INLINE L operator()(L gradient) const {
            return minimum(maximum(gradient, L(-most)), L(most));
        }
    };
    template <class T>
    [[nodiscard]] Change<T> change(double) const {
        return {static_cast<T>(max_value)};
    }
};

namespace detail {
/// Gradients stay as they are.
struct NoClipping {
    using policy = ClippingPolicy;
};

/// An optimizer that sees clipped gradients. Its name, options and state are the optimizer's. For a matrix optimizer, which
/// sees whole tensors, who calls it clips (backend/cpu/step/matrix_update.hpp).
template <class Optimizer, class Clipping>
struct Clipped : Optimizer {
    static constexpr bool clipping_needs_norm = Clipping::needs_norm;
    Clipping clip;

    Clipped(Optimizer const& optimizer, Clipping const& clipping) : Optimizer(optimizer), clip(clipping) {}
    STRATA_COLD void check() const {
        if constexpr (requires(Optimizer const& optimizer) { optimizer.check(); }) Optimizer::check();
        clip.check();
    }

    template <class Inner, class Change>
    struct Update {
        Inner inner;
        Change change;

        template <class L, class... State>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, State&... state) const {
            inner(w, change(gradient), state...);
        }
        template <class... State>
        double bound(double& w, double gradient, State&... state) const
        requires requires { inner.bound(w, gradient, state...); }
        {
            return inner.bound(w, gradient, state...);  // clipped numbers are no larger
        }
    };
    template <class T>
    [[nodiscard]] auto prepare(OptimizerStep const& step) const
    requires requires(Optimizer const& optimizer) { optimizer.template prepare<T>(step); }
    {
        using Change = typename Clipping::template Change<T>;
        return Update<update_of<Optimizer, T>, Change>{Optimizer::template prepare<T>(step),
                                                       clip.template change<T>(step.gradient_norm)};
    }
};
template <class Optimizer, class Clipping>
struct BareOptimizer<Clipped<Optimizer, Clipping>> : BareOptimizer<Optimizer> {};
/// Whether an optimizer is a clipped one, and its steps have to say the gradient's norm.
template <class Optimizer>
inline constexpr bool is_clipped = false;
template <class Optimizer>
inline constexpr bool clips_by_norm = false;
template <class Optimizer>
requires requires { Optimizer::clipping_needs_norm; }
inline constexpr bool is_clipped<Optimizer> = true;
template <class Optimizer>
requires requires { Optimizer::clipping_needs_norm; }
inline constexpr bool clips_by_norm<Optimizer> = Optimizer::clipping_needs_norm;
template <class Optimizer, class Clipping>
constexpr auto clipped(Optimizer const& optimizer, Clipping const& clipping) {
    if constexpr (std::is_same_v<Clipping, NoClipping>)
        return optimizer;
    else
        return Clipped<Optimizer, Clipping>(optimizer, clipping);
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
