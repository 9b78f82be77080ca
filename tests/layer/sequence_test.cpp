// Layers that look across the tokens of a sequence: PyTorch's values, gradients, and a layer of one's own.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../reference/reference.hpp"
#include "strata/backend/cpu/run/executor.hpp"
#include "strata/backend/cpu/run/workspace.hpp"
#include "strata/data/sequence_batch.hpp"
#include "strata/layer/activation/gelu.hpp"
#include "strata/layer/activation/tanh.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/norm/layer_norm.hpp"
#include "strata/layer/sequence/attention.hpp"
#include "strata/layer/sequence/sequence_max.hpp"
#include "strata/layer/sequence/sequence_mean.hpp"
#include "strata/network/concat.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

std::vector<int> const lengths{1, 7, 3, 20, 2, 33};  // LENGTHS of reference/generate_sequences.py

/// A network against PyTorch's values, each sequence alone there and all of them in one batch here.
template <class Net>
void compare_sequences(std::string const& name) {
    CAPTURE(name);
    Model<Net, Float64> model;
    std::uint32_t seed = 500;
    for (auto const& tensor : model.tensors()) {
        bool const norm = tensor.name.ends_with(".weight") && tensor.shape.size() == 1;
        auto const values = reference_values(seed++, tensor.size(), 0.5, norm ? 1 : 0);
        std::copy(values.begin(), values.end(), static_cast<double*>(tensor.data));
    }
    auto const x = reference_values(1, 66 * 6);
    SequenceBatch const sequences(x, {6}, Lengths(lengths));
    std::size_t const rows = reference(name + "/y").size() / 3;
    CHECK(rows == detail::answers_in<Net>(sequences.batch()));
    auto const dy = reference_values(4, 3 * rows);
    Batch batch = sequences;
    batch.target_type = DataType::float64;
    batch.targets = dy.data();
    batch.answers_columns = !Net::answers_sequences;
    std::vector<double> first;
    for (int const threads : {1, 2}) {
        CpuExecutor<Net, Float64, DotProduct> executor(Cpu{.threads = threads, .team_flops = 0}, DotProduct{});
        executor.gradients(model, batch, {});
        std::vector<double> gradient(executor.gradient().begin(), executor.gradient().end()), y(3 * rows),
            dx(executor.input_gradients().begin(), executor.input_gradients().end());
        executor.evaluate(model, batch, nullptr, y.data());
        if (threads == 1) first = gradient;
        CHECK(gradient == first);
        for (auto* const values : {&gradient, &dx})  // of a mean over the batch
            for (double& g : *values) g *= static_cast<double>(rows);
        // Doubles, in another order of additions.
        CHECK(reference_difference(y, name + "/y") < 1e-13);
        CHECK(reference_difference(dx, name + "/dx") < 1e-12);
        CHECK(reference_difference(gradient, name + "/gradients") < 1e-12);
    }
}
template <class... Layers>
using Tokens = Network<RequiresGrad<Sequence<Input<6>>>, Layers...>;

/// y = scale (x - mean of x over the sequence)
template <class X>
struct CenteredOf {
    using Input = X;
    using Output = X;
    struct Scale : Parameter<"scale", X, Ones, 1, 1> {};
    using Parameters = ParameterList<Scale>;
    static constexpr Keep keep = Keep::input;

    struct Mean : Pass<X, Scope::sequence> {};          // of x
    struct MeanGradient : Pass<X, Scope::sequence> {};  // of dy
    using ForwardPasses = PassList<Mean>;
    using BackwardPasses = PassList<MeanGradient>;

    template <class Io>
    static auto pass(Mean, Position<X::rank> at, Io const& io) {
        return io.x[X::index(at)];
    }
    template <class Io>
    static auto pass(MeanGradient, Position<X::rank> at, Io const& io) {
        return io.dy[X::index(at)];
    }
    template <class Io>
    static auto forward(Position<X::rank> at, Io const& io) {
        int const i = X::index(at);
        return (io.x[i] - io.pass(Mean{})[i]) * typename Io::L(io.p(Scale{})[i]);
    }
    template <class Io>
    static auto input_gradient(Position<X::rank> at, Io const& io) {
        int const i = X::index(at);
        return (io.dy[i] - io.pass(MeanGradient{})[i]) * typename Io::L(io.p(Scale{})[i]);
    }
    template <class Io>
    static auto parameter_gradient(Scale, Position<X::rank> at, Io const& io) {
        int const i = X::index(at);
        return io.dy[i] * (io.x[i] - io.pass(Mean{})[i]);
    }
};
struct Centered {
    template <class X>
    using On = CenteredOf<X>;
};

}  // namespace

TEST_CASE("layers of sequences have PyTorch's values, and 1 and 2 threads the same bits") {
    compare_sequences<Tokens<Linear<8>, GELU, LayerNorm<>, SequenceMean, Linear<3>>>("sequence/mean");
    compare_sequences<Tokens<Linear<8>, Tanh, SequenceMax, Linear<3>>>("sequence/max");
    compare_sequences<Tokens<Linear<8>, Tanh, LayerNorm<>, Linear<3>>>("sequence/token");
    compare_sequences<Tokens<Linear<24>, Attention<2>, Linear<3>>>("sequence/attention");
    compare_sequences<Tokens<Linear<24>, Attention<2, Causal>, Linear<3>>>("sequence/causal");
}

TEST_CASE("gradients of layers of sequences") {
    // 36 tokens: sequences of more than a vector, and of one token; tiles of one and of several.
    using Both = Network<Sequence<Input<5>>, Linear<4>, Centered,
                         Concat<Branch<SequenceMean, Linear<3>>, Branch<SequenceMax>>, Linear<2>>;
    using Own = Network<Sequence<Input<5>>, Residual<Main<LayerNorm<>, Centered>>, Linear<2>>;
    CHECK(check_gradients<Both, 36, 4>().error < 1e-6);
    CHECK(check_gradients<Own, 36, 16>().error < 1e-6);
    CHECK(check_gradients<Network<Sequence<Input<12>>, Attention<2>>, 19, 16>().error < 1e-6);
    CHECK(check_gradients<Network<Sequence<Input<3>>, Linear<12>, Attention<1, Causal>>, 19, 4>().error < 1e-6);
    // Heads of one number.
    CHECK(check_gradients<Network<Sequence<Input<6>>, Attention<2>>, 19, 16>().error < 1e-6);
    CHECK(check_gradients<Network<Sequence<Input<3>>, Attention<1, Causal>>, 19, 4>().error < 1e-6);
}

TEST_CASE("Causal: of a token that is no number those before it see nothing, within a vector of tokens too") {
    using Net = Network<Sequence<Input<6>>, Attention<1, Causal>>;
    std::vector<float> x(20 * 6, 1.0f);
    std::fill_n(x.begin() + 18 * 6, 6, std::numeric_limits<float>::quiet_NaN());
    Workspace<Net> workspace;
    auto const y = Model<Net>()(SequenceBatch(x, {6}, Lengths({20})), workspace);
    CHECK(std::all_of(y.begin(), y.begin() + 18 * 2, [](float number) { return number == doctest::Approx(1); }));
    CHECK(std::isnan(y[18 * 2]));
}

TEST_CASE("SequenceMax: the first of equal ones, and what is no number is the largest") {
    using Net = Network<RequiresGrad<Sequence<Input<1>>>, SequenceMax>;
    Model<Net, Float64> const model;
    double const nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<double> const x{3, -1, 5, 5, -2, 5, 7, 1, nan, 2}, dy{1, 1, 1};
    SequenceBatch const sequences(x, {1}, Lengths(std::vector{1, 6, 3}));
    Batch batch = sequences;
    batch.target_type = DataType::float64;
    batch.targets = dy.data();
    batch.size = 2;
    CpuExecutor<Net, Float64, DotProduct> executor(Cpu{.threads = 1}, DotProduct{});
    executor.gradients(model, batch, {});
    auto const dx = executor.input_gradients();
    CHECK(std::vector<double>(dx.begin(), dx.end()) == std::vector<double>{0.5, 0, 0, 0, 0, 0, 0.5});
    std::vector<double> y(3);
    batch.size = 3;
    executor.evaluate(model, batch, nullptr, y.data());
    CHECK(y[0] == 3);
    CHECK(y[1] == 7);
    CHECK(y[2] != y[2]);
}

TEST_CASE("tiles hold whole sequences, as many as have room") {
    std::vector<std::int32_t> const starts{0, 1, 8, 11, 31, 33, 66, 70, 170};
    Batch batch;
    batch.size = 8;
    batch.starts = starts.data();
    detail::SequenceTiles tiles;
    tiles.cut(batch, 32, 512);  // room for the longest of 100
    CHECK(tiles.tiles == 2);
    CHECK(tiles.stride == 112);
    CHECK(tiles.sequence_stride == 8);
    CHECK(tiles.of(1).first == 7);
    batch.size = 7;
    tiles.cut(batch, 32, 512);
    CHECK(tiles.tiles == 3);
    CHECK(tiles.stride == 48);  // of 33 columns
    CHECK(tiles.sequence_stride == 8);
    CHECK(tiles.of(0).count == 5);
    CHECK(tiles.of(2).first == 6);
    batch.size = 1;
    tiles.cut(batch, 32, 512);
    CHECK(tiles.stride == 1);
    CHECK_THROWS_WITH(tiles.cut(batch, 32, 0),
                      "sequence 0 of the batch has 1 tokens, expected 1 to 0, what the network's Sequence<Input<...>, "
                      "longest> says");
}
