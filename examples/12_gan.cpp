// Tutorial 12: a generative adversarial network, of convolutions (DCGAN; Radford et al., 2015).
//
//     12_gan [DIR]
//
// DIR holds the four files of Fashion-MNIST, as in the quickstart. A generator makes images of random numbers, a
// discriminator tells them from real ones, and each learns from the other. The generator's gradient comes from outside: it
// is the gradient of the discriminator's loss with respect to its input.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

constexpr int point_size = 32, image_pixels = 28 * 28;

using Generator = Network<Input<point_size, 1, 1>,                                   // a point, of 32 channels
                          ConvTranspose2d<32, 7>, ReLU,                              // 32 x 7 x 7
                          ConvTranspose2d<16, 4, Stride<2>, Padding<1>>, ReLU,       // 16 x 14 x 14
                          ConvTranspose2d<1, 4, Stride<2>, Padding<1>>, Sigmoid>;    // 1 x 28 x 28
using Discriminator = Network<RequiresGrad<Input<1, 28, 28>>,                        //
                              Conv2d<16, 4, Stride<2>, Padding<1>>, LeakyReLU<0.2>,  // 16 x 14 x 14
                              Conv2d<32, 4, Stride<2>, Padding<1>>, LeakyReLU<0.2>,  // 32 x 7 x 7
                              Flatten, Linear<1>>;                                   // real or not

/// The loss whose gradient is given: the sum of outputs times targets. PyTorch's `y.backward(gradient)`.
struct GivenGradient {
    using policy = LossPolicy;
    static constexpr bool classifies = false;
    template <int K, class Io>
    auto operator()(Io const& io) const {
        typename Io::L total(0);
        for (int k = 0; k < K; ++k) {
            total = multiply_add(io.x[k], io.target[k], total);
            if (io.dx.data) io.dx.set(k, io.target[k] * io.scale);
        }
        return total;
    }
};

static void print(std::span<float const> images, int count) {
    for (int row = 0; row < 28; row += 2) {
        for (int i = 0; i < count; ++i) {
            for (int column = 0; column < 28; ++column) {
                auto const at = static_cast<std::size_t>(i * image_pixels + row * 28 + column);
                std::putchar(" .:-=+*#%@"[std::clamp(static_cast<int>(5 * (images[at] + images[at + 28])), 0, 9)]);
            }
            std::fputs("  ", stdout);
        }
        std::putchar('\n');
    }
}

int main(int argument_count, char** arguments) try {
    std::string const file = "12_gan_generator.safetensors";
    AtomicFile::check(file);
    auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();
    Dataset const real_data = data.train.first(10'000);

    constexpr int batch = 50, epochs = 2;
    AdamW const optimizer{.learning_rate = 1e-3, .beta1 = 0.5, .weight_decay = 0};
    auto generator = train<Generator>(GivenGradient{}, optimizer, Seed{1});
    auto discriminator = train<Discriminator>(BCEWithLogits{}, optimizer, Seed{2});
    Workspace<Generator> workspace;
    Random random(3, Purpose::user);

    std::vector<float> points(batch * point_size), gradient(batch * image_pixels), real(batch * image_pixels);
    std::vector<float> const yes(batch, 1.0f), no(batch, 0.0f);
    auto const draw = [&] {
        for (float& x : points) x = static_cast<float>(random.normal());
    };

    Loader loader(real_data, {.batch_size = batch, .drop_last = true, .seed = 4});
    double its_loss = 0, our_loss = 0;  // exponential means: of the discriminator, of the generator
    int step = 0;
    for (int epoch = 0; epoch < epochs; ++epoch) {
        loader.begin_epoch(epoch);
        while (Batch const* const images = loader.next()) {
            auto const* const bytes = static_cast<std::uint8_t const*>(images->inputs);
            for (std::size_t k = 0; k < real.size(); ++k) real[k] = static_cast<float>(bytes[k]) / 255;
            draw();
            auto const made = generator.model()(points, workspace);

            // The discriminator learns from both: the second gradient is added to the first.
            double loss = discriminator.backward(real, yes).loss;
            loss += discriminator.backward(made, no).loss;
            discriminator.update();

            // The generator wants its images to be taken for real. What the discriminator's weights would learn of that is
            // forgotten; what its input's gradient says is the gradient of the generator's outputs. It is that of a mean, and
            // the generator's loss is a mean, too: hence the factor.
            double const wanted = discriminator.backward(made, yes).loss;
            std::span<float const> const slopes = discriminator.input_gradients();
            std::transform(slopes.begin(), slopes.end(), gradient.begin(), [](float g) { return g * batch; });
            discriminator.zero_gradients();
            generator.train_step(points, gradient);

            its_loss = step == 0 ? loss / 2 : 0.95 * its_loss + 0.05 * loss / 2;
            our_loss = step == 0 ? wanted : 0.95 * our_loss + 0.05 * wanted;
            if (++step % 100 == 0)
                std::printf("step %4d  discriminator %.4f  generator %.4f\n", step, its_loss, our_loss);
        }
    }

    draw();
    std::puts("drawn by the generator:");
    print(generator.model()(points, workspace), 3);
    save(generator.model(), file);
    std::printf("%d steps; the generator is in %s\n", step, file.c_str());
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
