// Network types under nvcc: names, repetitions, residuals and shapes come out as under the host's compilers, and a deep
// network compiles in seconds (nvcc's front end needs care in expand.hpp, or its time doubles with every layer).
#include <strata/layer/batch_norm.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/global_avg_pool2d.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/max_pool2d.hpp>
#include <strata/layer/relu.hpp>
#include <strata/layer/zero_pad_shortcut.hpp>
#include <strata/network/model.hpp>

#include <doctest/doctest.h>

using namespace strata;

namespace {

using LeNet = Network<Input<3, 32, 32>, Named<"conv1", Conv2d<6, 5>>, ReLU, MaxPool2d<2>, Named<"conv2", Conv2d<16, 5>>,
                      ReLU, MaxPool2d<2>, Flatten, Named<"fc1", Linear<120>>, ReLU, Named<"fc2", Linear<84>>, ReLU,
                      Named<"fc3", Linear<10>>>;
static_assert(LeNet::parameter_count == 62'006);
static_assert(LeNet::output_shape == Shape<10>{});

template <int Channels, int Step>
using MainPath =
    Main<Named<"conv1", Conv2d<Channels, 3, Stride<Step>, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU,
         Named<"conv2", Conv2d<Channels, 3, Padding<1>, NoBias>>, Named<"bn2", BatchNorm2d<>>>;
template <int Channels>
using Block = Residual<MainPath<Channels, 1>, After<ReLU>>;
template <int Channels>
using Wider = Residual<MainPath<Channels, 2>, ZeroPadShortcut, After<ReLU>>;
// He et al. 2015, section 4.2: 0.27 million parameters.
using ResNet20 =
    Network<Input<3, 32, 32>, Named<"conv1", Conv2d<16, 3, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU,
            Named<"layer1", Repeat<3, Block<16>>>, Named<"layer2", Wider<32>, Repeat<2, Block<32>>>,
            Named<"layer3", Wider<64>, Repeat<2, Block<64>>>, GlobalAvgPool2d, Named<"linear", Linear<10>>>;
static_assert(ResNet20::parameter_count == 269'722);

}  // namespace

TEST_CASE("tensors have PyTorch's names") {
    Model<ResNet20> model(1);
    auto const tensors = model.tensors();
    CHECK(tensors.front().name == "conv1.weight");
    CHECK(tensors.back().name == "linear.bias");
    bool found = false;
    for (auto const& tensor : tensors) found = found || tensor.name == "layer3.2.bn2.running_var";
    CHECK(found);
}
