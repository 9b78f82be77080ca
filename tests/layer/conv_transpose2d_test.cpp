// ConvTranspose2d: its bodies and its kernels against PyTorch, the kernels for many geometries against the generic ones in
// double, ReLU in the stores, mixed precision.
#include "strata/layer/conv_transpose2d.hpp"

#include "oracle_run.hpp"
#include "strata/backend/cpu/depthwise_convolution.hpp"
#include "strata/backend/cpu/pointwise_convolution.hpp"
#include "strata/backend/cpu/transposed_convolution.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {
template <class Layer, class X>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>("convtranspose2d/" + name);
    compare_fast_with_libtorch<Layer, X>("convtranspose2d/" + name);
}
}  // namespace

TEST_CASE("strides, paddings, dilation and groups match PyTorch") {
    using X = Shape<3, 5, 4>;
    using Four = Shape<4, 5, 4>;
    compare<ConvTranspose2d<4, 2, Stride<2>>, X>("3x5x4_o4_k2_s2");
    compare<ConvTranspose2d<4, 3, Stride<2>, Padding<1>, OutputPadding<1>>, X>("3x5x4_o4_k3_s2_p1_op1");
    compare<ConvTranspose2d<4, Size{4, 3}, Stride<2, 1>, Padding<1, 0>, NoBias>, X>("3x5x4_o4_k4x3_s2x1_p1x0_nobias");
    compare<ConvTranspose2d<6, 3, Stride<3>, Padding<1>, OutputPadding<2, 0>, Dilation<2>, Groups<2>>, Four>(
        "4x5x4_o6_k3_s3_p1_op2x0_d2_g2");
    compare<ConvTranspose2d<4, 2, Stride<3>, Padding<2>, OutputPadding<2>, Groups<4>>, Four>(
        "4x5x4_o4_k2_s3_p2_op2_g4");
    compare<ConvTranspose2d<2, 2, OutputPadding<1>, Dilation<2>>, X>("3x5x4_o2_k2_s1_op1_d2");
}
