// Which convolutions Winograd's products make faster: estimates by channels, image and samples, in the cycles of
// micro/machine.hpp. Close calls go to direct convolution, which rounds less.
#pragma once

#include <cstddef>

#include "../convolution/direct_convolution.hpp"
#include "../micro/machine.hpp"
#include "winograd_row.hpp"
#include "winograd_row_gradient.hpp"
#include "winograd_square.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What a direct convolution's cost counts: an estimate that is better by less than a tenth is no gain.
inline constexpr double winograd_margin = 0.9;

/// Kernel rows that lie inside the image, of all output rows.
constexpr int rows_inside(Correlation const& g) {
    int rows = 0;
    for (int i = 0; i < g.out_height; ++i)
        for (int p = 0; p < g.taps_height; ++p) rows += g.in_row(i, p) >= 0 && g.in_row(i, p) < g.in_height;
    return rows;
}

// ---- 3 x 3 taps ----------------------------------------------------------------------------------------------------

/// Cycles of direct convolution, forward or input gradient, for tiles of S samples and vectors of N numbers.
constexpr double direct_cycles(Correlation const& g, int S, int N) {
    auto const& cost = convolution_costs.square;
    int const row = (g.out_width * S + N - 1) / N, vectors = (g.out_height * row + 3) / 4 * 4;
    double const rows = static_cast<double>(rows_inside(g)) / g.out_height;
    return vectors * (cost.product * 3 * rows * g.in_channels * g.out_channels + cost.output * g.out_channels +
                      cost.input * g.in_channels);
}
/// The same of its weight gradient.
constexpr double direct_gradient_cycles(Correlation const& g, int S, int N) {
    auto const& cost = convolution_costs.square_gradient;
    int const row = (g.out_width * S + N - 1) / N;
    double const rows = static_cast<double>(rows_inside(g)) / g.out_height;
    return 3 * rows * g.in_channels * g.out_channels *
           ((cost.product + cost.short_row / row) * g.out_height * row + cost.tap);
}
template <int M>
inline constexpr ConvolutionCosts::Square const& square_costs =
    M == 4 ? convolution_costs.of_four : convolution_costs.of_two;

template <int M, class L>
constexpr double winograd_cycles(Correlation const& g, int S) {
    auto const& cost = square_costs<M>;
    auto const& product = convolution_costs.square_product;
    WinogradLayout<M, L> const p(g, S);
    int const pieces = S < p.N ? p.N / S : 0;
    double const pairs = static_cast<double>(WinogradWeights<M, L>(g).size()) / p.points;  // channels, rounded up
    double const vector = (p.vectors == 1 ? product.one : product.several) * p.points * pairs +
                          product.chunk * p.points * p.chunks + g.in_channels * (cost.input + pieces * cost.gather) +
                          g.out_channels * (cost.output + pieces * cost.scatter);
    return p.vectors * vector + cost.weights * pairs;
}
template <int M, class L>
constexpr double winograd_gradient_cycles(Correlation const& g, int S) {
    auto const& cost = square_costs<M>;
    auto const& product = convolution_costs.square_product;
    WinogradGradientLayout<M, L> const p(g, S);
    int const pieces = S < p.N ? p.N / S : 0;
    constexpr int CO = p.block_channels;
    int const in_channels = round_up_to<p.N>(g.in_channels);
    double const pairs = static_cast<double>(round_up_to<CO>(g.out_channels)) * in_channels;
    double const vector = product.gradient * p.points * pairs + product.chunk * p.points * p.items() +
                          p.out_blocks * g.in_channels * (cost.input + pieces * cost.gather) +
                          p.out_blocks * in_channels * cost.transposition +
                          p.in_blocks * g.out_channels * (cost.gradient + pieces * cost.scatter);
    return p.vectors * vector + cost.back * pairs;
}

/// The tile of outputs, 4 or 2, with which Winograd is the fastest way to compute the correlation g, forward or input
/// gradient, or its `weight_gradient`, of a tile of S samples; 0 where direct convolution is, whose cost counts `weight`
/// times. One group.
template <class L>
constexpr int winograd_tile(Correlation const& g, int S, double weight, bool weight_gradient = false) {
    constexpr int N = width_of<L>;
    if (!is_winograd(g) || (S % N != 0 && N % S != 0)) return 0;
    double const direct =
        winograd_margin * weight * (weight_gradient ? direct_gradient_cycles(g, S, N) : direct_cycles(g, S, N));
    double const four = weight_gradient ? winograd_gradient_cycles<4, L>(g, S) : winograd_cycles<4, L>(g, S),
                 two = weight_gradient ? winograd_gradient_cycles<2, L>(g, S) : winograd_cycles<2, L>(g, S);
    if ((std::min)(four, two) > direct) return 0;
    return four <= two ? 4 : 2;
}
/// The tiles that a pass takes for S = 1, 2, 4, 8, 16 samples.
struct WinogradTiles {
    int tiles[5];
    [[nodiscard]] constexpr int of(int S) const {
        return tiles[S >= 16 ? 4 : S >= 8 ? 3 : S >= 4 ? 2 : S >= 2 ? 1 : 0];
    }
    [[nodiscard]] constexpr bool have(int tile) const {
        for (int const t : tiles)
            if (t == tile) return true;
        return false;
    }
};
template <class L>
constexpr WinogradTiles winograd_tiles(Correlation const& g, double weight, bool weight_gradient = false) {
    WinogradTiles all{};
    for (int k = 0; k < 5; ++k) all.tiles[k] = winograd_tile<L>(g, 1 << k, weight, weight_gradient);
    return all;
}

// ---- five taps a row -----------------------------------------------------------------------------------------------

/// Cycles of a correlation of one group.
struct RowCycles {
    Correlation const& g;
    int kernel_rows = rows_inside(g);

    /// Of a vector of samples.
    [[nodiscard]] constexpr double direct() const { return direct(kernel_rows); }
    [[nodiscard]] constexpr double direct(double rows) const {
        auto const& cost = convolution_costs.row;
        double const even = (g.out_channels + 1) / 2 * 2;
        return g.out_width * (cost.product * g.taps_width * rows * g.in_channels * even +
                              cost.output * g.out_height * even + cost.input * g.out_height * g.in_channels);
    }
    [[nodiscard]] constexpr double whole_vectors() const {
        auto const& cost = convolution_costs.along_row;
        return row_tiles(g) *
               (8.0 * kernel_rows * g.in_channels * worked_on() + cost.output * g.out_height * g.out_channels +
                cost.block * g.out_height * ((g.out_channels + 5) / 6) + cost.input * g.in_height * g.in_channels);
    }
    /// Of a tile of S samples, vectors of N; with its weights' transforms unless they are `cached`.
    [[nodiscard]] constexpr double direct(int S, int N) const {
        // Rows with padding are packed; those that do not fill vectors together, and rows outside the image count then.
        bool const bands = g.out_width * S % N != 0;
        return direct(bands ? g.taps_height * g.out_height : kernel_rows) * S / N +
               (g.pad_left > 0 ? convolution_costs.row.packed_row * g.in_height * g.in_channels : 0.0);
    }
    [[nodiscard]] constexpr double narrow(int S, int N, bool cached) const {
        auto const& cost = convolution_costs.along_row;
        int const places = row_tiles(g) * S, rows = g.out_height + g.taps_height - 1, half = N / 2;
        double const vectors = (g.out_height * places + N - 1) / N, in = g.in_channels;
        return vectors * (8 * g.taps_height * in * worked_on() +
                          (g.out_width % 4 ? cost.cut_output : cost.narrow_output) * g.out_channels) +
               in * (rows * (cost.narrow_row + cost.narrow_half * ((places + half - 1) / half)) +
                     cost.input * ((rows * places + N - 1) / N)) +
               (cached ? 0 : cost.weights * in * worked_on() * g.taps_height);
    }

private:
    [[nodiscard]] constexpr int worked_on() const {  // output channels: blocks of six, the last one of four or six
        int const rest = g.out_channels % 6;
        return g.out_channels - rest + (rest == 0 ? 0 : rest <= 4 ? 4 : 6);
    }
};

/// The tiles that a correlation takes Winograd along the row on; direct convolution's cost counts `weight` times.
template <class L>
struct WinogradRowChoice {
    static constexpr int N = width_of<L>;
    bool forward;  ///< the pass that may be asked for a sample's own bits
    bool whole_vectors = false;
    bool invariant = false;  ///< where a sample's bits may not depend on the tile: all of them, or none
    /// [transformed weights are cached, not made for every tile][samples]
    bool narrow[2][static_cast<std::size_t>(N)] = {};

    constexpr WinogradRowChoice(Correlation const& g, double weight, bool is_forward) : forward(is_forward) {
        if (!is_winograd_row(g)) return;
        RowCycles const cycles{g};
        weight *= winograd_margin;
        whole_vectors = cycles.whole_vectors() < weight * cycles.direct();
        invariant = whole_vectors && forward;
        for (int S = 1; S < N; S *= 2) {
            bool const fits = WinogradRowLayout<L>(g, S).fits();
            invariant = invariant && fits;
            for (bool const cached : {false, true})
                narrow[cached][S] = fits && cycles.narrow(S, N, cached) < weight * cycles.direct(S, N);
        }
    }
    [[nodiscard]] constexpr bool takes(int S, bool cached) const {
        return S < N ? narrow[cached][S] : S % N == 0 && whole_vectors;
    }
    /// Whether some tiles of S samples are taken, and whether all are.
    [[nodiscard]] constexpr bool any(int S) const { return invariant || takes(S, false) || takes(S, true); }
    [[nodiscard]] constexpr bool all(int S) const {
        return (invariant || !forward) && takes(S, false) && takes(S, true);
    }
};

/// Cycles of the gradients of weights and bias along the row and by direct convolution, for a tile of S samples.
template <class L>
constexpr double winograd_row_gradient_cycles(Correlation const& g, int S) {
    auto const& cost = convolution_costs.along_row_gradient;
    constexpr int N = width_of<L>, block = row_block_long * row_block_short;
    WinogradRowGradientLayout<L> const p(g, S);
    int const blocks = (g.out_channels + p.out_block - 1) / p.out_block * p.in_chunks * p.tap_blocks,
              bands = (g.out_height + p.band - 1) / p.band, slices = S / p.samples;
    double const vectors = 1.0 * p.tiles * S / N, rows = g.out_height + bands * (g.taps_height - 1),
                 ins = g.in_channels * p.out_chunks, outs = g.out_channels * p.in_chunks;
    int const halves = (2 * p.row + N - 1) / N;  // of vectors: columns of narrow tiles come apart in them
    return (S < N ? ins * rows * (cost.narrow_row + cost.narrow_input * halves) +
                        outs * g.out_height * (cost.narrow_row + cost.narrow_output * halves)
                  : 0.0) +
           blocks * p.points * (cost.product * block * g.out_height * vectors + cost.band * bands * slices) +
           vectors * (cost.input * ins * rows + cost.output * outs * g.out_height) +
           cost.channel * bands * slices * (ins + outs) + cost.call;
}
template <class L>
constexpr double direct_row_gradient_cycles(Correlation const& g, int S) {
    auto const& cost = convolution_costs.row_gradient;
    double const blocks = tap_blocks(g), outs = (g.out_channels + 1) / 2 * 2,
                 vectors = g.out_height * ((g.out_width * S + width_of<L> - 1) / width_of<L>);
    return blocks * (gradient_taps * (cost.product * outs * vectors + cost.row * g.out_height) + cost.output * outs) +
           cost.bias * g.out_channels * vectors;
}
/// Whether Winograd is faster on tiles of one vector of samples, of several and of a part of one.
template <class L>
struct RowGradientChoice {
    static constexpr int N = width_of<L>;
    bool one = false, several = false, narrow[static_cast<std::size_t>(N)] = {};
    constexpr RowGradientChoice(Correlation const& g, double weight) {
        if (!is_winograd_row(g)) return;
        auto const faster = [&](int S) {
            return WinogradRowGradientLayout<L>(g, S).fits() &&
                   winograd_row_gradient_cycles<L>(g, S) <
                       winograd_margin * weight * direct_row_gradient_cycles<L>(g, S);
        };
        one = faster(N);
        several = faster(2 * N);
        for (int S = 1; S < N; S *= 2) narrow[S] = one && faster(S);
    }
    [[nodiscard]] constexpr bool takes(int S) const {
        return S < N ? narrow[S] : S % N == 0 && (S > N ? several : one);
    }
};

}  // namespace strata::inline STRATA_ABI::detail
