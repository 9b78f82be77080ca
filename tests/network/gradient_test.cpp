// Gradient checks of composites: residuals of every kind, nested groups, chains in place.
#include "strata/testing/gradient_check.hpp"

#include <doctest/doctest.h>

#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/relu.hpp"
#include "strata/layer/zero_pad_shortcut.hpp"

using namespace strata;

namespace {
template <class Net, int Samples = 3, int S = 2>
void check() {
    auto const result = check_gradients<Net, Samples, S>();
    CAPTURE(result.where);
    CAPTURE(result.backward);
    CAPTURE(result.difference);
    CHECK(result.error < 1e-6);
}

/// A layer that says nothing that has a default.
template <class X>
struct DoubledOperation {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    template <class Io>
    STRATA_HD static auto forward(Position<1> at, Io const& io) {
        return io.x[at[0]] + io.x[at[0]];
    }
    template <class Io>
    STRATA_HD static auto input_gradient(Position<1> at, Io const& io) {
        return io.dy[at[0]] + io.dy[at[0]];
    }
};
struct Doubled {
    template <class X>
    using On = DoubledOperation<X>;
};
}  // namespace

TEST_CASE("a layer of one's own says no more than it has to") {
    using Net = Network<Input<4>, Doubled, Linear<2>>;
    check<Net>();
    static_assert(Net::layer_table[0].type == "layer");
    static_assert(Net::layer_table[0].flops == 8);
}

TEST_CASE("Residual around an identity, which two operations read, and around nothing at all") {
    check<Network<Input<3, 4, 3>, Residual<Main<Conv2d<3, 3, Padding<1>>, ReLU>>>>();
    check<Network<Input<5>, Linear<4>, Residual<Main<>>, Residual<Main<ReLU>>, Linear<2>>>();
}

TEST_CASE("Residual with a projection: two 1x1 convolutions add into one gradient") {
    check<Network<Input<3, 3, 3>,
                  Residual<Main<Conv2d<4, 1>, ReLU, Conv2d<4, 1>>, Shortcut<Conv2d<4, 1, NoBias>>, After<ReLU>>>,
          3, 4>();
}

TEST_CASE("option A and a BatchNorm inside") {
    check<Network<Input<2, 5, 4>, Residual<Main<Conv2d<5, 3, Stride<2>, Padding<1>, NoBias>, BatchNorm2d<>>,
                                           ZeroPadShortcut, After<ReLU>>>,
          5, 2>();
}

TEST_CASE("residuals inside residuals, a Flatten on a shortcut's way, layers repeated") {
    check<Network<
        Input<2, 2, 2>,
        Residual<Main<Residual<Main<Conv2d<2, 1>>, After<ReLU>>, Flatten, Repeat<2, Sequential<Linear<8>, ReLU>>>,
                 Shortcut<Flatten>>,
        Linear<3>>>();
}

TEST_CASE("pooling after an overlap and activations in place") {
    check<Network<Input<2, 6, 5>, Conv2d<3, 3>, ReLU, MaxPool2d<2, Stride<1>>, Flatten, Linear<3>, ReLU, Linear<2>>, 3,
          4>();
}

TEST_CASE("BatchNorm over BatchNorm in a ragged tile: the means' gradient in empty lanes reaches no parameter below") {
    check<Network<Input<2, 2, 2>, Conv2d<2, 1>, BatchNorm2d<>, ReLU, Conv2d<2, 1>, BatchNorm2d<>>, 5, 4>();
}
