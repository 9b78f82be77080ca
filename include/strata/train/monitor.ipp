// The functions of monitor.hpp that no network type touches.
#pragma once

#include "metrics.hpp"
#include "monitor.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_DEFINE char const* name_of(Monitor monitor) {
    constexpr char const* names[] = {"test loss", "test accuracy", "train loss", "train accuracy"};
    return names[static_cast<int>(monitor)];
}

STRATA_DEFINE STRATA_COLD BestEpoch::BestEpoch(History const& history, Monitor monitor, double min_delta) {
    for (auto const& record : history) {
        double const fresh = monitored(record, monitor);
        double const gain = is_accuracy(monitor) ? fresh - value : value - fresh;
        if (!is_nan(fresh) && (is_nan(value) || gain > min_delta)) {
            value = fresh;
            epoch = record.epoch;
            since = 0;
        } else if (epoch > 0) {
            ++since;
        }
    }
}

STRATA_DEFINE STRATA_COLD void check_monitor(char const* who, Monitor monitor, bool classifies, bool has_test) {
    if (is_of_test(monitor) && !has_test)
        fail("fit: ", who, " looks at the ", name_of(monitor), ", but fit has no test data");
    if (is_accuracy(monitor) && !classifies)
        fail("fit: ", who, " looks at the ", name_of(monitor), ", but this loss has no classes");
}

}  // namespace detail

}  // namespace strata::inline STRATA_ABI
