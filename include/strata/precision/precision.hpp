// Precision policies name the scalar types of a training run, each role on its own, so that mixed
// precision is one more policy:
//
//   storage       activations and their gradients in memory
//   compute       lane arithmetic
//   accumulation  parameter gradients
//   master        parameters and optimizer state
#pragma once

#include <concepts>

#include "../core/identity.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of precision policies.
struct PrecisionPolicy {};

/// A precision: the tag and the four types above.
template <class P>
concept Precision = std::same_as<typename P::policy, PrecisionPolicy> && requires {
    typename P::storage;
    typename P::compute;
    typename P::accumulation;
    typename P::master;
};

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

namespace detail {
/// One scalar type in all roles: what most fast kernels ask for.
template <class P>
concept UniformPrecision =
    std::same_as<typename P::storage, typename P::compute> && std::same_as<typename P::storage, typename P::master> &&
    std::same_as<typename P::storage, typename P::accumulation>;
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
