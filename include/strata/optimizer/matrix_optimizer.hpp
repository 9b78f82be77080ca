// The second kind of optimizer: one that sees a parameter tensor whole, as a matrix, instead of element by element.
//
//   using policy = OptimizerPolicy, name, learning_rate, check()      as every optimizer
//   rest                                   an elementwise optimizer (AdamW, say) for tensors that are no matrices: biases,
//                                          BatchNorm's, and those that takes() refuses
//   takes(shape)                           whether a matrix is its own, or the rest's
//   state_size(shape)                      numbers of state that it keeps for a matrix; they start at 0
//   update(shape, w, g, state, step)       moves a matrix; w, g [rows][columns], w and state of one type
//
// A matrix is a tensor of two or more extents with more than one row and column; convolution weights are [out][in kh kw].
// Updates of different matrices run at the same time, each in one thread, so they must depend on nothing else.
#pragma once

#include <concepts>
#include <cstddef>

#include "optimizer.hpp"

namespace strata::inline STRATA_ABI {

/// A parameter tensor as a matrix optimizer sees it.
struct MatrixShape {
    int rows = 0, columns = 0;
    bool is_last = false;  ///< the last matrix of the network, that of its output layer
};

/// What the top of this header lists.
template <class O>
concept MatrixOptimizer =
    requires(O const& optimizer, MatrixShape shape, OptimizerStep step, float* w, float const* g) {
        { optimizer.takes(shape) } -> std::convertible_to<bool>;
        { optimizer.state_size(shape) } -> std::convertible_to<std::size_t>;
        { optimizer.rest.learning_rate } -> std::convertible_to<double>;
        optimizer.update(shape, w, g, w, step);
    };

/// The step of a matrix optimizer's `rest`: its own learning rate, moved by the schedule as the matrices' is.
template <MatrixOptimizer O>
[[nodiscard]] OptimizerStep step_of_rest(O const& optimizer, OptimizerStep step) {
    step.learning_rate *= optimizer.rest.learning_rate / optimizer.learning_rate;
    return step;
}

}  // namespace strata::inline STRATA_ABI
