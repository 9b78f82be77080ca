// AdamW: Adam with decoupled weight decay, as torch.optim.AdamW: w shrinks by learning_rate
// weight_decay before Adam's update.
//
// Source: Loshchilov and Hutter, arXiv:1711.05101, Algorithm 2.
#pragma once

#include "adam.hpp"

namespace strata::inline STRATA_ABI {

struct AdamW {
    using policy = OptimizerPolicy;
    static constexpr int states = 2;                                         ///< first and second moment
    static constexpr char const* state_names[] = {"exp_avg", "exp_avg_sq"};  ///< in checkpoints, as PyTorch calls them
    static constexpr char const* name = "AdamW";
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 1e-2;

    STRATA_COLD void check() const { detail::check_adam_options(*this); }

    template <class T>
    [[nodiscard]] AdamUpdate<T> prepare(OptimizerStep const& step) const {
        AdamUpdate<T> update = Adam{learning_rate, beta1, beta2, epsilon, 0.0}.template prepare<T>(step);
        update.decoupled = static_cast<T>(1 - step.learning_rate * weight_decay);
        return update;
    }
};

}  // namespace strata::inline STRATA_ABI
