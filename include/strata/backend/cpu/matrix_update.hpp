// One update by a matrix optimizer: workers take tensors, one after the other, whoever is free.
#pragma once

#include <atomic>

#include "../../network/optimizer_state.hpp"
#include "update.hpp"
#include "worker_pool.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Moves the parameters [Net::parameter_count] with their gradient. A tensor is moved by one worker alone, so who takes
/// it does not change a bit.
template <class Net, MatrixOptimizer Optimizer, class Scalar, class Gradient>
STRATA_COLD void update_matrices(WorkerPool& pool, int workers, Optimizer const& optimizer, Scalar* parameters,
                                 Gradient const* gradient, Scalar* state, OptimizerStep const& step) {
    constexpr int count = static_cast<int>(parameter_table<Net>.size());
    auto const rest = optimizer.rest.template prepare<Scalar>(step_of_rest(optimizer, step));
    constexpr int states = states_of<std::remove_cvref_t<decltype(optimizer.rest)>>();
    std::atomic<int> next{0};
    pool.run((std::min)(workers, count), [&](int, int) {
        for (int mine = next++; mine < count; mine = next++) {
            int index = 0;
            for_each_state<Net>(
                optimizer, [&](TensorRow const& row, MatrixShape shape, std::size_t offset, std::size_t) {
                    if (index++ != mine) return;
                    if (shape.rows > 0)
                        optimizer.update(shape, parameters + row.offset, gradient + row.offset, state + offset, step);
                    else
                        update_parameters<states>(rest, parameters + row.offset, gradient + row.offset, state + offset,
                                                  row.size, 0, row.size);
                });
        }
    });
}

}  // namespace strata::inline STRATA_ABI::detail
