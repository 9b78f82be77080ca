// Tutorial 1: the smallest network and its training.
//
//     01_five_lines [DIR]
//
// DIR holds the four files of Fashion-MNIST: 28 x 28 grey images of clothes in ten classes. A network is a type: the
// input's shape, then the layers in order. Nothing else needs to be said: `train` has a default for everything (here
// cross-entropy loss and all processors; the optimizer would be Adam), and `fit` shows its progress.
#include <cstdio>
#include <exception>

#include <strata/strata.hpp>

using namespace strata;

int main(int argument_count, char** arguments) try {
    auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();

    using Classifier = Network<Input<1, 28, 28>, Flatten, Linear<64>, ReLU, Linear<10>>;
    auto trainer = train<Classifier>(SGD{.learning_rate = 0.1});
    trainer.fit(data.train, data.test, {.epochs = 3});
    auto const evaluation = trainer.evaluate(data.test);
    std::printf("%.2f %% of the test images are recognised\n", 100 * evaluation.accuracy);
} catch (std::exception const& error) {
    // Every mistake that can only be seen at run time (a missing file, a wrong label) is an
    // exception with one sentence.
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
