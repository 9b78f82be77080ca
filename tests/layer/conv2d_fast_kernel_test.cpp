// The fast kernels of Conv2d against LibTorch, on tiles of every size: kernels of every kind, "same" padding, groups.
#include "direct_kernels.hpp"
#include "layer_run.hpp"

using namespace strata;
using X = Shape<3, 7, 6>;

TEST_CASE("kernel sizes") {
    compare_fast_with_libtorch<Conv2d<4, 5>, X>("conv2d/3x7x6_o4_k5_s1_p0");
    compare_fast_with_libtorch<Conv2d<4, 5, NoBias, Padding<2>>, X>("conv2d/3x7x6_o4_k5_s1_p2_nobias");
    compare_fast_with_libtorch<Conv2d<4, 1>, X>("conv2d/3x7x6_o4_k1_s1_p0");
    compare_fast_with_libtorch<Conv2d<4, 1, Stride<2>, NoBias>, X>("conv2d/3x7x6_o4_k1_s2_p0_nobias");
    compare_fast_with_libtorch<Conv2d<4, Size{3, 2}>, X>("conv2d/3x7x6_o4_k3x2_s1_p0");
    compare_fast_with_libtorch<Conv2d<4, Size{3, 2}, Stride<2>, Padding<1>>, X>("conv2d/3x7x6_o4_k3x2_s2_p1");
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<1>, NoBias>, X>("conv2d/3x7x6_o4_k3_s1_p1_nobias");
}

TEST_CASE("padding that keeps the size") {
    compare_fast_with_libtorch<Conv2d<4, 3, SamePadding>, X>("conv2d/3x7x6_o4_k3_s1_psame");
    compare_fast_with_libtorch<Conv2d<4, 4, SamePadding>, X>("conv2d/3x7x6_o4_k4_s1_psame");
    compare_fast_with_libtorch<Conv2d<4, 3, SamePadding, Dilation<2>>, X>("conv2d/3x7x6_o4_k3_s1_psame_d2");
}

TEST_CASE("groups and depthwise") {
    using Four = Shape<4, 7, 6>;
    compare_fast_with_libtorch<Conv2d<6, 3, Padding<1>, Groups<2>>, Four>("conv2d/4x7x6_o6_k3_s1_p1_g2");
    compare_fast_with_libtorch<Conv2d<6, 3, Padding<1>, Groups<2>, Stride<2>, NoBias>, Four>(
        "conv2d/4x7x6_o6_k3_s2_p1_g2_nobias");
    compare_fast_with_libtorch<Conv2d<4, 3, Padding<1>, Groups<4>>, Four>("conv2d/4x7x6_o4_k3_s1_p1_g4");
    compare_fast_with_libtorch<Conv2d<8, 3, Padding<1>, Groups<4>, Stride<2>>, Four>("conv2d/4x7x6_o8_k3_s2_p1_g4");
}

TEST_CASE("padding far wider than the kernel: blocks of vectors that see nothing else") {
    using Op = Conv2d<3, 1, Padding<6>>::On<Shape<2, 5, 6>>;
    auto const x = reference_values(1, 2 * Op::Input::size), parameters = reference_values(2, Op::Parameters::size),
               dy = reference_values(4, 2 * Op::Output::size);
    auto const oracle = run_layer(generic_kernels_of<Op, Float64, 1>(), x, parameters, dy);
    auto const fast = run_layer(kernels_of<Op, Float64, 16>(), x, parameters, dy);
    double worst = 0;
    for (std::size_t i = 0; i < fast.y.size(); ++i) worst = std::max(worst, std::fabs(fast.y[i] - oracle.y[i]));
    for (std::size_t i = 0; i < fast.dx.size(); ++i) worst = std::max(worst, std::fabs(fast.dx[i] - oracle.dx[i]));
    CHECK(worst < 1e-14);  // sums of two products and a bias
}
