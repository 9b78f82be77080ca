// All kernels of operations: an executor chooses among those that are included.
#pragma once

#include "bfloat16_convolution.hpp"
#include "bfloat16_linear.hpp"
#include "depthwise_convolution.hpp"
#include "direct_convolution.hpp"
#include "global_average_kernel.hpp"
#include "linear_kernel.hpp"
#include "normalization_kernel.hpp"
#include "padded_pooling_kernel.hpp"
#include "pointwise_convolution.hpp"
#include "pooling_kernel.hpp"
#include "softmax_kernel.hpp"
#include "winograd_row_gradient_kernel.hpp"
#include "winograd_row_kernel.hpp"
