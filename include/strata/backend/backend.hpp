// What every backend shares: the tag of backend policies and the result of a step.
//
// A backend policy is a plain value with a nested template Executor<Net, Precision, Loss>, which offers
//
//   gradients(model, batch, key)            one training pass: loss, hits, and the gradient of the mean loss
//   gradient()                              that gradient, on the host, which may be changed before update
//   update(model, optimizer, state, step)   one optimizer update with that gradient, and the running statistics
//   update_statistics(model)                the latter alone
//   evaluate(model, batch, predictions, outputs)
//   first_non_finite(model, batch, key)     for messages
//   load(model, state), store(model, state) to the device and back; nothing on the CPU
#pragma once

#include <cstdint>

#include "../core/error.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of backend policies.
struct BackendPolicy {};

/// What a training or evaluation step says. `loss` is the mean over the batch.
struct StepResult {
    double loss = 0;
    std::int64_t correct = 0;
    int samples = 0;
    bool finite = true;  ///< false: loss or a gradient is NaN or infinite
};

/// Throws Error that begins with `who` unless the memory of a batch is what executors can read.
inline void check_batch_memory(Batch const& batch, char const* who) {
    if (!batch.inputs) fail(who, ": the batch has no inputs");
    if (batch.type != DataType::uint8 && batch.type != DataType::float32 && batch.type != DataType::float64)
        fail(who, ": the batch's type must be uint8, float32 or float64");
    if ((batch.scale == nullptr) != (batch.shift == nullptr)) fail(who, ": the batch has only one of scale and shift");
    if (batch.targets && batch.target_type != DataType::float32 && batch.target_type != DataType::float64)
        fail(who, ": the batch's target_type must be float32 or float64");
}

}  // namespace strata::inline STRATA_ABI
