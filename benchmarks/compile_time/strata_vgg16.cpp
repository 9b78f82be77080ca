// A user's VGG-16 (Simonyan and Zisserman 2014, arXiv:1409.1556, configuration D) on images in
// memory, trained and saved.
#include <strata/strata.hpp>

using namespace strata;

template <int Channels>
using ConvReLU = Sequential<Conv2d<Channels, 3, Padding<1>>, ReLU>;

using Vgg16 = Network<Input<3, 224, 224>,                         //
                      Repeat<2, ConvReLU<64>>, MaxPool2d<2>,      //
                      Repeat<2, ConvReLU<128>>, MaxPool2d<2>,     //
                      Repeat<3, ConvReLU<256>>, MaxPool2d<2>,     //
                      Repeat<3, ConvReLU<512>>, MaxPool2d<2>,     //
                      Repeat<3, ConvReLU<512>>, MaxPool2d<2>,     //
                      Flatten, Linear<4096>, ReLU, Dropout<0.5>,  //
                      Linear<4096>, ReLU, Dropout<0.5>, Linear<1000>>;
static_assert(Vgg16::parameter_count == 138'357'544);  // torchvision's

int main() try {
    std::vector<std::uint8_t> images(8 * 3 * 224 * 224, 128);
    std::vector<std::int32_t> const labels(8, 1);
    auto const data =
        from_memory(std::move(images), {3, 224, 224}, labels, 1000).with(Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
    auto trainer = train<Vgg16>(SGD{.learning_rate = 0.01, .momentum = 0.9}, StepLR{.step_size = 30, .gamma = 0.1});
    trainer.fit(data, data, {.epochs = 90, .batch_size = 8});
    save(trainer.model(), "vgg16.safetensors");
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
