// Tutorial 11: a convolutional autoencoder that takes noise out of images.
//
//     11_denoising_autoencoder [DIR]
//
// DIR holds the four files of Fashion-MNIST, as in the quickstart. The network sees noisy images and is trained to give the
// clean ones: its targets are images, so its loss is MSE. Two strided convolutions halve the image twice, two transposed
// ones double it again.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

using Autoencoder = Network<Input<1, 28, 28>,                                                          //
                            Conv2d<16, 3, Stride<2>, Padding<1>>, ReLU,                                // 16 x 14 x 14
                            Conv2d<32, 3, Stride<2>, Padding<1>>, ReLU,                                // 32 x 7 x 7
                            ConvTranspose2d<16, 3, Stride<2>, Padding<1>, OutputPadding<1>>, ReLU,     // 16 x 14 x 14
                            ConvTranspose2d<1, 3, Stride<2>, Padding<1>, OutputPadding<1>>, Sigmoid>;  // 1 x 28 x 28
static_assert(Autoencoder::output_shape == Shape<1, 28, 28>{});
constexpr int image_pixels = 28 * 28;

/// Noise of another kind for every image and epoch: a transform changes samples on their way to the network, not targets.
struct Noise {
    double deviation = 0.3;
    void operator()(std::span<float> sample, SampleShape, Random& random) const {
        for (float& x : sample) x = std::clamp(x + static_cast<float>(deviation * random.normal()), 0.0f, 1.0f);
    }
};

/// Pixels of the dataset's images from 0 to 1.
static std::vector<float> images_of(Dataset const& data) {
    std::vector<float> images;
    for (std::size_t i = 0; i < data.size(); ++i) {
        auto const* const image = static_cast<std::uint8_t const*>(data.sample(i));
        for (int k = 0; k < image_pixels; ++k) images.push_back(static_cast<float>(image[k]) / 255);
    }
    return images;
}

/// Images side by side, two pixels below each other in one character.
static void print(std::vector<std::span<float const>> const& images) {
    for (int row = 0; row < 28; row += 2) {
        for (auto const image : images) {
            for (int column = 0; column < 28; ++column) {
                auto const at = static_cast<std::size_t>(row * 28 + column);
                std::putchar(" .:-=+*#%@"[std::clamp(static_cast<int>(5 * (image[at] + image[at + 28])), 0, 9)]);
            }
            std::fputs("  ", stdout);
        }
        std::putchar('\n');
    }
}

static double mean_squared_error(std::span<float const> a, std::span<float const> b) {
    double sum = 0;
    for (std::size_t k = 0; k < a.size(); ++k)
        sum += (static_cast<double>(a[k]) - static_cast<double>(b[k])) *
               (static_cast<double>(a[k]) - static_cast<double>(b[k]));
    return sum / static_cast<double>(a.size());
}

int main(int argument_count, char** arguments) try {
    auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();
    // Samples and targets are the same numbers, which are not copied.
    std::vector<float> const clean = images_of(data.train.first(10'000)),
                             clean_test = images_of(data.test.first(2'000));
    SampleShape const shape{1, 28, 28};
    Dataset const train_data = from_memory(view(clean), shape, view(clean), image_pixels).with(Noise{}),
                  test_data = from_memory(view(clean_test), shape, view(clean_test), image_pixels).with(Noise{});

    std::puts(summary<Autoencoder>().c_str());
    auto trainer = train<Autoencoder>(MSE{}, AdamW{.learning_rate = 3e-3}, OneCycleLR{}, Seed{1});
    trainer.fit(train_data, test_data, {.epochs = 2, .batch_size = 64});

    // input(i) is what the network gets of sample i: an image with noise.
    std::vector<float> noisy;
    for (std::size_t i = 0; i < 100; ++i) {
        auto const image = test_data.input(i);
        noisy.insert(noisy.end(), image.begin(), image.end());
    }
    Workspace<Autoencoder> workspace;
    auto const denoised = trainer.model()(noisy, workspace);
    std::span<float const> const truth(clean_test.data(), noisy.size());

    auto const image = [](std::span<float const> of, std::size_t i) {
        return of.subspan(i * image_pixels, image_pixels);
    };
    std::puts("noisy, denoised and clean:");
    for (std::size_t i = 0; i < 2; ++i) print({image(noisy, i), image(denoised, i), image(truth, i)});
    double const before = mean_squared_error(noisy, truth), after = mean_squared_error(denoised, truth);
    std::printf("mean squared error of the noisy images %.4f, of the denoised ones %.4f\n", before, after);
    return after < before ? 0 : 1;
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
