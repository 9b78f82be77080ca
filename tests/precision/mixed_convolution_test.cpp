// labels: isa
// Convolutions of Mixed<bfloat16> on their fast kernels: strides, padding, dilation, groups, odd channels.
#include "mixed_layer.hpp"

using namespace strata;
using X = Shape<3, 7, 6>;

TEST_CASE("kernel sizes and padding") {
    compare_mixed<Conv2d<4, 5>, X>();
    compare_mixed<Conv2d<4, 1, NoBias>, X>();
    compare_mixed<Conv2d<5, 3, Padding<1>>, X>();
    compare_mixed<Conv2d<4, 4, SamePadding>, X>();
}
TEST_CASE("strides and dilation") {
    compare_mixed<Conv2d<4, Size{3, 2}, Stride<2>, Padding<1>>, X>();
    compare_mixed<Conv2d<5, 3, Stride<2>, Padding<1>>, Shape<4, 8, 7>>();
    compare_mixed<Conv2d<4, 1, Stride<3>>, X>();
    compare_mixed<Conv2d<3, 3, SamePadding, Dilation<2>>, X>();
    compare_mixed<Conv2d<3, 2, Stride<2>, Dilation<2>>, X>();
    compare_mixed<Conv2d<4, 3, Padding<3>, Stride<2>, Dilation<3>>, Shape<4, 9, 12>>();
}
TEST_CASE("groups and many channels") {
    compare_mixed<Conv2d<6, 3, Padding<1>, Groups<2>>, Shape<4, 7, 6>>();
    compare_mixed<Conv2d<4, 3, Padding<1>, Groups<4>>, Shape<4, 7, 6>>();
    compare_mixed<Conv2d<13, 3, Padding<1>>, Shape<8, 9, 10>>();
}

TEST_CASE("padding far wider than the kernel: blocks of vectors that see nothing else") {
    compare_mixed<Conv2d<3, 1, Padding<6>>, Shape<2, 5, 6>>();
    compare_mixed<Conv2d<3, 2, Padding<9>, Dilation<2>>, Shape<2, 5, 6>>();
}

TEST_CASE("3x3 with many channels, where Winograd is the faster way") {
    compare_mixed<Conv2d<32, 3, Padding<1>>, Shape<32, 8, 8>>();
}
