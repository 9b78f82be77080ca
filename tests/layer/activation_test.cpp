// Activations against PyTorch, at special numbers too; what they write for backward against what follows from forward;
// PReLU; the generic kernels of float against double.
#include <cstring>

#include "layer_run.hpp"
#include "strata/layer/activation/elu.hpp"
#include "strata/layer/activation/gelu.hpp"
#include "strata/layer/activation/gelu_tanh.hpp"
#include "strata/layer/activation/hard_sigmoid.hpp"
#include "strata/layer/activation/hard_swish.hpp"
#include "strata/layer/activation/hard_tanh.hpp"
#include "strata/layer/activation/leaky_relu.hpp"
#include "strata/layer/activation/mish.hpp"
#include "strata/layer/activation/prelu.hpp"
#include "strata/layer/activation/relu6.hpp"
#include "strata/layer/activation/selu.hpp"
#include "strata/layer/activation/sigmoid.hpp"
#include "strata/layer/activation/silu.hpp"
#include "strata/layer/activation/softplus.hpp"
#include "strata/layer/activation/tanh.hpp"
#include "strata/layer/relu.hpp"

using namespace strata;

namespace {

double const infinity = std::numeric_limits<double>::infinity(),
             not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class F>
void for_each_activation(F f) {
    f(Sigmoid{}, "sigmoid");
    f(Tanh{}, "tanh");
    f(GELU{}, "gelu");
    f(GELUTanh{}, "gelu_tanh");
    f(SiLU{}, "silu");
    f(LeakyReLU<>{}, "leaky_relu");
    f(LeakyReLU<0.2>{}, "leaky_relu0.2");
    f(ELU<>{}, "elu");
    f(ELU<1.5>{}, "elu1.5");
    f(SELU{}, "selu");
    f(Softplus{}, "softplus");
    f(Mish{}, "mish");
    f(HardSwish{}, "hard_swish");
    f(HardSigmoid{}, "hard_sigmoid");
    f(HardTanh<>{}, "hard_tanh");
    f(HardTanh<-2, 0.5>{}, "hard_tanh-2_0.5");
    f(ReLU6{}, "relu6");
}

/// What kernels give for samples of one number, in tiles of S: whole vectors of them, or scalars.
template <class A, class Precision, int S>
LayerResult run(std::vector<double> const& x, std::vector<double> const& dy) {
    return run_layer(generic_kernels_of<ElementwiseOperation<A, Shape<1>>, Precision, S>(), x, {}, dy);
}

/// The largest |a - b| / max(1, |b|); infinite where one is NaN or infinite and the other is not the same.
double worst(std::vector<double> const& a, std::vector<double> const& b) {
    double most = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
        if ((std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i]) continue;
        double const off = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
        most = std::isfinite(off) ? std::max(most, off) : infinity;
    }
    return most;
}

}  // namespace

TEST_CASE("values and gradients are PyTorch's") {
    auto const dy = reference_values(4, 252);
    std::vector<double> const special{-infinity, -200, -20, -3,   -1,  -0.0, 0,        1,
                                      3,         6,    20,  20.5, 100, 200,  infinity, not_a_number};
    std::vector<double> const ones(special.size(), 1.0);
    for_each_activation([&]<class A>(A, std::string const& name) {
        CAPTURE(name);
        auto const compare = [&](std::string const& entry, LayerResult got, double tolerance, double of_dx) {
            CAPTURE(entry);
            if (entry == "activation/mish/special") {  // the limit at infinity, where PyTorch has infinity times 0
                CHECK(got.dx[14] == 1);
                got.dx[14] = not_a_number;
            }
            CHECK(worst(got.y, reference(entry + "/y")) <= tolerance);
            CHECK(worst(got.dx, reference(entry + "/dx")) <= of_dx);
        };
        auto const x = reference_values(1, 252, 8);
        // Double: a few roundings. PyTorch's HardSigmoid takes 1 / 6 in single precision for its gradient.
        double const of_dx = name == "hard_sigmoid" ? 1e-8 : 1e-14;
        compare("activation/" + name, run<A, Float64, 1>(x, dy), 1e-14, of_dx);
        compare("activation/" + name, run<A, Float64, 16>(x, dy), 1e-14, of_dx);
        compare("activation/" + name + "/special", run<A, Float64, 1>(special, ones), 1e-14, of_dx);
        compare("activation/" + name + "/special", run<A, Float64, 8>(special, ones), 1e-14, of_dx);
        // Single: where x itself is rounded, y is off by as much, and by a few roundings more.
        compare("activation/" + name, run<A, Float32, 1>(x, dy), 1e-6, 1e-6);
        compare("activation/" + name, run<A, Float32, 16>(x, dy), 1e-6, 1e-6);
        compare("activation/" + name + "/special", run<A, Float32, 16>(special, ones), 1e-6, 1e-6);
    });
}

TEST_CASE("zeros keep their sign, and small numbers their digits") {
    auto const y_of = []<class A>(A, double x) { return run<A, Float32, 1>({x}, {1}).y[0]; };
    CHECK(std::signbit(y_of(SiLU{}, -200)));
    CHECK(y_of(SiLU{}, -200) == 0);
    CHECK(y_of(Softplus{}, 100) == 100);
    CHECK(y_of(Mish{}, 1e30) == doctest::Approx(1e30));
    CHECK(std::signbit(y_of(GELU{}, -0.0)));
    CHECK(y_of(GELUTanh{}, 1e30) == doctest::Approx(1e30));
    auto const relative = [&]<class A>(A a, double x, double want) { CHECK(std::abs(y_of(a, x) / want - 1) < 1e-6); };
    relative(Sigmoid{}, -80, std::exp(-80.0));
    relative(Softplus{}, -80, std::exp(-80.0));
    relative(Mish{}, -60, -60 * std::exp(-60.0));
    relative(SiLU{}, -60, -60 * std::exp(-60.0));
    relative(ELU<>{}, -1e-20, -1e-20);
    relative(Tanh{}, 1e-30, 1e-30);
    relative(GELU{}, 1e-30, 0.5e-30);
    // Gradients of large numbers are neither large nor NaN.
    auto const large = std::vector<double>{-3e38, -1e30, -1e10, -300, 300, 1e10, 1e30, 3e38};
    for_each_activation([&]<class A>(A, std::string const& name) {
        CAPTURE(name);
        for (double const dx : run<A, Float32, 8>(large, std::vector<double>(8, 1.0)).dx) {
            CHECK(dx >= 0);
            CHECK(dx < 1.06);  // SELU's is 1.05
        }
    });
}

namespace {
/// The largest difference of a written backward and of the slope of forward, over lanes L.
template <class L, class A>
double difference_from_slope(double shift) {
    double most = 0;
    for (int i = -4000; i <= 4000; ++i) {
        L const x = L(static_cast<scalar_of<L>>(0.0049 * i + shift)), y = A{}.forward(x);
        L const written = A{}.backward(x, y, L(1)), slope = A{}.forward(Dual<L>(x, L(1))).slope;
        scalar_of<L> off[static_cast<std::size_t>(width_of<L>)];
        store_lane(static_cast<scalar_of<L>*>(off), absolute(written - slope));
        most = std::max(most, static_cast<double>(off[width_of<L> - 1]));
    }
    return most;
}
template <class A>
void compare_with_slope(char const* name, double rounding = 1) {
    if constexpr (detail::WritesBackward<A>) {
        CAPTURE(name);
        // A shift keeps off the kinks, where both may choose.
        CHECK(difference_from_slope<double, A>(0.0012345) < rounding * 1e-14);
        CHECK(difference_from_slope<widest_lane<double>, A>(0.0012345) < rounding * 1e-14);
        CHECK(difference_from_slope<widest_lane<float>, A>(0.0012345) < rounding * 1e-6);
    }
}
}  // namespace

TEST_CASE("what is written for backward follows from forward") {
    // Mish's quotient loses more digits by the rules than by its own formula: x times some roundings.
    for_each_activation([]<class A>(A, char const* name) {
        compare_with_slope<A>(name, std::is_same_v<A, Mish> || std::is_same_v<A, HardSwish> ? 20 : 1);
    });
    compare_with_slope<ReLU>("relu");
    compare_with_slope<LeakyReLU<-0.3>>("leaky_relu-0.3");
    compare_with_slope<ELU<-0.5>>("elu-0.5", 1);
    static_assert(!detail::WritesBackward<GELU> && !detail::WritesBackward<GELUTanh> && !detail::WritesBackward<SiLU>);
    static_assert(ElementwiseOperation<GELU, Shape<3>>::keep == Keep::input);
    static_assert(ElementwiseOperation<ELU<-0.5>, Shape<3>>::keep == Keep::input);
    static_assert(ElementwiseOperation<ELU<>, Shape<3>>::keep == Keep::output);
}

TEST_CASE("a number gets the same bits in every tile where the activation says so") {
    auto const x = reference_values(1, 251, 8), dy = reference_values(4, 251);
    for_each_activation([&]<class A>(A, std::string const& name) {
        if constexpr (detail::is_same_in_every_lane<A>()) {
            CAPTURE(name);
            CHECK(run<A, Float32, 1>(x, dy).y == run<A, Float32, 16>(x, dy).y);
            CHECK(run<A, Float64, 1>(x, dy).y == run<A, Float64, 16>(x, dy).y);
        }
    });
}

TEST_CASE("PReLU") {
    compare_with_libtorch<PReLU<>, Shape<2, 7, 6>>("prelu/2x7x6");
    compare_with_libtorch<PReLU<PerChannel>, Shape<2, 7, 6>>("prelu/2x7x6_channels");
    compare_with_libtorch<PReLU<>, Shape<5>>("prelu/5");
    compare_with_libtorch<PReLU<PerChannel>, Shape<5>>("prelu/5_channels");
    using Op = PReLU<>::On<Shape<5>>;
    auto const result = run_layer(generic_kernels_of<Op, Float64, 1>(), {not_a_number, -infinity, infinity, 0, -2},
                                  {0.5}, {1, 1, 1, 1, 1});
    CHECK(std::isnan(result.y[0]));
    CHECK(std::vector<double>(result.y.begin() + 1, result.y.end()) == std::vector<double>{-infinity, infinity, 0, -1});
    CHECK(result.dx == std::vector<double>{0.5, 0.5, 1, 0.5, 0.5});
}
