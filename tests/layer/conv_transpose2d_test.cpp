// ConvTranspose2d: its bodies and its kernels against PyTorch, the kernels for many geometries against the generic ones in
// double, ReLU in the stores, mixed precision.
#include "strata/layer/conv_transpose2d.hpp"

#include "oracle_run.hpp"
#include "strata/backend/cpu/kernel/convolution/depthwise_convolution.hpp"
#include "strata/backend/cpu/kernel/convolution/pointwise_convolution.hpp"
#include "strata/backend/cpu/kernel/convolution/transposed_convolution.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {
template <class Layer, class X>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>("convtranspose2d/" + name);
    compare_fast_with_libtorch<Layer, X>("convtranspose2d/" + name);
}
}  // namespace

TEST_CASE("strides, paddings, dilation and groups match PyTorch") {
    using X = Shape<3, 5, 4>;
    using Four = Shape<4, 5, 4>;
    compare<ConvTranspose2d<4, 2, Stride<2>>, X>("3x5x4_o4_k2_s2");
    compare<ConvTranspose2d<4, 3, Stride<2>, Padding<1>, OutputPadding<1>>, X>("3x5x4_o4_k3_s2_p1_op1");
    compare<ConvTranspose2d<4, Size{4, 3}, Stride<2, 1>, Padding<1, 0>, NoBias>, X>("3x5x4_o4_k4x3_s2x1_p1x0_nobias");
    compare<ConvTranspose2d<6, 3, Stride<3>, Padding<1>, OutputPadding<2, 0>, Dilation<2>, Groups<2>>, Four>(
        "4x5x4_o6_k3_s3_p1_op2x0_d2_g2");
    compare<ConvTranspose2d<4, 2, Stride<3>, Padding<2>, OutputPadding<2>, Groups<4>>, Four>(
        "4x5x4_o4_k2_s3_p2_op2_g4");
    compare<ConvTranspose2d<2, 2, OutputPadding<1>, Dilation<2>>, X>("3x5x4_o2_k2_s1_op1_d2");
}

// The usual ones (kernels of 2 and 4 double an image), 1x1, one group a channel, gaps that no tap reaches.
TEST_CASE("kernels on more geometries") {
    compare_fast_with_generic<ConvTranspose2d<8, 2, Stride<2>>, Shape<9, 6, 11>>();
    compare_fast_with_generic<ConvTranspose2d<5, 4, Stride<2>, Padding<1>>, Shape<6, 5, 7>>();
    compare_fast_with_generic<ConvTranspose2d<6, 4, Stride<2>, Padding<1>, Groups<6>, NoBias>, Shape<6, 5, 5>>();
    compare_fast_with_generic<ConvTranspose2d<9, 1, Stride<3, 2>, OutputPadding<1>>, Shape<8, 4, 5>>();
}

TEST_CASE("ReLU in the stores is ReLU behind them") {
    auto const check = []<class Layer>(Layer) {
        using Op = typename Layer::template On<Shape<3, 5, 4>>;
        using Kernel = ForwardKernel<Op, Float32>;
        static_assert(Kernel::applies_relu);
        auto const weights = reference_values<float>(2, static_cast<std::size_t>(Op::Parameters::size));
        for (int const S : {1, 4, 16}) {
            CAPTURE(S);
            auto const size = static_cast<std::size_t>(Op::Output::size * S);
            auto const x = reference_values<float>(1, static_cast<std::size_t>(Op::Input::size * S));
            AlignedVector<float> plain(size), fused(size), scratch(static_cast<std::size_t>(Kernel::scratch(S)));
            KernelData<Float32> a;
            a.x = x.data();
            a.parameters = weights.data();
            a.scratch = scratch.data();
            a.stride = a.samples = S;
            a.y = plain.data();
            Kernel::run(a, 0, Kernel::items.count);
            a.y = fused.data();
            a.relu = true;
            Kernel::run(a, 0, Kernel::items.count);
            for (float& value : plain) value = ReLU::forward(value);
            CHECK(std::equal(fused.begin(), fused.end(), plain.begin()));
        }
    };
    check(ConvTranspose2d<4, 2, Stride<3>>{});
    check(ConvTranspose2d<4, 3>{});
}

TEST_CASE("gradient check") {
    CHECK(check_gradients<Network<Input<2, 3, 2>, ConvTranspose2d<4, 3, Stride<2>, Padding<1>, OutputPadding<1>>,
                                  ConvTranspose2d<2, Size{1, 2}, Groups<2>>>>()
              .error < 1e-6);
}
