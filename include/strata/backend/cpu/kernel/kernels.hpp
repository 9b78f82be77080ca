// All kernels of operations; which of them runs says choice.hpp.
#pragma once

#include "convolution/depthwise_convolution.hpp"
#include "convolution/direct_convolution.hpp"
#include "convolution/pointwise_convolution.hpp"
#include "linear/linear_kernel.hpp"
#include "mixed/bfloat16_convolution.hpp"
#include "mixed/bfloat16_linear.hpp"
#include "norm/batch_norm_kernel.hpp"
#include "norm/normalization_kernel.hpp"
#include "norm/softmax_kernel.hpp"
#include "pooling/global_average_kernel.hpp"
#include "pooling/padded_pooling_kernel.hpp"
#include "pooling/pooling_kernel.hpp"
#include "winograd_row/winograd_row_gradient_kernel.hpp"
#include "winograd_row/winograd_row_kernel.hpp"
