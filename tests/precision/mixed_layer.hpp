// Kernels of Mixed<bfloat16> against the generic ones in double, on tiles of any size.
//
// Inputs, weights and dy are bfloat16 to begin with, so that products are exact in float wherever they are taken, and
// what differs is known: sums in float, and one rounding of y and dx to bfloat16.
#pragma once

#include "../layer/layer_run.hpp"
#include "../tested_types.hpp"
#include "strata/precision/mixed.hpp"

namespace strata::inline STRATA_ABI {

inline std::vector<double> short_values(std::uint32_t seed, std::size_t count) {
    auto values = reference_values(seed, count);
    for (double& v : values) v = static_cast<float>(bfloat16(v));
    return values;
}

/// The largest excess of |got - expected| over what rounding explains: half a unit of a bfloat16 of this size
/// (`storage`), where the float sum before it turns a little less than half a unit into a little more, and float sums
/// of up to some thousand terms of size 1, through Winograd's transformations too.
inline double excess(std::vector<double> const& got, std::vector<double> const& expected, bool storage) {
    REQUIRE(got.size() == expected.size());
    double worst = -1, largest = 0;
    for (double const value : expected) largest = std::max(largest, std::fabs(value));
    for (std::size_t i = 0; i < got.size(); ++i) {
        double const allowed = 2e-5 + 5e-6 * largest + (storage ? std::fabs(expected[i]) * 0x1.01p-8 : 0);
        double const off = std::fabs(got[i] - expected[i]) - allowed;
        worst = off > worst || off != off ? off : worst;
    }
    return worst;
}

/// The kernels of pairs, whether the processor is one on which they are taken or not.
template <class Op, class Precision>
struct ForwardByPairs : detail::PairForward<Op> {};
template <class Op, class Precision>
struct InputGradientByPairs : detail::PairInputGradient<Op> {};
template <class Op, class Precision>
struct ParameterGradientByPairs : detail::PairParameterGradient<Op> {};

inline void compare_mixed_tile(LayerKernels<Mixed<bfloat16>> const& layer, LayerResult const& oracle,
                               std::vector<double> const& x, std::vector<double> const& parameters,
                               std::vector<double> const& dy) {
    int const S = layer.lanes;
    CAPTURE(S);
    auto const result = run_layer(layer, x, parameters, dy);
    CHECK(excess(result.y, oracle.y, true) <= 0);
    CHECK(excess(result.dx, oracle.dx, true) <= 0);
    CHECK(excess(result.dparameters, oracle.dparameters, false) <= 0);
    for (int const parts : {2, 3}) {  // a team may split a kernel anywhere: the same bits
        auto const split = run_layer(layer, x, parameters, dy, parts);
        CHECK(split.y == result.y);
        CHECK(split.dx == result.dx);
        CHECK(split.dparameters == result.dparameters);
    }
    // What a sample gives does not depend on where in a tile it stands.
    std::vector<double> many_x, many_dy;
    for (int k = 0; k < 2 * S - 1; ++k) {
        many_x.insert(many_x.end(), x.begin(), x.begin() + layer.in);
        many_dy.insert(many_dy.end(), dy.begin(), dy.begin() + layer.out);
    }
    auto const many = run_layer(layer, many_x, parameters, many_dy);
    int different = 0;
    for (std::size_t i = 0; i < many.y.size(); ++i)
        different += many.y[i] == many.y[i % static_cast<std::size_t>(layer.out)] ? 0 : 1;
    for (std::size_t i = 0; i < many.dx.size(); ++i)
        different += many.dx[i] == many.dx[i % static_cast<std::size_t>(layer.in)] ? 0 : 1;
    CHECK(different == 0);
}

/// All passes of a layer on tiles of all sizes, full and ragged, and on one of those above 16 that
/// networks of mostly weights use.
template <class Layer, class X>
void compare_mixed() {
    using Op = typename Layer::template On<X>;
    constexpr std::size_t batch = 35;  // full tiles and a ragged one
    auto const x = short_values(1, batch * static_cast<std::size_t>(Op::Input::size)),
               parameters = short_values(2, static_cast<std::size_t>(Op::Parameters::size)),
               dy = short_values(4, batch * static_cast<std::size_t>(Op::Output::size));
    auto const oracle = run_layer(generic_kernels_of<Op, Float64, 1>(), x, parameters, dy);
    CAPTURE(Op::type);
    auto const compare = [&](bool by_pairs, LayerKernels<Mixed<bfloat16>> const& layer) {
        CAPTURE(by_pairs);
        compare_mixed_tile(layer, oracle, x, parameters, dy);
    };
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare(false, kernels_of<Op, Mixed<bfloat16>, S>()), ...);
    }(MixedTiles{});
    if constexpr (requires { detail::PairForward<Op>::items; })
        [&]<int... S>(std::integer_sequence<int, S...>) {
            (compare(
                 true,
                 kernels_of<Op, Mixed<bfloat16>, S, ForwardByPairs, InputGradientByPairs, ParameterGradientByPairs>()),
             ...);
        }(std::integer_sequence<int, 1, 4, 32>{});
}

}  // namespace strata::inline STRATA_ABI
