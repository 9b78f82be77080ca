// The fast kernels of Conv2d against LibTorch, on tiles of every size: strides, paddings, dilation and kernel sizes.
#include "direct_kernels.hpp"
#include "layer_run.hpp"

using namespace strata;
using X = Shape<3, 7, 6>;

TEST_CASE("strides and paddings") {
    compare_fast_with_libtorch<Conv2d<4, 3>, X>("conv2d/3x7x6_o4_k3_s1_p0");
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<1>>, X>("conv2d/3x7x6_o4_k3_s1_p1");
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<2>>, X>("conv2d/3x7x6_o4_k3_s1_p2");
    compare_fast_with_libtorch<Conv2d<4, 3, Stride<2>>, X>("conv2d/3x7x6_o4_k3_s2_p0");
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<1>, Stride<2>>, X>("conv2d/3x7x6_o4_k3_s2_p1");
    compare_fast_with_libtorch<Conv2d<4, 3, Stride<2>, Padding<2>>, X>("conv2d/3x7x6_o4_k3_s2_p2");
    compare_fast_with_libtorch<Conv2d<4, 3, Stride<3>>, X>("conv2d/3x7x6_o4_k3_s3_p0");
    compare_fast_with_libtorch<Conv2d<4, 3, Stride<3>, Padding<1>>, X>("conv2d/3x7x6_o4_k3_s3_p1");
}

TEST_CASE("dilation") {
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<1>, Dilation<2>>, X>("conv2d/3x7x6_o4_k3_s1_p1_d2");
    compare_fast_with_libtorch<Conv2d<4, 3, Dilation<2>, Stride<2>, Padding<2>>, X>("conv2d/3x7x6_o4_k3_s2_p2_d2");
}
