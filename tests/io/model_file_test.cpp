// labels: libcxx
// Weights in files: PyTorch's names and shapes, and all of a file or nothing.
#include <cstring>
#include <strata/io/checkpoint_file.hpp>
#include <strata/io/model_file.hpp>
#include <strata/layer/batch_norm.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/global_avg_pool2d.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/max_pool2d.hpp>
#include <strata/layer/relu.hpp>
#include <strata/layer/zero_pad_shortcut.hpp>

#include "files.hpp"

using namespace strata;

namespace {

using LeNet = Network<Input<3, 32, 32>, Named<"conv1", Conv2d<6, 5>>, ReLU, MaxPool2d<2>, Named<"conv2", Conv2d<16, 5>>,
                      ReLU, MaxPool2d<2>, Flatten, Named<"fc1", Linear<120>>, ReLU, Named<"fc2", Linear<84>>, ReLU,
                      Named<"fc3", Linear<10>>>;

template <int Channels, int Step = 1>
using Block =
    Residual<Main<Named<"conv1", Conv2d<Channels, 3, Stride<Step>, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>,
                  ReLU, Named<"conv2", Conv2d<Channels, 3, Padding<1>, NoBias>>, Named<"bn2", BatchNorm2d<>>>,
             std::conditional_t<Step == 1, Identity, ZeroPadShortcut>, After<ReLU>>;
using SmallResNet =
    Network<Input<1, 8, 8>, Named<"conv1", Conv2d<2, 3, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>, ReLU,
            Named<"layer1", Repeat<2, Block<2>>>, Named<"layer2", Block<4, 2>, Block<4>>, GlobalAvgPool2d, Flatten,
            Named<"linear", Linear<3>>>;

/// Every element of every tensor set to something else.
template <class Net, class Precision>
void change(Model<Net, Precision>& model, std::uint64_t seed) {
    Random random(seed, Purpose::user);
    for (auto& v : model.parameters()) v = static_cast<typename Precision::master>(random.normal());
    for (auto& v : model.buffers()) v = static_cast<typename Precision::master>(1 + random.uniform());
    for (auto const& tensor : model.tensors())
        if (tensor.type == DataType::int64) *static_cast<std::int64_t*>(tensor.data) = 1 + random.below(100);
}

/// All tensors as bytes.
template <class Net, class Precision>
std::string bits(Model<Net, Precision> const& model) {
    std::string all;
    for (auto const& tensor : model.tensors()) all.append(static_cast<char const*>(tensor.data), tensor.bytes());
    return all;
}

std::string shape_of(TensorView const& tensor) {
    std::string text = tensor.name;
    for (auto const extent : tensor.shape) text += ' ' + std::to_string(extent);
    return text;
}

}  // namespace

TEST_CASE("LeNet has the state dict of PyTorch's tutorial") {
    std::vector<std::string> names;
    Model<LeNet> const model;
    for (auto const& tensor : model.tensors()) {
        names.push_back(shape_of(tensor));
        CHECK(tensor.type == DataType::float32);
    }
    CHECK(names == std::vector<std::string>{"conv1.weight 6 3 5 5", "conv1.bias 6", "conv2.weight 16 6 5 5",
                                            "conv2.bias 16", "fc1.weight 120 400", "fc1.bias 120", "fc2.weight 84 120",
                                            "fc2.bias 84", "fc3.weight 10 84", "fc3.bias 10"});
}

TEST_CASE("a residual network has the names of the widely used PyTorch implementation") {
    std::vector<std::string> names;
    Model<SmallResNet> const model;
    for (auto const& tensor : model.tensors()) names.push_back(shape_of(tensor));
    std::vector<std::string> expected;
    auto const batch_norm = [&](std::string const& name, int channels) {
        for (char const* part : {".weight ", ".bias ", ".running_mean ", ".running_var "})
            expected.push_back(name + part + std::to_string(channels));
        expected.push_back(name + ".num_batches_tracked");
    };
    auto const block = [&](std::string const& name, int in, int out) {
        expected.push_back(concatenate(name, ".conv1.weight ", out, ' ', in, " 3 3"));
        batch_norm(name + ".bn1", out);
        expected.push_back(concatenate(name, ".conv2.weight ", out, ' ', out, " 3 3"));
        batch_norm(name + ".bn2", out);
    };
    expected.push_back("conv1.weight 2 1 3 3");
    batch_norm("bn1", 2);
    block("layer1.0", 2, 2);
    block("layer1.1", 2, 2);
    block("layer2.0", 2, 4);
    block("layer2.1", 4, 4);
    expected.insert(expected.end(), {"linear.weight 3 4", "linear.bias 3"});
    CHECK(names == expected);
}

TEST_CASE("unnamed layers have nn.Sequential's indices") {
    Model<Network<Input<1, 8, 8>, Conv2d<2, 3>, ReLU, Sequential<Flatten, Linear<4>>, ReLU, Linear<3>>> const model;
    std::vector<std::string> names;
    for (auto const& tensor : model.tensors()) names.push_back(tensor.name);
    CHECK(names == std::vector<std::string>{"0.weight", "0.bias", "2.1.weight", "2.1.bias", "4.weight", "4.bias"});
}

TEST_CASE_TEMPLATE("what is saved is loaded, bit by bit", Net, LeNet, SmallResNet) {
    TemporaryDirectory const directory;
    std::string const path = directory / "model.safetensors";
    Model<Net> model;
    change(model, 1);
    save(model, path);
    CHECK(bits(load<Net>(path)) == bits(model));
    CHECK(directory.file_count() == 1);

    Model<Net, Float64> precise;
    change(precise, 2);
    save(precise, path);
    CHECK(bits(load<Net, Float64>(path)) == bits(precise));
    // Another precision is converted, rounded to nearest.
    Model<Net> const rounded = load<Net>(path);
    bool all = true;
    for (std::size_t i = 0; i < rounded.parameters().size(); ++i)
        all = all && rounded.parameters()[i] == static_cast<float>(std::as_const(precise).parameters()[i]);
    CHECK(all);
}

TEST_CASE("a prefix is stripped") {
    TemporaryDirectory const directory;
    std::string const path = directory / "model.safetensors";
    Model<SmallResNet> model;
    change(model, 1);
    auto tensors = model.tensors();
    for (auto& tensor : tensors) tensor.name = "module." + tensor.name;
    write_safetensors(path, tensors);
    CHECK(bits(load<SmallResNet>(path, {.strip_prefix = "module."})) == bits(model));
    auto const refusal = error_of([&] { static_cast<void>(load<SmallResNet>(path)); });
    CHECK_CONTAINS(refusal, "without the prefix \"module.\" (LoadOptions::strip_prefix) all names fit");
    CHECK_CONTAINS(refusal, "missing: \"conv1.weight\"");
}

TEST_CASE("a new head on an old trunk: skipped by pattern, reported, initialised as always") {
    TemporaryDirectory const directory;
    std::string const path = directory / "model.safetensors";
    Model<LeNet> model;
    change(model, 1);
    save(model, path);
    using Other = Network<Input<3, 32, 32>, Named<"conv1", Conv2d<6, 5>>, ReLU, MaxPool2d<2>,
                          Named<"conv2", Conv2d<16, 5>>, ReLU, MaxPool2d<2>, Flatten, Named<"fc1", Linear<120>>, ReLU,
                          Named<"fc2", Linear<84>>, ReLU, Named<"fc3", Linear<5>>>;
    CHECK_CONTAINS(error_of([&] { static_cast<void>(load<Other>(path)); }), "shape: \"fc3.weight\"");
    for (auto const& options : {LoadOptions{.skip = {"fc3.*"}}, LoadOptions{.skip_other_shapes = true}}) {
        Model<Other> loaded(4);
        Model<Other> const fresh(4);
        auto const report = load_into(loaded, path, options);
        CHECK(report.kept == std::vector<std::string>{"fc3.weight", "fc3.bias"});
        CHECK(report.unused.size() == 2);
        LoadReport of_load;
        static_cast<void>(load<Other>(path, options, &of_load));
        CHECK(of_load.kept == report.kept);
        CHECK(of_load.unused == report.unused);
        auto const head = static_cast<std::size_t>(Other::parameter_count) - (84 + 1) * 5;
        auto const got = std::as_const(loaded).parameters();
        CHECK(std::memcmp(got.data(), model.parameters().data(), head * 4) == 0);
        CHECK(std::memcmp(got.data() + head, fresh.parameters().data() + head, (84 + 1) * 5 * 4) == 0);
    }
}

TEST_CASE("files without num_batches_tracked are accepted") {
    TemporaryDirectory const directory;
    std::string const path = directory / "old.safetensors";
    Model<SmallResNet> model;
    change(model, 1);
    auto tensors = model.tensors();
    std::erase_if(tensors, [](TensorView const& t) { return t.type == DataType::int64; });
    write_safetensors(path, tensors);
    Model<SmallResNet> const loaded = load<SmallResNet>(path);
    CHECK(std::memcmp(loaded.parameters().data(), model.parameters().data(), model.parameters().size_bytes()) == 0);
    for (auto const n : loaded.batches_tracked()) CHECK(n == 0);
}

TEST_CASE("a file that does not fit says every difference, and leaves the model untouched") {
    TemporaryDirectory const directory;
    std::string const path = directory / "other.safetensors";
    Model<SmallResNet> model;
    change(model, 1);
    auto tensors = model.tensors();
    tensors[0].shape = {1, 2, 3, 3};
    tensors[1].name = "bn1.gamma";
    std::erase_if(tensors, [](TensorView const& t) { return t.name == "linear.bias"; });
    write_safetensors(path, tensors);

    Model<SmallResNet> target;
    change(target, 2);
    std::string const before = bits(target);
    std::string const text = error_of([&] { load_into(target, path); });
    CHECK_CONTAINS(text, path);
    CHECK_CONTAINS(text, "4 differences");
    CHECK_CONTAINS(text, "shape: \"conv1.weight\" is [1, 2, 3, 3] in the file, expected [2, 1, 3, 3]");
    CHECK_CONTAINS(text, "missing: \"bn1.weight\"");
    CHECK_CONTAINS(text, "missing: \"linear.bias\"");
    CHECK_CONTAINS(text, "unexpected: \"bn1.gamma\"");
    CHECK(bits(target) == before);

    auto whole_tensors = model.tensors();
    write_checkpoint(directory / "checkpoint", whole_tensors);
    load_into(target, directory / "checkpoint");
    CHECK(bits(target) == bits(model));
    change(target, 2);
    for (auto& tensor : whole_tensors) tensor.name = "model." + tensor.name;
    write_checkpoint(directory / "checkpoint", whole_tensors);
    CHECK_CONTAINS(error_of([&] { load_into(target, directory / "checkpoint"); }),
                   "a checkpoint, expected a file of weights: Trainer::load_checkpoint reads it");
    CHECK(bits(target) == before);

    std::string const whole = directory / "whole", torn = directory / "torn";
    save(model, whole);
    std::string const bytes = read_bytes(whole);
    write_bytes(torn, bytes.substr(0, bytes.size() - 1));
    CHECK_CONTAINS(error_of([&] { load_into(target, torn); }), torn);
    CHECK(bits(target) == before);
}
