// Upsample, ZeroPad2d and PixelShuffle: bodies and kernels against PyTorch, kernels against the bodies in double on more geometries, and
// by central differences.
#include "strata/layer/upsample.hpp"

#include "oracle_run.hpp"
#include "strata/backend/cpu/kernel/image/pixel_shuffle_kernel.hpp"
#include "strata/backend/cpu/kernel/image/upsample_kernel.hpp"
#include "strata/backend/cpu/kernel/image/zero_pad_kernel.hpp"
#include "strata/layer/pixel_shuffle.hpp"
#include "strata/layer/zero_pad2d.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {
template <class Layer, class X>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>(name);
    compare_fast_with_libtorch<Layer, X>(name);
}
/// Sums of at most 50 numbers below 1 that count at most 1.
template <class Layer, class X>
void compare_with_bodies() {
    using Op = typename Layer::template On<X>;
    auto const oracle = generic_kernels_of<Op, Float64, 1>();
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_kernels(kernels_of<Op, Float32, S>(), oracle, 50 * 0x1p-24), ...);
    }(std::integer_sequence<int, 1, 2, 4, 8, 16>{});
}
}  // namespace

TEST_CASE("Upsample matches PyTorch") {
    using X = Shape<2, 4, 3>;
    compare<Upsample<2>, X>("upsample/2x4x3_nearest_s2");
    compare<Upsample<Size{3, 2}, Nearest>, X>("upsample/2x4x3_nearest_s3x2");
    compare<Upsample<2, Bilinear>, X>("upsample/2x4x3_bilinear_s2");
    compare<Upsample<Size{3, 4}, Bilinear>, X>("upsample/2x4x3_bilinear_s3x4");
    compare<Upsample<2, AlignCorners, Bilinear>, X>("upsample/2x4x3_bilinear_s2_corners");
    compare<Upsample<Size{1, 3}, Bilinear, AlignCorners>, Shape<2, 1, 3>>("upsample/2x1x3_bilinear_s1x3_corners");
}

// Rows of several vectors, whose end is in the middle of one; one axis that stays; scales of five.
TEST_CASE("kernels of Upsample") {
    compare_with_bodies<Upsample<2>, Shape<2, 3, 21>>();
    compare_with_bodies<Upsample<2, Bilinear>, Shape<2, 3, 21>>();
    compare_with_bodies<Upsample<Size{5, 1}, Bilinear>, Shape<1, 2, 19>>();
    compare_with_bodies<Upsample<Size{1, 5}, Bilinear>, Shape<2, 2, 18>>();
    compare_with_bodies<Upsample<3, Bilinear, AlignCorners>, Shape<1, 7, 9>>();
}

TEST_CASE("ZeroPad2d matches PyTorch") {
    compare<ZeroPad2d<1>, Shape<2, 3, 4>>("zeropad2d/2x3x4_1");
    compare<ZeroPad2d<2, 0, 1, 3>, Shape<2, 3, 4>>("zeropad2d/2x3x4_2_0_1_3");
}

TEST_CASE("PixelShuffle matches PyTorch") { compare<PixelShuffle<2>, Shape<8, 3, 2>>("pixelshuffle/8x3x2_2"); }

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<1, 3, 2>, Upsample<2, Bilinear>, ZeroPad2d<0, 1, 2, 0>,
                                  Upsample<Size{1, 2}, Bilinear, AlignCorners>, Upsample<2>>>()
              .error < 1e-6);
}
