// 1x1 convolution on the CPU: matrix products, the image being one row of H·W·S numbers. With a stride, the columns
// that the kernel takes are gathered for each block of the product, and those of the input gradient spread.
//
// Forward and input gradient have output channels as rows and the numbers as columns; the inputs of a few vectors of
// columns are first copied side by side, because channels a power of two apart would share the same few cache lines.
// The weight gradient has input channels as columns, their numbers transposed piece by piece, so that no sum runs
// across a vector. Each element's sum runs over its terms in order, wherever it stands in a block.
#pragma once

#include "../micro/matrix_product.hpp"
#include "direct_convolution.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// Rows of a block that are no whole columns, and numbers of a block's columns.
inline constexpr int pointwise_rows = product_block_rows;
template <class L>
inline constexpr int pointwise_columns = block_vectors * width_of<L>;

/// The numbers of a channel that a 1x1 kernel with strides takes: numbers n of the rows of outputs, and where in the
/// image their columns lie.
struct PointwiseImage {
    int width, out_width, stride_height, stride_width, S;

    template <class G>
    static constexpr PointwiseImage of(int S) {
        return {G::width, G::out_width, G::stride_height, G::stride_width, S};
    }
    /// Calls f(at, columns, j, place, count) for the pieces of numbers [n, n + count) of the outputs: the
    /// piece begins `at` numbers from n and, in the image, at `place`, and has `count` numbers of each of
    /// `columns` columns from j on.
    template <class F>
    STRATA_INLINE void for_pieces(int n, int count, F const& f) const {
        int const out_row = out_width * S;
        for (int at = 0, length = 0; at < count; at += length) {
            int const row = (n + at) / out_row, within = (n + at) % out_row, j = within / S, part = within % S;
            length = (std::min)(count - at, out_row - within);
            if (part != 0 || length < S)
                length = (std::min)(length, S - part);  // tiles wider than a block of columns
            else
                length = length / S * S;
            f(at, (std::max)(1, length / S), j,
              static_cast<std::ptrdiff_t>(row * stride_height) * width * S + j * stride_width * S + part,
              (std::min)(length, S));
        }
    }
    template <class T>
    void gather(T const* plane, int n, int count, T* to) const {
        for_pieces(n, count, [&](int at, int columns, int, std::ptrdiff_t place, int numbers) {
            move_columns<false>(plane + place, stride_width * S, to + at, numbers, columns, numbers);
        });
    }
    /// Sets the columns and, to zero, those on their right that the kernel skips; or adds.
    template <class T>
    void spread(T const* values, int n, int count, T* plane, bool add) const {
        for_pieces(n, count, [&](int at, int columns, int j, std::ptrdiff_t place, int numbers) {
            T* const to = plane + place;
            if (add) return move_columns<true>(values + at, numbers, to, stride_width * S, columns, numbers);
            int const reached = (std::min)((j + columns) * stride_width, width) - j * stride_width;
            if (numbers == S)
                std::fill_n(to, reached * S, T(0));
            else
                for (int k = 1; k < reached; ++k) std::fill_n(to + k * S, numbers, T(0));
            move_columns<false>(values + at, numbers, to, stride_width * S, columns, numbers);
        });
    }
};

/// out(m, n), m < rows, for columns [begin, end), set or added; `panel` is scratch memory for depth times
/// pointwise_columns. p.b and p.out begin at column 0. Where there is an image, b's columns are gathered from it, or
/// the results spread in it.
template <class L, class T>
STRATA_ONE_COPY void pointwise_multiply(Product<T> const& p, int rows, T* panel, bool add, int begin, int end,
                                        PointwiseImage const* gathered = nullptr,
                                        PointwiseImage const* spread = nullptr) {
    constexpr int N = width_of<L>, columns = pointwise_columns<L>;
    for (int n = begin; n < end; n += columns) {
        int const held = (std::min)(columns, end - n), whole = (held + N - 1) / N * N;
        Product<T> block = p;
        block.b += n;
        if (gathered) {
            for (int k = 0; k < p.depth; ++k) gathered->gather(p.b + k * p.b_k, n, held, panel + k * columns);
            block.b = panel;
            block.b_k = columns;
        } else if (held % N != 0 || rows > 2 * pointwise_rows) {  // few rows are not worth a copy
            for (int k = 0; k < p.depth; ++k) {
                T* const to = panel + k * columns;
                T const* const from = p.b + k * p.b_k + n;
                int at = 0;
                for (; at + N <= held; at += N) store_lane(to + at, load_lane<L>(from + at));
                std::copy(from + at, from + held, to + at);  // what lies behind is computed and dropped
            }
            block.b = panel;
            block.b_k = columns;
        }
        if (!spread && held % N == 0) {
            block.out += n;
            if (add) block.init = ProductInit::accumulate;
            product_rows<L>(block, 0, rows, 0, held);
            continue;
        }
        for (int m = 0; m < rows; m += pointwise_rows) {
            int const count = (std::min)(pointwise_rows, rows - m);
            T values[pointwise_rows * columns];
            block.a = p.a + m * p.a_row;
            if (p.bias) block.bias = p.bias + m;
            block.out = values;
            block.out_row = columns;
            product_rows<L>(block, 0, count, 0, whole);
            for (int u = 0; u < count; ++u) {
                T const* const value = values + u * columns;
                T* const to = p.out + (m + u) * p.out_row;
                if (spread)
                    spread->spread(value, n, held, to, add);
                else
                    put_numbers(value, held, to + n, add);
            }
        }
    }
}

/// Numbers that one piece of the weight gradient sums: its transposed inputs stay in a first-level cache.
inline constexpr int pointwise_depth = 128;
/// From one row of gathered numbers to the next: not a power of two, or the rows would share a few cache lines.
template <class L>
inline constexpr int pointwise_pitch = pointwise_depth + width_of<L>;
/// The scratch memory of the weight gradient: a piece of x, transposed, and gathered before.
template <class L>
struct PointwisePanels {
    scalar_of<L>*panel, *rows;
    constexpr PointwisePanels(Carver& memory, bool gathers)
        : panel(memory.take<scalar_of<L>>(pointwise_depth * pointwise_columns<L>)),
          rows(memory.take<scalar_of<L>>(gathers ? pointwise_pitch<L> * pointwise_columns<L> : 0)) {}
};

/// dw(o, c) += sum over n < numbers of dy(o, n) x(c, n) for outputs [begin, end) of a group of `inputs` channels,
/// planes of x `plane` numbers apart; where there is an image, x's columns are gathered from it.
template <class L, class T>
STRATA_ONE_COPY void pointwise_weight_gradient(T const* x, std::ptrdiff_t plane, T const* dy, T* dw, int inputs,
                                               int numbers, Carver memory, int begin, int end,
                                               PointwiseImage const* gathered = nullptr) {
    constexpr int N = width_of<L>, columns = pointwise_columns<L>;
    auto const [panel, rows] = PointwisePanels<L>(memory, gathered != nullptr);
    for (int c = 0; c < inputs; c += columns) {
        int const held = (std::min)(columns, inputs - c), whole = (held + N - 1) / N * N;
        for (int n = 0; n < numbers; n += pointwise_depth) {
            int const depth = (std::min)(pointwise_depth, numbers - n);
            if (gathered) {
                for (int k = 0; k < held; ++k)
                    gathered->gather(x + (c + k) * plane, n, depth, rows + k * pointwise_pitch<L>);
                transpose_rows<L>(rows, pointwise_pitch<L>, panel, columns, depth, held);
            } else {
                transpose_rows<L>(x + c * plane + n, plane, panel, columns, depth, held);
            }
            Product<T> p{.a = dy + n,
                         .a_row = numbers,
                         .a_k = 1,
                         .b = panel,
                         .b_k = columns,
                         .out = dw + c,
                         .out_row = inputs,
                         .depth = depth,
                         .init = ProductInit::accumulate};
            if (held == whole) {
                product_rows<L>(p, begin, end, 0, held);
                continue;
            }
            T values[pointwise_rows * columns];
            p.init = ProductInit::zero;
            p.out = values;
            p.out_row = columns;
            for (int o = begin; o < end; o += pointwise_rows) {
                int const count = (std::min)(pointwise_rows, end - o);
                p.a = dy + static_cast<std::ptrdiff_t>(o) * numbers + n;
                product_rows<L>(p, 0, count, 0, whole);
                for (int u = 0; u < count; ++u)
                    put_numbers(values + u * columns, held, dw + static_cast<std::ptrdiff_t>(o + u) * inputs + c, true);
            }
        }
    }
}

/// Calls f(group, begin, end) for the columns of items [from, to): items are (group, piece), each of `length` columns.
template <class F>
void pointwise_columns_of(int from, int to, int pieces, int length, F const& f) {
    for (int item = from, count = 0; item < to; item += count) {
        count = (std::min)(pieces - item % pieces, to - item);
        f(item / pieces, item % pieces * length, (item % pieces + count) * length);
    }
}

/// A 1x1 kernel without padding, between channels that fill the better part of a block.
template <class G>
concept PointwiseGeometry = G::kernel_height == 1 && G::kernel_width == 1 && G::pad_top == 0 && G::pad_left == 0 &&
                            G::out_height == (G::height - 1) / G::stride_height + 1 &&
                            G::out_width == (G::width - 1) / G::stride_width + 1 && G::group_channels >= 8;
template <class G>
inline constexpr bool pointwise_strided = G::stride_height > 1 || G::stride_width > 1;

}  // namespace detail

template <class Op, class Precision>
struct PointwiseForward;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::PointwiseGeometry<G>)
struct PointwiseForward<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"pointwise", "a kernel of 1 x 1, at least 8 input channels a group"};
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::groups * G::out_height};
    static constexpr int scratch(int) { return G::group_channels * detail::pointwise_columns<L>; }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr int in = G::group_channels, out = G::group_out_channels;
        std::ptrdiff_t const plane = std::ptrdiff_t{G::height * G::width} * a.stride,
                             out_plane = std::ptrdiff_t{G::out_height * G::out_width} * a.stride;
        T const* const bias = a.parameters + G::out_channels * in;
        auto const image = detail::PointwiseImage::of<G>(a.stride);
        detail::pointwise_columns_of(
            begin, end, G::out_height, G::out_width * a.stride, [&](int group, int from, int to) {
                detail::Product<T> const p{.a = a.parameters + group * out * in,
                                           .a_row = in,
                                           .a_k = 1,
                                           .b = a.x + group * in * plane,
                                           .b_k = plane,
                                           .out = a.y + group * out * out_plane,
                                           .out_row = out_plane,
                                           .depth = in,
                                           .bias = G::bias ? bias + group * out : nullptr,
                                           .init = G::bias ? detail::ProductInit::row_bias : detail::ProductInit::zero,
                                           .relu = a.relu};
                detail::pointwise_multiply<L>(p, out, a.scratch, false, from, to,
                                              detail::pointwise_strided<G> ? &image : nullptr);
            });
    }
};

// Items are (group, row of dx).
template <class Op, class Precision>
struct PointwiseInputGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::PointwiseGeometry<G>)
struct PointwiseInputGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"pointwise", "a kernel of 1 x 1, at least 8 input channels a group"};
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int) { return G::group_out_channels * detail::pointwise_columns<L>; }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr int in = G::group_channels, out = G::group_out_channels, SH = G::stride_height;
        std::ptrdiff_t const row = std::ptrdiff_t{G::width} * a.stride, plane = G::height * row,
                             out_plane = std::ptrdiff_t{G::out_height * G::out_width} * a.stride;
        bool const add = a.write == GradientWrite::add;
        auto const image = detail::PointwiseImage::of<G>(a.stride);
        detail::pointwise_columns_of(begin, end, G::height, 1, [&](int group, int from, int to) {
            T* const dx = a.dx + group * in * plane;
            if (SH > 1 && !add)  // rows that the kernel skips
                for (int c = 0; c < in; ++c)
                    for (int h = from; h < to; ++h)
                        if (h % SH != 0) std::fill_n(dx + c * plane + h * row, row, T(0));
            detail::Product<T> const p{.a = a.parameters + group * out * in,
                                       .a_row = 1,
                                       .a_k = in,
                                       .b = a.dy + group * out * out_plane,
                                       .b_k = out_plane,
                                       .out = dx,
                                       .out_row = plane,
                                       .depth = out};
            int const length = G::out_width * a.stride;
            detail::pointwise_multiply<L>(p, in, a.scratch, add, (from + SH - 1) / SH * length,
                                          (to + SH - 1) / SH * length, nullptr,
                                          detail::pointwise_strided<G> ? &image : nullptr);
        });
    }
};

template <class Op, class Precision>
struct PointwiseParameterGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::PointwiseGeometry<G>)
struct PointwiseParameterGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"pointwise", "a kernel of 1 x 1, at least 8 input channels a group"};
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr int blocks = (G::group_out_channels + detail::pointwise_rows - 1) / detail::pointwise_rows;
    static constexpr Items items{G::groups * blocks + 1};  // the last one is the bias
    static constexpr int scratch(int) {
        return detail::carved_numbers<T, detail::PointwisePanels<L>>(detail::pointwise_strided<G>);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr int in = G::group_channels, out = G::group_out_channels;
        int const numbers = G::out_height * G::out_width * a.stride;
        std::ptrdiff_t const plane = std::ptrdiff_t{G::height * G::width} * a.stride;
        auto const image = detail::PointwiseImage::of<G>(a.stride);
        detail::pointwise_columns_of(begin, (std::min)(end, G::groups * blocks), blocks, detail::pointwise_rows,
                                     [&](int group, int from, int to) {
                                         detail::pointwise_weight_gradient<L>(
                                             a.x + group * in * plane, plane,
                                             a.dy + static_cast<std::ptrdiff_t>(group) * out * numbers,
                                             a.gradient + group * out * in, in, numbers, a.scratch, from,
                                             (std::min)(to, out), detail::pointwise_strided<G> ? &image : nullptr);
                                     });
        if (begin < end && end == items.count) detail::add_bias_gradient<G>(a);
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
