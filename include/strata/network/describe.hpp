// From a network type to its flat, run-time description.
#pragma once

#include "network.hpp"
#include "summary.hpp"

namespace strata {

namespace detail {
template <int... E>
std::string extents_text(Shape<E...>) {
    std::string text;
    ((text += (text.empty() ? "" : " x ") + std::to_string(E)), ...);
    return text;
}
}  // namespace detail

/// What `summary` prints, and what messages take their names from. Bytes are for scalars of type T and full tiles of 16
/// samples.
template <class Net, class T = float>
[[nodiscard]] NetworkDescription describe() {
    NetworkDescription description;
    description.input_shape = detail::extents_text(typename Net::InputShape{});
    Net::for_each_operation([&]<int I>() {
        using Op = typename Net::template OperationAt<I>;
        LayerDescription layer;
        layer.name = Net::template NodeAt<I>::Name::text();
        layer.type = std::string(Op::type);
        layer.output_shape = detail::extents_text(typename Op::Output{});
        layer.parameters = Op::Parameters::size;
        layer.flops = Op::flops;
        layer.memory_bytes = static_cast<std::int64_t>(sizeof(T)) * Op::Output::size;
        description.layers.push_back(std::move(layer));
    });
    description.parameters = Net::parameter_count;
    description.forward_flops = Net::flops;
    description.training_flops = Net::training_flops;
    description.parameter_bytes = static_cast<std::int64_t>(Net::template parameter_bytes<T>);
    description.training_workspace_bytes = 16 * static_cast<std::int64_t>(Net::template training_bytes_per_sample<T>);
    description.inference_workspace_bytes = 16 * static_cast<std::int64_t>(Net::template inference_bytes_per_sample<T>);
    return description;
}

/// The network as a table: `std::puts(summary<LeNet>().c_str());`
template <class Net>
[[nodiscard]] std::string summary() {
    return format_summary(describe<Net>());
}

}  // namespace strata
