// Layers and activations in a user's own code: what they have to write, and that everything else follows.
#include <doctest/doctest.h>

#include "strata/layer/linear.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

/// The smallest activation: two functions over lanes.
struct Softplus {
    template <class L>
    static L forward(L x) {
        return log(L(1) + exp(x));
    }
    template <class L>
    static L backward(L x, L, L dy) {
        return dy / (L(1) + exp(-x));
    }
};

/// One that says what it keeps, and what it is called.
struct Tanh {
    static constexpr Keep keep = Keep::output;
    static constexpr std::string_view type = "Tanh";
    template <class L>
    static L forward(L x) {
        return tanh(x);
    }
    template <class L>
    static L backward(L, L y, L dy) {
        return dy * (L(1) - y * y);
    }
};

/// A layer with parameters: y(i) = scale(i) x(i) + sum of x.
struct ScaleAndMix {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        struct Scale : Parameter<"scale", X, Ones, 1, 1> {};
        using Parameters = ParameterList<Scale>;
        static constexpr Keep keep = Keep::input;
        static constexpr double flops = 3.0 * X::size;
        static constexpr std::string_view type = "ScaleAndMix";

        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            using L = typename Io::L;
            L sum = io.x(at[0]) * L(io.p(Scale{})(at[0]));
            for (int i = 0; i < X::size; ++i) sum = sum + io.x(i);
            return sum;
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            using L = typename Io::L;
            L sum = io.dy(at[0]) * L(io.p(Scale{})(at[0]));
            for (int i = 0; i < X::size; ++i) sum = sum + io.dy(i);
            return sum;
        }
        template <class Io>
        static auto parameter_gradient(Scale, Position<1> at, Io const& io) {
            return io.dy(at[0]) * io.x(at[0]);
        }
    };
};

}  // namespace

TEST_CASE("activations") {
    CHECK(check_gradients<Network<Input<5>, Softplus>>().error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 3, 2>, Tanh, Softplus>, 5, 4>().error < 1e-6);
    using Net = Network<Input<5>, Linear<4>, Tanh>;
    CHECK(Net::OperationAt<1>::type == "Tanh");
    static_assert(Net::training_plan.in_place[1], "it keeps its output only, so it may run in Linear's place");
}

TEST_CASE("a layer with parameters") {
    using Net = Network<Input<6>, Named<"mix", ScaleAndMix>, Softplus, Linear<2>>;
    CHECK(check_gradients<Net>().error < 1e-6);
    CHECK(check_gradients<Network<Input<6>, ScaleAndMix, ScaleAndMix>, 9, 8>().error < 1e-6);
    static_assert(Net::parameter_count == 6 + 14);
    Model<Net> model;
    CHECK(model.tensors()[0].name == "mix.scale");
    CHECK(model.parameters()[0] == 1.0f);
}
