// MaxPool2d, its generic and its fast kernels, against LibTorch, ties included, and with NaN and infinities; its
// gradient by central differences.
#include "strata/backend/cpu/pooling_kernel.hpp"

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

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 5, 4>, MaxPool2d<3, Stride<1>, Padding<1>>>>().error < 1e-6);
}
