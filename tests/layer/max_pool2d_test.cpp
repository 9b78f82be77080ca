// MaxPool2d, its generic and its fast kernels, against LibTorch, ties included, and with NaN and infinities; its
// gradient by central differences.
#include "strata/backend/cpu/kernel/pooling/padded_pooling_kernel.hpp"

#include "oracle_run.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;
using X = Shape<2, 7, 6>;

namespace {
template <class Layer>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>("maxpool2d/2x7x6_" + name);
    compare_fast_with_libtorch<Layer, X>("maxpool2d/2x7x6_" + name);
    using Op = typename Layer::template On<X>;
    compare_case("maxpool2d/2x7x6_" + name + "_ties", kernels_of<Op, Float64, 1>(), true);
    compare_case("maxpool2d/2x7x6_" + name + "_ties", kernels_of<Op, Float32, 16>(), true);
    compare_case("maxpool2d/2x7x6_" + name + "_ties", generic_kernels_of<Op, Float32, 16>(), true);
}
}  // namespace

TEST_CASE("windows with and without overlap, padding and ties") {
    compare<MaxPool2d<2>>("k2_s2_p0");
    compare<MaxPool2d<3, Stride<2>>>("k3_s2_p0");
    compare<MaxPool2d<3, Stride<2>, Padding<1>>>("k3_s2_p1");
    compare<MaxPool2d<2, Stride<1>>>("k2_s1_p0");
    compare<MaxPool2d<3, Padding<1>>>("k3_s3_p1");
}

TEST_CASE("windows two columns wide, in tiles of one sample: neighbouring windows in the lanes") {
    auto const compare_one = []<class Op>() {
        auto const oracle = generic_kernels_of<Op, Float64, 1>();
        compare_kernels(kernels_of<Op, Float64, 1>(), oracle, 1e-300);  // nothing is computed
        compare_kernels(kernels_of<Op, Float32, 1>(), oracle, 1e-7);    // one rounding of numbers below 1
    };
    compare_one.template operator()<MaxPool2d<2>::On<Shape<2, 12, 10>>>();
    compare_one.template operator()<MaxPool2d<2>::On<Shape<3, 9, 7>>>();
    compare_one.template operator()<MaxPool2d<2>::On<Shape<2, 20, 75>>>();
    compare_one.template operator()<MaxPool2d<Size{3, 2}, Stride<1, 2>>::On<Shape<2, 14, 6>>>();
    compare_one.template operator()<MaxPool2d<2>::On<Shape<40, 2, 3>>>();
}

TEST_CASE("NaN wins, the last of several in a window, as in PyTorch; minus infinity loses to everything but itself") {
    using Op = MaxPool2d<3, Stride<2>>::On<Shape<1, 5, 5>>;
    double const nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    // Windows start at rows and columns 0 and 2.
    std::vector<double> const x{1, 2,   3,   -infinity, -infinity,  //
                                4, nan, 5,   -infinity, -infinity,  //
                                6, 7,   nan, -infinity, -infinity,  //
                                0, 0,   0,   8,         9,          //
                                0, 0,   0,   infinity,  9};
    std::vector<double> const dy{1, 10, 100, 1000};
    auto const check = [&](LayerResult const& result) {
        CHECK(std::isnan(result.y[0]));
        CHECK(std::isnan(result.y[1]));
        CHECK(std::isnan(result.y[2]));
        CHECK(std::isnan(result.y[3]));
        std::vector<double> dx(25);
        dx[12] = 1111;  // the NaN in the middle is the last of every window that sees it
        CHECK(result.dx == dx);
    };
    check(run_layer(kernels_of<Op, Float64, 1>(), x, {}, dy));
    check(run_layer(kernels_of<Op, Float32, 8>(), x, {}, dy));
    check(run_layer(generic_kernels_of<Op, Float32, 8>(), x, {}, dy));

    using Small = MaxPool2d<2>::On<Shape<1, 2, 2>>;
    auto const all_low =
        run_layer(kernels_of<Small, Float32, 4>(), {-infinity, -infinity, -infinity, -infinity}, {}, {1});
    CHECK(all_low.y[0] == -infinity);
    CHECK(all_low.dx == std::vector<double>{1, 0, 0, 0});
    auto const high = run_layer(kernels_of<Small, Float32, 4>(), {-infinity, 2, infinity, 3}, {}, {1});
    CHECK(high.y[0] == infinity);
    CHECK(high.dx == std::vector<double>{0, 0, 1, 0});
}

TEST_CASE("an image of minus infinity: the first pixel inside wins, not the padding") {
    using Op = MaxPool2d<3, Stride<2>, Padding<1>>::On<Shape<1, 4, 4>>;
    std::vector<double> const x(16, -std::numeric_limits<double>::infinity()), dy{1, 10, 100, 1000};
    auto const expected = run_layer(generic_kernels_of<Op, Float64, 1>(), x, {}, dy);
    CHECK(expected.dx == std::vector<double>{1, 10, 0, 0, 100, 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    CHECK(run_layer(kernels_of<Op, Float32, 1>(), x, {}, dy).dx == expected.dx);
    CHECK(run_layer(kernels_of<Op, Float32, 4>(), x, {}, dy).dx == expected.dx);
}

// Rows of whole vectors and not, several bands of a plane, pixels that no window sees, NaN beside padding.
TEST_CASE("kernels of small tiles give what the generic ones give") {
    auto const compare_with_generic = []<class Layer, class Image>(Layer, Image) {
        using Op = typename Layer::template On<Image>;
        auto const oracle = generic_kernels_of<Op, Float64, 1>();
        [&]<int... S>(std::integer_sequence<int, S...>) {
            // Inputs round to float, and so do sums of at most nine gradients below 1.
            (compare_kernels(kernels_of<Op, Float32, S>(), oracle, 10 * 0x1p-24), ...);
            (compare_kernels(kernels_of<Op, Float64, S>(), oracle, 10 * 0x1p-53), ...);
        }(std::integer_sequence<int, 1, 2, 4, 8, 16>{});
    };
    compare_with_generic(MaxPool2d<3, Stride<2>, Padding<1>>{}, Shape<3, 9, 34>{});
    compare_with_generic(MaxPool2d<3, Stride<1>, Padding<1>>{}, Shape<3, 40, 70>{});
    compare_with_generic(MaxPool2d<3, Stride<2>>{}, Shape<3, 8, 18>{});
    compare_with_generic(MaxPool2d<2, Stride<3>>{}, Shape<2, 11, 9>{});
    compare_with_generic(MaxPool2d<Size{3, 2}, Stride<2, 1>, Padding<1>>{}, Shape<2, 5, 4>{});
    using Op = MaxPool2d<3, Stride<1>, Padding<1>>::On<Shape<1, 5, 6>>;
    auto x = reference_values(1, 30);
    x[0] = x[7] = x[29] = std::numeric_limits<double>::quiet_NaN();
    auto const dy = reference_values(9, 30);
    auto const expected = run_layer(generic_kernels_of<Op, Float64, 1>(), x, {}, dy),
               fast = run_layer(kernels_of<Op, Float64, 1>(), x, {}, dy);
    CHECK(largest_difference(fast.dx, expected.dx) < 10 * 0x1p-53);
    int different = 0;
    for (std::size_t i = 0; i < 30; ++i) different += std::isnan(fast.y[i]) == std::isnan(expected.y[i]) ? 0 : 1;
    CHECK(different == 0);
}

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 5, 4>, MaxPool2d<3, Stride<1>, Padding<1>>>>().error < 1e-6);
}
