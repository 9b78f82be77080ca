// ResNet-20 on CIFAR-10: He et al. 2015 (arXiv:1512.03385, section 4.2), with option-A shortcuts and the parameter
// names of the widely used PyTorch implementation (github.com/akamaster/pytorch_resnet_cifar10).
//
//     cifar10_resnet20 train --data DIR --save resnet20.safetensors
//     cifar10_resnet20 evaluate --data DIR --weights resnet20.safetensors
#include "cifar10_program.hpp"

using namespace strata;

template <int Channels, int Step = 1>
using Conv3x3 = Conv2d<Channels, 3, Stride<Step>, Padding<1>, NoBias, Initialize<KaimingNormal>>;

// y = ReLU(main(x) + shortcut(x)); a block with stride adds channels, which its shortcut fills with zeros.
template <int Channels, int Step = 1>
using Block = Residual<Main<Named<"conv1", Conv3x3<Channels, Step>>, Named<"bn1", BatchNorm2d<>>, ReLU,
                            Named<"conv2", Conv3x3<Channels>>, Named<"bn2", BatchNorm2d<>>>,
                       std::conditional_t<Step == 1, Identity, ZeroPadShortcut>, After<ReLU>>;

using ResNet20 = Network<Input<3, 32, 32>, Named<"conv1", Conv3x3<16>>, Named<"bn1", BatchNorm2d<>>, ReLU,
                         Named<"layer1", Repeat<3, Block<16>>>,                // 16 x 32 x 32
                         Named<"layer2", Block<32, 2>, Repeat<2, Block<32>>>,  // 32 x 16 x 16
                         Named<"layer3", Block<64, 2>, Repeat<2, Block<64>>>,  // 64 x 8 x 8
                         GlobalAvgPool2d,                                      // 64
                         Named<"linear", Linear<10>>>;                         // 10 classes
static_assert(ResNet20::parameter_count == 269'722);

int main(int argument_count, char** arguments) {
    cifar10_program::Options recipe;
    recipe.epochs = 30;  // the paper trains for 164
    recipe.batch_size = 128;
    recipe.learning_rate = 0.1;
    recipe.mean = {0.49140, 0.48216, 0.44653};  // of the training images
    recipe.std = {0.24703, 0.24349, 0.26159};
    return cifar10_program::run(
        argument_count, arguments, "cifar10_resnet20", "ResNet-20 on CIFAR-10", recipe,
        [](cifar10_program::Options const& options) {
            return train<ResNet20>(
                options.cpu(), SGD{.learning_rate = options.learning_rate, .momentum = 0.9, .weight_decay = 1e-4},
                // Half a cosine over the training where the paper has two steps: better when training is short.
                CosineAnnealingLR{.every = Every::step}, options.seed_policy());
        },
        [](Dataset const& images) { return images.with(RandomCrop{.padding = 4}, RandomHorizontalFlip{}); });
}
