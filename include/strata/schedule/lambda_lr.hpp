// A schedule made from the user's own function.
#pragma once

#include <type_traits>
#include <utility>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// lr = base * f(position), f taking a SchedulePosition and returning the factor:
///
///     LambdaLR([](SchedulePosition const& p) { return std::pow(0.95, double(p.epoch)); })
///
/// f must be a pure function, or a resumed training differs from one that never stopped. Source:
/// torch.optim.lr_scheduler.LambdaLR.
template <class Function>
requires std::is_invocable_r_v<double, Function const&, SchedulePosition const&>
class LambdaLR {
public:
    using policy = SchedulePolicy;

    explicit LambdaLR(Function function) : function_(std::move(function)) {}

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        return {base_learning_rate * static_cast<double>(function_(position))};
    }

private:
    Function function_;
};

}  // namespace strata::inline STRATA_ABI
