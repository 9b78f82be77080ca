// A small ResNet (BatchNorm, identity and option-A shortcuts) trained for five steps, against LibTorch.
#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/relu.hpp"
#include "strata/layer/zero_pad_shortcut.hpp"
#include "strata/optimizer/adamw.hpp"
#include "strata/optimizer/sgd.hpp"
#include "trained_network.hpp"

using namespace strata;

template <int Channels, int StrideLength, class... ShortcutPart>
using Block = Residual<
    Main<Named<"conv1", Conv2d<Channels, 3, Stride<StrideLength>, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>,
         ReLU, Named<"conv2", Conv2d<Channels, 3, Padding<1>, NoBias>>, Named<"bn2", BatchNorm2d<>>>,
    ShortcutPart..., After<ReLU>>;
using ResNet =
    Network<Input<3, 8, 8>, Named<"conv1", Conv2d<4, 3, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU,
            Named<"layer1", Sequential<Block<4, 1>>>, Named<"layer2", Sequential<Block<8, 2, ZeroPadShortcut>>>,
            GlobalAvgPool2d, Named<"linear", Linear<10>>>;

TEST_CASE("SGD with momentum") {
    compare_training<ResNet, Float64>("resnet/sgd", SGD{.learning_rate = 0.1, .momentum = 0.9}, double_tolerances);
}
TEST_CASE("AdamW") {
    compare_training<ResNet, Float64>("resnet/adamw", AdamW{.learning_rate = 0.01, .weight_decay = 0.01},
                                      double_tolerances);
}
TEST_CASE("single precision") {
    // As for LeNet; each of the five normalisations amplifies the rounding by 1 / deviation.
    compare_training<ResNet, Float32>("resnet/sgd", SGD{.learning_rate = 0.1, .momentum = 0.9},
                                      {1e-4, 1e-5, 1e-4, 5e-4});
}
