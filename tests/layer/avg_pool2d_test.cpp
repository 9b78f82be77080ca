// AvgPool2d and GlobalAvgPool2d against LibTorch and by central differences.
#include "strata/layer/avg_pool2d.hpp"

#include "layer_run.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;
using X = Shape<2, 7, 6>;

TEST_CASE("windows with and without overlap and padding") {
    compare_with_libtorch<AvgPool2d<2>, X>("avgpool2d/2x7x6_k2_s2_p0");
    compare_with_libtorch<AvgPool2d<3, Stride<2>>, X>("avgpool2d/2x7x6_k3_s2_p0");
    compare_with_libtorch<AvgPool2d<3, Stride<2>, Padding<1>>, X>("avgpool2d/2x7x6_k3_s2_p1");
    compare_with_libtorch<AvgPool2d<2, Stride<1>>, X>("avgpool2d/2x7x6_k2_s1_p0");
    compare_with_libtorch<AvgPool2d<3, Padding<1>>, X>("avgpool2d/2x7x6_k3_s3_p1");
}

TEST_CASE("padding left out of the divisor") {
    compare_with_libtorch<AvgPool2d<3, Stride<2>, Padding<1>, ExcludePadding>, X>(
        "avgpool2d/2x7x6_k3_s2_p1_excludepad");
    compare_with_libtorch<AvgPool2d<3, ExcludePadding, Padding<1>>, X>("avgpool2d/2x7x6_k3_s3_p1_excludepad");
}

TEST_CASE("global average") { compare_with_libtorch<GlobalAvgPool2d, Shape<4, 5, 3>>("globalavgpool2d/4x5x3"); }

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 5, 4>, AvgPool2d<Size{3, 2}, Stride<2, 1>, Padding<1>, ExcludePadding>>>()
              .error < 1e-6);
    CHECK(check_gradients<Network<Input<3, 2, 3>, GlobalAvgPool2d>>().error < 1e-6);
}
