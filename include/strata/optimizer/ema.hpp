// Ema: an exponential moving average of the weights, a policy of a training beside any elementwise optimizer:
// train<Net>(AdamW{…}, Ema{.decay = 0.999}), trainer.averaged().
//
// It is one more state of the optimizer: moved where the weights are, sharded with them, in checkpoints as "ema".
#pragma once

#include <array>

#include "matrix_optimizer.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

/// Tag of the policies that average weights.
struct AveragingPolicy {};

/// After each update average = decay average + (1 - decay) w, and w after the first one, as
/// torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn(decay) (Polyak and Juditsky 1992).
struct Ema {
    using policy = AveragingPolicy;
    double decay = 0.999;

    STRATA_COLD void check() const { detail::check_rate("Ema", "decay", decay, true); }
};

namespace detail {
/// Weights are not averaged.
struct NoAveraging {
    using policy = AveragingPolicy;
};

/// An optimizer whose last state is the average of the weights. Its name and options are the optimizer's.
template <class Optimizer>
struct Averaged : Optimizer {
    static constexpr int states = states_of<Optimizer>() + 1;
    static constexpr auto state_names = [] {
        constexpr char const* unnamed[] = {"state0", "state1", "state2", "state3", "state4", "state5", "state6"};
        std::array<char const*, static_cast<std::size_t>(states)> names{};
        for (int k = 0; k + 1 < states; ++k)
            if constexpr (requires { Optimizer::state_names; })
                names[static_cast<std::size_t>(k)] = Optimizer::state_names[k];
            else
                names[static_cast<std::size_t>(k)] = unnamed[k];
        names.back() = "ema";
        return names;
    }();
    Ema average;

    Averaged(Optimizer const& optimizer, Ema const& ema) : Optimizer(optimizer), average(ema) {}
    STRATA_COLD void check() const {
        if constexpr (requires(Optimizer const& optimizer) { optimizer.check(); }) Optimizer::check();
        average.check();
    }

    template <class Inner, class T>
    struct Update {
        static constexpr int inner_states = states - 1;
        Inner inner;
        T keep;  // of the average so far

        template <class L>
        STRATA_HD STRATA_INLINE void operator()(L& w, L gradient, L (&state)[states]) const {
            if constexpr (inner_states == 0) {
                inner(w, gradient);
            } else {
                L its[inner_states];
                for (int k = 0; k < inner_states; ++k) its[k] = state[k];
                inner(w, gradient, its);
                for (int k = 0; k < inner_states; ++k) state[k] = its[k];
            }
            L const mean = state[inner_states];
            // A weight that is infinite (a masked class's bias) is its own average.
            state[inner_states] = keep == T(0) ? w : select(mean == w, w, multiply_add(L(keep), mean - w, w));
        }
        double bound(double& w, double gradient, double (&state)[states]) const
        requires(inner_states > 0) &&
                requires(double (&its)[inner_states > 0 ? inner_states : 1]) { inner.bound(w, gradient, its); }
        {
            double its[inner_states];
            for (int k = 0; k < inner_states; ++k) its[k] = state[k];
            double const largest = inner.bound(w, gradient, its);
            for (int k = 0; k < inner_states; ++k) state[k] = its[k];
            double& mean = state[inner_states];
            double const between = mean + w;  // and no more is their difference
            mean = mean > w ? mean : w;
            return largest > between ? largest : between;
        }
    };
    template <class T>
    [[nodiscard]] auto prepare(OptimizerStep const& step) const {
        return Update<update_of<Optimizer, T>, T>{Optimizer::template prepare<T>(step),
                                                  step.index == 0 ? T(0) : static_cast<T>(average.decay)};
    }
};
template <class Optimizer>
struct BareOptimizer<Averaged<Optimizer>> : BareOptimizer<Optimizer> {};
/// Whether an optimizer averages the weights.
template <class Optimizer>
inline constexpr bool is_averaged = false;
template <class Optimizer>
inline constexpr bool is_averaged<Averaged<Optimizer>> = true;

template <class Optimizer, class Averaging>
constexpr auto averaged(Optimizer const& optimizer, Averaging const& averaging) {
    constexpr bool averages = !std::is_same_v<Averaging, NoAveraging>, elementwise = !MatrixOptimizer<Optimizer>;
    static_assert(elementwise || !averages,
                  "Ema goes with elementwise optimizers: Muon, Shampoo, SOAP, LAMB and LARS keep no state beside each "
                  "weight");
    if constexpr (averages && elementwise)
        return Averaged<Optimizer>(optimizer, averaging);
    else
        return optimizer;
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
