// The kernels that no network type touches, of floats in whole vectors: where strata::files is linked they are compiled
// once, in the library, and programs only call them. The entries alone are listed, what they call comes with them. A
// kernel that is not here is compiled where it is used: those of other numbers and of narrower vectors, and those that
// know a layer's shape.
#pragma once

#include "kernels.hpp"

#if defined(STRATA_FILES) && (defined(__SSE2__) || defined(__ARM_NEON))
namespace strata::inline STRATA_ABI::detail {

using CompiledLane = widest_lane<float>;

STRATA_COMPILED(bias_gradient<CompiledLane, float>);
STRATA_COMPILED(correlate_block<2, 1, CompiledLane, float>);
STRATA_COMPILED(correlate_block<2, block_vectors, CompiledLane, float>);
STRATA_COMPILED(correlate_block<4, 1, CompiledLane, float>);
STRATA_COMPILED(correlate_block<4, block_vectors, CompiledLane, float>);
STRATA_COMPILED(correlate_block<6, 1, CompiledLane, float>);
STRATA_COMPILED(correlate_block<6, block_vectors, CompiledLane, float>);
STRATA_COMPILED(correlate<CompiledLane, float>);
STRATA_COMPILED(input_gradient_rows<CompiledLane, float>);
STRATA_COMPILED(weight_gradient<CompiledLane, float>);
STRATA_COMPILED(pointwise_multiply<CompiledLane, float>);
STRATA_COMPILED(pointwise_weight_gradient<CompiledLane, float>);
STRATA_COMPILED(depthwise_correlate<CompiledLane, float>);
STRATA_COMPILED(depthwise_input_gradient<CompiledLane, float>);
STRATA_COMPILED(depthwise_weight_gradient<CompiledLane, float>);
STRATA_COMPILED(winograd_weights<2, CompiledLane, float>);
STRATA_COMPILED(winograd_weights<4, CompiledLane, float>);
STRATA_COMPILED(winograd_correlate<2, CompiledLane, float, float>);
STRATA_COMPILED(winograd_correlate<4, CompiledLane, float, float>);
STRATA_COMPILED(winograd_weight_gradient<2, CompiledLane, float, float>);
STRATA_COMPILED(winograd_weight_gradient<4, CompiledLane, float, float>);
STRATA_COMPILED(winograd_row_weights<CompiledLane, float>);
STRATA_COMPILED(winograd_row_correlate<CompiledLane, float>);
STRATA_COMPILED(winograd_row_weight_gradient<CompiledLane, float>);
STRATA_COMPILED(affine_forward<CompiledLane, float>);
STRATA_COMPILED(affine_input_gradient<CompiledLane, float>);
STRATA_COMPILED(outer_product_over_samples<CompiledLane, float>);
STRATA_COMPILED(max_pool_forward<2, 2, 2, 2, CompiledLane, float>);
STRATA_COMPILED(max_pool_forward_pairs<2, 2, CompiledLane, float>);
STRATA_COMPILED(max_pool_input_gradient<2, 2, CompiledLane, float>);
STRATA_COMPILED(max_pool_input_gradient_pairs<2, CompiledLane, float>);
STRATA_COMPILED(window_vectors<WindowSum, 1, CompiledLane, float>);
STRATA_COMPILED(window_vectors<WindowSum, 4, CompiledLane, float>);
STRATA_COMPILED(global_average<2, CompiledLane, float>);
STRATA_COMPILED(global_average<4, CompiledLane, float>);
STRATA_COMPILED(global_average<8, CompiledLane, float>);
STRATA_COMPILED(global_average<16, CompiledLane, float>);
STRATA_COMPILED(global_average_gradient<CompiledLane, float>);
STRATA_COMPILED(gather_moments<CompiledLane, float>);
STRATA_COMPILED(gather_gradient_sums<CompiledLane, float>);
STRATA_COMPILED(transpose_rows<CompiledLane, float, float>);

}  // namespace strata::inline STRATA_ABI::detail
#endif
