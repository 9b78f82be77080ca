// A depthwise convolution and the 1x1 convolution behind it, in inference: bands of rows of the first, all channels,
// which the second reads while they are in the cache. What lies between them never reaches memory.
//
// Both compute what their own kernels compute, by the same functions in the same order: the bits are the same.
#pragma once

#include "depthwise_convolution.hpp"
#include "pointwise_convolution.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// A band: some rows, or some columns of one where a row of all channels is too much for the cache.
template <class T>
struct ChannelBand {
    static constexpr int N = width_of<widest_lane<T>>;
    /// Numbers of a band: a quarter of the second-level cache of Zen 3 (512 KB), whose rest is for what is read
    /// and written; and of a piece of it, in half of a first-level cache.
    static constexpr int most = 131072 / static_cast<int>(sizeof(T)), piece = 16384 / static_cast<int>(sizeof(T));
    int rows, columns, pitch;  ///< numbers from a channel to the next
    constexpr ChannelBand(int channels, int out_height, int out_width, int S)
        : rows(std::clamp(most / (channels * out_width * S), 1, out_height)), columns(out_width), pitch(0) {
        if (S % N == 0) columns = std::clamp(most / (channels * S), 1, out_width);
        // Not a power of two, or the channels would share a few cache lines.
        pitch = (rows * columns * S + 15) / 16 * 16 + 16;
    }
    [[nodiscard]] constexpr int size(int channels) const { return channels * pitch + pointwise_columns<widest_lane<T>>; }
};

/// out(m, n) for all rows and n < numbers: p.b is a band, out the same place of the outputs.
template <class L, class T>
STRATA_ONE_COPY void multiply_band(Product<T> const& p, int rows, int numbers) {
    constexpr int N = width_of<L>, block_columns = pointwise_columns<L>;
    int const piece = (std::max)(ChannelBand<T>::piece / p.depth / block_columns, 1) * block_columns;
    for (int from = 0; from < numbers; from += piece) {
        int const to = (std::min)(from + piece, numbers);
        for (int m = 0; m < rows; m += pointwise_rows) {
            int const count = (std::min)(pointwise_rows, rows - m);
            Product<T> block = p;
            block.a = p.a + m * p.a_row;
            if (p.bias) block.bias = p.bias + m;
            for (int n = from; n < to; n += block_columns) {
                int const held = (std::min)(block_columns, to - n);
                block.b = p.b + n;
                T* const out = p.out + m * p.out_row + n;
                block.out = out;
                block.out_row = p.out_row;
                if (held % N == 0) {
                    pointwise_product<L>(block, count, held / N);
                    continue;
                }
                T values[pointwise_rows * block_columns];
                block.out = values;
                block.out_row = block_columns;
                pointwise_product<L>(block, count, (held + N - 1) / N);
                for (int u = 0; u < count; ++u)
                    copy_numbers<L>(values + u * block_columns, held, out + u * p.out_row);
            }
        }
    }
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
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::out_height};
    static constexpr detail::ChannelBand<T> band(int S) { return {G::out_channels, G::out_height, G::out_width, S}; }
    static constexpr int scratch(int S) { return band(S).size(G::out_channels) + First::scratch(S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        int const S = a.stride;
        auto const layout = band(S);
        T* const rest = a.scratch + layout.size(G::out_channels);
        constexpr int taps = G::out_channels * G::kernel_height * G::kernel_width;
        T const* const weights = a.parameters + Convolution<G, Scheme>::Parameters::size;
        std::ptrdiff_t const plane = std::ptrdiff_t{G::out_height * G::out_width} * S;
        for (int i = begin, rows = 0; i < end; i += rows) {
            rows = (std::min)(layout.rows, end - i);
            for (int j = 0, columns = 0; j < G::out_width; j += columns) {
                columns = (std::min)(layout.columns, G::out_width - j);
                detail::DepthwisePlanes<T> const planes{
                    .x = a.x,
                    .x_plane = std::ptrdiff_t{G::height * G::width} * S,
                    .readers = G::group_out_channels,
                    .weights = a.parameters,
                    .channel_weights = G::kernel_height * G::kernel_width,
                    .bias = G::bias ? a.parameters + taps : nullptr,
                    .y = a.scratch - (i * columns + j) * S,
                    .y_plane = layout.pitch,
                    .out_row = columns * S,
                    .out_column = 1,
                    .relu = relu,
                    .columns = {j, j + columns}};
                detail::depthwise_image_rows<G>(planes, S, rest, 0, G::out_channels, i, i + rows);
                std::ptrdiff_t const at = (std::ptrdiff_t{i} * G::out_width + j) * S;
                detail::multiply_band<L>(
                    detail::Product<T>{.a = weights,
                                       .a_row = G2::channels,
                                       .a_k = 1,
                                       .b = a.scratch,
                                       .b_k = layout.pitch,
                                       .out = a.y + at,
                                       .out_row = plane,
                                       .depth = G2::channels,
                                       .bias = G2::bias ? weights + G2::out_channels * G2::channels : nullptr,
                                       .init = G2::bias ? detail::ProductInit::row_bias : detail::ProductInit::zero,
                                       .relu = a.relu},
                    G2::out_channels, rows * columns * S);
            }
        }
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
