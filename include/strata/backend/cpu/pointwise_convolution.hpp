// 1x1 convolution on the CPU: matrix products, the image being one row of H·W·S numbers.
//
// Forward and input gradient have output channels as rows and the numbers as columns; the inputs of a few vectors of
// columns are first copied side by side, because channels a power of two apart would share the same few cache lines.
// The weight gradient has input channels as columns, their numbers transposed piece by piece, so that no sum runs
// across a vector. Each element's sum runs over its terms in order, wherever it stands in a block.
#pragma once

#include "direct_convolution.hpp"
#include "matrix_product.hpp"

namespace strata {

namespace detail {

/// Rows of a block, and numbers of its columns.
inline constexpr int pointwise_rows = 6;
template <class L>
inline constexpr int pointwise_columns = block_vectors* width_of<L>;

template <int M, int V, class L, class T>
STRATA_ONE_COPY void pointwise_block(Product<T> const& p) {
    product_block<M, V, L>(p, 0, 0);
}
/// At most six rows of `vectors` vectors, at most block_vectors.
template <class L, class T>
void pointwise_product(Product<T> p, int rows, int vectors) {
    constexpr int V = block_vectors;
    auto const columns = [&]<int M>(std::integral_constant<int, M>) {
        if (vectors == V) {
            pointwise_block<M, V, L>(p);
        } else {
            Product<T> piece = p;
            for (int v = 0; v < vectors; ++v, piece.b += width_of<L>, piece.out += width_of<L>)
                pointwise_block<M, 1, L>(piece);
        }
        p.a += M * p.a_row;
        p.out += M * p.out_row;
        if (p.bias) p.bias += M;
        rows -= M;
    };
    if (rows == pointwise_rows) return columns(std::integral_constant<int, pointwise_rows>{});
    while (rows >= 2) columns(std::integral_constant<int, 2>{});
    if (rows == 1) columns(std::integral_constant<int, 1>{});
}

/// out(m, n), m < rows, for columns [begin, end), set or added; `panel` is scratch memory for depth times
/// pointwise_columns. p.b and p.out begin at column 0.
template <class L, class T>
STRATA_ONE_COPY void pointwise_multiply(Product<T> const& p, int rows, T* panel, bool add, int begin, int end) {
    constexpr int N = width_of<L>, columns = pointwise_columns<L>;
    for (int n = begin; n < end; n += columns) {
        int const held = std::min(columns, end - n), vectors = (held + N - 1) / N;
        Product<T> block = p;
        block.b += n;
        if (held % N != 0 || rows > 2 * pointwise_rows) {  // few rows are not worth a copy
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
        for (int m = 0; m < rows; m += pointwise_rows) {
            int const count = std::min(pointwise_rows, rows - m);
            block.a = p.a + m * p.a_row;
            if (p.bias) block.bias = p.bias + m;
            T* const out = p.out + m * p.out_row + n;
            block.out = out;
            block.out_row = p.out_row;
            if (!add && held % N == 0) {
                pointwise_product<L>(block, count, vectors);
                continue;
            }
            T values[pointwise_rows * columns];
            block.out = values;
            block.out_row = columns;
            pointwise_product<L>(block, count, vectors);
            for (int u = 0; u < count; ++u) {
                T* const to = out + u * p.out_row;
                T const* const value = values + u * columns;
                int at = 0;
                for (; at + N <= held; at += N) {
                    L const result = load_lane<L>(value + at);
                    store_lane(to + at, add ? load_lane<L>(to + at) + result : result);
                }
                for (; at < held; ++at) to[at] = add ? to[at] + value[at] : value[at];
            }
        }
    }
}

/// Numbers that one piece of the weight gradient sums: its transposed inputs stay in a first-level cache.
inline constexpr int pointwise_depth = 128;

/// panel[k][c] = x[c][k] for k < depth and c < columns, `pitch` numbers between rows of x; zeros up to whole vectors.
template <class L, class T>
STRATA_ONE_COPY void pointwise_transpose(T const* x, std::ptrdiff_t pitch, int depth, int columns, T* panel) {
    constexpr int N = width_of<L>, width = pointwise_columns<L>;
    for (int c = 0; c < columns; c += N) {
        int k = 0;
        if (c + N <= columns)
            for (; k + N <= depth; k += N) {
                L lanes[static_cast<std::size_t>(N)];
                STRATA_UNROLL
                for (int u = 0; u < N; ++u) lanes[u] = load_lane<L>(x + (c + u) * pitch + k);
                transpose(lanes);
                STRATA_UNROLL
                for (int u = 0; u < N; ++u) store_lane(panel + (k + u) * width + c, lanes[u]);
            }
        for (; k < depth; ++k) {
            STRATA_ROLLED
            for (int u = 0; u < N; ++u) panel[k * width + c + u] = c + u < columns ? x[(c + u) * pitch + k] : T(0);
        }
    }
}

/// dw(o, c) += sum over n < numbers of dy(o, n) x(c, n) for outputs [begin, end) of a group of `inputs` channels.
template <class L, class T>
STRATA_ONE_COPY void pointwise_weight_gradient(T const* x, T const* dy, T* dw, int inputs, int numbers, T* panel,
                                               int begin, int end) {
    constexpr int N = width_of<L>, columns = pointwise_columns<L>;
    for (int c = 0; c < inputs; c += columns) {
        int const held = std::min(columns, inputs - c), vectors = (held + N - 1) / N;
        for (int n = 0; n < numbers; n += pointwise_depth) {
            int const depth = std::min(pointwise_depth, numbers - n);
            pointwise_transpose<L>(x + static_cast<std::ptrdiff_t>(c) * numbers + n, numbers, depth, held, panel);
            for (int o = begin; o < end; o += pointwise_rows) {
                int const count = std::min(pointwise_rows, end - o);
                T values[pointwise_rows * columns];
                Product<T> const p{dy + static_cast<std::ptrdiff_t>(o) * numbers + n,
                                   numbers,
                                   1,
                                   panel,
                                   columns,
                                   values,
                                   columns,
                                   depth};
                pointwise_product<L>(p, count, vectors);
                for (int u = 0; u < count; ++u) {
                    T* const to = dw + static_cast<std::ptrdiff_t>(o + u) * inputs + c;
                    T const* const value = values + u * columns;
                    int at = 0;
                    for (; at + N <= held; at += N)
                        store_lane(to + at, load_lane<L>(to + at) + load_lane<L>(value + at));
                    for (; at < held; ++at) to[at] += value[at];
                }
            }
        }
    }
}

/// Calls f(group, begin, end) for the columns of items [from, to): items are (group, piece), each of `length` columns.
template <class F>
void pointwise_columns_of(int from, int to, int pieces, int length, F const& f) {
    for (int item = from, count = 0; item < to; item += count) {
        count = std::min(pieces - item % pieces, to - item);
        f(item / pieces, item % pieces * length, (item % pieces + count) * length);
    }
}

/// A 1x1 kernel that takes every pixel, between channels that fill the better part of a block.
template <class G>
concept PointwiseGeometry =
    G::kernel_height == 1 && G::kernel_width == 1 && G::stride_height == 1 && G::stride_width == 1 &&
    G::height == G::out_height&& G::width == G::out_width&& G::pad_top == 0 && G::pad_left == 0 &&
    G::group_channels >= 8;

}  // namespace detail

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&&
             detail::PointwiseGeometry<G>) struct ForwardKernel<Convolution<G, Scheme>, Precision> {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int) { return G::group_channels * detail::pointwise_columns<L>; }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr int in = G::group_channels, out = G::group_out_channels;
        std::ptrdiff_t const plane = std::ptrdiff_t{G::height * G::width} * a.stride;
        T const* const bias = a.parameters + G::out_channels * in;
        detail::pointwise_columns_of(begin, end, G::height, G::width * a.stride, [&](int group, int from, int to) {
            detail::Product<T> const p{.a = a.parameters + group * out * in,
                                       .a_row = in,
                                       .a_k = 1,
                                       .b = a.x + group * in * plane,
                                       .b_k = plane,
                                       .out = a.y + group * out * plane,
                                       .out_row = plane,
                                       .depth = in,
                                       .bias = G::bias ? bias + group * out : nullptr,
                                       .init = G::bias ? detail::ProductInit::row_bias : detail::ProductInit::zero,
                                       .relu = a.relu};
            detail::pointwise_multiply<L>(p, out, a.scratch, false, from, to);
        });
    }
};

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&& detail::PhasedGeometry<G>&&
             detail::PointwiseGeometry<G>) struct InputGradientKernel<Convolution<G, Scheme>, Precision> {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int) { return G::group_out_channels * detail::pointwise_columns<L>; }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr int in = G::group_channels, out = G::group_out_channels;
        std::ptrdiff_t const plane = std::ptrdiff_t{G::height * G::width} * a.stride;
        detail::pointwise_columns_of(begin, end, G::height, G::width * a.stride, [&](int group, int from, int to) {
            detail::Product<T> const p{.a = a.parameters + group * out * in,
                                       .a_row = 1,
                                       .a_k = in,
                                       .b = a.dy + group * out * plane,
                                       .b_k = plane,
                                       .out = a.dx + group * in * plane,
                                       .out_row = plane,
                                       .depth = out};
            detail::pointwise_multiply<L>(p, in, a.scratch, a.write == GradientWrite::add, from, to);
        });
    }
};

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&&
             detail::PointwiseGeometry<G>) struct ParameterGradientKernel<Convolution<G, Scheme>, Precision> {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr int blocks = (G::group_out_channels + detail::pointwise_rows - 1) / detail::pointwise_rows;
    static constexpr Items items{G::groups * blocks + 1};  // the last one is the bias
    static constexpr int scratch(int) { return detail::pointwise_depth * detail::pointwise_columns<L>; }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr int in = G::group_channels, out = G::group_out_channels;
        int const numbers = G::height * G::width * a.stride;
        detail::pointwise_columns_of(
            begin, std::min(end, G::groups * blocks), blocks, detail::pointwise_rows, [&](int group, int from, int to) {
                detail::pointwise_weight_gradient<L>(a.x + static_cast<std::ptrdiff_t>(group) * in * numbers,
                                                     a.dy + static_cast<std::ptrdiff_t>(group) * out * numbers,
                                                     a.gradient + group * out * in, in, numbers, a.scratch, from,
                                                     std::min(to, out));
            });
        if (G::bias && begin < end && end == items.count)
            detail::bias_gradient<L>(a.dy, a.gradient + G::out_channels * in, G::out_channels, numbers);
    }
};

}  // namespace strata
