// Branches that meet: Concat and Multiply against PyTorch, what they cost in memory and copies, and that all that a
// network can do works with them.
// labels: isa
#include <vector>

#include "recorded_run.hpp"
#include "strata/backend/cpu/run/workspace.hpp"
#include "strata/layer/avg_pool2d.hpp"
#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/relu.hpp"
#include "strata/loss/cross_entropy.hpp"
#include "strata/network/concat.hpp"
#include "strata/network/describe.hpp"
#include "strata/network/fold_batch_norm.hpp"
#include "strata/network/multiply.hpp"
#include "strata/precision/mixed.hpp"

using namespace strata;

namespace {

struct Logistic {
    static constexpr Keep keep = Keep::output;
    template <class L>
    L forward(L x) const {
        return L(1) / (L(1) + exp(L(0) - x));
    }
    template <class L>
    L backward(L, L y, L dy) const {
        return dy * y * (L(1) - y);
    }
};

template <int Channels, int Kernel = 3, class... Options>
using Same = Conv2d<Channels, Kernel, Padding<Kernel / 2>, Options...>;
template <int Channels>
using Dense = Concat<Branch<>, Branch<BatchNorm2d<>, ReLU, Same<Channels, 3, NoBias>>>;

template <class... Layers>
using Small = Network<Input<4, 6, 5>, Layers...>;
using Inception =
    Small<Concat<Branch<Conv2d<3, 1>>, Branch<Conv2d<2, 1>, ReLU, Same<4>>, Branch<Conv2d<2, 1>, ReLU, Same<3, 5>>,
                 Named<"pool", Branch<MaxPool2d<3, Stride<1>, Padding<1>>, Conv2d<2, 1>>>>,
          ReLU>;
using DenseNet = Small<Same<6>, Dense<3>, Dense<3>, Dense<3>, BatchNorm2d<>, ReLU>;
using Squeeze = Small<Same<6>, Multiply<Branch<>, Branch<GlobalAvgPool2d, Linear<2>, ReLU, Linear<6>, Logistic>>,
                      Multiply<Branch<>, Branch<AvgPool2d<Size{6, 5}>, Conv2d<2, 1>, ReLU, Conv2d<6, 1>, Logistic>>>;
using Gate = Small<Multiply<Same<5>, Branch<Conv2d<5, 1>, Logistic>>>;
using UNet = Small<
    Same<3>, ReLU,
    Concat<Branch<>, Branch<MaxPool2d<3, Stride<1>, Padding<1>>, Same<4>, ReLU,
                            Concat<Branch<>, Branch<Conv2d<5, 3, Padding<2>, Dilation<2>>, ReLU>>, Same<4>, ReLU>>,
    Conv2d<2, 1>>;
using Late = Small<Same<3>, Residual<Main<Concat<Branch<>, Branch<Conv2d<2, 1>>>, Same<3>>>, ReLU>;

/// Steps of a program that copy a part.
template <class Net, bool Training>
int copies() {
    int count = 0;
    for (auto const& step : detail::program_of<Net, Float32, CrossEntropy, Training>().steps)
        if (step.operation >= 0 && Net::layer_table[static_cast<std::size_t>(step.operation)].type == "Concat") ++count;
    return count;
}

constexpr double rounding = 1e-11;  // sums in another order, through up to four normalisations

/// y = a - b
template <class A, class B>
struct DifferenceOf {
    using Inputs = ShapeList<A, B>;
    using Output = A;
    using Parameters = NoParameters;
    using IsElementwise = void;
    static constexpr Keep keep = Keep::nothing;

    template <class Io>
    static auto forward(Position<1> at, Io const& io) {
        return io.x[at[0]] - io.template input<1>()[at[0]];
    }
    template <int K, class Io>
    static auto input_gradient(Position<1> at, Io const& io) {
        return K == 0 ? io.dy[at[0]] : typename Io::L(0) - io.dy[at[0]];
    }
};
struct Difference {
    template <class A, class B>
    using On = DifferenceOf<A, B>;
};
template <class A, class B>
using Subtract = Join<Difference, A, B>;  // Subtract<Branch<Conv2d<8, 3>>, Branch<Conv2d<8, 3>, ReLU>>

/// An operation of one's own with three inputs of two shapes, and all that may differ: x0 x1(c) - 2 x2.
template <class X, class Factor, class Z>
struct Blend {
    using Inputs = ShapeList<X, Factor, Z>;
    using Output = X;
    struct Scale : Parameter<"scale", Shape<1>, Ones, 1, 1> {};
    using Parameters = ParameterList<Scale>;
    static constexpr Keep keep = Keep::input;

    template <class Io>
    static auto forward(Position<3> at, Io const& io) {
        auto const [c, h, w] = at;
        return io.p(Scale{})[0] * io.x(c, h, w) * io.template input<1>()[c] -
               typename Io::L(2) * io.template input<2>()(c, h, w);
    }
    template <int K, int Rank, class Io>
    static auto input_gradient(Position<Rank> at, Io const& io) {
        using L = typename Io::L;
        if constexpr (K == 1) {
            L total(0);
            for (int pixel = 0; pixel < pixels_of<X>; ++pixel)
                total = total + io.dy[at[0] * pixels_of<X> + pixel] * io.x[at[0] * pixels_of<X> + pixel];
            return total * io.p(Scale{})[0];
        } else {
            auto const [c, h, w] = at;
            return K == 0 ? io.p(Scale{})[0] * io.dy(c, h, w) * io.template input<1>()[c] : L(-2) * io.dy(c, h, w);
        }
    }
    template <class Io>
    static auto parameter_gradient(Scale, Position<1>, Io const& io) {
        using L = typename Io::L;
        L total(0);
        for (int e = 0; e < X::size; ++e) total = total + io.dy[e] * io.x[e] * io.template input<1>()[e / pixels_of<X>];
        return total;
    }
};
struct Blending {
    template <class... X>
    using On = Blend<X...>;
};

template <class Net>
void check() {
    auto const result = check_gradients<Net>();
    CAPTURE(result.where);
    CHECK(result.error < 1e-6);
}

}  // namespace

TEST_CASE("PyTorch's values") {
    compare_network<Inception>("join/inception", rounding);
    compare_network<DenseNet>("join/densenet", rounding);
    compare_network<Squeeze>("join/squeeze", rounding);
    compare_network<Gate>("join/gate", rounding);
    compare_network<UNet>("join/unet", rounding);
    compare_network<Late>("join/late", rounding);
}

TEST_CASE("the input's gradient is PyTorch's x.grad") {
    using Net = Network<RequiresGrad<Input<4, 6, 5>>, Same<3>,
                        Residual<Main<Concat<Branch<>, Branch<Conv2d<2, 1>>>, Same<3>>>, ReLU>;
    static_assert(Net::parameter_count == Late::parameter_count);
    Model<Net, Float64> model;
    std::uint32_t seed = 500;
    for (auto const& tensor : model.tensors()) {
        auto const values = reference_values(seed++, tensor.size(), 0.5);
        std::copy(values.begin(), values.end(), static_cast<double*>(tensor.data));
    }
    auto const x = reference_values(1, 3 * 4 * 6 * 5), dy = reference_values(4, 3 * 3 * 6 * 5);
    std::vector<double> y(dy.size()), places(dy.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<double>(i + 1);
    Batch batch;
    batch.size = 3;
    batch.shape = {1, 1, 120};
    batch.inputs = x.data();
    batch.type = batch.target_type = DataType::float64;
    batch.targets = places.data();
    CpuExecutor<Net, Float64, Recorder> executor(Cpu{.threads = 1}, Recorder{&y, &dy});
    CHECK(executor.input_gradients().empty());
    executor.gradients(model, batch, {});
    CHECK(reference_difference(executor.input_gradients(), "join/late/dx") < 1e-11);
}

TEST_CASE("nothing is copied, forward or backward") {
    CHECK(copies<Inception, true>() + copies<Inception, false>() == 0);
    CHECK(copies<DenseNet, true>() + copies<DenseNet, false>() == 0);
    CHECK(copies<UNet, true>() + copies<UNet, false>() == 0);
    CHECK(copies<Late, false>() == 0);
    CHECK(copies<Late, true>() == 1);  // the sum's gradient comes first, so the Concat's is added to it
    constexpr auto const& plan = DenseNet::training_plan;
    // Input, convolution, then each dense layer's three operations and Concat: all in the last Concat's 15 channels.
    for (int const v : {1, 5, 9, 13}) {
        CHECK(plan.value[static_cast<std::size_t>(v)] == plan.value[13]);
        CHECK(plan.gradient[static_cast<std::size_t>(v)] == plan.gradient[13]);
    }
    for (int layer = 0; layer < 3; ++layer) {
        auto const made = static_cast<std::size_t>(4 * layer + 4);
        CHECK(plan.value[made] == plan.value[13] + (6 + 3 * layer) * 30);
        CHECK(plan.gradient[made] == plan.gradient[13] + (6 + 3 * layer) * 30);
    }
}

TEST_CASE("names are PyTorch's") {
    std::string names;
    Model<Inception> model;
    for (auto const& tensor : model.tensors()) names += tensor.name + ' ';
    CHECK(names ==
          "0.0.0.weight 0.0.0.bias 0.1.0.weight 0.1.0.bias 0.1.2.weight 0.1.2.bias 0.2.0.weight 0.2.0.bias "
          "0.2.2.weight 0.2.2.bias 0.pool.1.weight 0.pool.1.bias ");
    CHECK(Inception::layer_table[9].name == "0.concat");
    CHECK(Gate::layer_table[0].name == "0.0");
    CHECK(Gate::layer_table[1].name == "0.1.0");
    CHECK(Gate::layer_table[3].name == "0.multiply");
    CHECK(summary<DenseNet>().find("1.concat  Concat       9 x 6 x 5") != std::string::npos);
}

TEST_CASE("gradients are those of differences") {
    check<Small<Concat<Branch<>, Branch<Conv2d<2, 1>>, Branch<>>, Conv2d<2, 1>>>();
    check<Small<
        Concat<Branch<Flatten, Linear<3>>, Branch<GlobalAvgPool2d>, Named<"deep", Branch<Flatten, Linear<2>, ReLU>>>,
        Linear<2>>>();
    check<Small<Join<Blending, Branch<Same<2>>, Branch<GlobalAvgPool2d, Linear<2>>, Conv2d<2, 1>>, ReLU>>();
    check<Small<Subtract<Same<3>, Branch<Same<3>, Logistic>>, Subtract<Branch<>, Same<3>>>>();
    check<Small<Multiply<Branch<>, Branch<>>, Same<2>, Multiply<ReLU, Logistic>>>();
    check<Network<Input<5>, Linear<4>, Multiply<Linear<3>, Branch<Linear<3>, Logistic>>,
                  Concat<Branch<>, Branch<BatchNorm1d<>, Linear<2>>>>>();
}
