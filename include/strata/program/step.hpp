// One step of a program as data, whatever runs it.
#pragma once

#include "../network/plan.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Where an operation's data lies: offsets in the plan (scalars of one sample, -1 for none), in the
/// parameters and in what passes over the batch leave.
struct OperationOffsets {
    std::ptrdiff_t x = -1, y = -1, dy = -1, dx = -1, extra = -1, parameters = 0;
    int statistics = 0;
    int inputs = 1;                                 ///< all of them
    std::ptrdiff_t more[ValueList::most - 1] = {};  ///< those behind the first
    std::ptrdiff_t forward_passes = -1, backward_passes = -1;
    std::ptrdiff_t state = 0;  ///< among the numbers that operations keep of a token
};

/// What a step has to do with its operation's parameters, which begin at OperationOffsets::parameters.
struct StepParameters {
    std::ptrdiff_t count = 0;      ///< how many there are, for forward kernels
    std::ptrdiff_t gradients = 0;  ///< of how many the step makes the gradients in the arena of a leaf
    std::ptrdiff_t cleared = 0;    ///< of how many these must begin at zero: not where the kernel sets them
    bool adds = false;             ///< to a gradient that an earlier step of the tile has begun
    bool frozen = false;           ///< they are among the buffers
};

/// A pass over the batch, whose parts are merged when all tiles have gathered theirs: it ends a phase.
struct BatchReduction {
    int at = 0, numbers = 0;     ///< the pass's, among those of the network
    std::ptrdiff_t buffers = 0;  ///< where the operation's begin
    explicit constexpr operator bool() const { return numbers > 0; }
};

/// One step: what it works on. A backend's step adds how it runs.
struct Step {
    int operation = -1;
    bool backward = false;
    OperationOffsets offsets{};
    GradientWrite write = GradientWrite::none;  ///< of dx
    StepParameters parameters{};
    BatchReduction reduction{};
    bool relu = false;  ///< the ReLU that follows the operation is a part of the step
    bool reads_sequences = false, makes_sequences = false;  ///< inputs, or the output, have a column a sequence
};

}  // namespace strata::inline STRATA_ABI::detail
