// Layers on lines [C][L] against PyTorch, with their images' fast kernels, and AdaptiveAvgPool2d, which has others' kernels
// too.
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

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 9>, Conv1d<4, 3, SamePadding>, MaxPool1d<2>, AvgPool1d<2>, Conv1d<2, 2>>>()
              .error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 9>, Conv1d<4, 3, SamePadding>,
                                  Concat<Branch<>, Branch<Conv1d<3, 5, SamePadding>>>, Conv1d<2, 2>>>()
              .error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 5, 3>, AdaptiveAvgPool2d<3, 2>, AdaptiveAvgPool2d<1>>>().error < 1e-6);
}
