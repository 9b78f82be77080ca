// Direct convolution on the CPU: the forward pass is a correlation, the input gradient one for
// each phase of the stride.
#pragma once

#include "../../../../layer/conv2d.hpp"
#include "../generic.hpp"
#include "../micro/bias_gradient.hpp"
#include "../micro/convolution_geometry.hpp"
#include "direct_weight_gradient.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Numbers of a phase's rows that lie apart from dx before their columns are spread.
constexpr int spread_numbers(Correlation const& g, int S, int N) {
    return S % N == 0 ? 0 : g.out_channels * g.rows_together(S, N) * g.out_width * S;
}

/// What ConvTranspose2d, whose forward pass is an input gradient, has besides: its bias, null where there is none, and
/// the ReLU that follows it.
template <class T>
struct TransposedExtras {
    T const* bias = nullptr;
    bool relu = false;
    [[nodiscard]] TransposedExtras behind(int channels) const { return {bias ? bias + channels : nullptr, relu}; }
    /// What a pixel of channel c is that no tap reaches.
    [[nodiscard]] T untouched(int c) const {
        T const value = bias ? bias[c] : T(0);
        return relu && value <= T(0) ? T(0) : value;
    }
};

/// Rows [begin, end) of dx of a group, phase by phase.
template <class L, class T>
void input_gradient_rows(CorrelationCode<T> const& code, Correlation const& f, T const* dy, T const* w, T* dx, int S,
                         T* scratch, bool add, int group, int begin, int end, TransposedExtras<T> extras = {}) {
    constexpr int N = width_of<L>;
    extras = extras.behind(group * f.in_channels);
    std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(f.in_height) * f.in_width * S;
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.stride_height) * f.in_width * S;
    dx += group * f.in_channels * plane;
    dy += group * f.out_channels * static_cast<std::ptrdiff_t>(f.out_height) * f.out_width * S;
    w += group * f.group_weights;
    auto const rows_before = [&](int h, int row0) {  // of a phase
        return h <= row0 ? 0 : (h - row0 + f.stride_height - 1) / f.stride_height;
    };
    for (int phase_row = 0; phase_row < f.stride_height; ++phase_row)
        for (int phase_column = 0; phase_column < f.stride_width; ++phase_column) {
            auto const [g, row0, column0] = backward_phase(f, phase_row, phase_column);
            int const from = rows_before(begin, row0), to = (std::min)(g.out_height, rows_before(end, row0));
            T* const y = dx + (row0 * f.in_width + column0) * S;
            if (g.out_width == 0 || from >= to) continue;
            if (g.taps_height <= 0 || g.taps_width <= 0) {  // no tap reaches these pixels
                for (int c = 0; !add && c < f.in_channels; ++c)
                    for (int i = from; i < to; ++i)
                        for (int column = 0; column < g.out_width; ++column)
                            std::fill_n(y + c * plane + i * row + column * f.stride_width * S, S, extras.untouched(c));
            } else if (S % N == 0) {
                correlate<L>(code, g, dy, w, extras.bias, y, S, scratch, add, from, to, plane, row, f.stride_width,
                             extras.relu);
            } else {  // columns of small tiles are no vectors: rows are made apart, then spread
                int const length = g.out_width * S, together = g.rows_together(S, N);
                T* const apart = scratch + correlation_scratch<T>(g, S);
                for (int i = from, count = 0; i < to; i += count) {
                    count = (std::min)(together, to - i);
                    correlate<L>(code, g, dy, w, extras.bias, apart - i * length, S, scratch, false, i, i + count,
                                 count * length, length, 1, extras.relu);
                    for (int c = 0; c < g.out_channels; ++c)
                        (add ? move_columns<true, T>
                             : move_columns<false, T>)(apart + c * count * length, S, y + c * plane + i * row,
                                                       f.stride_width * S, g.out_width, S, {count, length, row});
                }
            }
        }
}
template <class T>
constexpr int input_gradient_scratch(Correlation const& f, int S) {
    int most = 0;
    bool const strided = f.stride_height > 1 || f.stride_width > 1;
    for (int row = 0; row < f.stride_height; ++row)
        for (int column = 0; column < f.stride_width; ++column) {
            Correlation const g = backward_phase(f, row, column).correlation;
            most = (std::max)(
                most, correlation_scratch<T>(g, S) + (strided ? spread_numbers(g, S, width_of<widest_lane<T>>) : 0));
        }
    return most;
}

/// The forward pass of a convolution.
template <class G>
struct ForwardOf {
    static constexpr Correlation of = forward_correlation<G>;
};
/// dx of a convolution, items being (group, row). Forward::of is the correlation that it is the gradient of.
template <class G, class L, class Forward = ForwardOf<G>, class T>
void direct_input_gradient(T const* dy, T const* w, T* dx, int S, T* scratch, bool add, int begin, int end,
                           TransposedExtras<T> extras = {}) {
    constexpr auto code = correlation_code<L, G::group_channels, 1>();
    if constexpr (G::stride_height == 1 && G::stride_width == 1) {
        static constexpr Correlation g = backward_phase(Forward::of, 0, 0).correlation;
        correlate<L>(code, g, dy, w, extras.bias, dx, S, scratch, add, begin, end, G::height * G::width * S,
                     G::width * S, 1, extras.relu);
    } else {
        for (int item = begin, count = 0; item < end; item += count) {
            int const group = item / G::height, h = item % G::height;
            count = (std::min)(G::height - h, end - item);
            input_gradient_rows<L>(code, Forward::of, dy, w, dx, S, scratch, add, group, h, h + count, extras);
        }
    }
}

}  // namespace detail

template <class G, class Scheme, class Precision>
struct DirectForward {
    using T = typename Precision::compute;
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::groups * G::out_height};
    static constexpr int scratch(int S) { return detail::correlation_scratch<T>(detail::forward_correlation<G>, S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const bias =
            G::bias ? a.parameters + Convolution<G, Scheme>::Parameters::size - G::out_channels : nullptr;
        using L = widest_lane<T>;
        detail::correlate<L>(detail::correlation_code<L, G::group_out_channels, G::stride_width>(),
                             detail::forward_correlation<G>, a.x, a.parameters, bias, a.y, a.stride, a.scratch, false,
                             begin, end, G::out_height * G::out_width * a.stride, G::out_width * a.stride, 1, a.relu);
    }
};

template <class G, class Scheme, class Precision>
struct DirectInputGradient {
    using T = typename Precision::compute;
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int S) { return detail::input_gradient_scratch<T>(detail::forward_correlation<G>, S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::direct_input_gradient<G, widest_lane<T>>(a.dy, a.parameters, a.dx, a.stride, a.scratch,
                                                         a.write == GradientWrite::add, begin, end);
    }
};

template <class G, class Scheme, class Precision>
struct DirectParameterGradient {
    using T = typename Precision::compute;
    static constexpr int blocks = G::groups * detail::tap_blocks(detail::forward_correlation<G>);
    static constexpr Items items{blocks + 1};  // the last one is the bias
    static constexpr int scratch(int S) {
        return detail::weight_gradient_scratch<T>(detail::forward_correlation<G>, S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::weight_gradient<widest_lane<T>>(detail::forward_correlation<G>, a.x, a.dy, a.gradient, a.stride,
                                                a.scratch, begin, (std::min)(end, blocks),
                                                detail::column_gather<G::stride_width, T>());
        if (G::bias && begin < end && end == items.count) add_bias(a);
    }
    static void add_bias(KernelData<Precision> const& a) {
        detail::bias_gradient<widest_lane<T>>(a.dy,
                                              a.gradient + Convolution<G, Scheme>::Parameters::size - G::out_channels,
                                              G::out_channels, G::out_height * G::out_width * a.stride);
    }
};

template <class Op, class Precision>
struct DirectConvolutionForward;
template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct DirectConvolutionForward<Convolution<G, Scheme>, Precision> : DirectForward<G, Scheme, Precision> {
    static constexpr KernelNote note{"direct", "every convolution"};
};
template <class Op, class Precision>
struct DirectConvolutionInputGradient;
template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct DirectConvolutionInputGradient<Convolution<G, Scheme>, Precision> : DirectInputGradient<G, Scheme, Precision> {
    static constexpr KernelNote note{"direct", "every convolution"};
};
template <class Op, class Precision>
struct DirectConvolutionParameterGradient;
template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct DirectConvolutionParameterGradient<Convolution<G, Scheme>, Precision>
    : DirectParameterGradient<G, Scheme, Precision> {
    static constexpr KernelNote note{"direct", "every convolution"};
};

}  // namespace strata::inline STRATA_ABI
