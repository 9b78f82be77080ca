// ReduceLROnPlateau: the learning rate falls where the loss has stopped to.
#pragma once

#include <algorithm>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// base * factor^n, n the times that more than `patience` epochs in succession were not better than the best one before by
/// `threshold` of it; the `cooldown` epochs after a fall are not counted. It looks at SchedulePosition::losses. Source:
/// torch.optim.lr_scheduler.ReduceLROnPlateau, mode "min". Throws Error for options out of range.
struct ReduceLROnPlateau {
    double factor = 0.1;  ///< below 1
    int patience = 10;    ///< epochs
    double threshold = 1e-4;
    int cooldown = 0;  ///< epochs
    double min_learning_rate = 0;

    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        if (!(factor > 0) || !(factor < 1))
            fail("ReduceLROnPlateau: factor is ", factor, ", expected a number between 0 and 1");
        if (patience < 0 || cooldown < 0 || !(threshold >= 0) || !(min_learning_rate >= 0))
            fail("ReduceLROnPlateau: patience is ", patience, ", cooldown ", cooldown, ", threshold ", threshold,
                 ", min_learning_rate ", min_learning_rate, ", expected numbers of at least 0");
        double rate = base_learning_rate, best = 0;
        int bad = 0, resting = 0;
        bool any = false;
        for (double const loss : position.losses) {
            if (any ? loss < best * (1 - threshold) : !is_nan(loss)) {
                best = loss;
                any = true;
                bad = 0;
            } else {
                ++bad;
            }
            if (resting > 0) {
                --resting;
                bad = 0;
            }
            if (bad <= patience) continue;
            double const next = (std::max)(rate * factor, min_learning_rate);
            if (rate - next > 1e-8) rate = next;  // as PyTorch's eps
            resting = cooldown;
            bad = 0;
        }
        return {rate};
    }
};

}  // namespace strata::inline STRATA_ABI
