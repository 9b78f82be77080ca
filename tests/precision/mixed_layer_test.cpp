// Layers in Mixed<bfloat16>: the generic kernels, pooling and elementwise operations.
#include "mixed_layer.hpp"

#include "strata/backend/cpu/kernel/image/upsample_kernel.hpp"
#include "strata/backend/cpu/kernel/image/zero_pad_kernel.hpp"
#include "strata/backend/cpu/kernel/pooling/pooling_kernel.hpp"
#include "strata/layer/avg_pool2d.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/relu.hpp"

using namespace strata;

namespace {
using X = Shape<3, 7, 6>;

struct OnlyReLU {
    template <class Shape>
    using On = ElementwiseOperation<ReLU, Shape>;
};
}  // namespace

TEST_CASE("pooling") {
    compare_mixed<MaxPool2d<2>, X>();
    compare_mixed<MaxPool2d<3, Stride<2>, Padding<1>>, X>();
    compare_mixed<AvgPool2d<2>, X>();
    compare_mixed<GlobalAvgPool2d, X>();
}

TEST_CASE("elementwise operations") { compare_mixed<OnlyReLU, X>(); }

TEST_CASE("the generic kernels of layers with parameters") {
    compare_mixed<Linear<5>, Shape<7>>();
    compare_mixed<Conv2d<4, 3, Stride<2>, Padding<1>>, X>();
}

TEST_CASE("transposed convolution, upsampling, padding") {
    compare_mixed<ConvTranspose2d<4, 3, Stride<2>, Padding<1>, OutputPadding<1>>, X>();
    compare_mixed<Upsample<2>, X>();
    compare_mixed<Upsample<2, Bilinear>, X>();
    compare_mixed<ZeroPad2d<1, 0, 2, 1>, X>();
}
