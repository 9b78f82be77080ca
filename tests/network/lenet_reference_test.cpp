// A small LeNet trained for five steps, against LibTorch.
#include "strata/layer/conv2d.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/relu.hpp"
#include "strata/optimizer/adam.hpp"
#include "strata/optimizer/sgd.hpp"
#include "trained_network.hpp"

using namespace strata;

using LeNet = Network<Input<3, 12, 12>, Named<"conv1", Conv2d<4, 3>>, ReLU, MaxPool2d<2>, Named<"conv2", Conv2d<6, 3>>,
                      ReLU, MaxPool2d<2>, Flatten, Named<"fc1", Linear<8>>, ReLU, Named<"fc2", Linear<10>>>;

TEST_CASE("SGD with momentum") {
    compare_training<LeNet, Float64>("lenet/sgd", SGD{.learning_rate = 0.1, .momentum = 0.9}, double_tolerances);
}
TEST_CASE("Adam") { compare_training<LeNet, Float64>("lenet/adam", Adam{.learning_rate = 0.01}, double_tolerances); }
TEST_CASE("label smoothing and a smaller last batch") {
    compare_training<LeNet, Float64>("lenet/sgd_smooth0.1", SGD{.learning_rate = 0.1, .momentum = 0.9},
                                     double_tolerances, 0.1, 4);
}
TEST_CASE("three threads") {
    compare_training<LeNet, Float64>("lenet/sgd", SGD{.learning_rate = 0.1, .momentum = 0.9}, double_tolerances, 0, 6,
                                     3);
}
TEST_CASE("single precision") {
    // Single precision keeps 6e-8 of each number; five steps of a rate of 0.1 multiply what sums of a
    // few hundred of them lose.
    compare_training<LeNet, Float32>("lenet/sgd", SGD{.learning_rate = 0.1, .momentum = 0.9}, {1e-5, 1e-5, 1e-5, 1e-4});
}
