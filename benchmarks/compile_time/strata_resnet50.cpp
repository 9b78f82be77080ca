// A user's ResNet-50 (He et al. 2015, arXiv:1512.03385; the stride in the 3x3 convolution and the names of the layers
// as in torchvision) on images in memory, trained and saved.
#include <strata/strata.hpp>

using namespace strata;

template <int Channels, int Kernel, int Step = 1>
using Conv = Conv2d<Channels, Kernel, Stride<Step>, Padding<Kernel / 2>, NoBias, Initialize<KaimingNormal>>;

template <int Width, int Step = 1>
using Bottleneck = Main<Named<"conv1", Conv<Width, 1>>, Named<"bn1", BatchNorm2d<>>, ReLU,        //
                        Named<"conv2", Conv<Width, 3, Step>>, Named<"bn2", BatchNorm2d<>>, ReLU,  //
                        Named<"conv3", Conv<4 * Width, 1>>, Named<"bn3", BatchNorm2d<>>>;
template <int Width, int Step>
using First =
    Residual<Bottleneck<Width, Step>, Named<"downsample", Conv<4 * Width, 1, Step>, BatchNorm2d<>>, After<ReLU>>;
template <int Width>
using Next = Residual<Bottleneck<Width>, After<ReLU>>;

using ResNet50 = Network<Input<3, 224, 224>, Named<"conv1", Conv<64, 7, 2>>, Named<"bn1", BatchNorm2d<>>, ReLU,
                         MaxPool2d<3, Stride<2>, Padding<1>>,                   // 64 x 56 x 56
                         Named<"layer1", First<64, 1>, Repeat<2, Next<64>>>,    // 256 x 56 x 56
                         Named<"layer2", First<128, 2>, Repeat<3, Next<128>>>,  // 512 x 28 x 28
                         Named<"layer3", First<256, 2>, Repeat<5, Next<256>>>,  // 1024 x 14 x 14
                         Named<"layer4", First<512, 2>, Repeat<2, Next<512>>>,  // 2048 x 7 x 7
                         GlobalAvgPool2d, Named<"fc", Linear<1000>>>;
static_assert(ResNet50::parameter_count == 25'557'032);  // torchvision's

int main() try {
    std::vector<std::uint8_t> images(8 * 3 * 224 * 224, 128);
    std::vector<std::int32_t> const labels(8, 1);
    auto const data =
        from_memory(std::move(images), {3, 224, 224}, labels, 1000).with(Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
    auto trainer = train<ResNet50>(SGD{.learning_rate = 0.1, .momentum = 0.9}, StepLR{.step_size = 30, .gamma = 0.1});
    trainer.fit(data, data, {.epochs = 90, .batch_size = 8});
    save(trainer.model(), "resnet50.safetensors");
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
