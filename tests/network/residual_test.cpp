// Residual blocks with every kind of shortcut against LibTorch, forward and backward in training mode.
#include "recorded_run.hpp"
#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/relu.hpp"
#include "strata/layer/zero_pad_shortcut.hpp"

using namespace strata;

namespace {

template <int Channels, int StrideLength, class... ShortcutPart>
using Block = Residual<
    Main<Named<"conv1", Conv2d<Channels, 3, Stride<StrideLength>, Padding<1>, NoBias>>, Named<"bn1", BatchNorm2d<>>,
         ReLU, Named<"conv2", Conv2d<Channels, 3, Padding<1>, NoBias>>, Named<"bn2", BatchNorm2d<>>>,
    ShortcutPart..., After<ReLU>>;

/// The parameters of a block as generate.cpp makes them: number p, counted in PyTorch's order, from seed 240 + p.
template <class Run>
void initialise(Run& run) {
    std::uint32_t seed = 240;
    bool norm = false;
    for (auto const& tensor : run.model().tensors()) {
        if (tensor.name == "0.value" || tensor.name.find("running") != std::string::npos ||
            tensor.type != DataType::float64)
            continue;
        auto* const values = static_cast<double*>(tensor.data);
        bool const weight = tensor.name.ends_with("weight");
        if (weight) norm = tensor.shape.size() == 1;
        auto const v = reference_values(seed++, tensor.size());
        for (std::size_t i = 0; i < v.size(); ++i) values[i] = weight && norm ? 1 + 0.5 * v[i] : 0.5 * v[i];
    }
}

template <class Layer>
void compare(std::string const& name, std::vector<std::string> const& parameters) {
    RecordedRun<Network<Input<4, 6, 5>, Layer>, 3, Float64> run;
    initialise(run);
    auto const outputs = reference(name + "/y").size();
    run.train(reference_values(1, 3 * 4 * 6 * 5), reference_values(4, outputs));
    double const tolerance = 1e-11;  // sums in another order, through two normalisations
    CAPTURE(name);
    CHECK(reference_difference(run.y, name + "/y") < tolerance);
    CHECK(reference_difference(run.dx, name + "/dx") < tolerance);
    auto const gradients = run.gradients();
    auto at = gradients.begin();
    for (auto const& p : parameters) {
        auto const size = static_cast<std::ptrdiff_t>(reference(name + "/d" + p).size());
        CAPTURE(p);
        CHECK(reference_difference(std::vector<double>(at, at + size), name + "/d" + p) < tolerance);
        at += size;
    }
    CHECK(at == gradients.end());
    auto const channels = reference(name + "/bn1.running_mean").size();
    CHECK(reference_difference(run.buffers().first(channels), name + "/bn1.running_mean") < tolerance);
    CHECK(reference_difference(run.buffers().subspan(3 * channels, channels), name + "/bn2.running_var") < tolerance);
}
std::vector<std::string> const main_path{"conv1.weight", "bn1.weight", "bn1.bias",
                                         "conv2.weight", "bn2.weight", "bn2.bias"};
std::vector<std::string> with(std::vector<std::string> names, std::initializer_list<char const*> more) {
    names.insert(names.end(), more.begin(), more.end());
    return names;
}

}  // namespace

TEST_CASE("identity") { compare<Block<4, 1>>("residual/identity", main_path); }
TEST_CASE("identity, said aloud") { compare<Block<4, 1, Identity>>("residual/identity", main_path); }

TEST_CASE("a 1x1 convolution, with and without BatchNorm") {
    compare<Block<6, 2, Shortcut<Conv2d<6, 1, Stride<2>, NoBias>, BatchNorm2d<>>>>(
        "residual/projection", with(main_path, {"shortcut.0.weight", "shortcut.1.weight", "shortcut.1.bias"}));
    compare<Block<6, 2, Shortcut<Conv2d<6, 1, Stride<2>, NoBias>>>>("residual/projection_nobn",
                                                                    with(main_path, {"shortcut.0.weight"}));
}

TEST_CASE("option A: subsampled, new channels zero") {
    compare<Block<8, 2, ZeroPadShortcut>>("residual/option_a", main_path);
}
