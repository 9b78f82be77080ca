// The forward pass and the input gradient of convolutions of any number of rows of five taps that Winograd's transform
// along the row makes faster. Float32 only, unless a precision policy says otherwise with a member `winograd`
// (winograd_kernel.hpp).
#pragma once

#include "winograd_kernel.hpp"
#include "winograd_row.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// Cycles of a correlation of one group on Zen 4 with AVX-512: on tiles of whole vectors fitted to 600 geometries,
/// where one choice in a hundred costs time, 7 % at most.
struct RowCycles {
    Correlation const& g;
    double kernel_rows = rows_inside(g) * g.out_height;

    /// Of a vector of samples.
    [[nodiscard]] constexpr double direct() const { return direct(kernel_rows); }
    [[nodiscard]] constexpr double direct(double rows) const {
        double const even = (g.out_channels + 1) / 2 * 2;
        return g.out_width * (1.2 * g.taps_width * rows * g.in_channels * even + 9.5 * g.out_height * even +
                              9.0 * g.out_height * g.in_channels);
    }
    [[nodiscard]] constexpr double whole_vectors() const {
        return tiles() * (8 * kernel_rows * g.in_channels * worked_on() + 30.0 * g.out_height * g.out_channels +
                          34.0 * g.out_height * ((g.out_channels + 5) / 6) + 34.0 * g.in_height * g.in_channels);
    }
    /// Of a tile of S samples, vectors of N; with its weights' transforms unless they are `cached`.
    [[nodiscard]] constexpr double direct(int S, int N) const {
        // Rows with padding are packed; those that do not fill vectors together, and rows outside the image count then.
        bool const bands = g.out_width * S % N != 0;
        return direct(bands ? 1.0 * g.taps_height * g.out_height : kernel_rows) * S / N +
               (g.pad_left > 0 ? 60.0 * g.in_height * g.in_channels : 0.0);
    }
    [[nodiscard]] constexpr double narrow(int S, int N, bool cached) const {
        int const places = tiles() * S, rows = g.out_height + g.taps_height - 1, half = N / 2;
        double const vectors = (g.out_height * places + N - 1) / N, in = g.in_channels;
        return vectors * (8 * g.taps_height * in * worked_on() + (g.out_width % 4 ? 105 : 45) * g.out_channels) +
               in * (rows * (15 + 20 * ((places + half - 1) / half)) + 34 * ((rows * places + N - 1) / N)) +
               (cached ? 0 : 17 * in * worked_on() * g.taps_height);
    }

private:
    [[nodiscard]] constexpr int tiles() const { return (g.out_width + 3) / 4; }
    [[nodiscard]] constexpr int worked_on() const {  // output channels: blocks of six, the last one of four or six
        int const rest = g.out_channels % 6;
        return g.out_channels - rest + (rest == 0 ? 0 : rest <= 4 ? 4 : 6);
    }
};

/// The tiles that a correlation takes Winograd's kernels on; close calls go to direct convolution, which rounds less.
/// Its cost counts `weight` times.
template <class L>
struct WinogradRowChoice {
    static constexpr int N = width_of<L>;
    bool forward;  ///< the pass that may be asked for a sample's own bits
    bool whole_vectors = false;
    bool invariant = false;  ///< where a sample's bits may not depend on the tile: all of them, or none
    bool narrow[2][N] = {};  ///< [transformed weights are cached, not made for every tile][samples]

    constexpr WinogradRowChoice(Correlation const& g, double weight, bool is_forward) : forward(is_forward) {
        if (!is_winograd_row(g)) return;
        RowCycles const cycles{g};
        whole_vectors = cycles.whole_vectors() < 0.9 * weight * cycles.direct();
        invariant = whole_vectors && forward;
        for (int S = 1; S < N; S *= 2) invariant = invariant && WinogradRowLayout<L>(g, S).fits();
        for (bool const cached : {false, true})
            for (int S = 1; S < N; S *= 2) {
                bool const faster = cycles.narrow(S, N, cached) < 0.9 * weight * cycles.direct(S, N);
                narrow[cached][S] = faster && WinogradRowLayout<L>(g, S).fits();
            }
    }
    [[nodiscard]] constexpr bool takes(int S, bool cached) const {
        return S < N ? narrow[cached][S] : S % N == 0 && whole_vectors;
    }
    template <class Precision>
    [[nodiscard]] bool takes(KernelData<Precision> const& a) const {
        return a.invariant ? invariant : takes(a.stride, a.cached);
    }
    /// Whether some tiles of S samples are taken, and whether all are.
    [[nodiscard]] constexpr bool any(int S) const { return invariant || takes(S, false) || takes(S, true); }
    [[nodiscard]] constexpr bool all(int S) const {
        return (invariant || !forward) && takes(S, false) && takes(S, true);
    }
};

/// One group of at least two channels.
template <class G, class Precision>
concept WinogradRowGeometry = allows_winograd<Precision>() && G::groups == 1 && G::channels > 1 &&
                              is_winograd_row(forward_correlation<G>);

/// A pass by correlation on the tiles that WinogradRowChoice says, on the others by the kernel Direct. Geometry::g() is
/// the correlation.
template <class Geometry, class Direct, class Precision, bool Forward>
struct WinogradRowPass {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr WinogradRowChoice<L> choice{Geometry::g(), winograd_weight<Precision>(), Forward};
    static constexpr Items items = Direct::items;

    static constexpr int scratch(int S) {
        int const direct = choice.all(S) ? 0 : Direct::scratch(S);
        return choice.any(S) ? (std::max)(direct, WinogradRowLayout<L>(Geometry::g(), S).scratch()) : direct;
    }
    static constexpr int prepared(int S) { return choice.any(S) ? WinogradRowWeights<L>(Geometry::g()).size() : 0; }
    static constexpr int prepare_items = WinogradRowWeights<L>(Geometry::g()).blocks;
    static void prepare(KernelData<Precision> const& a, T* to, int begin, int end) {
        if (choice.takes(a)) winograd_row_weights<L>(Geometry::g(), a.parameters, to, begin, end);
    }
    static void correlate(KernelData<Precision> const& a, T const* x, T const* bias, T* y, bool add, int begin,
                          int end) {
        winograd_row_correlate<L>(Geometry::g(), x, a.prepared, bias, y, a.stride, a.scratch, add, begin, end, a.relu);
    }
};

template <class G>
struct ForwardCorrelation {
    static constexpr Correlation const& g() { return forward_correlation<G>; }
};
template <class G>
struct BackwardCorrelation {
    static constexpr Correlation const& g() { return backward_correlation<G>; }
};
template <class G, class Scheme, class Precision>
using WinogradRowForwardPass =
    WinogradRowPass<ForwardCorrelation<G>, DirectForward<G, Scheme, Precision>, Precision, true>;
template <class G, class Scheme, class Precision>
using WinogradRowInputGradientPass =
    WinogradRowPass<BackwardCorrelation<G>, DirectInputGradient<G, Scheme, Precision>, Precision, false>;

}  // namespace detail

template <class Op, class Precision>
struct WinogradRowForward;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradRowGeometry<G, Precision> &&
         detail::WinogradRowForwardPass<G, Scheme, Precision>::choice.whole_vectors)
struct WinogradRowForward<Convolution<G, Scheme>, Precision> : detail::WinogradRowForwardPass<G, Scheme, Precision> {
    static constexpr KernelNote note{
        "Winograd along the row", "five taps a row at stride 1, faster by estimate; direct on tiles where it is not"};
    using Pass = detail::WinogradRowForwardPass<G, Scheme, Precision>;
    static constexpr bool applies_relu = true;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!Pass::choice.takes(a)) return DirectForward<G, Scheme, Precision>::run(a, begin, end);
        Pass::correlate(a, a.x, G::bias ? a.parameters + detail::forward_correlation<G>.group_weights : nullptr, a.y,
                        false, begin, end);
    }
};

template <class Op, class Precision>
struct WinogradRowInputGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradRowGeometry<G, Precision> &&
         detail::WinogradRowInputGradientPass<G, Scheme, Precision>::choice.whole_vectors)
struct WinogradRowInputGradient<Convolution<G, Scheme>, Precision>
    : detail::WinogradRowInputGradientPass<G, Scheme, Precision> {
    static constexpr KernelNote note{
        "Winograd along the row", "five taps a row at stride 1, faster by estimate; direct on tiles where it is not"};
    using Pass = detail::WinogradRowInputGradientPass<G, Scheme, Precision>;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!Pass::choice.takes(a)) return DirectInputGradient<G, Scheme, Precision>::run(a, begin, end);
        Pass::correlate(a, a.dy, nullptr, a.dx, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
