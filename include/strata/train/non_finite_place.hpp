// Where a number that is not finite comes from, in words.
#pragma once

#include "../network/network.hpp"
#include "input_check.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class Net>
STRATA_COLD std::string name_of_layer(int operation) {
    LayerRow const& row = Net::layer_table[static_cast<std::size_t>(operation)];
    return concatenate("layer ", row.name, " (", row.type, ")");
}
}  // namespace detail

/// The last layer whose gradient is not finite, in words; empty where there is none.
template <class Net, class Gradient>
STRATA_COLD std::string non_finite_gradient(std::span<Gradient> gradient) {
    for (int i = Net::operation_count - 1; i >= 0; --i)
        for (int p = Net::parameter_offset[static_cast<std::size_t>(i)];
             p < Net::parameter_offset[static_cast<std::size_t>(i) + 1]; ++p)
            if (!std::isfinite(gradient[static_cast<std::size_t>(p)]))
                return concatenate("the gradient of ", detail::name_of_layer<Net>(i), " is not finite");
    return {};
}

/// The first of sample, layer's output, loss and layer's gradient that is not finite, after a training pass over the
/// batch on `executor`.
template <class Net, class Executor, class Model>
STRATA_COLD std::string non_finite_place(Executor& executor, Model const& model, Batch const& batch, RandomKey key,
                                         StepResult const& result) {
    if (auto const bad = first_non_finite_sample(batch); bad >= 0)
        return concatenate("the input of ", name_of_sample(batch, bad), " is not finite");
    if (int const operation = executor.first_non_finite(model, batch, key); operation >= 0)
        return concatenate("the output of ", detail::name_of_layer<Net>(operation), " is not finite");
    if (!std::isfinite(result.loss)) return "the loss is not finite";
    if (auto place = non_finite_gradient<Net>(executor.gradient()); !place.empty()) return place;
    return "the gradient's norm is not finite";
}

}  // namespace strata::inline STRATA_ABI
