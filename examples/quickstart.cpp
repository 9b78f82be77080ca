// Trains a LeNet-style network on Fashion-MNIST and saves it.
//
//     quickstart [DIR]
//
// DIR holds the four files of Fashion-MNIST, plain or .gz. Without it they are looked for where the Debian package
// dataset-fashion-mnist puts them, then in data/fashion-mnist.
#include <cstdio>
#include <exception>
#include <string>

#include <strata/strata.hpp>

using namespace strata;

// Shapes are inferred from layer to layer; on the right is what each line makes of an image.
using LeNet = Network<Input<1, 28, 28>, Named<"conv1", Conv2d<6, 5, Padding<2>>>, ReLU, MaxPool2d<2>,  // 6 x 14 x 14
                      Named<"conv2", Conv2d<16, 5>>, ReLU, MaxPool2d<2>,                               // 16 x 5 x 5
                      Flatten,                                                                         // 400
                      Named<"fc1", Linear<120>>, ReLU,                                                 // 120
                      Named<"fc2", Linear<84>>, ReLU,                                                  // 84
                      Named<"fc3", Linear<10>>>;                                                       // 10 classes
static_assert(LeNet::parameter_count == 61'706);

static TrainTest find_data() {
    std::string const package = "/usr/share/datasets/fashion-mnist", local = "data/fashion-mnist";
    auto const is_in = [](std::string const& directory) {
        return !plain_or_gzip(directory, "train-images-idx3-ubyte").empty() ||
               !plain_or_gzip(directory, "train-images.idx3-ubyte").empty();
    };
    return fashion_mnist(!is_in(package) && is_in(local) ? local : package);
}

int main(int argument_count, char** arguments) {
    try {
        if (argument_count > 2) fail("usage: quickstart [DIR], the directory with the files of Fashion-MNIST");
        std::string const file = "fashion_mnist_lenet.safetensors";
        AtomicFile::check(file);  // now, and not after the training
        auto data = argument_count == 2 ? fashion_mnist(arguments[1]) : find_data();
        // Pixels become (x / 255 - mean) / std, with the mean and the standard deviation of the training images.
        Normalize const normalize{.mean = {0.2860}, .std = {0.3530}};
        data.train = data.train.with(normalize);
        data.test = data.test.with(normalize);

        std::puts(summary<LeNet>().c_str());
        std::printf("%zu training images, %zu test images\n\n", data.train.size(), data.test.size());
        std::fflush(stdout);

        auto trainer = train<LeNet>(SGD{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 1e-4},
                                    OneCycleLR{.pct_start = 0.2, .cycle_momentum = false}, Seed{1});
        auto const& history = trainer.fit(data.train, data.test, {.epochs = 8, .batch_size = 64});

        double seconds = 0;
        for (auto const& epoch : history) seconds += epoch.seconds;
        auto const result = trainer.evaluate(data.test);
        std::printf("\n%s\n", result.confusion(data.test.classes()).table(data.test.class_names()).c_str());
        save(trainer.model(), file);
        std::printf("test accuracy %.2f %% after %.1f s of training; the model is in %s\n", 100 * result.accuracy,
                    seconds, file.c_str());
    } catch (std::exception const& error) {
        std::fprintf(stderr, "quickstart: %s\n", error.what());
        return 1;
    }
}
