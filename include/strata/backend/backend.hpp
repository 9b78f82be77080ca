// What every backend shares: the tag of backend policies and the result of a step.
//
// A backend policy is a plain value with a nested template Executor<Net, Precision, Loss>, which offers
//
//   gradients(model, batch, key)            one training pass: loss, hits, and the gradient of the mean loss
//   update(model, optimizer, state, step)   one optimizer update with that gradient
//   evaluate(model, batch, predictions, outputs)
//   first_non_finite(model, batch, key)     for messages
//   load(model, state), store(model, state) to the device and back; nothing on the CPU
#pragma once

#include <cstdint>

namespace strata {

/// Tag of backend policies.
struct BackendPolicy {};

/// What a training or evaluation step says. `loss` is the mean over the batch.
struct StepResult {
    double loss = 0;
    std::int64_t correct = 0;
    int samples = 0;
    bool finite = true;  ///< false: loss or a gradient is NaN or infinite
};

}  // namespace strata
