// Gradient checks of the layers without options to speak of; convolutions, pooling and
// composites have files of their own.
#include "strata/testing/gradient_check.hpp"

#include <doctest/doctest.h>

#include "strata/layer/batch_norm.hpp"
#include "strata/layer/dropout.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/relu.hpp"

using namespace strata;

namespace {
/// Central differences of smooth functions of order 1 with a step of 1e-5 are good to about 1e-9;
/// 1e-6 leaves room for sums.
template <class Net, int Samples = 3, int S = 2>
void check() {
    auto const result = check_gradients<Net, Samples, S>();
    CAPTURE(result.where);
    CAPTURE(result.backward);
    CAPTURE(result.difference);
    CHECK(result.error < 1e-6);
    CHECK(result.elements == Net::parameter_count + Samples * Net::InputShape::size);
}

/// A Linear-like layer whose gradients are wrong, or not written, in one place.
enum class Fault { none, input_gradient, parameter_gradient, unwritten };
template <Fault F>
struct Faulty {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        struct Scale : Parameter<"scale", X, Ones, 1, 1> {};
        using Parameters = ParameterList<Scale>;
        static constexpr Keep keep = Keep::input;
        static constexpr double flops = X::size;
        static constexpr std::string_view type = "Faulty";
        static constexpr bool keeps_extra = F == Fault::unwritten;
        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            return io.x[at[0]] * typename Io::L(io.p(Scale{})(at[0]));
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            using L = typename Io::L;
            L const dx = io.dy[at[0]] * L(io.p(Scale{})(at[0]));
            if constexpr (F == Fault::unwritten) return dx + io.extra[at[0]] * L(0);
            return F == Fault::input_gradient && at[0] == 2 ? dx * L(1.001) : dx;
        }
        template <class Io>
        static auto parameter_gradient(Scale, Position<1> at, Io const& io) {
            using L = typename Io::L;
            L const dw = io.dy[at[0]] * io.x[at[0]];
            return F == Fault::parameter_gradient && at[0] == 3 ? dw * L(1.001) : dw;
        }
    };
};
}  // namespace

TEST_CASE("the check names the element that is wrong") {
    CHECK(check_gradients<Network<Input<5>, Faulty<Fault::none>>>().error < 1e-6);
    auto const input = check_gradients<Network<Input<5>, Faulty<Fault::input_gradient>>>();
    CHECK(input.error == doctest::Approx(0.001).epsilon(0.01));
    CHECK(input.where.ends_with(", 2]"));
    auto const parameter = check_gradients<Network<Input<5>, Faulty<Fault::parameter_gradient>>>();
    CHECK(parameter.error == doctest::Approx(0.001).epsilon(0.01));
    CHECK(parameter.where == "0.scale[3]");
    CHECK(check_gradients<Network<Input<5>, Faulty<Fault::unwritten>>>().error ==
          std::numeric_limits<double>::infinity());
}

TEST_CASE("Linear") {
    check<Network<Input<7>, Linear<5>>>();
    check<Network<Input<7>, Linear<5, NoBias>>, 5, 4>();
}

TEST_CASE("Flatten and ReLU") { check<Network<Input<2, 3, 4>, Flatten, ReLU, Linear<3>, ReLU>>(); }

TEST_CASE("BatchNorm over a whole batch of ragged tiles") {
    check<Network<Input<3, 3, 2>, BatchNorm2d<>>, 5, 2>();
    check<Network<Input<3, 3, 2>, BatchNorm2d<NoAffine, Epsilon<0.01>>>, 5, 4>();
    check<Network<Input<4>, BatchNorm1d<Momentum<0.3>>>, 5, 1>();
}

TEST_CASE("Dropout with its mask held fixed") {
    check<Network<Input<2, 3, 3>, Dropout<0.4>>>();
    check<Network<Input<6>, Linear<9>, Dropout<>, Linear<2>>, 5, 4>();
}
