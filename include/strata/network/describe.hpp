// From a network type to its flat, run-time description.
#pragma once

#include "../core/error.hpp"
#include "network.hpp"
#include "summary.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
inline std::string extents_text(std::span<int const> extents) {
    std::string text;
    for (int const extent : extents) text += concatenate(text.empty() ? "" : " x ", extent);
    return text;
}

STRATA_COLD inline std::vector<LayerDescription> describe_layers(std::span<LayerRow const> table,
                                                                 std::size_t scalar_bytes) {
    std::vector<LayerDescription> layers(table.size());
    for (std::size_t i = 0; i < table.size(); ++i) {
        LayerRow const& row = table[i];
        layers[i].name = row.name;
        layers[i].type = row.type;
        layers[i].output_shape = extents_text(row.output_shape);
        layers[i].parameters = row.parameters;
        layers[i].flops = row.flops;
        layers[i].memory_bytes = static_cast<std::int64_t>(scalar_bytes);
        for (int const extent : row.output_shape) layers[i].memory_bytes *= extent;
    }
    return layers;
}
}  // namespace detail

/// What `summary` prints. Bytes are for scalars of type T and full tiles of 16 samples.
template <class Net, class T = float>
[[nodiscard]] NetworkDescription describe() {
    NetworkDescription description;
    description.input_shape = detail::extents_text(detail::ExtentsOf<typename Net::InputShape>::value);
    if constexpr (detail::are_ids<typename detail::EntryOf<typename Net::InputType>::type>)
        description.input_shape += Net::InputShape::size > 1 ? " ids" : " id";
    description.layers = detail::describe_layers(Net::layer_table, sizeof(T));
    description.parameters = Net::weight_count;
    description.forward_flops = Net::flops;
    description.training_flops = Net::training_flops;
    description.parameter_bytes = static_cast<std::int64_t>(Net::template parameter_bytes<T>);
    description.training_workspace_bytes = 16 * static_cast<std::int64_t>(Net::template training_bytes_per_sample<T>);
    description.inference_workspace_bytes = 16 * static_cast<std::int64_t>(Net::template inference_bytes_per_sample<T>);
    description.longest_sequence = Net::longest_sequence;
    return description;
}

/// The network as a table: `std::puts(summary<LeNet>().c_str());`
template <class Net>
[[nodiscard]] std::string summary() {
    return format_summary(describe<Net>());
}

}  // namespace strata::inline STRATA_ABI
