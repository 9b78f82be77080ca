// AvgPool2d, MaxPool2d with padding and the input gradient of MaxPool2d whose windows overlap, on the CPU, in tiles of
// fewer samples than a vector holds: windows over packed bands. Wider tiles are left to the generic kernels. The
// geometry is a run-time value, so all pools are one copy of the code.
#pragma once

#include "../../../../core/for_lanes.hpp"
#include "../../../../layer/avg_pool2d.hpp"
#include "../../../../layer/max_pool2d.hpp"
#include "../micro/window_band.hpp"
#include "pooling_kernel.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// A pooling window as a correlation of one channel.
template <class Win>
constexpr Correlation pooling_correlation = {.in_height = Win::height,
                                             .in_width = Win::width,
                                             .out_height = Win::out_height,
                                             .out_width = Win::out_width,
                                             .in_channels = 1,
                                             .out_channels = 1,
                                             .taps_height = Win::kernel_height,
                                             .taps_width = Win::kernel_width,
                                             .stride_height = Win::stride_height,
                                             .stride_width = Win::stride_width,
                                             .dilation_height = 1,
                                             .dilation_width = 1,
                                             .pad_top = Win::pad_height,
                                             .pad_left = Win::pad_width,
                                             .group_weights = 0,
                                             .out_weights = 0,
                                             .in_weights = 0,
                                             .row_weights = 0,
                                             .tap_weights = 0,
                                             .first_weight = 0};

/// What an average divides by: the window's size, or the pixels of it that are inside the image.
struct AverageDivisor {
    bool counts_padding;
    [[nodiscard]] static constexpr int inside(int from, int length, int extent) {
        return (std::min)(from + length, extent) - (std::max)(from, 0);
    }
    /// Multiplies row i of outputs [out_width][S] by one over the divisors, from `from` to `to`.
    template <class T>
    STRATA_ONE_COPY void apply(Correlation const& g, T const* from, T* to, int i, int S) const {
        int const length = g.out_width * S;
        if (counts_padding) {
            T const weight = T(1) / static_cast<T>(g.taps_height * g.taps_width);
            return for_lanes<T>(
                0, length, [&]<class V>(std::ptrdiff_t k) { store_lane(to + k, load_lane<V>(from + k) * V(weight)); });
        }
        int const rows = inside(i * g.stride_height - g.pad_top, g.taps_height, g.in_height);
        for (int j = 0; j < g.out_width; ++j) {
            int const columns = inside(j * g.stride_width - g.pad_left, g.taps_width, g.in_width);
            T const weight = T(1) / static_cast<T>(rows * columns);
            for (int s = 0; s < S; ++s) to[j * S + s] = from[j * S + s] * weight;
        }
    }
};

template <class T>
STRATA_ONE_COPY void average_forward(Correlation const& g, AverageDivisor divisor, T const* x, T* y, int S,
                                     Carver memory, int begin, int end) {
    WindowBand<WindowSum, T> band(memory, g, S, [](int, int) { return std::pair(T(0), T(1)); });
    for_channel_rows(begin, end, g.out_height, [&](int channel, int from, int to) {
        for (int i = from, count = 0; i < to; i += count) {
            count = (std::min)(band.layout.rows, to - i);
            band.pack(x + static_cast<std::ptrdiff_t>(channel) * g.in_height * g.in_width * S, 0, i, count, T(0));
            band.compute(count, T(0));
            for (int r = 0; r < count; ++r)
                divisor.apply(g, band.results + r * band.layout.pitch,
                              y + static_cast<std::ptrdiff_t>(channel * g.out_height + i + r) * g.out_width * S, i + r,
                              S);
        }
    });
}

/// The scratch memory of an average's gradient: a channel's dy where the divisors differ, and bands.
template <class T>
struct AverageGradientScratch {
    T* divided;
    Carver windows;
    constexpr AverageGradientScratch(Carver& memory, Correlation const& f, AverageDivisor divisor, int S)
        : divided(memory.take<T>(divisor.counts_padding ? 0 : f.out_height * f.out_width * S)), windows(memory) {
        memory.take<T>(window_gradient_scratch<WindowSum, T>(f, S));
    }
};

template <class T>
STRATA_ONE_COPY void average_input_gradient(Correlation const& f, AverageDivisor divisor, T const* dy, T* dx, int S,
                                            Carver memory, bool add, int begin, int end) {
    auto const parts = AverageGradientScratch<T>(memory, f, divisor, S);
    T const weight = divisor.counts_padding ? T(1) / static_cast<T>(f.taps_height * f.taps_width) : T(1);
    int held = -1;
    window_input_gradient<WindowSum>(
        f, dx, S, parts.windows, add, begin, end, [&](int, int) { return std::pair(T(0), weight); },
        [&](auto& band, int channel, int first, int count) {
            T const* plane = dy + static_cast<std::ptrdiff_t>(channel) * f.out_height * f.out_width * S;
            if (!divisor.counts_padding) {
                for (int i = 0, row = f.out_width * S; i < f.out_height && held != channel; ++i)
                    divisor.apply(f, plane + i * row, parts.divided + i * row, i, S);
                held = channel;
                plane = parts.divided;
            }
            band.pack(plane, 0, first, count, T(0));
        });
}

template <class T>
STRATA_ONE_COPY void padded_max_forward(Correlation const& g, T const* x, T* y, T* argmax, int S, Carver memory,
                                        int begin, int end) {
    constexpr T low = -std::numeric_limits<T>::infinity();
    WindowBand<WindowMaximum, T> band(
        memory, g, S, [&](int p, int q) { return std::pair(static_cast<T>(p * g.taps_width + q), T(0)); });
    int const length = g.out_width * S;
    for_channel_rows(begin, end, g.out_height, [&](int channel, int from, int to) {
        for (int i = from, count = 0; i < to; i += count) {
            count = (std::min)(band.layout.rows, to - i);
            band.pack(x + static_cast<std::ptrdiff_t>(channel) * g.in_height * g.in_width * S, 0, i, count, low);
            band.compute(count, low);
            for (int r = 0; r < count; ++r) {
                std::ptrdiff_t const out = static_cast<std::ptrdiff_t>(channel * g.out_height + i + r) * length;
                T* const row = band.results + r * band.layout.pitch;
                copy_numbers<widest_lane<T>>(row, length, y + out);
                if (!argmax) continue;
                T const* const winner = row + band.layout.output;
                copy_numbers<widest_lane<T>>(winner, length, argmax + out);
                T least(0);
                for (int k = 0; k < length; ++k) least = (std::min)(least, winner[k]);
                if (least == T(0)) continue;
                // Nothing beat minus infinity: the first pixel inside the image wins.
                int const p = (std::max)(0, g.pad_top - (i + r) * g.stride_height);
                for (int k = 0; k < length; ++k)
                    if (winner[k] < T(0))
                        argmax[out + k] =
                            static_cast<T>(p * g.taps_width + (std::max)(0, g.pad_left - k / S * g.stride_width));
            }
        }
    });
}

template <class T>
STRATA_ONE_COPY void overlapping_max_input_gradient(Correlation const& f, T const* dy, T const* argmax, T* dx, int S,
                                                    Carver memory, bool add, int begin, int end) {
    window_input_gradient<WindowRouted>(
        f, dx, S, memory, add, begin, end,
        [&](int p, int q) { return std::pair(static_cast<T>(p * f.taps_width + q), T(0)); },
        [&](auto& band, int channel, int first, int count) {
            std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(channel) * f.out_height * f.out_width * S;
            band.pack(dy + plane, 0, first, count, T(0));
            band.pack(argmax + plane, 1, first, count, T(0));
        });
}

/// Windows for which MaxPool2d's input gradient has a kernel of its own: they neither overlap nor have padding.
template <class Win>
concept DisjointWindows = Win::pad_height == 0 && Win::pad_width == 0 && Win::stride_height == Win::kernel_height &&
                          Win::stride_width == Win::kernel_width;

}  // namespace detail

template <class Op, class Precision>
struct AveragePoolForward;
template <class Win, bool CountsPadding, class Precision>
requires detail::UniformPrecision<Precision>
struct AveragePoolForward<AveragePooling<Win, CountsPadding>, Precision> {
    static constexpr KernelNote note{"average", "packed bands on small tiles, else the bodies"};
    using T = typename Precision::compute;
    using Generic = GenericForward<AveragePooling<Win, CountsPadding>, Precision>;
    static constexpr Items items = Generic::items;  // (channel, row)
    /// Where windows overlap, or columns are no vectors of four: else each number is read once as it is.
    static constexpr bool packs(int S) {
        return detail::packs_windows<T>(S) && (S < 4 || Win::stride_width < Win::kernel_width) &&
               !LongSum<T, Win::kernel_height * Win::kernel_width>::is_long;
    }
    static constexpr int scratch(int S) {
        return packs(S) ? detail::window_scratch<detail::WindowSum, T>(detail::pooling_correlation<Win>, S) : 0;
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!packs(a.stride)) return Generic::run(a, begin, end);
        detail::average_forward(detail::pooling_correlation<Win>, {CountsPadding}, a.x, a.y, a.stride, a.scratch, begin,
                                end);
    }
};

template <class Op, class Precision>
struct AveragePoolInputGradient;
template <class Win, bool CountsPadding, class Precision>
requires detail::UniformPrecision<Precision>
struct AveragePoolInputGradient<AveragePooling<Win, CountsPadding>, Precision> {
    static constexpr KernelNote note{"average", "packed bands on small tiles, else the bodies"};
    using T = typename Precision::compute;
    using Generic = GenericInputGradient<AveragePooling<Win, CountsPadding>, Precision>;
    static constexpr Items items = Generic::items;
    static constexpr detail::AverageDivisor divisor{CountsPadding};
    static constexpr int scratch(int S) {
        return detail::packs_windows<T>(S) ? detail::carved_numbers<T, detail::AverageGradientScratch<T>>(
                                                 detail::pooling_correlation<Win>, divisor, S)
                                           : 0;
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!detail::packs_windows<T>(a.stride)) return Generic::run(a, begin, end);
        detail::average_input_gradient(detail::pooling_correlation<Win>, divisor, a.dy, a.dx, a.stride, a.scratch,
                                       a.write == GradientWrite::add, begin, end);
    }
};

template <class Op, class Precision>
struct PaddedMaxPoolForward;
template <class Win, class Precision>
requires(detail::UniformPrecision<Precision> && (Win::pad_height > 0 || Win::pad_width > 0))
struct PaddedMaxPoolForward<MaxPooling<Win>, Precision> {
    static constexpr KernelNote note{"maximum in bands", "padding: packed bands on small tiles, else the bodies"};
    using T = typename Precision::compute;
    using Generic = GenericForward<MaxPooling<Win>, Precision>;
    static constexpr Items items = Generic::items;
    static constexpr int scratch(int S) {
        return detail::window_scratch<detail::WindowMaximum, T>(detail::pooling_correlation<Win>, S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!detail::packs_windows<T>(a.stride)) return Generic::run(a, begin, end);
        detail::padded_max_forward(detail::pooling_correlation<Win>, a.x, a.y, a.extra, a.stride, a.scratch, begin,
                                   end);
    }
};

template <class Op, class Precision>
struct OverlappingMaxPoolInputGradient;
template <class Win, class Precision>
requires(detail::UniformPrecision<Precision> && !detail::DisjointWindows<Win>)
struct OverlappingMaxPoolInputGradient<MaxPooling<Win>, Precision> {
    static constexpr KernelNote note{"maximum in bands",
                                     "padding or overlap: packed bands on small tiles, else the bodies"};
    using T = typename Precision::compute;
    using Generic = GenericInputGradient<MaxPooling<Win>, Precision>;
    static constexpr Items items = Generic::items;
    static constexpr int scratch(int S) {
        return detail::window_gradient_scratch<detail::WindowRouted, T>(detail::pooling_correlation<Win>, S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!detail::packs_windows<T>(a.stride)) return Generic::run(a, begin, end);
        T const* const argmax = a.extra;
        detail::overlapping_max_input_gradient(detail::pooling_correlation<Win>, a.dy, argmax, a.dx, a.stride,
                                               a.scratch, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI
