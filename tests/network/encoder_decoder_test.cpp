// Networks of the layers that people look for first, against PyTorch: a U-Net, MobileNetV2's inverted residuals, a
// convolutional autoencoder; and that they train with any number of threads to the same bits, in every precision.
#include <vector>

#include "recorded_run.hpp"
#include "strata/strata.hpp"

using namespace strata;

namespace {

template <int Channels, int Kernel = 3, class... Options>
using Same = Conv2d<Channels, Kernel, Padding<Kernel / 2>, Options...>;
template <class... Layers>
using Small = Network<Input<2, 8, 8>, Layers...>;

using UNet = Small<
    Same<4>, ReLU,
    Concat<Branch<>, Branch<MaxPool2d<2>, Same<6>, ReLU,
                            Concat<Branch<>, Branch<MaxPool2d<2>, Same<8>, ReLU, ConvTranspose2d<6, 2, Stride<2>>>>,
                            Same<5>, ReLU, Upsample<2, Bilinear>>>,
    Same<3>, ReLU, Conv2d<2, 1>>;

template <int Expanded, int Channels, int StrideLength, template <class...> class Group>
using Inverted = Group<Conv2d<Expanded, 1, NoBias>, BatchNorm2d<>, ReLU6,
                       Same<Expanded, 3, Stride<StrideLength>, Groups<Expanded>, NoBias>, BatchNorm2d<>, ReLU6,
                       Conv2d<Channels, 1, NoBias>, BatchNorm2d<>>;
using MobileNetV2 = Small<Inverted<8, 4, 2, Sequential>, Residual<Inverted<12, 4, 1, Main>>>;

using Autoencoder = Small<Same<6, 3, Stride<2>>, ReLU, Same<8, 3, Stride<2>>, ReLU,
                          ConvTranspose2d<6, 3, Stride<2>, Padding<1>, OutputPadding<1>>, ReLU,
                          ConvTranspose2d<2, 4, Stride<2>, Padding<1>>, Sigmoid>;

constexpr double rounding = 1e-11;  // sums in another order, through up to six normalisations

/// All of the layers once, images and lines.
using Images = Small<ConvTranspose2d<4, 3, Stride<2>, Padding<1>, OutputPadding<1>>, ReLU, ZeroPad2d<1, 0, 0, 1>,
                     Conv2d<8, 2>, PixelShuffle<2>, Dropout2d<0.25>, AdaptiveMaxPool2d<7, 6>, AdaptiveAvgPool2d<5, 3>,
                     Upsample<2>, AdaptiveAvgPool2d<1>, Flatten, Linear<3>>;
using Lines = Network<Input<3, 20>, Conv1d<6, 5, SamePadding>, ReLU, MaxPool1d<2>, Conv1d<4, 3>, AvgPool1d<2>, Flatten,
                      Linear<3>>;

/// The gradient of 37 samples: two tiles and a ragged one.
template <class Net, class Precision>
std::vector<float> gradient(int threads) {
    auto const x = reference_values<float>(1, 37 * static_cast<std::size_t>(Net::InputShape::size)),
               y = reference_values<float>(2, 37 * 3);
    Batch batch;
    batch.size = 37;
    batch.shape = {1, 1, Net::InputShape::size};
    batch.inputs = x.data();
    batch.targets = y.data();
    Model<Net, Precision> model(3);
    CpuExecutor<Net, Precision, MSE> executor(Cpu{.threads = threads}, {});
    executor.gradients(model, batch, {.seed = 1, .operation = 0, .step = 2});
    return {executor.gradient().begin(), executor.gradient().end()};
}

}  // namespace

TEST_CASE("a U-Net") { compare_network<UNet>("network/unet", rounding); }
TEST_CASE("inverted residuals of MobileNetV2") { compare_network<MobileNetV2>("network/mobilenetv2", rounding); }
TEST_CASE("a convolutional autoencoder") { compare_network<Autoencoder>("network/autoencoder", rounding); }

TEST_CASE_TEMPLATE("the same gradient with one thread and two", Precision, Float32, Float64, Mixed<bfloat16>) {
    CHECK(gradient<Images, Precision>(1) == gradient<Images, Precision>(2));
}

TEST_CASE_TEMPLATE("BatchNorm1d of lines is BatchNorm2d of images one pixel high", Precision, Float32,
                   Mixed<bfloat16>) {
    using OfLines = Network<Input<3, 20>, Conv1d<6, 5, Stride<2>>, BatchNorm1d<>, ReLU, Flatten, Linear<3>>;
    using OfImages =
        Network<Input<3, 1, 20>, Conv2d<6, Size{1, 5}, Stride<1, 2>>, BatchNorm2d<>, ReLU, Flatten, Linear<3>>;
    CHECK(gradient<OfLines, Precision>(1) == gradient<OfImages, Precision>(1));
    CHECK(gradient<OfLines, Precision>(2) == gradient<OfLines, Precision>(1));
}

TEST_CASE("lines are data like images one pixel high") {
    auto const x = reference_values<float>(1, 16 * 3 * 20), y = reference_values<float>(2, 16 * 3);
    auto trainer = train<Lines>(Cpu{.threads = 2}, MSE{}, SGD{.learning_rate = 0.1}, Seed{3});
    auto const& history =
        trainer.fit(from_memory(x, {3, 1, 20}, y, 3), {.epochs = 2, .batch_size = 16, .progress = ProgressStyle::none});
    CHECK(history[1].train_loss < history[0].train_loss);
    CHECK_THROWS_WITH(
        trainer.fit(from_memory(x, {3, 20}, y, 3)),
        "fit: the data's samples are 3 x 20 x 1, the network's input is 3 x 1 x 20: give lines the shape {3, 1, 20}");
    CHECK(trainer.model().tensors()[0].shape == std::vector<long>{6, 3, 5});  // as PyTorch's files have it
}
