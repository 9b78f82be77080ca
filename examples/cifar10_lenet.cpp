// LeNet on CIFAR-10: the network and recipe of PyTorch's CIFAR-10 tutorial (SGD, learning rate 0.001, momentum 0.9,
// batches of 4, inputs (x / 255 - 0.5) / 0.5).
//
//     cifar10_lenet train --data DIR --save lenet.safetensors
//     cifar10_lenet evaluate --data DIR --weights lenet.safetensors
#include "cifar10_program.hpp"

using namespace strata;

// The names are those of the tutorial's module, so its state dict fits.
using LeNet = Network<Input<3, 32, 32>, Named<"conv1", Conv2d<6, 5>>, ReLU, MaxPool2d<2>,  // 6 x 14 x 14
                      Named<"conv2", Conv2d<16, 5>>, ReLU, MaxPool2d<2>,                   // 16 x 5 x 5
                      Flatten,                                                             // 400
                      Named<"fc1", Linear<120>>, ReLU,                                     // 120
                      Named<"fc2", Linear<84>>, ReLU,                                      // 84
                      Named<"fc3", Linear<10>>>;                                           // 10 classes
static_assert(LeNet::parameter_count == 62'006);

int main(int argument_count, char** arguments) {
    return cifar10_program::run(
        argument_count, arguments, "cifar10_lenet", "LeNet on CIFAR-10", {},
        [](cifar10_program::Options const& options) {
            return train<LeNet>(options.cpu(), SGD{.learning_rate = options.learning_rate, .momentum = 0.9},
                                options.seed_policy());
        },
        [](Dataset const& images) { return images; });
}
