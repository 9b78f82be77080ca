// Layers on lines [C][L] against PyTorch, with their images' fast kernels, and AdaptiveAvgPool2d and AdaptiveMaxPool2d, which
// have others' kernels too.
#include "strata/layer/line.hpp"

#include "oracle_run.hpp"
#include "strata/backend/cpu/kernel/image/line_kernel.hpp"
#include "strata/backend/cpu/kernel/kernels.hpp"
#include "strata/backend/cpu/kernel/pooling/adaptive_pooling_kernel.hpp"
#include "strata/layer/avg_pool1d.hpp"
#include "strata/layer/conv1d.hpp"
#include "strata/layer/max_pool1d.hpp"
#include "strata/network/concat.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {
template <class Layer, class X>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>(name);
    compare_fast_with_libtorch<Layer, X>(name);
}
}  // namespace

TEST_CASE("Conv1d matches PyTorch") {
    using X = Shape<4, 11>;
    compare<Conv1d<6, 3, Stride<2>, Padding<1>, Groups<2>>, X>("conv1d/4x11_o6_k3_s2_p1_g2");
    compare<Conv1d<3, 5, Padding<2>, Dilation<2>, NoBias>, X>("conv1d/4x11_o3_k5_p2_d2_nobias");
    using Op = Conv1d<6, 3, Groups<2>>::On<X>;
    static_assert(std::is_same_v<Op::Weight::Extents, Shape<6, 2, 1, 3>> && std::is_same_v<Op::Output, Shape<6, 9>>);
    using Plane = Convolution<Op::Geometry, KaimingUniform>;
    static_assert(std::is_same_v<detail::kernel_of<Op, KernelPass::forward, Float32, GenericForward>,
                                 detail::kernel_of<Plane, KernelPass::forward, Float32, GenericForward>>);
}

TEST_CASE("MaxPool1d and AvgPool1d match PyTorch") {
    using X = Shape<3, 11>;
    compare<MaxPool1d<2>, X>("maxpool1d/3x11_k2");
    compare<MaxPool1d<3, Stride<2>, Padding<1>>, X>("maxpool1d/3x11_k3_s2_p1");
    compare<AvgPool1d<3, Stride<2>, Padding<1>>, X>("avgpool1d/3x11_k3_s2_p1");
    compare<AvgPool1d<3, Padding<1>, ExcludePadding>, X>("avgpool1d/3x11_k3_p1_excludepad");
}

TEST_CASE("AdaptiveAvgPool2d matches PyTorch: one window, windows all alike, and others") {
    compare<AdaptiveAvgPool2d<1>, Shape<3, 7, 6>>("adaptiveavgpool2d/3x7x6_1");
    compare<AdaptiveAvgPool2d<4, 2>, Shape<3, 8, 6>>("adaptiveavgpool2d/3x8x6_4x2");
    compare<AdaptiveAvgPool2d<3, 4>, Shape<3, 7, 6>>("adaptiveavgpool2d/3x7x6_3x4");
    compare<AdaptiveAvgPool2d<5, 4>, Shape<3, 3, 2>>("adaptiveavgpool2d/3x3x2_5x4");
}

TEST_CASE("AdaptiveMaxPool2d matches PyTorch, the first of equal pixels wins, and NaN") {
    auto const compare_ties = []<class Layer, class X>(std::string const& name) {
        compare<Layer, X>(name);
        using Op = typename Layer::template On<X>;
        compare_case(name + "_ties", kernels_of<Op, Float64, 1>(), true);
        compare_case(name + "_ties", kernels_of<Op, Float32, 16>(), true);
    };
    compare_ties.operator()<AdaptiveMaxPool2d<1>, Shape<3, 7, 6>>("adaptivemaxpool2d/3x7x6_1");
    compare_ties.operator()<AdaptiveMaxPool2d<4, 2>, Shape<3, 8, 6>>("adaptivemaxpool2d/3x8x6_4x2");
    compare_ties.operator()<AdaptiveMaxPool2d<3, 4>, Shape<3, 7, 6>>("adaptivemaxpool2d/3x7x6_3x4");
    compare_ties.operator()<AdaptiveMaxPool2d<5, 4>, Shape<3, 3, 2>>("adaptivemaxpool2d/3x3x2_5x4");
    static_assert(std::is_same_v<ServedAs<AdaptiveMaxPool2d<4, 2>::On<Shape<3, 8, 6>>>::type,
                                 MaxPooling<Window<3, 8, 6, 2, 3, 2, 3, 0, 0>>>);
    static_assert(AdaptiveAxis<65536, 40000>::begin(39999) == 65534 && AdaptiveAxis<65536, 40000>::end(39999) == 65536);
    static_assert(AdaptiveAxis<40000, 65536>::first(39999) == 65534 &&
                  AdaptiveAxis<40000, 65536>::last(39999) == 65536);
    // Windows of columns 0 1 2 and 2 3 4; minus infinity loses to everything but itself.
    double const nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    using Op = AdaptiveMaxPool2d<1, 2>::On<Shape<1, 1, 5>>;
    auto const result = run_layer(kernels_of<Op, Float32, 4>(), {nan, 1, nan, 3, 4}, {}, {1, 10});
    CHECK(std::isnan(result.y[0]));
    CHECK(std::isnan(result.y[1]));
    CHECK(result.dx == std::vector<double>{0, 0, 11, 0, 0});
    auto const low = run_layer(kernels_of<Op, Float32, 4>(), std::vector<double>(5, -infinity), {}, {1, 10});
    CHECK(low.y == std::vector<double>{-infinity, -infinity});
    CHECK(low.dx == std::vector<double>{1, 0, 10, 0, 0});
}

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 9>, Conv1d<4, 3, SamePadding>, MaxPool1d<2>, AvgPool1d<2>, Conv1d<2, 2>>>()
              .error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 9>, Conv1d<4, 3, SamePadding>,
                                  Concat<Branch<>, Branch<Conv1d<3, 5, SamePadding>>>, Conv1d<2, 2>>>()
              .error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 5, 3>, AdaptiveAvgPool2d<3, 2>, AdaptiveAvgPool2d<1>>>().error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 7, 6>, AdaptiveMaxPool2d<4, 3>, AdaptiveMaxPool2d<3, 2>>>().error < 1e-6);
}
