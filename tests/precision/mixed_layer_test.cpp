// Layers in Mixed<bfloat16>: the generic kernels, pooling and elementwise operations.
#include "mixed_layer.hpp"

#include "strata/backend/cpu/kernel/image/upsample_kernel.hpp"
#include "strata/backend/cpu/kernel/image/zero_pad_kernel.hpp"
#include "strata/backend/cpu/kernel/pooling/pooling_kernel.hpp"
#include "strata/layer/avg_pool2d.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/relu.hpp"

using namespace strata;

namespace {
using X = Shape<3, 7, 6>;

struct OnlyReLU {
    template <class Shape>
    using On = ElementwiseOperation<ReLU, Shape>;
};
}  // namespace

TEST_CASE("pooling") {
    compare_mixed<MaxPool2d<2>, X>();
    compare_mixed<MaxPool2d<3, Stride<2>, Padding<1>>, X>();
    compare_mixed<AvgPool2d<2>, X>();
    compare_mixed<GlobalAvgPool2d, X>();
}

TEST_CASE("elementwise operations") { compare_mixed<OnlyReLU, X>(); }

TEST_CASE("ReLU's gradient chooses among bits as the generic kernel among numbers: of every bfloat16") {
    using Op = OnlyReLU::On<Shape<4099>>;  // ends in the middle of a vector
    std::vector<bfloat16> y(4099 * 16), dy(y.size()), bits(y.size()), numbers(y.size());
    for (std::size_t k = 0; k < y.size(); ++k) {
        y[k] = bfloat16::from_bits(static_cast<std::uint16_t>(k));
        dy[k] = bfloat16::from_bits(static_cast<std::uint16_t>(0x3f80 + k % 97));
    }
    for (int const stride : {1, 16})
        for (auto const write : {GradientWrite::overwrite, GradientWrite::add}) {
            bits.assign(y.size(), bfloat16(2));
            numbers.assign(y.size(), bfloat16(2));
            KernelData<Mixed<bfloat16>> a;
            a.y = y.data();
            a.dy = dy.data();
            a.stride = stride;
            a.write = write;
            int const vectors =
                InputGradientKernel<Op, Mixed<bfloat16>>::items.of_tile(stride, width_of<widest_lane<float>>);
            a.dx = bits.data();
            InputGradientKernel<Op, Mixed<bfloat16>>::run(a, 3, vectors);
            InputGradientKernel<Op, Mixed<bfloat16>>::run(a, 0, 3);
            a.dx = numbers.data();
            GenericInputGradient<Op, Mixed<bfloat16>>::run(a, 0, vectors);
            int different = 0;
            for (std::size_t k = 0; k < y.size(); ++k) different += bits[k].bits == numbers[k].bits ? 0 : 1;
            CHECK(different == 0);
        }
}

TEST_CASE("the generic kernels of layers with parameters") {
    compare_mixed<Linear<5>, Shape<7>>();
    compare_mixed<Conv2d<4, 3, Stride<2>, Padding<1>>, X>();
}

TEST_CASE("transposed convolution, upsampling, padding") {
    compare_mixed<ConvTranspose2d<4, 3, Stride<2>, Padding<1>, OutputPadding<1>>, X>();
    compare_mixed<Upsample<2>, X>();
    compare_mixed<Upsample<2, Bilinear>, X>();
    compare_mixed<ZeroPad2d<1, 0, 2, 1>, X>();
}
