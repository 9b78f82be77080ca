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

/// Where the bias of a convolution lies in its parameters.
template <class G>
inline constexpr std::ptrdiff_t bias_of = G::groups * forward_correlation<G>.group_weights;

/// The scratch memory of a phase of a strided input gradient: rows that lie apart from dx before their columns are spread.
template <class T>
struct PhaseScratch {
    T* apart;
    Carver correlation;
    constexpr PhaseScratch(Carver& memory, Correlation const& g, int S)
        : apart(memory.take<T>(spreads(S) ? g.out_channels * g.rows_together(S, N) * g.out_width * S : 0)),
          correlation(memory) {
        CorrelationScratch<T>(memory, g, S);
    }
    /// Columns of small tiles are no vectors.
    static constexpr bool spreads(int S) { return S % N != 0; }

private:
    static constexpr int N = width_of<widest_lane<T>>;
};

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
                         Carver memory, bool add, int group, int begin, int end, TransposedExtras<T> extras = {}) {
    extras = extras.behind(group * f.in_channels);
    std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(f.in_height) * f.in_width * S;
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.stride_height) * f.in_width * S;
    dx += group * f.in_channels * plane;
    dy += group * f.out_channels * static_cast<std::ptrdiff_t>(f.out_height) * f.out_width * S;
    w += group * f.group_weights;
    for (int phase_row = 0; phase_row < f.stride_height; ++phase_row)
        for (int phase_column = 0; phase_column < f.stride_width; ++phase_column) {
            auto const phase = backward_phase(f, phase_row, phase_column);
            Correlation const& g = phase.correlation;
            int const from = phase.rows_before(begin), to = phase.rows_before(end);
            T* const y = dx + (phase.row0 * f.in_width + phase.column0) * S;
            if (g.out_width == 0 || from >= to) continue;
            if (g.taps_height <= 0 || g.taps_width <= 0) {  // no tap reaches these pixels
                for (int c = 0; !add && c < f.in_channels; ++c)
                    phase.fill(y + c * plane, from, to, row, f.stride_width * S, S, extras.untouched(c));
            } else if (!PhaseScratch<T>::spreads(S)) {
                correlate<L>(code, g, dy, w, extras.bias, y, S, memory, add, from, to, plane, row, f.stride_width,
                             extras.relu);
            } else {
                int const length = g.out_width * S, together = g.rows_together(S, width_of<L>);
                Carver of_phase = memory;
                PhaseScratch<T> const parts(of_phase, g, S);
                for (int i = from, count = 0; i < to; i += count) {
                    count = (std::min)(together, to - i);
                    correlate<L>(code, g, dy, w, extras.bias, parts.apart - i * length, S, parts.correlation, false, i,
                                 i + count, count * length, length, 1, extras.relu);
                    for (int c = 0; c < g.out_channels; ++c)
                        (add ? move_columns<true, T>
                             : move_columns<false, T>)(parts.apart + c * count * length, S, y + c * plane + i * row,
                                                       f.stride_width * S, g.out_width, S, {count, length, row});
                }
            }
        }
}
template <class T>
constexpr int input_gradient_scratch(Correlation const& f, int S) {
    bool const strided = f.stride_height > 1 || f.stride_width > 1;
    return most_of_phases(f, [&](Correlation const& g) {
        return strided ? carved_numbers<T, PhaseScratch<T>>(g, S) : carved_numbers<T, CorrelationScratch<T>>(g, S);
    });
}

/// The forward pass of a convolution.
template <class G>
struct ForwardOf {
    static constexpr Correlation of = forward_correlation<G>;
};
/// dx of a convolution, items being (group, row). Forward::of is the correlation that it is the gradient of.
template <class G, class L, class Forward = ForwardOf<G>, class T>
void direct_input_gradient(T const* dy, T const* w, T* dx, int S, Carver memory, bool add, int begin, int end,
                           TransposedExtras<T> extras = {}) {
    constexpr auto code = correlation_code<L, G::group_channels, 1>();
    if constexpr (G::stride_height == 1 && G::stride_width == 1) {
        static constexpr Correlation g = backward_phase(Forward::of, 0, 0).correlation;
        correlate<L>(code, g, dy, w, extras.bias, dx, S, memory, add, begin, end, G::height * G::width * S,
                     G::width * S, 1, extras.relu);
    } else {
        for (int item = begin, count = 0; item < end; item += count) {
            int const group = item / G::height, h = item % G::height;
            count = (std::min)(G::height - h, end - item);
            input_gradient_rows<L>(code, Forward::of, dy, w, dx, S, memory, add, group, h, h + count, extras);
        }
    }
}

/// The forward pass of G, items being (group, output row); or added, which ConvTranspose2d asks for. `S` samples a tile.
template <class G, class L, class T>
void direct_forward(T const* x, T const* w, T const* bias, T* y, int S, Carver memory, bool add, int begin, int end,
                    bool relu, Correlation const& g = forward_correlation<G>) {
    correlate<L>(correlation_code<L, G::group_out_channels, G::stride_width>(), g, x, w, bias, y, S, memory, add, begin,
                 end, G::out_height * G::out_width * S, G::out_width * S, 1, relu);
}

/// The gradient of a convolution's bias.
template <class G, class Precision>
void add_bias_gradient(KernelData<Precision> const& a) {
    if constexpr (G::bias)
        bias_gradient<widest_lane<typename Precision::compute>>(a.dy, a.gradient + bias_of<G>, G::out_channels,
                                                                G::out_height * G::out_width * a.stride);
}

}  // namespace detail

template <class Op, class Precision>
struct DirectConvolutionForward;
template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct DirectConvolutionForward<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"direct", "every convolution"};
    using T = typename Precision::compute;
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::groups * G::out_height};
    static constexpr int scratch(int S) {
        return detail::carved_numbers<T, detail::CorrelationScratch<T>>(detail::forward_correlation<G>, S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::direct_forward<G, widest_lane<T>>(a.x, a.parameters,
                                                  G::bias ? a.parameters + detail::bias_of<G> : nullptr, a.y, a.stride,
                                                  a.scratch, false, begin, end, a.relu);
    }
};

template <class Op, class Precision>
struct DirectConvolutionInputGradient;
template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct DirectConvolutionInputGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"direct", "every convolution"};
    using T = typename Precision::compute;
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int S) { return detail::input_gradient_scratch<T>(detail::forward_correlation<G>, S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::direct_input_gradient<G, widest_lane<T>>(a.dy, a.parameters, a.dx, a.stride, a.scratch,
                                                         a.write == GradientWrite::add, begin, end);
    }
};

template <class Op, class Precision>
struct DirectConvolutionParameterGradient;
template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct DirectConvolutionParameterGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"direct", "every convolution"};
    using T = typename Precision::compute;
    static constexpr int blocks = G::groups * detail::tap_blocks(detail::forward_correlation<G>);
    static constexpr Items items{blocks + 1};  // the last one is the bias
    static constexpr int scratch(int S) {
        return detail::carved_numbers<T, detail::WeightGradientScratch<T>>(detail::forward_correlation<G>, S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::weight_gradient<widest_lane<T>>(detail::forward_correlation<G>, a.x, a.dy, a.gradient, a.stride,
                                                a.scratch, begin, (std::min)(end, blocks),
                                                detail::column_gather<G::stride_width, T>());
        if (begin < end && end == items.count) detail::add_bias_gradient<G>(a);
    }
};

}  // namespace strata::inline STRATA_ABI
