// A depthwise convolution and the 1x1 convolution behind it, in inference: bands of rows of the first, all channels,
// which the second reads while they are in the cache. What lies between them never reaches memory.
//
// Both compute what their own kernels compute, by the same functions in the same order: the bits are the same.
#pragma once

#include "../micro/machine.hpp"
#include "depthwise_convolution.hpp"
#include "pointwise_convolution.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// How a tile of S samples is cut into bands of rows: of `rows` rows, 0 where the two convolutions run one after the other,
/// because the rows under a band would not stay in the second-level cache until the next band needs them again, or because
/// the tile has more samples than a vector: measured on a Zen 3, bands were 0 to 10 % faster up to there and 3 to 7 % slower
/// on 16 samples.
template <class T>
struct ChannelBand {
    static constexpr int line = 64 / static_cast<int>(sizeof(T));
    int rows, pitch;  ///< numbers from a channel to the next
    T* numbers;
    constexpr ChannelBand(Carver& memory, Correlation const& g, int channels, int S)
        : rows(0), pitch(0), numbers(nullptr) {
        double const row = static_cast<double>(channels) * S * static_cast<int>(sizeof(T));
        if (S > width_of<widest_lane<T>>) return;
        if (row * (g.rows_under(1) * g.in_width + g.out_width) > second_level_cache) return;
        rows = std::clamp(static_cast<int>(second_level_cache / 4 / (row * g.out_width)), 1, g.out_height);
        // Not a power of two, or the channels would share a few cache lines.
        pitch = ((rows * g.out_width * S + line - 1) / line | 1) * line;
        numbers = memory.take<T>(channels * pitch);
    }
};

/// out(m, n) for all rows and n < numbers: p.b is a band, out the same place of the outputs.
template <class L, class T>
STRATA_ONE_COPY void multiply_band(Product<T> const& p, int rows, int numbers) {
    constexpr int columns = pointwise_columns<L>;
    int const piece = (std::max)(first_level_cache / 2 / static_cast<int>(sizeof(T)) / p.depth / columns, 1) * columns;
    for (int from = 0; from < numbers; from += piece)
        for (int m = 0; m < rows; m += pointwise_rows)
            product_rows<L>(p, m, (std::min)(m + pointwise_rows, rows), from, (std::min)(from + piece, numbers));
}

}  // namespace detail

template <class Op, class Precision>
struct DepthwisePointwiseForward;
template <class G, class Scheme, bool relu, class G2, class Scheme2, class Precision>
requires(detail::PointwiseGeometry<G2> && !detail::pointwise_strided<G2> && G2::groups == 1 &&
         std::is_base_of_v<DepthwiseForward<Convolution<G, Scheme>, Precision>,
                           ForwardKernel<Convolution<G, Scheme>, Precision>> &&
         std::is_base_of_v<PointwiseForward<Convolution<G2, Scheme2>, Precision>,
                           ForwardKernel<Convolution<G2, Scheme2>, Precision>>)
struct DepthwisePointwiseForward<InBands<Convolution<G, Scheme>, relu, Convolution<G2, Scheme2>>, Precision> {
    static constexpr KernelNote note{"depthwise and pointwise in bands",
                                     "inference: a 1 x 1 convolution takes a band of rows while it is in the cache"};
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    using First = DepthwiseForward<Convolution<G, Scheme>, Precision>;
    using Second = PointwiseForward<Convolution<G2, Scheme2>, Precision>;
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::out_height};
    static constexpr detail::ChannelBand<T> band(detail::Carver& memory, int S) {
        return {memory, detail::forward_correlation<G>, G::out_channels, S};
    }
    /// 0 where the two run one after the other.
    static constexpr int band_rows(int S) {
        detail::Carver counting;
        return band(counting, S).rows;
    }
    static constexpr int scratch(int S) {
        detail::Carver counting;
        bool const bands = band(counting, S).rows > 0;
        counting.take<T>(bands ? First::scratch(S) : (std::max)(First::scratch(S), Second::scratch(S)));
        return counting.numbers<T>();
    }
    /// `extra` is where the values between the two lie where they are not made in bands.
    static void run(KernelData<Precision> const& a, int begin, int end) {
        int const S = a.stride;
        detail::Carver memory(a.scratch);
        auto const layout = band(memory, S);
        constexpr int taps = G::out_channels * G::kernel_height * G::kernel_width, out_row = G::out_width;
        T const* const weights = a.parameters + Convolution<G, Scheme>::Parameters::size;
        std::ptrdiff_t const plane = std::ptrdiff_t{G::out_height * G::out_width} * S;
        detail::DepthwisePlanes<T> planes{.x = a.x,
                                          .x_plane = std::ptrdiff_t{G::height * G::width} * S,
                                          .readers = G::group_out_channels,
                                          .weights = a.parameters,
                                          .channel_weights = G::kernel_height * G::kernel_width,
                                          .bias = G::bias ? a.parameters + taps : nullptr,
                                          .y = a.extra,
                                          .y_plane = plane,
                                          .out_row = out_row * S,
                                          .out_column = 1,
                                          .relu = relu};
        if (layout.rows == 0) {
            detail::depthwise_image_rows<G>(planes, S, memory, 0, G::out_channels, begin, end);
            KernelData<Precision> second = a;
            second.x = a.extra;
            second.parameters = weights;
            return Second::run(second, begin, end);
        }
        planes.y_plane = layout.pitch;
        for (int i = begin, rows = 0; i < end; i += rows) {
            rows = (std::min)(layout.rows, end - i);
            planes.y = layout.numbers - i * out_row * S;
            detail::depthwise_image_rows<G>(planes, S, memory, 0, G::out_channels, i, i + rows);
            detail::multiply_band<L>(
                detail::Product<T>{.a = weights,
                                   .a_row = G2::channels,
                                   .a_k = 1,
                                   .b = layout.numbers,
                                   .b_k = layout.pitch,
                                   .out = a.y + std::ptrdiff_t{i} * out_row * S,
                                   .out_row = plane,
                                   .depth = G2::channels,
                                   .bias = G2::bias ? weights + G2::out_channels * G2::channels : nullptr,
                                   .init = G2::bias ? detail::ProductInit::row_bias : detail::ProductInit::zero,
                                   .relu = a.relu},
                G2::out_channels, rows * out_row * S);
        }
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
