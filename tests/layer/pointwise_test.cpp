// The kernels of 1x1 convolutions against the generic kernels in double: on tiles of every size, whole and split.
#include "strata/backend/cpu/kernel/convolution/pointwise_convolution.hpp"

#include "oracle_run.hpp"

using namespace strata;

template <class Op>
constexpr bool is_pointwise = detail::PointwiseGeometry<typename Op::Geometry>;

TEST_CASE("they are found for 1x1 kernels without padding") {
    static_assert(is_pointwise<Conv2d<4, 1>::On<Shape<16, 5, 4>>>);
    static_assert(is_pointwise<Conv2d<32, 1, Groups<2>, NoBias>::On<Shape<16, 5, 4>>>);
    static_assert(is_pointwise<Conv2d<4, 1, Stride<2>>::On<Shape<16, 5, 4>>>);
    static_assert(!is_pointwise<Conv2d<4, 1, Padding<1>>::On<Shape<16, 5, 4>>>);
    static_assert(!is_pointwise<Conv2d<4, 3, Padding<1>>::On<Shape<16, 5, 4>>>);
    static_assert(!is_pointwise<Conv2d<4, 1>::On<Shape<3, 5, 4>>>);
}

// Rows that fill blocks of six and do not, few rows (not packed) and many, columns that end within a vector.
TEST_CASE("1x1 convolution") {
    compare_fast_with_generic<Conv2d<13, 1>, Shape<20, 5, 7>>();
    compare_fast_with_generic<Conv2d<24, 1, NoBias>, Shape<64, 4, 4>>();
    compare_fast_with_generic<Conv2d<9, 1>, Shape<70, 3, 3>>();
    compare_fast_with_generic<Conv2d<32, 1, Groups<2>>, Shape<16, 3, 5>>();
    compare_fast_with_generic<Conv2d<1, 1>, Shape<8, 1, 1>>();
    compare_fast_with_generic<Conv2d<7, 1>, Shape<16, 13, 12>>();  // the weight gradient in two pieces
}

// Rows that end with a column that is taken and with some that are not, blocks of columns that span
// rows and that end within one.
TEST_CASE("1x1 convolution with strides") {
    compare_fast_with_generic<Conv2d<13, 1, Stride<2>>, Shape<20, 5, 7>>();
    compare_fast_with_generic<Conv2d<24, 1, Stride<2>, NoBias>, Shape<32, 8, 8>>();
    compare_fast_with_generic<Conv2d<9, 1, Stride<2>>, Shape<70, 2, 34>>();
    compare_fast_with_generic<Conv2d<32, 1, Stride<2>, Groups<2>>, Shape<16, 4, 6>>();
    compare_fast_with_generic<Conv2d<7, 1, Stride<3>>, Shape<16, 8, 9>>();
    compare_fast_with_generic<Conv2d<7, 1, Stride<1, 2>>, Shape<16, 3, 40>>();
    compare_fast_with_generic<Conv2d<7, 1, Stride<2, 1>>, Shape<16, 6, 5>>();
    compare_fast_with_generic<Conv2d<1, 1, Stride<4>>, Shape<8, 3, 3>>();
}
