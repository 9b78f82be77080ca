// Where a number that is not finite comes from, in words.
#pragma once

#include "../backend/update_range.hpp"
#include "../network/model.hpp"
#include "input_check.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_COLD inline std::string name_of_layer(LayerRow const& row) {
    return concatenate("layer ", row.name, " (", row.type, ")");
}
template <class Net>
STRATA_COLD std::string name_of_layer(int operation) {
    return name_of_layer(Net::layer_table[static_cast<std::size_t>(operation)]);
}
}  // namespace detail

/// The number that an update would not leave finite: "running_var of layer bn (BatchNorm2d)".
template <class Model>
STRATA_COLD std::string non_finite_place(Model const& model, UpdateFault const& fault) {
    auto const* const numbers =
        fault.part == UpdateFault::Part::buffer ? model.buffers().data() : model.parameters().data();
    auto const* const at = numbers + fault.index;
    std::string place = fault.part == UpdateFault::Part::state
                            ? concatenate("the optimizer's state ", fault.state, " of ")
                            : std::string();
    for (auto const& tensor : model.tensors()) {
        auto const* const first = static_cast<typename Model::Scalar const*>(tensor.data);
        if (tensor.type == DataType::int64 || at < first || at >= first + tensor.size()) continue;
        std::size_t const dot = tensor.name.rfind('.');
        place += tensor.name.substr(dot + 1);
        for (LayerRow const& row : Model::Network::layer_table)
            if (row.has_tensors && row.name == std::string_view(tensor.name).substr(0, dot))
                place += concatenate(" of ", detail::name_of_layer(row));
    }
    return place;
}

/// The last layer whose gradient is not finite, in words; empty where there is none.
template <class Net, class Gradient>
STRATA_COLD std::string non_finite_gradient(std::span<Gradient> gradient) {
    for (int i = Net::operation_count - 1; i >= 0; --i)
        for (std::ptrdiff_t p = Net::parameter_offset[static_cast<std::size_t>(i)];
             p < Net::parameter_offset[static_cast<std::size_t>(i) + 1]; ++p)
            if (!is_finite(gradient[static_cast<std::size_t>(p)]))
                return concatenate("the gradient of ", detail::name_of_layer<Net>(i), " is not finite");
    return {};
}

/// The first of samples, targets and layers' outputs that is not finite, after a pass over a batch; `operation` is what
/// the executor's first_non_finite says, `targets` how many numbers of a sample's targets the loss reads. Empty where
/// all are finite.
template <class Net, class Precision>
STRATA_COLD std::string non_finite_place(Model<Net, Precision> const&, Batch const& batch, int operation, int targets) {
    auto place = non_finite_sample<typename Precision::storage>(batch, targets);
    if (place.empty() && operation >= 0)
        place = concatenate("the output of ", detail::name_of_layer<Net>(operation), " is not finite");
    return place;
}

/// The same after a training pass, and the loss and the layers' gradients.
template <class Executor, class Net, class Precision>
STRATA_COLD std::string non_finite_place(Executor& executor, Model<Net, Precision> const& model, Batch const& batch,
                                         RandomKey key, StepResult const& result, int targets) {
    std::string const in_gradient = non_finite_gradient<Net>(executor.gradient());  // ranks gather it together
    auto const place = non_finite_place(model, batch, executor.first_non_finite(model, batch, key), targets);
    if (!place.empty()) return place;
    if (!is_finite(result.loss)) return "the loss is not finite";
    if (!in_gradient.empty()) return in_gradient;
    return "the gradient is not finite";
}

}  // namespace strata::inline STRATA_ABI
