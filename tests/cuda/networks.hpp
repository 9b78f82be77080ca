// Networks and batches that the tests of the CUDA backend share: between them they use every layer, both losses and
// every way a gradient is written.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <strata/core/random.hpp>
#include <strata/core/tensor.hpp>
#include <strata/layer/activation/gelu.hpp>
#include <strata/layer/activation/prelu.hpp>
#include <strata/layer/activation/softplus.hpp>
#include <strata/layer/adaptive_avg_pool2d.hpp>
#include <strata/layer/adaptive_max_pool2d.hpp>
#include <strata/layer/avg_pool1d.hpp>
#include <strata/layer/avg_pool2d.hpp>
#include <strata/layer/batch_norm.hpp>
#include <strata/layer/conv1d.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/conv_transpose2d.hpp>
#include <strata/layer/dropout.hpp>
#include <strata/layer/dropout2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/global_avg_pool2d.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/max_pool1d.hpp>
#include <strata/layer/max_pool2d.hpp>
#include <strata/layer/norm/group_norm.hpp>
#include <strata/layer/norm/layer_norm2d.hpp>
#include <strata/layer/norm/rms_norm.hpp>
#include <strata/layer/pixel_shuffle.hpp>
#include <strata/layer/relu.hpp>
#include <strata/layer/softmax.hpp>
#include <strata/layer/upsample.hpp>
#include <strata/layer/zero_pad2d.hpp>
#include <strata/layer/zero_pad_shortcut.hpp>
#include <strata/network/concat.hpp>
#include <strata/network/multiply.hpp>
#include <strata/network/network.hpp>

namespace cuda_tests {

using namespace strata;

// The four kinds of operation that prove the seam: matrix, normalisation, pointwise, and softmax cross-entropy on top.
using Seam = Network<Input<7>, Linear<5>, BatchNorm1d<>, ReLU, Linear<4>>;

using SmallLeNet = Network<Input<1, 14, 14>, Conv2d<4, 5>, ReLU, MaxPool2d<2>, Conv2d<6, 3, Padding<1>>, ReLU,
                           MaxPool2d<2>, Flatten, Linear<10>, ReLU, Linear<5>>;

template <int Channels, int Step>
using MainPath = Main<Conv2d<Channels, 3, Stride<Step>, Padding<1>, NoBias>, BatchNorm2d<>, ReLU,
                      Conv2d<Channels, 3, Padding<1>, NoBias>, BatchNorm2d<>>;
using SmallResNet =
    Network<Input<3, 8, 8>, Conv2d<4, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU,
            Residual<MainPath<4, 1>, After<ReLU>>, Residual<MainPath<8, 2>, ZeroPadShortcut, After<ReLU>>,
            Residual<MainPath<6, 2>, Shortcut<Conv2d<6, 1, Stride<2>, NoBias>, BatchNorm2d<NoAffine>>, After<ReLU>>,
            GlobalAvgPool2d, Linear<3>>;

// A user's own activation.
struct OwnTanh {
    template <class L>
    STRATA_HD L forward(L x) const {
        return tanh(x);
    }
    template <class L>
    STRATA_HD L backward(L, L y, L dy) const {
        return dy * (L(1) - y * y);
    }
};
using Regression = Network<Input<6>, Linear<9>, OwnTanh, Dropout<0.3>, Linear<8, NoBias>, GELU, PReLU<>, Dropout<0.5>,
                           Linear<7>, Softplus, Linear<2>>;

using Windows =
    Network<Input<4, 9, 7>, Conv2d<6, 3, Groups<2>, Stride<2, 1>, Padding<1>>,
            AvgPool2d<2, Stride<1>, Padding<1>, ExcludePadding>, Conv2d<4, Size{3, 2}, Dilation<2, 1>, SamePadding>,
            ReLU, MaxPool2d<3, Stride<2>, Padding<1>>, GroupNorm<2>, Dropout<0.25>, LayerNorm2d<>,
            AvgPool2d<2, Stride<1>, Padding<1>>, Softmax, Flatten, RMSNorm<>, Linear<3>>;

// Branches that meet: parts in their place and copied, products of both kinds, a gradient of the input.
using Joined = Network<RequiresGrad<Input<3, 6, 5>>, Concat<Branch<>, Branch<Conv2d<4, 3, Padding<1>>, ReLU>>,
                       Residual<Main<Concat<Branch<>, Branch<Conv2d<2, 1>, OwnTanh>>, Conv2d<7, 1>>>,
                       Multiply<Branch<>, Branch<GlobalAvgPool2d, Linear<7>, OwnTanh>>,
                       Multiply<ReLU, Branch<Conv2d<7, 1>, OwnTanh>>, GlobalAvgPool2d, Linear<3>>;

// What makes images larger, and what else moves pixels; lines.
using Larger =
    Network<Input<2, 4, 3>, ConvTranspose2d<4, 3, Stride<2>, Padding<1>, OutputPadding<1>, Groups<2>>, ReLU,
            Dropout2d<0.25>, Upsample<2, Bilinear>, PixelShuffle<2>, ZeroPad2d<1, 0, 2, 1>, AdaptiveMaxPool2d<8, 6>,
            AdaptiveAvgPool2d<5, 4>, Upsample<2>, AdaptiveAvgPool2d<1>, Flatten, Linear<3>>;
using Lines = Network<Input<3, 14>, Conv1d<6, 5, Padding<2>>, ReLU, MaxPool1d<2>, Conv1d<4, 3, Stride<2>>, AvgPool1d<3>,
                      Flatten, Linear<3>>;

// Layers that are used again, on inputs of two kinds.
using Tied = Network<Inputs<Named<"image", Input<1, 5, 5>>, Named<"meta", Input<4>>>,
                     Concat<Branch<From<"image">, Shared<"conv", Conv2d<1, 3, Padding<1>>>, ReLU,
                                   Shared<"conv", Conv2d<1, 3, Padding<1>>>, Flatten>,
                            Branch<From<"meta">, Linear<3>>>,
                     Repeat<2, Shared<"cell", Linear<28>, OwnTanh>>, Linear<3>>;

/// A batch with memory of its own; inputs uint8 where Bytes, else double; labels and targets both.
template <class Net>
struct Samples {
    std::vector<double> numbers, targets;
    std::vector<std::uint8_t> bytes;
    std::vector<std::int32_t> labels;
    std::vector<double> scale, shift;
    Batch batch;

    Samples(int size, std::uint64_t seed, bool as_bytes = false) {
        Random random(seed, Purpose::user);
        auto const n = static_cast<std::size_t>(size);
        for (std::size_t i = 0; i < n * static_cast<std::size_t>(Net::InputShape::size); ++i) {
            numbers.push_back(random.normal());
            bytes.push_back(static_cast<std::uint8_t>(random.below(256)));
        }
        for (std::size_t i = 0; i < n; ++i)
            labels.push_back(
                static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(Net::OutputShape::size))));
        for (std::size_t i = 0; i < n * static_cast<std::size_t>(Net::OutputShape::size); ++i)
            targets.push_back(random.normal());
        constexpr int channels = channels_of<typename Net::InputShape>;
        for (int c = 0; c < channels; ++c) {
            scale.push_back(0.01 + 0.001 * c);
            shift.push_back(-1.0 - 0.1 * c);
        }
        batch.size = size;
        batch.shape = {channels, 1, pixels_of<typename Net::InputShape>};
        batch.type = as_bytes ? DataType::uint8 : DataType::float64;
        batch.inputs = as_bytes ? static_cast<void const*>(bytes.data()) : numbers.data();
        if (as_bytes) {
            batch.scale = scale.data();
            batch.shift = shift.data();
        }
        batch.labels = labels.data();
        batch.target_type = DataType::float64;
        batch.targets = targets.data();
    }
};

/// The largest difference of two ranges over the largest entry of the second: summation orders differ, so single
/// entries that cancel to almost nothing may differ by more.
template <class A, class B>
double difference(A const& a, B const& b) {
    double largest = 0, most = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
        double const off = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        most = off >= most || std::isnan(off) ? off : most;
        largest = std::fmax(largest, std::fabs(static_cast<double>(b[i])));
    }
    return largest > 0 ? most / largest : most;
}

}  // namespace cuda_tests
