// Seed and NonFinite: the policies that are the trainer's own.
#pragma once

#include <cstdint>

#include "../core/identity.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of the policies that are the trainer's own.
struct SeedPolicy {};
struct NonFinitePolicy {};

/// Seed of initialisation, shuffling, augmentation and dropout.
struct Seed {
    using policy = SeedPolicy;
    std::uint64_t value = 0;
};
/// What to do when loss, gradient or a number to be written is not finite: stop with an Error that names step and layer,
/// or skip the update.
struct NonFinite {
    using policy = NonFinitePolicy;
    bool skip = false;
};

}  // namespace strata::inline STRATA_ABI
