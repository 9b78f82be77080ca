// The weight gradients of convolutions of five columns that Winograd along the row makes faster. Float32 only, unless a
// precision policy says otherwise (winograd_kernel.hpp).
#pragma once

#include "winograd_kernel.hpp"
#include "winograd_row.hpp"
#include "winograd_row_gradient.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Cycles of the gradients of weights and bias by winograd_row_weight_gradient and by direct convolution for a tile of
/// S samples: fitted to 1400 geometries of whole vectors of samples on Zen 4 with AVX-512, on data in the caches.
template <class L>
constexpr double winograd_row_gradient_cycles(Correlation const& g, int S) {
    constexpr int N = width_of<L>, block = row_block_long * row_block_short;
    WinogradRowGradientLayout<L> const p(g, S);
    int const blocks = (g.out_channels + p.out_block - 1) / p.out_block * p.in_chunks * p.tap_blocks,
              bands = (g.out_height + p.band - 1) / p.band, slices = S / p.samples;
    double const vectors = 1.0 * p.tiles * S / N, rows = g.out_height + bands * (g.taps_height - 1),
                 ins = g.in_channels * p.out_chunks, outs = g.out_channels * p.in_chunks;
    int const halves = (2 * p.row + N - 1) / N;  // of vectors: columns of narrow tiles come apart in them
    return (S < N ? ins * rows * (15 + 20 * halves) + outs * g.out_height * (15 + 10 * halves) : 0.0) +
           blocks * p.points * (0.98 * block * g.out_height * vectors + 102.0 * bands * slices) +
           vectors * (36 * ins * rows + 29 * outs * g.out_height) + 91 * bands * slices * (ins + outs) + 180;
}
template <class L>
constexpr double direct_row_gradient_cycles(Correlation const& g, int S) {
    double const blocks = tap_blocks(g), outs = (g.out_channels + 1) / 2 * 2,
                 vectors = g.out_height * ((g.out_width * S + width_of<L> - 1) / width_of<L>);
    return blocks * (gradient_taps * (0.98 * outs * vectors + 16.4 * g.out_height) + 46 * outs) +
           2.7 * g.out_channels * vectors;
}
/// True where Winograd is faster; close calls go to direct convolution, which rounds less. Its
/// cost counts `weight` times.
template <class L>
constexpr bool is_faster_by_row_gradient(Correlation const& g, int S, double weight) {
    return is_winograd_row(g) && WinogradRowGradientLayout<L>(g, S).fits() &&
           winograd_row_gradient_cycles<L>(g, S) < 0.9 * weight * direct_row_gradient_cycles<L>(g, S);
}
/// The same for tiles of one vector of samples, of several and of a part of one.
template <class L>
struct RowGradientChoice {
    bool one, several, narrow[width_of<L>] = {};
    constexpr RowGradientChoice(Correlation const& g, double weight)
        : one(is_faster_by_row_gradient<L>(g, width_of<L>, weight)),
          several(is_faster_by_row_gradient<L>(g, 2 * width_of<L>, weight)) {
        for (int S = 1; S < width_of<L>; S *= 2)
            narrow[S] = one && is_faster_by_row_gradient<L>(g, S, weight);
    }
    [[nodiscard]] constexpr bool takes(int S) const {
        return S < width_of<L> ? narrow[S] : S % width_of<L> == 0 && (S > width_of<L> ? several : one);
    }
};

/// One group.
template <class G, class Precision>
concept WinogradRowGradient =
    allows_winograd<Precision>() && G::groups == 1 &&
    RowGradientChoice<widest_lane<typename Precision::compute>>(forward_correlation<G>, winograd_weight<Precision>())
        .one;

}  // namespace detail

template <class Op, class Precision>
struct WinogradRowParameterGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradRowGradient<G, Precision>)
struct WinogradRowParameterGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{
        "Winograd along the row", "five taps a row at stride 1, faster by estimate; direct on tiles where it is not"};
    using Direct = DirectParameterGradient<G, Scheme, Precision>;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr Items items = Direct::items;
    static constexpr detail::RowGradientChoice<L> choice{detail::forward_correlation<G>,
                                                         detail::winograd_weight<Precision>()};
    static constexpr int scratch(int S) {
        constexpr auto const& g = detail::forward_correlation<G>;
        return choice.takes(S) ? detail::WinogradRowGradientLayout<L>(g, S).scratch() : Direct::scratch(S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!choice.takes(a.stride)) return Direct::run(a, begin, end);
        constexpr auto const& g = detail::forward_correlation<G>;
        constexpr int n = detail::WinogradRowGradientLayout<L>(g, width_of<L>).items();
        detail::winograd_row_weight_gradient<L>(
            g, a.x, a.dy, a.gradient, G::bias ? a.gradient + g.group_weights : nullptr, a.stride, a.scratch,
            detail::item_of(begin, items.count, n), detail::item_of(end, items.count, n));
    }
};

}  // namespace strata::inline STRATA_ABI
