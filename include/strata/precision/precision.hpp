// Precision policies name the scalar types of a training run, each role on its own, so that mixed precision is one more
// policy:
//
//   storage       activations and their gradients in memory
//   compute       lane arithmetic
//   accumulation  parameter gradients
//   master        parameters and optimizer state
#pragma once

namespace strata {

/// Tag of precision policies.
struct PrecisionPolicy {};

/// Single precision throughout, the default.
struct Float32 {
    using policy = PrecisionPolicy;
    using storage = float;
    using compute = float;
    using accumulation = float;
    using master = float;
};

/// Double precision throughout: gradient checks and reference results.
struct Float64 {
    using policy = PrecisionPolicy;
    using storage = double;
    using compute = double;
    using accumulation = double;
    using master = double;
};

}  // namespace strata
