// The last step of a training pass, where the samples of a batch have a gradient, too (RequiresGrad).
#pragma once

#include "program_step.hpp"

namespace strata::inline STRATA_ABI::detail {

/// A tile's part of it, from the workspace to TileContext::input_gradients, without the loss scale.
template <class Precision, class Loss>
STRATA_COLD void give_input_gradients(TileContext<Precision, Loss> const& c, std::ptrdiff_t gradient_at, int size) {
    using Value = typename Precision::compute;
    auto const* const tile = c.workspace + gradient_at * c.stride;
    for (std::ptrdiff_t e = 0; c.input_gradients && e < size; ++e)
        for (std::ptrdiff_t s = 0; s < c.samples; ++s)
            c.input_gradients[(c.first + s) * size + e] =
                static_cast<Value>(static_cast<double>(static_cast<Value>(tile[e * c.stride + s])) / c.loss_scale);
}

}  // namespace strata::inline STRATA_ABI::detail
