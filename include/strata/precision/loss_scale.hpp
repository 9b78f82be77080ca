// Loss scaling keeps small gradients from vanishing in a short storage type: the gradient of the loss is multiplied by
// a scale before backward, and the parameter gradients are divided by it before anything else sees them.
//
//   NoLossScale        1, the default: right for float, double and bfloat16
//   StaticLossScale    a constant
//   DynamicLossScale   as torch.cuda.amp.GradScaler: a step whose gradient is not finite is left out and the scale
//                      multiplied by `backoff`; after `interval` steps in a row with finite gradients it is multiplied
//                      by `growth`
//
// Powers of two change no bits of a gradient that neither overflows nor vanishes. Source: Micikevicius et al.,
// arXiv:1710.03740, section 3.2.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>

#include "../core/error.hpp"
#include "../core/finite.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of loss scaling policies.
struct LossScalePolicy {};

/// What every policy comes down to.
struct LossScaling {
    double initial = 1, growth = 1, backoff = 1;
    std::int64_t interval = 0;
    /// A dynamic scale falls no further: its inverse must be a number too.
    static constexpr double smallest = 0x1p-100;
    [[nodiscard]] bool is_dynamic() const { return interval > 0; }

    /// Moves a dynamic scale after a step; `finite_steps` counts them, in a row and since it last grew. The scale stays
    /// where growing would leave float's range.
    void step(bool finite, double& scale, std::int64_t& finite_steps) const {
        if (!finite) {
            scale = (std::max)(scale * backoff, smallest);
            finite_steps = 0;
        } else if (++finite_steps == interval) {
            finite_steps = 0;
            if (is_finite(static_cast<float>(scale * growth))) scale *= growth;
        }
    }
};

/// A loss scale: the tag, and what it comes down to.
template <class T>
concept LossScale = std::same_as<typename T::policy, LossScalePolicy> && requires(T const& scale) {
    { scale.scaling() } -> std::convertible_to<LossScaling>;
};

struct NoLossScale {
    using policy = LossScalePolicy;
    [[nodiscard]] LossScaling scaling() const { return {}; }
};

struct StaticLossScale {
    using policy = LossScalePolicy;
    double scale = 65536;

    /// Throws Error unless the scale is positive and finite.
    [[nodiscard]] LossScaling scaling() const {
        if (!(scale > 0) || !is_finite(static_cast<float>(scale)))
            fail("StaticLossScale: scale is ", scale, ", expected a positive, finite number");
        return {scale};
    }
};

struct DynamicLossScale {
    using policy = LossScalePolicy;
    double initial = 65536;
    double growth = 2;
    double backoff = 0.5;
    int interval = 2000;

    /// Throws Error where a number makes no sense.
    [[nodiscard]] LossScaling scaling() const {
        if (!(initial > 0) || !is_finite(static_cast<float>(initial)))
            fail("DynamicLossScale: initial is ", initial, ", expected a positive, finite number");
        if (!(growth > 1) || !is_finite(growth))
            fail("DynamicLossScale: growth is ", growth, ", expected a number above 1");
        if (!is_finite(backoff) || !(backoff > 0 && backoff < 1))
            fail("DynamicLossScale: backoff is ", backoff, ", expected a number between 0 and 1");
        if (interval < 1) fail("DynamicLossScale: interval is ", interval, ", expected at least 1");
        return {initial, growth, backoff, interval};
    }
};

}  // namespace strata::inline STRATA_ABI
