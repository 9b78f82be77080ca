// Conv2d on images narrower than a vector or not a whole number of vectors wide, where the fast kernels work on bands
// of rows: against the generic kernels in double, every tile size, split anywhere.
#include "strata/backend/cpu/direct_convolution.hpp"

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

TEST_CASE("so many channels that an image is several bands") {
    compare_fast_with_generic<Conv2d<10, 3>, Shape<160, 12, 9>>();
}
