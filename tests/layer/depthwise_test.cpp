// The depthwise kernels against LibTorch and, for many geometries, against the generic kernels in double: on tiles of
// every size, whole and split.
#include "strata/backend/cpu/kernel/convolution/depthwise_convolution.hpp"

#include "oracle_run.hpp"

using namespace strata;

template <class Geometry>
constexpr bool is_depthwise = detail::DepthwiseGeometry<typename Geometry::Geometry>;

TEST_CASE("depthwise kernels match LibTorch") {
    using Four = Shape<4, 7, 6>;
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<1>, Groups<4>>, Four>("conv2d/4x7x6_o4_k3_s1_p1_g4");
    compare_fast_with_libtorch<Conv2d<8, 3, Padding<1>, Groups<4>, Stride<2>>, Four>("conv2d/4x7x6_o8_k3_s2_p1_g4");
}

TEST_CASE("they are found for groups of one channel, and for few outputs of each") {
    static_assert(is_depthwise<Conv2d<4, 3, Groups<4>>::On<Shape<4, 7, 6>>>);
    static_assert(is_depthwise<Conv2d<8, 3, Groups<4>>::On<Shape<4, 7, 6>>>);
    static_assert(!is_depthwise<Conv2d<8, 3>::On<Shape<1, 28, 28>>>);
    static_assert(!is_depthwise<Conv2d<8, 3, Groups<2>>::On<Shape<4, 7, 6>>>);
}

// 3x3 and 5x5 with stride 1 have blocks of rows: heights that fill them and that do not, rows of whole vectors and not.
TEST_CASE("square kernels") {
    compare_fast_with_generic<Conv2d<3, 3, Padding<1>, Groups<3>>, Shape<3, 9, 11>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<1>, Groups<2>>, Shape<2, 8, 16>>();
    compare_fast_with_generic<Conv2d<2, 3, Groups<2>, NoBias>, Shape<2, 5, 7>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<2>, Groups<2>>, Shape<2, 3, 2>>();
    compare_fast_with_generic<Conv2d<3, 5, Padding<2>, Groups<3>>, Shape<3, 6, 9>>();
    compare_fast_with_generic<Conv2d<2, 5, SamePadding, Groups<2>>, Shape<2, 2, 3>>();
}

TEST_CASE("strides, dilation, other kernels, several outputs of a channel") {
    compare_fast_with_generic<Conv2d<3, 3, Padding<1>, Stride<2>, Groups<3>>, Shape<3, 9, 12>>();
    compare_fast_with_generic<Conv2d<2, 5, Padding<2>, Stride<3>, Groups<2>>, Shape<2, 11, 10>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<0, 2>, Stride<1, 2>, Groups<2>>, Shape<2, 6, 9>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<2>, Dilation<2>, Groups<2>>, Shape<2, 7, 8>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<1>, Dilation<2>, Stride<2>, Groups<2>>, Shape<2, 9, 8>>();
    // Phases of the input gradient with 3x3 taps, whose outputs are no neighbours.
    compare_fast_with_generic<Conv2d<2, 5, Padding<2>, Stride<2>, Groups<2>>, Shape<2, 16, 16>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<2>, Stride<2>, Dilation<2>, Groups<2>>, Shape<2, 16, 20>>();
    compare_fast_with_generic<Conv2d<2, 4, Padding<3>, Dilation<3>, Stride<2>, Groups<2>>, Shape<2, 12, 17>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<4>, Dilation<4, 6>, Stride<2, 4>, Groups<2>>, Shape<2, 13, 19>>();
    compare_fast_with_generic<Conv2d<2, Size{2, 7}, Padding<3>, Groups<2>>, Shape<2, 6, 9>>();
    compare_fast_with_generic<Conv2d<2, 3, Padding<6>, Stride<2>, Groups<2>>, Shape<2, 4, 3>>();  // windows of zeros
    compare_fast_with_generic<Conv2d<2, 1, Stride<2>, Groups<2>>, Shape<2, 6, 5>>();
    compare_fast_with_generic<Conv2d<4, 3, Padding<1>, Groups<2>>, Shape<2, 6, 7>>();
    compare_fast_with_generic<Conv2d<4, 3, Padding<1>, Groups<2>, Stride<2>, NoBias>, Shape<2, 6, 7>>();
}

// Planes of several bands in small tiles, also bands of one height: their zeros are not where the last one's were.
TEST_CASE("tall images") {
    compare_fast_with_generic<Conv2d<2, 3, Padding<1>, Groups<2>>, Shape<2, 48, 40>>();
    compare_fast_with_generic<Conv2d<1, 3, Padding<1>, Groups<1>, Stride<2>>, Shape<1, 70, 40>>();
}
