// Gradient checks of Conv2d with everything uneven: sides, strides, paddings, dilations, groups.
#include "strata/testing/gradient_check.hpp"

#include <doctest/doctest.h>

#include "strata/layer/conv2d.hpp"

using namespace strata;

namespace {
template <class In, class Layer, int Samples = 3, int S = 2>
void check() {
    auto const result = check_gradients<Network<In, Layer>, Samples, S>();
    CAPTURE(result.where);
    CAPTURE(result.backward);
    CAPTURE(result.difference);
    CHECK(result.error < 1e-6);
}
}  // namespace

TEST_CASE("uneven everything") {
    check<Input<4, 7, 5>, Conv2d<6, Size{3, 2}, Stride<2, 1>, Padding<2, 1>, Dilation<1, 2>, Groups<2>>>();
    check<Input<3, 5, 4>, Conv2d<2, Size{2, 3}, Stride<1, 3>, Padding<0, 2>, NoBias>, 5, 4>();
}
TEST_CASE("padding beyond the kernel's reach, same padding of an even kernel, depthwise") {
    check<Input<1, 3, 3>, Conv2d<2, 2, Padding<3>>>();
    check<Input<2, 4, 3>, Conv2d<2, 4, SamePadding>>();
    check<Input<3, 4, 4>, Conv2d<6, 3, Groups<3>, Padding<1>>, 9, 8>();
}
TEST_CASE("a kernel as large as the image, and an image of one pixel") {
    check<Input<2, 3, 4>, Conv2d<3, Size{3, 4}>>();
    check<Input<3, 1, 1>, Conv2d<2, 3, Padding<1>>, 3, 1>();
}
