// The networks that Strata's benchmarks train.
#pragma once

#include <strata/strata.hpp>

namespace benchmark {

using namespace strata;

using LeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Conv2d<16, 5>, ReLU, MaxPool2d<2>, Flatten,
                      Linear<120>, ReLU, Linear<84>, ReLU, Linear<10>>;

template <int Channels>
using ConvNormReLU = Sequential<Conv2d<Channels, 3, Padding<1>>, BatchNorm2d<>, ReLU>;
using Vgg6 = Network<Input<3, 32, 32>, ConvNormReLU<64>, ConvNormReLU<64>, MaxPool2d<2>,  //
                     ConvNormReLU<128>, ConvNormReLU<128>, MaxPool2d<2>,                  //
                     ConvNormReLU<256>, ConvNormReLU<256>, MaxPool2d<2>,                  //
                     Flatten, Linear<10>>;

template <int Channels, int Step = 1>
using Conv3x3 = Conv2d<Channels, 3, Stride<Step>, Padding<1>, NoBias>;
template <int Channels, int Step = 1>
using Block = Residual<Main<Conv3x3<Channels, Step>, BatchNorm2d<>, ReLU, Conv3x3<Channels>, BatchNorm2d<>>,
                       std::conditional_t<Step == 1, Identity, ZeroPadShortcut>, After<ReLU>>;
using ResNet20 =
    Network<Input<3, 32, 32>, Conv3x3<16>, BatchNorm2d<>, ReLU, Repeat<3, Block<16>>,  //
            Block<32, 2>, Repeat<2, Block<32>>, Block<64, 2>, Repeat<2, Block<64>>, GlobalAvgPool2d, Linear<10>>;

// Depthwise-separable blocks (Howard et al. 2017, arXiv:1704.04861) at the size of CIFAR's images.
template <int In, int Out>
using Separable = Sequential<Conv2d<In, 3, Stride<(Out > In ? 2 : 1)>, Padding<1>, Groups<In>, NoBias>, BatchNorm2d<>,
                             ReLU, Conv2d<Out, 1, NoBias>, BatchNorm2d<>, ReLU>;
using SeparableNet = Network<Input<3, 32, 32>, Conv3x3<32>, BatchNorm2d<>, ReLU, Separable<32, 64>, Separable<64, 128>,
                             Separable<128, 128>, Separable<128, 256>, GlobalAvgPool2d, Linear<10>>;

// ConvNeXt's blocks (Liu et al. 2022, arXiv:2201.03545) at the size of CIFAR's images.
template <int Channels>
using NextBlock = Residual<Main<Conv2d<Channels, 7, Padding<3>, Groups<Channels>>, LayerNorm2d<>,
                                Conv2d<4 * Channels, 1>, GELU, Conv2d<Channels, 1>>>;
using ConvNext = Network<Input<3, 32, 32>, Conv2d<48, 2, Stride<2>>, LayerNorm2d<>, Repeat<2, NextBlock<48>>,
                         LayerNorm2d<>, Conv2d<96, 2, Stride<2>>, Repeat<2, NextBlock<96>>,  //
                         GlobalAvgPool2d, LayerNorm<>, Linear<10>>;

// A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of three levels; the mean of its ten planes is classified.
template <int Channels>
using TwoConvs = Sequential<Conv2d<Channels, 3, Padding<1>>, ReLU, Conv2d<Channels, 3, Padding<1>>, ReLU>;
template <int Channels, class... Inner>
using Level = Sequential<TwoConvs<Channels>,
                         Concat<Branch<>, Branch<MaxPool2d<2>, Inner..., ConvTranspose2d<Channels, 2, Stride<2>>>>,
                         TwoConvs<Channels>>;
using UNet = Network<Input<3, 32, 32>, Level<16, Level<32, TwoConvs<64>>>, Conv2d<10, 1>, GlobalAvgPool2d>;

using Mlp = Network<Input<784>, Linear<1024>, ReLU, Linear<1024>, ReLU, Linear<10>>;
// 4.2 million parameters.
using WideMlp = Network<Input<3072>, Linear<1024>, ReLU, Linear<1024>, ReLU, Linear<10>>;

}  // namespace benchmark
