// How the state of an optimizer lies in one flat array: an elementwise optimizer's is [states][parameters], a matrix
// optimizer's goes tensor by tensor.
#pragma once

#include "../optimizer/grouped_optimizer.hpp"
#include "../optimizer/matrix_optimizer.hpp"
#include "tensor_table.hpp"

namespace strata::inline STRATA_ABI::detail {

constexpr bool is_matrix(TensorRow const& row) { return row.shape.size() > 1 && row.rows() > 1 && row.columns() > 1; }

/// Tensor `index` of parameter_table<Net> as a matrix; of no rows where it is none.
template <class Net>
MatrixShape matrix_shape(std::size_t index) {
    constexpr auto& table = parameter_table<Net>;
    if (!is_matrix(table[index])) return {};
    bool last = true;
    for (std::size_t later = index + 1; later < table.size(); ++later) last = last && !is_matrix(table[later]);
    return {table[index].rows(), table[index].columns(), last};
}

/// Calls f(row, shape, offset, size) for every parameter tensor; `shape` is of no rows where the rest of the optimizer
/// moves it, the state's `size` numbers begin at `offset`. Returns the size of all.
template <class Net, MatrixOptimizer O, class F>
std::size_t for_each_state(O const& optimizer, F const& f) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < parameter_table<Net>.size(); ++i) {
        MatrixShape shape = matrix_shape<Net>(i);
        if (shape.rows > 0 && !optimizer.takes(shape)) shape = {};
        auto const& row = parameter_table<Net>[i];
        using Rest = std::remove_cvref_t<decltype(optimizer.rest)>;
        std::size_t const size = shape.rows > 0
                                     ? static_cast<std::size_t>(optimizer.state_size(shape))
                                     : static_cast<std::size_t>(states_of<Rest>()) * static_cast<std::size_t>(row.size);
        f(row, shape, offset, size);
        offset += size;
    }
    return offset;
}

/// An optimizer whose groups, if it has some, know which of a network's parameters they are.
template <class Net, class Optimizer>
Optimizer with_groups_of(Optimizer optimizer) {
    if constexpr (is_grouped<Optimizer>) optimizer.resolve(parameter_table<Net>);
    return optimizer;
}

/// Numbers of state that an optimizer keeps for a network.
template <class Net, class Optimizer>
std::size_t optimizer_state_size(Optimizer const& optimizer) {
    if constexpr (MatrixOptimizer<Optimizer>)
        return for_each_state<Net>(optimizer, [](auto const&...) {});
    else
        return static_cast<std::size_t>(states_of<Optimizer>()) * static_cast<std::size_t>(Net::parameter_count);
}

}  // namespace strata::inline STRATA_ABI::detail
