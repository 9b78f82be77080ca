// LeNet and He et al.'s CIFAR ResNet-20, as the examples write them.
#pragma once

#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/relu.hpp"
#include "strata/layer/zero_pad_shortcut.hpp"
#include "strata/network/model.hpp"

namespace strata {

using LeNet = Network<Input<3, 32, 32>, Named<"conv1", Conv2d<6, 5>>, ReLU, MaxPool2d<2>, Named<"conv2", Conv2d<16, 5>>,
                      ReLU, MaxPool2d<2>, Flatten, Named<"fc1", Linear<120>>, ReLU, Named<"fc2", Linear<84>>, ReLU,
                      Named<"fc3", Linear<10>>>;

template <int Channels, int StrideLength, class... ShortcutPart>
using Block = Residual<
    Main<Named<"conv1", Conv2d<Channels, 3, Stride<StrideLength>, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>,
         ReLU, Named<"conv2", Conv2d<Channels, 3, Padding<1>, NoBias>>, Named<"bn2", BatchNorm2d<>>>,
    ShortcutPart..., After<ReLU>>;
using ResNet20 = Network<Input<3, 32, 32>, Named<"conv1", Conv2d<16, 3, Padding<1>, NoBias>>,
                         Named<"bn1", BatchNorm2d<>>, ReLU, Named<"layer1", Repeat<3, Block<16, 1>>>,
                         Named<"layer2", Block<32, 2, ZeroPadShortcut>, Repeat<2, Block<32, 1>>>,
                         Named<"layer3", Block<64, 2, ZeroPadShortcut>, Repeat<2, Block<64, 1>>>, GlobalAvgPool2d,
                         Named<"linear", Linear<10>>>;

}  // namespace strata
