// A ReLU behind a convolution or Linear is a part of their kernels: the same bits as a step of its own.
#include <doctest/doctest.h>

#include <cstring>
#include <strata/strata.hpp>

using namespace strata;

namespace {

/// ReLU's formulas under another name, which no kernel takes.
struct OwnStep {
    static constexpr Keep keep = Keep::output;
    template <class L>
    static L forward(L x) {
        return ReLU::forward(x);
    }
    template <class L>
    static L backward(L x, L y, L dy) {
        return ReLU::backward(x, y, dy);
    }
};

template <class Numbers>
bool same_bits(Numbers a, Numbers b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
template <class Net, class Precision>
constexpr auto steps(bool training) {
    using Program = detail::TileProgram<Net, Precision, CrossEntropy>;
    return training ? Program::training.size() : Program::inference.size();
}

/// Numbers of both signs and, where wanted, the special ones.
template <class T>
std::vector<T> numbers(std::size_t count, bool special) {
    Random random(5, Purpose::user);
    std::vector<T> values(count);
    for (T& v : values) v = static_cast<T>(random.normal());
    T const inf = std::numeric_limits<T>::infinity();
    T const rare[] = {inf, -inf, std::numeric_limits<T>::quiet_NaN(), T(0), -T(0)};
    for (std::size_t i = 0; special && i < count; i += 31) values[i] = rare[i / 31 % 5];
    return values;
}

template <class Net>
Batch batch_of(std::vector<float> const& x, std::vector<std::int32_t> const& labels) {
    Batch batch;
    batch.size = static_cast<int>(labels.size());
    batch.shape = {Net::InputShape::size, 1, 1};
    batch.inputs = x.data();
    batch.labels = labels.data();
    return batch;
}

/// Outputs and gradients of a network with ReLU and of the same with OwnStep.
template <class Fused, class Apart, class Precision>
void compare_networks(std::size_t fused_steps) {
    using T = typename Precision::compute;
    CHECK(steps<Fused, Precision>(false) + fused_steps == steps<Apart, Precision>(false));
    CHECK(steps<Fused, Precision>(true) + fused_steps == steps<Apart, Precision>(true));
    Model<Fused, Precision> fused(3);
    Model<Apart, Precision> apart(3);
    for (std::size_t k = 0; k < fused.parameters().size(); k += 7)  // sums of -0 alone, too
        fused.parameters()[k] = apart.parameters()[k] = -0.0f;
    for (int const batch : {1, 2, 4, 5, 8, 16, 19}) {
        CAPTURE(batch);
        auto const count = static_cast<std::size_t>(batch * Fused::InputShape::size);
        for (bool const special : {false, true}) {
            auto const x = numbers<T>(count, special);
            Workspace<Fused, Precision> fused_workspace;
            Workspace<Apart, Precision> apart_workspace;
            CHECK(same_bits(fused(std::span(x), fused_workspace), apart(std::span(x), apart_workspace)));
        }
        auto const x = numbers<float>(count, false);
        std::vector<std::int32_t> const labels(static_cast<std::size_t>(batch), 1);
        Batch const samples = batch_of<Fused>(x, labels);
        for (int const threads : {1, 3}) {
            CpuExecutor<Fused, Precision, CrossEntropy> fused_executor(Cpu{.threads = threads}, {});
            CpuExecutor<Apart, Precision, CrossEntropy> apart_executor(Cpu{.threads = threads}, {});
            fused_executor.gradients(fused, samples, {});
            apart_executor.gradients(apart, samples, {});
            CHECK(same_bits(fused_executor.gradient(), apart_executor.gradient()));
        }
    }
}
/// The layer with the activation last: its special numbers are seen in the outputs.
template <class X, class Layer, class Precision = Float32>
void compare_layer() {
    compare_networks<Network<X, Layer, ReLU, Flatten>, Network<X, Layer, OwnStep, Flatten>, Precision>(1);
}

}  // namespace

TEST_CASE("direct convolution") {
    compare_layer<Input<2, 9, 9>, Conv2d<7, 5>>();
    compare_layer<Input<2, 9, 7>, Conv2d<5, 3, Stride<2>, Padding<1>>>();
    compare_layer<Input<2, 9, 9>, Conv2d<7, 3, Dilation<2>>, Float64>();
}
TEST_CASE("Winograd") { compare_layer<Input<16, 8, 8>, Conv2d<19, 3, Padding<1>>>(); }
TEST_CASE("pointwise and depthwise convolution") {
    compare_layer<Input<8, 5, 5>, Conv2d<7, 1>>();
    compare_layer<Input<8, 5, 5>, Conv2d<7, 1, Stride<2>>>();
    compare_layer<Input<6, 9, 9>, Conv2d<6, 3, Padding<1>, Groups<6>>>();
    compare_layer<Input<6, 9, 9>, Conv2d<12, 3, Stride<2>, Groups<6>>>();
}
TEST_CASE("Linear") { compare_layer<Input<50>, Linear<37>>(); }

TEST_CASE("bfloat16") {
    using Short = Mixed<bfloat16>;
    compare_layer<Input<2, 9, 9>, Conv2d<7, 5>, Short>();
    compare_layer<Input<16, 8, 8>, Conv2d<19, 3, Padding<1>>, Short>();
    compare_layer<Input<50>, Linear<37>, Short>();
}

TEST_CASE("below other layers") {
    using X = Input<2, 12, 12>;
    compare_networks<Network<X, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Flatten, Linear<20>, ReLU, Linear<5>>,
                     Network<X, Conv2d<6, 5>, OwnStep, MaxPool2d<2>, Flatten, Linear<20>, OwnStep, Linear<5>>, Float32>(
        2);
}

TEST_CASE("a value that others read too keeps its ReLU apart") {
    using Convolution = Conv2d<4, 3, Padding<1>>;
    using X = Input<2, 6, 6>;
    compare_networks<Network<X, Convolution, Residual<Main<ReLU, Convolution>>, Flatten>,
                     Network<X, Convolution, Residual<Main<OwnStep, Convolution>>, Flatten>, Float32>(0);
}

TEST_CASE("what a ReLU would hide is still named") {
    using Net = Network<Input<2, 6, 6>, Conv2d<4, 3>, ReLU, Flatten, Linear<3>, ReLU>;
    for (int const operation : {0, 3}) {
        Model<Net> model(3);
        // The last parameter of either layer is a bias.
        auto const bias = operation == 0 ? Net::parameter_offset[3] - 1 : Net::parameter_count - 1;
        model.parameters()[static_cast<std::size_t>(bias)] = -INFINITY;
        auto const x = numbers<float>(5 * 72, false);
        std::vector<std::int32_t> const labels(5, 1);
        Batch const samples = batch_of<Net>(x, labels);
        CpuExecutor<Net, Float32, CrossEntropy> executor(Cpu{}, {});
        CHECK(executor.first_non_finite(model, samples, RandomKey{}) == operation);
        CHECK(executor.gradients(model, samples, {}).finite);
    }
}
