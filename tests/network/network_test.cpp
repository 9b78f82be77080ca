// What follows from a network type: state-dict names and shapes as in PyTorch, counts, shapes,
// FLOPs, memory, initial values.
#include "strata/network/network.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "known_networks.hpp"

using namespace strata;

namespace {
template <class Net>
std::vector<std::string> names() {
    Model<Net> const model;
    std::vector<std::string> list;
    for (auto const& tensor : model.tensors()) list.push_back(tensor.name);
    return list;
}
using Names = std::vector<std::string>;

/// The state dict of the widely used PyTorch ResNet-20, in its order.
Names resnet20_names() {
    Names list;
    auto const conv = [&](std::string const& at) { list.push_back(at + ".weight"); };
    auto const norm = [&](std::string const& at) {
        for (char const* part : {".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked"})
            list.push_back(at + part);
    };
    conv("conv1");
    norm("bn1");
    for (int layer = 1; layer <= 3; ++layer)
        for (int block = 0; block < 3; ++block) {
            auto const at = "layer" + std::to_string(layer) + "." + std::to_string(block) + ".";
            conv(at + "conv1");
            norm(at + "bn1");
            conv(at + "conv2");
            norm(at + "bn2");
        }
    list.insert(list.end(), {"linear.weight", "linear.bias"});
    return list;
}
}  // namespace

TEST_CASE("LeNet: names, shapes, counts") {
    CHECK(names<LeNet>() == Names{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias",
                                  "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"});
    Model<LeNet> model;
    auto const tensors = model.tensors();
    CHECK(tensors[0].shape == std::vector<std::int64_t>{6, 3, 5, 5});
    CHECK(tensors[2].shape == std::vector<std::int64_t>{16, 6, 5, 5});
    CHECK(tensors[4].shape == std::vector<std::int64_t>{120, 400});
    CHECK(tensors[9].shape == std::vector<std::int64_t>{10});
    static_assert(LeNet::parameter_count == 62'006);
    static_assert(LeNet::output_shape == Shape<10>{});
    static_assert(LeNet::input_shape == Shape<3, 32, 32>{});
    static_assert(!LeNet::is_batch_wide);
    static_assert(LeNet::operation_count == 12);
    // One contiguous arena, no gap between tensors.
    auto const* at = model.parameters().data();
    for (auto const& tensor : tensors) {
        CHECK(tensor.data == at);
        at += tensor.size();
    }
    CHECK(at == model.parameters().data() + LeNet::parameter_count);
}

TEST_CASE("ResNet-20: the names of PyTorch, in its order") {
    CHECK(names<ResNet20>() == resnet20_names());
    static_assert(ResNet20::parameter_count == 269'722);
    static_assert(ResNet20::is_batch_wide);
    static_assert(ResNet20::buffer_count == 2 * (7 * 16 + 6 * 32 + 6 * 64));
}

TEST_CASE("unnamed layers count as in nn.Sequential, Input does not, Repeat splices") {
    using Net = Network<Input<1, 4, 4>, Conv2d<2, 3>, ReLU, Flatten, Repeat<2, Linear<4>, ReLU>, Linear<3>>;
    CHECK(names<Net>() ==
          Names{"0.weight", "0.bias", "3.weight", "3.bias", "5.weight", "5.bias", "7.weight", "7.bias"});
    CHECK(names<Network<Input<3>, Repeat<0, ReLU>, Linear<2, NoBias>>>() == Names{"0.weight"});
}

TEST_CASE("Inline is no step in the names") {
    using Net = Network<Input<1, 4, 4>, Inline<Conv2d<2, 3>, ReLU>, Flatten,
                        Inline<Named<"fc", Linear<4>>, Inline<ReLU>>, Linear<3, NoBias>>;
    CHECK(names<Net>() == Names{"0.weight", "0.bias", "fc.weight", "fc.bias", "5.weight"});
}

TEST_CASE("Identity counts as a layer, and is no operation") {
    using Net = Network<Input<4>, Linear<3>, Identity, Residual<Main<Identity, Linear<3>>, Identity>>;
    CHECK(names<Net>() == Names{"0.weight", "0.bias", "2.1.weight", "2.1.bias"});
    static_assert(Net::operation_count == 3);  // and a sum
}

TEST_CASE("names nest: groups, named groups, residuals") {
    using Group = Sequential<Linear<4>, ReLU>;
    using Net = Network<Input<4>, Group, Named<"body", Group, Named<"last", Linear<4>>>,
                        Named<"one", Sequential<Linear<4, NoBias>>>, Named<"twice", Repeat<2, Group>>,
                        Named<"head", Linear<2, NoBias>>>;
    CHECK(names<Net>() == Names{"0.0.weight", "0.0.bias", "body.0.0.weight", "body.0.0.bias", "body.last.weight",
                                "body.last.bias", "one.0.weight", "twice.0.0.weight", "twice.0.0.bias",
                                "twice.1.0.weight", "twice.1.0.bias", "head.weight"});
    using Joined = Network<
        Input<2, 3, 3>, Named<"stem", Conv2d<2, 1, NoBias>>,
        Residual<Main<Named<"a", Conv2d<4, 1, NoBias>>, ReLU, Conv2d<4, 1, NoBias>>, Shortcut<Conv2d<4, 1, NoBias>>>,
        Named<"block", Residual<Main<Conv2d<4, 1, NoBias>>, Named<"downsample", Sequential<Conv2d<4, 1, NoBias>>>>>,
        ReLU, Flatten, Linear<2, NoBias>>;
    CHECK(names<Joined>() == Names{"stem.weight", "1.a.weight", "1.2.weight", "1.shortcut.0.weight", "block.0.weight",
                                   "block.downsample.0.weight", "5.weight"});
}

TEST_CASE("parameters without a name of their own stay in the order of the state dict") {
    using Net = Network<Input<2, 3, 3>, Named<"bn", BatchNorm2d<>>, BatchNorm2d<NoAffine>>;
    CHECK(names<Net>() == Names{"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked",
                                "1.running_mean", "1.running_var", "1.num_batches_tracked"});
    static_assert(Net::parameter_count == 4);
}

TEST_CASE("FLOPs of one sample: two for each multiply-add, one for each element of what does no sums") {
    double const conv1 = 2.0 * 6 * 28 * 28 * 75, conv2 = 2.0 * 16 * 10 * 10 * 150,
                 linear = 2.0 * (400 * 120 + 120 * 84 + 84 * 10);
    double const relu = 6 * 28 * 28 + 16 * 10 * 10 + 120 + 84, pool = 4.0 * (6 * 14 * 14 + 16 * 5 * 5);
    CHECK(LeNet::flops == conv1 + conv2 + linear + relu + pool);
    CHECK(LeNet::training_flops == 3 * LeNet::flops);
}

TEST_CASE("workspace: a sample's scalars, pinned so that a change of the plan shows") {
    // LeNet: inference needs the image and the first activations at once; training what backward reads, and gradients.
    CHECK(LeNet::inference_plan.size == 3 * 32 * 32 + 6 * 28 * 28);
    CHECK(LeNet::training_plan.size == 16'032);
    CHECK(LeNet::training_bytes_per_sample<> == 4 * 16'032);
    CHECK(ResNet20::inference_plan.size == 52'224);
    CHECK(ResNet20::training_plan.size == 388'256);
}

TEST_CASE("initial values: PyTorch's bounds, a stream a tensor, the same for the same seed") {
    Model<LeNet> const model(3), same(3), other(4);
    CHECK(std::equal(model.parameters().begin(), model.parameters().end(), same.parameters().begin()));
    CHECK(!std::equal(model.parameters().begin(), model.parameters().end(), other.parameters().begin()));
    for (auto const& [offset, count, fan_in] :
         {std::tuple{0, 456, 75}, std::tuple{456, 2416, 150}, std::tuple{2872, 48120, 400}}) {
        double const bound = 1 / std::sqrt(static_cast<double>(fan_in));
        double largest = 0, sum = 0, squares = 0;
        for (float const p :
             model.parameters().subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(count))) {
            largest = std::max(largest, static_cast<double>(std::abs(p)));
            sum += static_cast<double>(p);
            squares += static_cast<double>(p) * static_cast<double>(p);
        }
        CHECK(largest <= bound);
        CHECK(largest > 0.97 * bound);
        // Five standard errors of a uniform distribution's mean; its variance within a fifth.
        CHECK(std::abs(sum / count) < 5 * bound / std::sqrt(3.0 * count));
        CHECK(squares / count == doctest::Approx(bound * bound / 3).epsilon(0.2));
    }
    Model<Network<Input<5>, Linear<5, NoBias>, Linear<5, NoBias>>> const twins(1);
    CHECK(!std::equal(twins.parameters().begin(), twins.parameters().begin() + 25, twins.parameters().begin() + 25));
    Model<Network<Input<3, 2, 2>, BatchNorm2d<>>> const norm;
    CHECK(std::vector<float>(norm.parameters().begin(), norm.parameters().end()) ==
          std::vector<float>{1, 1, 1, 0, 0, 0});
    CHECK(std::vector<float>(norm.buffers().begin(), norm.buffers().end()) == std::vector<float>{0, 0, 0, 1, 1, 1});
}

TEST_CASE("other initialisations") {
    auto const deviation = []<class Net>(std::type_identity<Net>) {
        Model<Net, Float64> const model(1);
        double squares = 0;
        for (double const p : model.parameters()) squares += p * p;
        return std::sqrt(squares / Net::parameter_count);
    };
    auto const of = [&]<class Scheme>(Scheme) {
        return deviation(std::type_identity<Network<Input<50>, Linear<200, NoBias, Initialize<Scheme>>>>{});
    };
    // 10,000 numbers: the deviation is known to about one percent.
    CHECK(of(KaimingNormal{}) == doctest::Approx(std::sqrt(2.0 / 200)).epsilon(0.05));
    CHECK(of(XavierNormal{}) == doctest::Approx(std::sqrt(2.0 / 250)).epsilon(0.05));
    CHECK(of(XavierUniform{}) == doctest::Approx(std::sqrt(2.0 / 250)).epsilon(0.05));
    CHECK(of(NormalInit<0.3>{}) == doctest::Approx(0.3).epsilon(0.05));
    CHECK(of(ConstantInit<0.5>{}) == 0.5);
    CHECK(of(Zeros{}) == 0);
}
