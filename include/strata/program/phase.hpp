// Phases: what of a program runs for all tiles before anything behind it.
#pragma once

#include <cstddef>

#include "../core/identity.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Where the phase ends that begins with step `end` of a table: behind a step that gathers a tile's part of a pass over
/// the batch, or before one of another group, where group(step) tells them apart.
template <class Steps, class Group>
constexpr std::size_t phase_end(Steps const& steps, std::size_t end, Group const& group) {
    while (end < steps.size()) {
        auto const& step = steps[end++];
        if (step.reduction || (end < steps.size() && group(steps[end]) != group(step))) break;
    }
    return end;
}

}  // namespace strata::inline STRATA_ABI::detail
