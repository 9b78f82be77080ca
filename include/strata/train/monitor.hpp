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
char const* name_of(Monitor monitor);
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

    BestEpoch(History const& history, Monitor monitor, double min_delta = 0);
};

/// Throws Error where what is looked at is never there.
void check_monitor(char const* who, Monitor monitor, bool classifies, bool has_test);
}  // namespace detail

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "monitor.ipp"
#endif
