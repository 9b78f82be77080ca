// Normalisations of a sample and softmax against PyTorch, generic kernels and fast ones, on every tile size; their
// gradients; long samples, large numbers, and a whole training step.
#include "oracle_run.hpp"
#include "strata/backend/cpu/kernel/norm/normalization_kernel.hpp"
#include "strata/backend/cpu/kernel/norm/softmax_kernel.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/norm/group_norm.hpp"
#include "strata/layer/norm/instance_norm1d.hpp"
#include "strata/layer/norm/instance_norm2d.hpp"
#include "strata/layer/norm/layer_norm.hpp"
#include "strata/layer/norm/layer_norm2d.hpp"
#include "strata/layer/norm/rms_norm.hpp"
#include "strata/loss/cross_entropy.hpp"
#include "strata/optimizer/sgd.hpp"
#include "strata/precision/mixed.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {
template <class Layer, class X>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>(name);
    using Op = typename Layer::template On<X>;
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_case(name, kernels_of<Op, Float32, S>(), false), ...);
    }(std::integer_sequence<int, 1, 4, 16>{});
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_case(name, kernels_of<Op, Float64, S>(), false), ...);
    }(DoubleTiles{});
}
/// A sample's numbers as runs of kernels on tiles of S samples give them.
template <class Layer, class X, int S>
LayerResult run(std::vector<double> const& x, bool invariant = false) {
    using Op = typename Layer::template On<X>;
    auto const parameters = reference_values(2, static_cast<std::size_t>(Op::Parameters::size));
    return run_layer(kernels_of<Op, Float32, S>(), x, parameters, reference_values(4, x.size()), 1, {}, invariant);
}
}  // namespace

TEST_CASE("values and gradients are PyTorch's") {
    compare<LayerNorm<>, Shape<37>>("norm/layer/37");
    compare<LayerNorm<NoBias, Epsilon<0.01>>, Shape<4, 3, 5>>("norm/layer/4x3x5_nobias");
    compare<LayerNorm<NoAffine>, Shape<4, 3, 5>>("norm/layer/4x3x5_noaffine");
    compare<LayerNorm2d<>, Shape<5, 3, 3>>("norm/layer2d/5x3x3");
    compare<RMSNorm<>, Shape<37>>("norm/rms/37");
    compare<RMSNorm<NoAffine, Epsilon<0.01>>, Shape<4, 3, 5>>("norm/rms/4x3x5_noaffine");
    compare<GroupNorm<2>, Shape<6, 3, 3>>("norm/group2/6x3x3");
    compare<GroupNorm<3, Epsilon<0.01>>, Shape<12>>("norm/group3/12");
    compare<GroupNorm<1, NoAffine>, Shape<4, 2, 2>>("norm/group1/4x2x2_noaffine");
    compare<InstanceNorm2d<>, Shape<3, 7, 6>>("norm/instance2d/3x7x6");
    compare<InstanceNorm2d<Affine, Epsilon<0.01>>, Shape<3, 2, 2>>("norm/instance2d/3x2x2_affine");
    compare<InstanceNorm1d<Affine>, Shape<3, 9>>("norm/instance1d/3x9_affine");
    compare<Softmax, Shape<5>>("softmax/5");
    compare<Softmax, Shape<37>>("softmax/37");
    compare<Softmax, Shape<4, 3, 5>>("softmax/4x3x5");
    compare<LogSoftmax, Shape<37>>("log_softmax/37");
    compare<LogSoftmax, Shape<3, 9>>("log_softmax/3x9");
}

TEST_CASE("gradients of networks") {
    auto const check = []<class Net>() {
        auto const result = check_gradients<Net>();
        CAPTURE(result.where);
        CHECK(result.error < 1e-6);
    };
    check.operator()<Network<Input<6>, LayerNorm<>, Linear<4>, RMSNorm<>, LogSoftmax>>();
    check.operator()<Network<Input<4, 3, 2>, GroupNorm<2>, LayerNorm2d<>, InstanceNorm2d<Affine>, Softmax>>();
}

TEST_CASE("an answer does not depend on the tile where that is asked for") {
    auto const compare_tiles = []<class Layer, class X>(Layer, X) {
        auto const x = reference_values(1, 3 * X::size);
        auto const one = run<Layer, X, 1>(x, true);
        CHECK(run<Layer, X, 4>(x, true).y == one.y);
        CHECK(run<Layer, X, 16>(x, true).y == one.y);
        CHECK(run<Layer, X, 16>(x, false).y == one.y);  // whole vectors add in that order anyway
    };
    compare_tiles(LayerNorm<>{}, Shape<300>{});
    compare_tiles(GroupNorm<3>{}, Shape<6, 7, 7>{});
    compare_tiles(Softmax{}, Shape<300>{});
    compare_tiles(LogSoftmax{}, Shape<9, 3, 5>{});
}

TEST_CASE("long samples and large numbers keep their digits") {
    constexpr int n = 300'000;
    std::vector<double> x(n);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1000 + (i % 2 == 0 ? 1 : -1);
    // The mean is 1000 and the variance 1; the mean of a float32 sum of so many numbers is off by some units of 6e-5.
    for (auto const& y : {run<LayerNorm<NoAffine>, Shape<n>, 1>(x).y, run<LayerNorm<NoAffine>, Shape<n>, 16>(x).y}) {
        CHECK(std::abs(y[0] - 1) < 1e-3);
        CHECK(std::abs(y[1] + 1) < 1e-3);
    }
    // A constant sample has no variance: what is left is the epsilon.
    auto const constant = run<LayerNorm<NoAffine>, Shape<64>, 4>(std::vector<double>(64, 1e6)).y;
    CHECK(constant[3] == 0);
    // Exponentials of 1000 would overflow, and -inf leaves a class out.
    std::vector<double> logits{1000, 999, -std::numeric_limits<double>::infinity(), 1000, 0};
    for (auto const& y : {run<Softmax, Shape<5>, 1>(logits).y, run<Softmax, Shape<5>, 16>(logits).y}) {
        CHECK(y[0] == doctest::Approx(1 / (2 + std::exp(-1))));
        CHECK(y[2] == 0);
    }
    CHECK(run<LogSoftmax, Shape<5>, 4>(logits).y[1] == doctest::Approx(-1 - std::log(2 + std::exp(-1))));
    logits[4] = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isnan(run<Softmax, Shape<5>, 16>(logits).y[0]));
}

namespace {
using Net =
    Network<Input<2, 6, 6>, Conv2d<4, 3>, GroupNorm<2>, LayerNorm2d<>, Flatten, LayerNorm<>, Linear<5>, RMSNorm<>>;

/// The parameters after three steps on batches of 23: a tile of 16 and ragged ones, which teams of workers share.
template <class Precision>
std::vector<float> trained(int threads) {
    CpuExecutor<Net, Precision, CrossEntropy> executor(Cpu{.threads = threads, .team_flops = 0}, CrossEntropy{});
    Model<Net, Precision> model(3);
    std::vector<typename Precision::master> state(static_cast<std::size_t>(Net::parameter_count));
    auto const inputs = reference_values(1, 23 * 72);
    std::vector<std::int32_t> labels(23);
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 5);
    Batch const batch{
        .size = 23, .shape = {2, 6, 6}, .type = DataType::float64, .inputs = inputs.data(), .labels = labels.data()};
    for (std::uint32_t step = 0; step < 3; ++step) {
        CHECK(executor.gradients(model, batch, {.step = step}).finite);
        CHECK(!executor.update(model, SGD{.learning_rate = 0.1}, state, {0.1, std::nullopt, step}));
    }
    auto const parameters = model.parameters();
    return {parameters.begin(), parameters.end()};
}
}  // namespace

TEST_CASE("training gives the same bits on any number of threads, and nearly the same in bfloat16") {
    auto const one = trained<Float32>(1);
    CHECK(trained<Float32>(3) == one);
    auto const mixed = trained<Mixed<bfloat16>>(1);
    CHECK(trained<Mixed<bfloat16>>(2) == mixed);
    double worst = 0;
    for (std::size_t i = 0; i < one.size(); ++i)
        worst = std::max(worst, static_cast<double>(std::abs(one[i] - mixed[i])));
    CHECK(worst < 0.02);  // three steps of 0.1 along gradients of order 0.1 to 1 that are off by some 2^-8
}
