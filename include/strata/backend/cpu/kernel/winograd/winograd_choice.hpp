// Which convolutions Winograd's products make faster: estimates in cycles of a core that does one vector's multiply-add
// in each, fitted to measurements on Zen 4 with AVX-512 (a core of 1 MB second-level cache), all kernels alone on data
// in the caches. They decide by channels, image and samples; close calls go to direct convolution, which rounds less.
#pragma once

#include "winograd_weight_gradient.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Kernel rows that lie inside the image, an average over the output rows.
constexpr double rows_inside(Correlation const& g) {
    int rows = 0;
    for (int i = 0; i < g.out_height; ++i)
        for (int p = 0; p < g.taps_height; ++p) rows += g.in_row(i, p) >= 0 && g.in_row(i, p) < g.in_height;
    return static_cast<double>(rows) / g.out_height;
}
/// Cycles of direct convolution, forward or input gradient, for tiles of S samples and vectors of N numbers.
constexpr double direct_cycles(Correlation const& g, int S, int N) {
    int const row = (g.out_width * S + N - 1) / N, vectors = (g.out_height * row + 3) / 4 * 4;
    return vectors *
           (1.15 * 3 * rows_inside(g) * g.in_channels * g.out_channels + 6.0 * g.out_channels + 30.0 * g.in_channels);
}
/// Cycles of direct convolution's weight gradient.
constexpr double direct_gradient_cycles(Correlation const& g, int S, int N) {
    int const row = (g.out_width * S + N - 1) / N;
    double const taps = 3 * rows_inside(g) * g.in_channels * g.out_channels;
    return taps * ((1.05 + 0.6 / row) * g.out_height * row + 10);
}

/// What Winograd costs besides the products, in cycles: a vector of inputs of one channel, of outputs, of output
/// gradients, each piece of a gathered vector, a pair of channels' weights, and their gradients.
struct WinogradCosts {
    double input, output, gradient, gather, scatter, weights, transposition, back;
};
template <int M>
inline constexpr WinogradCosts winograd_costs =
    M == 4 ? WinogradCosts{180, 150, 210, 60, 42, 24, 310, 16} : WinogradCosts{70, 50, 80, 27, 11, 16, 140, 8};

template <int M, class L>
constexpr double winograd_cycles(Correlation const& g, int S) {
    constexpr WinogradCosts cost = winograd_costs<M>;
    WinogradLayout<M, L> const p(g, S);
    int const pieces = S < p.N ? p.N / S : 0;
    double const pairs = static_cast<double>(WinogradWeights<M, L>(g).size()) / p.points;  // channels, rounded up
    double const vector = (p.vectors == 1 ? 1.2 : 1.1) * p.points * pairs + 12.0 * p.points * p.chunks +
                          g.in_channels * (cost.input + pieces * cost.gather) +
                          g.out_channels * (cost.output + pieces * cost.scatter);
    return p.vectors * vector + cost.weights * pairs;
}

/// The tile of outputs, 4 or 2, with which Winograd is the fastest way to compute the correlation g, forward or input
/// gradient, of a tile of S samples; 0 where direct convolution is, `speed` times as fast as in float. One group.
template <class L>
constexpr int winograd_tile(Correlation const& g, int S, double speed = 1) {
    if (!is_winograd(g) || (S % width_of<L> != 0 && width_of<L> % S != 0)) return 0;
    double const direct = 0.9 / speed * direct_cycles(g, S, width_of<L>);
    double const four = winograd_cycles<4, L>(g, S), two = winograd_cycles<2, L>(g, S);
    if ((std::min)(four, two) > direct) return 0;
    return four <= two ? 4 : 2;
}

template <int M, class L>
constexpr double winograd_gradient_cycles(Correlation const& g, int S) {
    constexpr WinogradCosts cost = winograd_costs<M>;
    WinogradGradientLayout<M, L> const p(g, S);
    int const pieces = S < p.N ? p.N / S : 0;
    constexpr int CO = p.block_channels;
    int const in_channels = (g.in_channels + p.N - 1) / p.N * p.N;  // rounded up
    double const pairs = static_cast<double>((g.out_channels + CO - 1) / CO * CO) * in_channels;
    double const vector = 1.15 * p.points * pairs + 12.0 * p.points * p.items() +
                          p.out_blocks * g.in_channels * (cost.input + pieces * cost.gather) +
                          p.out_blocks * in_channels * cost.transposition +
                          p.in_blocks * g.out_channels * (cost.gradient + pieces * cost.scatter);
    return p.vectors * vector + cost.back * pairs;
}

/// The same for the weight gradient.
template <class L>
constexpr int winograd_gradient_tile(Correlation const& g, int S, double speed = 1) {
    if (!is_winograd(g) || (S % width_of<L> != 0 && width_of<L> % S != 0)) return 0;
    double const direct = 0.9 / speed * direct_gradient_cycles(g, S, width_of<L>);
    double const four = winograd_gradient_cycles<4, L>(g, S), two = winograd_gradient_cycles<2, L>(g, S);
    if ((std::min)(four, two) > direct) return 0;
    return four <= two ? 4 : 2;
}

}  // namespace strata::inline STRATA_ABI::detail
