// Layers and activations in a user's own code: what they have to write, and that everything else follows.
#include <doctest/doctest.h>

#include "strata/backend/cpu/run/workspace.hpp"
#include "strata/layer/linear.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {

/// The smallest activation: two functions over lanes.
struct OwnSoftplus {
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
struct OwnTanh {
    static constexpr Keep keep = Keep::output;
    static constexpr std::string_view type = "OwnTanh";
    template <class L>
    static L forward(L x) {
        return tanh(x);
    }
    template <class L>
    static L backward(L, L y, L dy) {
        return dy * (L(1) - y * y);
    }
};

/// One that leaves its gradient to forward, which uses all that lanes have.
struct Everything {
    template <class L>
    static L forward(L x) {
        using T = scalar_of<L>;
        L sum = select(x > L(0.2), T(0.5) * x, minimum(maximum(x, L(-0.55)), L(0.15)) / T(3));
        sum += multiply_add(sin(x), cos(x * x), -erf(x)) / (L(2) + expm1(x)) - L(0.1);
        sum -= tanh(x) * sigmoid(x) + log(exp(x) + 1.0);
        sum *= L(1) + log1p(absolute(x)) * rsqrt(x * x + L(1));
        sum /= sqrt(L(2) + x);
        return select(is_nan(x), x, select(is_finite(x), sum, x));
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

/// One that says no more than it has to: y(i) = scale(i) x(i).
struct ScaleOnly {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        struct Scale : Parameter<"scale", X, Ones, 1, 1> {};
        using Parameters = ParameterList<Scale>;

        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            return io.x(at[0]) * io.p(Scale{})(at[0]);
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy(at[0]) * io.p(Scale{})(at[0]);
        }
        template <class Io>
        static auto parameter_gradient(Scale, Position<1> at, Io const& io) {
            return io.dy(at[0]) * io.x(at[0]);
        }
    };
};

/// y = x sum(x)
template <class X>
struct TimesSumOf {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::input;

    struct Sum : Pass<Shape<1>> {};      // of x
    struct Product : Pass<Shape<1>> {};  // sum of x dy
    using ForwardPasses = PassList<Sum>;
    using BackwardPasses = PassList<Product>;

    template <class Io>
    static auto pass(Sum, Position<1>, Io const& io) {
        typename Io::L sum(0);
        for (int i = 0; i < X::size; ++i) sum = sum + io.x[i];
        return sum;
    }
    template <class Io>
    static auto pass(Product, Position<1>, Io const& io) {
        typename Io::L sum(0);
        for (int i = 0; i < X::size; ++i) sum = multiply_add(io.dy[i], io.x[i], sum);
        return sum;
    }
    template <class Io>
    static auto forward(Position<X::rank> at, Io const& io) {
        return io.x[X::index(at)] * io.pass(Sum{})[0];
    }
    template <class Io>
    static auto input_gradient(Position<X::rank> at, Io const& io) {
        return multiply_add(io.dy[X::index(at)], io.pass(Sum{})[0], io.pass(Product{})[0]);
    }
};
struct TimesSum {
    template <class X>
    using On = TimesSumOf<X>;
};
/// Reads what backward makes.
struct TooEarly {
    template <class X>
    struct On : TimesSumOf<X> {
        template <class Io>
        static auto forward(Position<X::rank> at, Io const& io) {
            return io.x[X::index(at)] * io.pass(typename On::Product{})[0];
        }
    };
};

/// The identity, which keeps its input as its extra. What is wrong with it is a parameter.
enum class Fault { none, reads_extra_forward, reads_x, reads_y, reads_beyond, does_not_keep, differs_in_evaluation };
template <Fault fault>
struct Keeper {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        using Parameters = NoParameters;
        static constexpr bool keeps_extra = fault != Fault::does_not_keep;
        static constexpr Keep keep = Keep::nothing;

        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            using L = typename Io::L;
            L const x = io.x(at[0]);
            io.extra.set(at[0], x);
            if constexpr (fault == Fault::reads_extra_forward) return x + io.extra[at[0]];
            if constexpr (fault == Fault::reads_beyond) return x + io.x(at[0] + 1);
            if constexpr (fault == Fault::differs_in_evaluation)
                if (!io.extra.data) return x + L(0.25);
            return x;
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            using L = typename Io::L;
            L dx = io.dy(at[0]) + L(0) * io.extra(at[0]);
            if constexpr (fault == Fault::reads_x) dx = dx * io.x(at[0]);
            if constexpr (fault == Fault::reads_y) dx = dx * io.y(at[0]);
            return dx;
        }
    };
};

template <Fault fault>
std::string error_of_check() {
    try {
        static_cast<void>(check_gradients<Network<Input<5>, Linear<4>, Named<"keeper", Keeper<fault>>>>());
    } catch (Error const& error) { return error.what(); }
    return "";
}

}  // namespace

TEST_CASE("activations") {
    CHECK(check_gradients<Network<Input<5>, OwnSoftplus>>().error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 3, 2>, OwnTanh, OwnSoftplus>, 5, 4>().error < 1e-6);
    using Net = Network<Input<5>, Linear<4>, OwnTanh>;
    CHECK(Net::OperationAt<1>::type == "OwnTanh");
    static_assert(Net::training_plan.in_place[1], "it keeps its output only, so it may run in Linear's place");
}

TEST_CASE("an activation needs no backward") {
    CHECK(check_gradients<Network<Input<2, 3, 7>, Everything>, 5, 4>().error < 1e-6);
    using Op = ElementwiseOperation<Everything, Shape<3>>;
    static_assert(Op::keep == Keep::input && Op::type == "activation");
    // The slope of a number is what central differences give; more digits than those have.
    auto const slope = Everything::forward(Dual<double>(0.7, 1.0)).slope, step = 1e-6;
    CHECK(slope == doctest::Approx((Everything::forward(0.7 + step) - Everything::forward(0.7 - step)) / (2 * step))
                       .epsilon(1e-8));
    // At kinks, and where a branch that is not taken has no slope.
    CHECK(absolute(Dual<double>(0, 1)).slope == 0);
    CHECK(absolute(Dual<double>(-2, 1)).slope == -1);
    CHECK(maximum(Dual<double>(1, 3), Dual<double>(1, 5)).slope == 5);
    CHECK(select(Dual<double>(800, 1) > 20, Dual<double>(800, 1), log1p(exp(Dual<double>(800, 1)))).slope == 1);
    CHECK((Dual<double>(std::numeric_limits<double>::infinity(), 1) * 0.5).slope == 0.5);
}

TEST_CASE("a layer with parameters") {
    using Net = Network<Input<6>, Named<"mix", ScaleAndMix>, OwnSoftplus, Linear<2>>;
    CHECK(check_gradients<Net>().error < 1e-6);
    CHECK(check_gradients<Network<Input<6>, ScaleAndMix, ScaleAndMix>, 9, 8>().error < 1e-6);
    static_assert(Net::parameter_count == 6 + 14);
    Model<Net> model;
    CHECK(model.tensors()[0].name == "mix.scale");
    CHECK(model.parameters()[0] == 1.0f);
}

TEST_CASE("a layer with passes") {
    CHECK(check_gradients<Network<Input<5>, TimesSum, Linear<3>>>().error < 1e-6);
    CHECK(check_gradients<Network<Input<2, 3, 2>, TimesSum, OwnTanh, TimesSum>, 9, 8>().error < 1e-6);
    std::string message;
    try {
        static_cast<void>(check_gradients<Network<Input<5>, TooEarly>>());
    } catch (Error const& error) { message = error.what(); }
    CHECK(message == "layer 0 (layer): forward reads io.pass, which comes later");
    // Numbers of a pass are floats where values are stored as bfloat16.
    using Net = Network<Input<3>, TimesSum>;
    Model<Net, Mixed<bfloat16>> const model;
    Workspace<Net, Mixed<bfloat16>> workspace;
    std::vector<float> const x{1, 256, -255};  // as bfloat16 1 + 256 is 256
    auto const y = model(x, workspace);
    CHECK(static_cast<float>(y[0]) == 2);
}

TEST_CASE("what a layer does not say has a default") {
    using Net = Network<Input<5>, ScaleOnly, Keeper<Fault::none>>;
    CHECK(check_gradients<Net>().error < 1e-6);
    static_assert(Net::layer_table[0].type == "layer");
    static_assert(Net::flops == 2 * 5 + 2 * 5);
    static_assert(detail::keep_of<Net::OperationAt<0>>() == Keep::both);
}

TEST_CASE("evaluation asks for no extra, and forward need not know") {
    using Net = Network<Input<5>, Keeper<Fault::none>, Keeper<Fault::none>>;
    Model<Net> const model;
    Workspace<Net> workspace;
    std::vector<float> const x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    auto const y = model(x, workspace);
    CHECK(std::equal(y.begin(), y.end(), x.begin()));
}

TEST_CASE("the gradient check finds what reads nothing, or something else, in evaluation") {
    std::string const layer = "layer keeper (layer): ";
    CHECK(error_of_check<Fault::none>() == "");
    CHECK(error_of_check<Fault::reads_extra_forward>() ==
          layer + "forward reads io.extra, which is there in backward only");
    CHECK(error_of_check<Fault::reads_x>() == layer + "input_gradient reads io.x, but its `keep` does not say so");
    CHECK(error_of_check<Fault::reads_y>() == layer + "input_gradient reads io.y, but its `keep` does not say so");
    CHECK(error_of_check<Fault::reads_beyond>() == layer + "forward reads element 4 of io.x, which has 4");
    CHECK(error_of_check<Fault::does_not_keep>() ==
          layer + "input_gradient reads io.extra, but it does not say `keeps_extra`");
    auto const check = check_gradients<Network<Input<5>, Keeper<Fault::differs_in_evaluation>>>();
    CHECK(check.error > 0.1);
    CHECK(check.where.ends_with("in evaluation"));
    CHECK(check.difference == doctest::Approx(check.backward + 0.25));
}
