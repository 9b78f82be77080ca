// What one call of Trainer::fit is told, and what it tells callbacks.
#pragma once

#include <string>

#include "../backend/backend.hpp"
#include "../core/error.hpp"
#include "../core/function.hpp"
#include "metrics.hpp"
#include "monitor.hpp"
#include "progress.hpp"

namespace strata::inline STRATA_ABI {

/// What a step says to callbacks.
struct StepEvent {
    std::int64_t step = 0;   ///< steps done, this one included
    std::int64_t epoch = 0;  ///< epochs done
    StepResult result;
    double learning_rate = 0;
};

/// Run-time values of one call of fit.
struct FitOptions {
    int epochs = 1;       ///< of the whole training: a resumed trainer does what is left of them
    int batch_size = 64;  ///< with Accumulate an update sees several batches
    bool shuffle = true;
    bool drop_last = false;
    int loader_threads = 1;  ///< that prepare batches in the background; 0: none
    int evaluation_batch_size = 256;
    ProgressStyle progress = ProgressStyle::automatic;
    std::string checkpoint = {};        ///< file written after every epoch and every checkpoint_steps steps
    std::int64_t checkpoint_steps = 0;  ///< 0: after epochs only
    EarlyStopping early_stopping = {};
    KeepBest keep_best = {};
    Function<void(StepEvent const&)> on_step = {};
    Function<void(EpochRecord const&)> on_epoch = {};
    // Who makes the options calls fit, and most likely compiled the kernels: units of one program may differ in this.
#ifdef __OPTIMIZE__
    bool unoptimised = false;
#else
    bool unoptimised = true;  ///< the program was compiled without optimisation: fit says so in its progress
#endif

    /// Throws Error for values that make no sense, before anything is trained; the loader checks its own, the trainer
    /// whether the checkpoint can be written.
    STRATA_COLD void check() const {
        if (epochs < 0) fail("fit: epochs is ", epochs, ", expected at least 0");
        if (batch_size < 1) fail("fit: batch_size is ", batch_size, ", expected at least 1");
        if (evaluation_batch_size < 1)
            fail("fit: evaluation_batch_size is ", evaluation_batch_size, ", expected at least 1");
        if (checkpoint_steps < 0) fail("fit: checkpoint_steps is ", checkpoint_steps, ", expected at least 0");
        if (checkpoint_steps > 0 && checkpoint.empty()) fail("fit: checkpoint_steps is given, but no checkpoint file");
        if (early_stopping.patience < 0)
            fail("fit: early_stopping.patience is ", early_stopping.patience, ", expected at least 0");
        if (!is_finite(early_stopping.min_delta) || !(early_stopping.min_delta >= 0))
            fail("fit: early_stopping.min_delta is ", early_stopping.min_delta, ", expected at least 0");
        if (!keep_best.file.empty() && keep_best.file == checkpoint)
            fail("fit: keep_best.file and checkpoint are both ", checkpoint);
    }
    /// Throws Error where what is to be looked at after epochs is never there.
    STRATA_COLD void check_monitors(bool classifies, bool has_test) const {
        if (early_stopping.patience > 0)
            detail::check_monitor("early_stopping", early_stopping.monitor, classifies, has_test);
        if (!keep_best.file.empty()) detail::check_monitor("keep_best", keep_best.monitor, classifies, has_test);
    }
};

}  // namespace strata::inline STRATA_ABI
