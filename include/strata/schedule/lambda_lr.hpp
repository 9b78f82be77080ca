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
class LambdaLR {
    static constexpr bool ok = std::is_invocable_r_v<double, Function const&, SchedulePosition const&>;
    static_assert(ok, "LambdaLR takes a function of a SchedulePosition (.epoch, .step) that returns the factor");

public:
    using policy = SchedulePolicy;

    explicit LambdaLR(Function function) : function_(std::move(function)) {}

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        if constexpr (ok)
            return {base_learning_rate * static_cast<double>(function_(position))};
        else
            return {};
    }

private:
    Function function_;
};

}  // namespace strata::inline STRATA_ABI
