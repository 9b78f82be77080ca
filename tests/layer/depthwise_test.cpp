// The depthwise kernels against LibTorch and, for many geometries, against the generic kernels in double.
#include "strata/backend/cpu/depthwise_convolution.hpp"

#include "layer_run.hpp"

using namespace strata;

TEST_CASE("depthwise kernels match LibTorch") {
    using Four = Shape<4, 7, 6>;
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<1>, Groups<4>>, Four>("conv2d/4x7x6_o4_k3_s1_p1_g4");
    compare_fast_with_libtorch<Conv2d<8, 3, Padding<1>, Groups<4>, Stride<2>>, Four>("conv2d/4x7x6_o8_k3_s2_p1_g4");
}
