// AvgPool2d and GlobalAvgPool2d against LibTorch and by central differences.
#include "strata/layer/avg_pool2d.hpp"

#include "oracle_run.hpp"
#include "strata/backend/cpu/global_average_kernel.hpp"
#include "strata/backend/cpu/padded_pooling_kernel.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;
using X = Shape<2, 7, 6>;

namespace {
template <class Layer>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>("avgpool2d/2x7x6_" + name);
    compare_fast_with_libtorch<Layer, X>("avgpool2d/2x7x6_" + name);
}
/// The kernels of small tiles against the generic ones in double: sums of at most 72 numbers below 1, rounded at each
/// addition, and divided; gradients of at most 49 terms.
template <class Layer, class Image>
void compare_with_generic() {
    using Op = typename Layer::template On<Image>;
    auto const oracle = generic_kernels_of<Op, Float64, 1>();
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_kernels(kernels_of<Op, Float32, S>(), oracle, 74 * 0x1p-24), ...);
        (compare_kernels(kernels_of<Op, Float64, S>(), oracle, 74 * 0x1p-53), ...);
    }(std::integer_sequence<int, 1, 2, 4, 8, 16>{});
}
}  // namespace

TEST_CASE("windows with and without overlap and padding") {
    compare<AvgPool2d<2>>("k2_s2_p0");
    compare<AvgPool2d<3, Stride<2>>>("k3_s2_p0");
    compare<AvgPool2d<3, Stride<2>, Padding<1>>>("k3_s2_p1");
    compare<AvgPool2d<2, Stride<1>>>("k2_s1_p0");
    compare<AvgPool2d<3, Padding<1>>>("k3_s3_p1");
}

TEST_CASE("padding left out of the divisor") {
    compare<AvgPool2d<3, Stride<2>, Padding<1>, ExcludePadding>>("k3_s2_p1_excludepad");
    compare<AvgPool2d<3, ExcludePadding, Padding<1>>>("k3_s3_p1_excludepad");
}

TEST_CASE("global average") {
    compare_with_libtorch<GlobalAvgPool2d, Shape<4, 5, 3>>("globalavgpool2d/4x5x3");
    compare_fast_with_libtorch<GlobalAvgPool2d, Shape<4, 5, 3>>("globalavgpool2d/4x5x3");
    compare_with_generic<GlobalAvgPool2d, Shape<3, 8, 9>>();
    compare_with_generic<GlobalAvgPool2d, Shape<2, 1, 1>>();
}

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 5, 4>, AvgPool2d<Size{3, 2}, Stride<2, 1>, Padding<1>, ExcludePadding>>>()
              .error < 1e-6);
    CHECK(check_gradients<Network<Input<3, 2, 3>, GlobalAvgPool2d>>().error < 1e-6);
}

// Rows of whole vectors and not, several bands of a plane, pixels that no window sees, strides of one axis.
TEST_CASE("kernels of small tiles") {
    compare_with_generic<AvgPool2d<3, Stride<2>, Padding<1>>, Shape<3, 9, 34>>();
    compare_with_generic<AvgPool2d<3, Stride<2>, Padding<1>, ExcludePadding>, Shape<2, 8, 7>>();
    compare_with_generic<AvgPool2d<3, Stride<1>, Padding<1>>, Shape<3, 40, 70>>();
    // Three bands of seven rows in tiles of eight floats: only the first one has padding, and the next
    // plane begins with it again.
    compare_with_generic<AvgPool2d<3, Stride<2>, Padding<1>>, Shape<2, 42, 70>>();
    compare_with_generic<AvgPool2d<2, Stride<3>>, Shape<2, 11, 9>>();
    compare_with_generic<AvgPool2d<Size{3, 2}, Stride<2, 1>, Padding<1>, ExcludePadding>, Shape<2, 5, 4>>();
    compare_with_generic<AvgPool2d<7, Stride<4>, Padding<3>>, Shape<1, 12, 13>>();
}
