// EarlyStopping and KeepBest: what fit does with the best epoch so far. They look at the history alone, which is in
// checkpoints: a resumed training stops where, and keeps what, one without a pause does.
#pragma once

#include <string>

#include "metrics.hpp"

namespace strata::inline STRATA_ABI {

/// What of an epoch's record says how good it is.
enum class Monitor : std::uint8_t { test_loss, test_accuracy, train_loss, train_accuracy };

/// Ends fit where `patience` epochs in succession have not been better than the best one before them, by more than
/// `min_delta`. As Keras' EarlyStopping; PyTorch has none of its own.
struct EarlyStopping {
    int patience = 0;  ///< epochs; 0: never
    double min_delta = 0;
    Monitor monitor = Monitor::test_loss;
};

/// Writes the weights of the best epoch so far to a file that `load` reads. Where that epoch was before fit was told of
/// the file, there is none until a better one.
struct KeepBest {
    std::string file = {};  ///< none: nothing is written
    Monitor monitor = Monitor::test_loss;
};

namespace detail {
inline char const* name_of(Monitor monitor) {
    constexpr char const* names[] = {"test loss", "test accuracy", "train loss", "train accuracy"};
    return names[static_cast<int>(monitor)];
}
constexpr bool is_accuracy(Monitor monitor) {
    return monitor == Monitor::test_accuracy || monitor == Monitor::train_accuracy;
}
constexpr bool is_of_test(Monitor monitor) {
    return monitor == Monitor::test_loss || monitor == Monitor::test_accuracy;
}
constexpr double monitored(EpochRecord const& record, Monitor monitor) {
    double const values[] = {record.test_loss, record.test_accuracy, record.train_loss, record.train_accuracy};
    return values[static_cast<int>(monitor)];
}

/// The best epoch of a history. What is NaN is worse than any other.
struct BestEpoch {
    double value = EpochRecord::unknown;
    std::int64_t epoch = 0;  ///< 0: there is none
    int since = 0;           ///< epochs after it; 0 where there is none, in epochs without test data for example

    STRATA_COLD BestEpoch(History const& history, Monitor monitor, double min_delta = 0) {
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
};

/// Throws Error where what is looked at is never there.
STRATA_COLD inline void check_monitor(char const* who, Monitor monitor, bool classifies, bool has_test) {
    if (is_of_test(monitor) && !has_test)
        fail("fit: ", who, " looks at the ", name_of(monitor), ", but fit has no test data");
    if (is_accuracy(monitor) && !classifies)
        fail("fit: ", who, " looks at the ", name_of(monitor), ", but this loss has no classes");
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
