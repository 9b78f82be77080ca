// Deep networks: compile time and memory go with the operations that differ, not with all of them. ResNet-152 (He et al.
// 2015, arXiv:1512.03385) has 514 operations, the other 48 blocks of ten, as a language model has them: trainers of both
// compile with the compilers' default limits of constexpr steps, and in the memory that the test allows.
#include <strata/strata.hpp>

using namespace strata;

template <int Channels, int Kernel, int Step = 1>
using Conv = Conv2d<Channels, Kernel, Stride<Step>, Padding<Kernel / 2>, NoBias>;
template <int Width, int Step = 1>
using Bottleneck = Main<Named<"conv1", Conv<Width, 1>>, Named<"bn1", BatchNorm2d<>>, ReLU,        //
                        Named<"conv2", Conv<Width, 3, Step>>, Named<"bn2", BatchNorm2d<>>, ReLU,  //
                        Named<"conv3", Conv<4 * Width, 1>>, Named<"bn3", BatchNorm2d<>>>;
template <int Width, int Step>
using First =
    Residual<Bottleneck<Width, Step>, Named<"downsample", Conv<4 * Width, 1, Step>, BatchNorm2d<>>, After<ReLU>>;
template <int Width>
using Next = Residual<Bottleneck<Width>, After<ReLU>>;

using ResNet152 =
    Network<Input<3, 224, 224>, Named<"conv1", Conv<64, 7, 2>>, Named<"bn1", BatchNorm2d<>>, ReLU,
            MaxPool2d<3, Stride<2>, Padding<1>>, Named<"layer1", First<64, 1>, Repeat<2, Next<64>>>,
            Named<"layer2", First<128, 2>, Repeat<7, Next<128>>>, Named<"layer3", First<256, 2>, Repeat<35, Next<256>>>,
            Named<"layer4", First<512, 2>, Repeat<2, Next<512>>>, GlobalAvgPool2d, Named<"fc", Linear<1000>>>;
static_assert(ResNet152::operation_count == 514);
static_assert(ResNet152::parameter_count == 60'192'808);  // torchvision's
static_assert(ResNet152::layer_table[512].name == "8" && ResNet152::layer_table[513].name == "fc");

template <int Width>
using Block = Sequential<Residual<Main<Conv2d<Width, 1>, ReLU, Conv2d<Width, 1>, ReLU>>,
                         Residual<Main<ReLU, Conv2d<4 * Width, 1>, ReLU, Conv2d<Width, 1>>>>;
using FortyEight = Network<Input<384, 256, 1>, Named<"h", Repeat<48, Block<384>>>, Conv2d<65, 1>, GlobalAvgPool2d>;
static_assert(FortyEight::operation_count == 482 && FortyEight::kinds.count < 10);

int main() {
    auto resnet = train<ResNet152>(SGD{.learning_rate = 0.1, .momentum = 0.9});
    save(resnet.model(), "resnet152.safetensors");
    auto deep = train<FortyEight>(SGD{.learning_rate = 0.1});
    save(deep.model(), "deep.safetensors");
}
