// The learning rate that never changes.
#pragma once

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr = the optimizer's learning rate, always. (PyTorch's ConstantLR, with a factor for the first steps, is
/// LinearWarmup's job here.)
struct ConstantLR {
    using policy = SchedulePolicy;

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const&) const { return {base_learning_rate}; }
};

}  // namespace strata::inline STRATA_ABI
