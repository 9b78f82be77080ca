// options: -O1
// Conv2d on images narrower than a vector or not a whole number of vectors wide, where the fast kernels work on bands
// of rows: against the generic kernels in double, every tile size, split anywhere.
#include "direct_kernels.hpp"
#include "oracle_run.hpp"

using namespace strata;

TEST_CASE("without padding") {
    compare_fast_with_generic<Conv2d<16, 5>, Shape<6, 14, 14>>();
    compare_fast_with_generic<Conv2d<9, 3, Dilation<2>>, Shape<2, 11, 15>>();
}

TEST_CASE("with padding, and groups") {
    compare_fast_with_generic<Conv2d<14, 3, Padding<1>>, Shape<3, 8, 8>>();
    compare_fast_with_generic<Conv2d<8, 5, Padding<4>>, Shape<3, 4, 5>>();
    compare_fast_with_generic<Conv2d<16, 3, Padding<1>, Groups<2>>, Shape<4, 5, 9>>();
}

TEST_CASE("stride and dilation: phases that see every tap, some, or none") {
    compare_fast_with_generic<Conv2d<6, 3, Padding<2>, Stride<2>, Dilation<2>>, Shape<3, 11, 9>>();
    compare_fast_with_generic<Conv2d<5, 4, Padding<3>, Stride<2>, Dilation<3>>, Shape<2, 12, 13>>();
    compare_fast_with_generic<Conv2d<4, 3, Padding<4>, Stride<4>, Dilation<6>>, Shape<2, 17, 15>>();
    compare_fast_with_generic<Conv2d<4, Size{5, 2}, Padding<1, 2>, Stride<3, 2>, Dilation<2, 5>, Groups<2>>,
                              Shape<4, 14, 18>>();
    compare_fast_with_generic<Conv2d<3, 1, Padding<1>, Stride<2>, Dilation<2>>, Shape<2, 7, 6>>();
}

TEST_CASE("strided input gradients of small tiles, whose rows are made apart, in bands and not") {
    compare_fast_with_generic<Conv2d<64, 4, Padding<2>, Stride<2>>, Shape<16, 12, 12>>();
    compare_fast_with_generic<Conv2d<48, 2, Stride<2>>, Shape<64, 14, 14>>();
    compare_fast_with_generic<Conv2d<64, 3, Padding<1>, Stride<2>>, Shape<16, 7, 7>>();
}

TEST_CASE("so many channels that an image is several bands") {
    compare_fast_with_generic<Conv2d<10, 3>, Shape<160, 12, 9>>();
}
