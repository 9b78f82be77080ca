// One update by a matrix optimizer: workers take tensors, one after the other, whoever is free.
#pragma once

#include <atomic>

#include "../../../core/aligned.hpp"
#include "../../../network/optimizer_state.hpp"
#include "../../../optimizer/clip.hpp"
#include "../threads/worker_pool.hpp"
#include "update.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Moves the parameters [Net::parameter_count] with their gradient. A tensor is moved by one worker alone, so who takes
/// it does not change a bit. Where a number would not be finite, or the optimizer throws, all are as they were; `before`
/// is memory for that, a copy that such an update of some products a matrix hardly notices. A clipped gradient is another
/// copy in it: the gradient itself stays what the pass left.
template <class Net, MatrixOptimizer Optimizer, class Scalar, class Gradient>
STRATA_COLD UpdateFault update_matrices(WorkerPool& pool, int workers, Optimizer const& optimizer,
                                        std::span<Scalar> weights, Gradient const* gradient, std::span<Scalar> states,
                                        OptimizerStep const& step, AlignedVector<Scalar>& before) {
    std::size_t const kept = weights.size() + states.size(), all = kept + (is_clipped<Optimizer> ? weights.size() : 0);
    if (before.size() != all) before = AlignedVector<Scalar>(all);
    std::copy(states.begin(), states.end(), std::copy(weights.begin(), weights.end(), before.begin()));
    if constexpr (is_clipped<Optimizer>) {
        static_assert(std::is_same_v<Scalar, Gradient>, "matrix optimizers see weights and gradients of one type");
        std::transform(gradient, gradient + weights.size(), before.data() + kept,
                       optimizer.clip.template change<Gradient>(step.gradient_norm));
        gradient = before.data() + kept;
    }
    Scalar *const parameters = weights.data(), *const state = states.data();
    constexpr int count = static_cast<int>(parameter_table<Net>.size());
    auto const rest = optimizer.rest.template prepare<Scalar>(step_of_rest(optimizer, step));
    constexpr int rest_states = states_of<std::remove_cvref_t<decltype(optimizer.rest)>>();
    auto const restore = [&] {
        std::copy_n(before.data(), weights.size(), weights.begin());
        std::copy_n(before.data() + weights.size(), states.size(), states.begin());
    };
    std::atomic<int> next{0};
    auto const body = [&](int, int) {
        for (int mine = next++; mine < count; mine = next++) {
            int index = 0;
            for_each_state<Net>(
                optimizer, [&](TensorRow const& row, MatrixShape shape, std::size_t offset, std::size_t) {
                    if (index++ != mine) return;
                    if (shape.rows > 0)
                        optimizer.update(shape, parameters + row.offset, gradient + row.offset, state + offset, step);
                    else
                        update_parameters<rest_states>(rest, parameters + row.offset, gradient + row.offset,
                                                       state + offset, row.size, 0, row.size);
                });
        }
    };
    try {
        pool.run((std::min)(workers, count), body);
    } catch (...) {
        restore();
        throw;
    }
    UpdateFault fault;
    auto const check = [&](std::span<Scalar> fresh, Scalar const* old, UpdateFault::Part part) {
        for (std::size_t i = 0; i < fresh.size() && !fault; ++i)
            if (!may_replace(old[i], fresh[i])) fault = {part, 0, static_cast<std::int64_t>(i)};
    };
    check(weights, before.data(), UpdateFault::Part::parameter);
    check(states, before.data() + weights.size(), UpdateFault::Part::state);
    if (fault) {
        if (fault.part == UpdateFault::Part::state)  // of which tensor
            for_each_state<Net>(optimizer,
                                [&, at = static_cast<std::size_t>(fault.index)](TensorRow const& row, MatrixShape,
                                                                                std::size_t offset, std::size_t size) {
                                    if (at >= offset && at < offset + size) fault.index = row.offset;
                                });
        restore();
    }
    return fault;
}

}  // namespace strata::inline STRATA_ABI::detail
