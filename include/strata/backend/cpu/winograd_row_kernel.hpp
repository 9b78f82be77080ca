// The forward pass and the input gradient of convolutions of any number of rows of five taps that Winograd's transform
// along the row makes faster, on tiles of whole vectors of samples. Float32 only, unless a precision policy says
// otherwise with a member `winograd` (winograd_kernel.hpp).
#pragma once

#include "winograd_kernel.hpp"
#include "winograd_row_convolution.hpp"

namespace strata {

namespace detail {

/// True where winograd_row_correlate is the faster way to compute g, of one group: estimates in cycles for a vector of
/// samples, fitted to 600 geometries on Zen 4 with AVX-512, where one choice in a hundred costs time, 7 % at most.
/// Close calls go to direct convolution, which rounds less. Its cost counts `weight` times.
constexpr bool is_faster_by_rows(Correlation const& g, double weight) {
    if (!is_winograd_row(g)) return false;
    using Transform = WinogradRowTransform;
    int const tiles = (g.out_width + Transform::outputs - 1) / Transform::outputs, rest = g.out_channels % 6;
    // Channels that are worked on.
    double const in = g.in_channels,
                 out = g.out_channels - rest +
                       (rest == 0   ? 0
                        : rest <= 4 ? 4
                                    : 6),
                 even = (g.out_channels + 1) / 2 * 2, kernel_rows = rows_inside(g) * g.out_height;
    double const winograd = tiles * (Transform::points * kernel_rows * in * out + 30.0 * g.out_height * g.out_channels +
                                     34.0 * g.out_height * ((g.out_channels + 5) / 6) + 34.0 * g.in_height * in);
    double const direct = g.out_width * (1.2 * g.taps_width * kernel_rows * in * even + 9.5 * g.out_height * even +
                                         9.0 * g.out_height * in);
    return winograd < 0.9 * weight * direct;
}
/// One group of at least two channels.
template <class G, class Precision>
concept WinogradRowGeometry = allows_winograd<Precision>() && G::groups == 1 && G::channels > 1 &&
                              is_winograd_row(forward_correlation<G>);

}  // namespace detail

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&& detail::WinogradRowGeometry<G, Precision>&& detail::is_faster_by_rows(
    detail::forward_correlation<G>,
    detail::winograd_weight<Precision>())) struct ForwardKernel<Convolution<G, Scheme>, Precision> {
    using Direct = DirectForward<G, Scheme, Precision>;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    using Layout = detail::WinogradRowLayout<L>;
    static constexpr bool applies_relu = true;
    static constexpr Items items = Direct::items;
    static constexpr bool takes(int S) { return S % width_of<L> == 0; }
    static constexpr int scratch(int S) {
        constexpr auto const& g = detail::forward_correlation<G>;
        return takes(S) ? Layout(g).scratch(g) : Direct::scratch(S);
    }
    static constexpr int prepared(int S) { return takes(S) ? Layout(detail::forward_correlation<G>).size() : 0; }
    static constexpr int prepare_items = Layout(detail::forward_correlation<G>).blocks;
    static void prepare(KernelData<Precision> const& a, T* to, int begin, int end) {
        if (takes(a.stride))
            detail::winograd_row_weights<L>(detail::forward_correlation<G>, a.parameters, to, begin, end);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!takes(a.stride)) return Direct::run(a, begin, end);
        constexpr auto const& g = detail::forward_correlation<G>;
        detail::winograd_row_correlate<L>(g, a.x, a.prepared, G::bias ? a.parameters + g.group_weights : nullptr, a.y,
                                          a.stride, a.scratch, false, begin, end, a.relu);
    }
};

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&& detail::PhasedGeometry<G>&& detail::WinogradRowGeometry<G, Precision>&&
             detail::is_faster_by_rows(
                 detail::backward_correlation<G>,
                 detail::winograd_weight<Precision>())) struct InputGradientKernel<Convolution<G, Scheme>, Precision> {
    using Direct = DirectInputGradient<G, Scheme, Precision>;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    using Layout = detail::WinogradRowLayout<L>;
    static constexpr Items items = Direct::items;
    static constexpr bool takes(int S) { return S % width_of<L> == 0; }
    static constexpr int scratch(int S) {
        constexpr auto const& g = detail::backward_correlation<G>;
        return takes(S) ? Layout(g).scratch(g) : Direct::scratch(S);
    }
    static constexpr int prepared(int S) { return takes(S) ? Layout(detail::backward_correlation<G>).size() : 0; }
    static constexpr int prepare_items = Layout(detail::backward_correlation<G>).blocks;
    static void prepare(KernelData<Precision> const& a, T* to, int begin, int end) {
        if (takes(a.stride))
            detail::winograd_row_weights<L>(detail::backward_correlation<G>, a.parameters, to, begin, end);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!takes(a.stride)) return Direct::run(a, begin, end);
        T const* const none = nullptr;
        detail::winograd_row_correlate<L>(detail::backward_correlation<G>, a.dy, a.prepared, none, a.dx, a.stride,
                                          a.scratch, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata
