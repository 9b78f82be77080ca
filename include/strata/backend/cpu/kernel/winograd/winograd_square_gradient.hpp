// The weight gradient of a 3x3, stride-1 convolution by Winograd's F(3x3, MxM) on the CPU: dw is itself a correlation,
// of x with the tiles of dy in the place of taps, and its tiles of x are those of the forward pass.
//
//   dw(o, c) = A^T [sum over tiles and samples of (G dy(o) G^T) . (B^T x(c) B)] A
//
// The sum is a matrix product at each of the (M + 2)^2 points, output channels x (tile, sample) x input channels. The
// values of dy are read scalar by scalar, those of x as vectors of input channels: their transforms, made with the
// samples in the lanes, are transposed. Each gradient's sum runs over the tiles in order, within one item.
#pragma once

#include "winograd_square.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// How a Winograd weight gradient is cut up.
template <int M, class L>
struct WinogradGradientLayout {
    using T = scalar_of<L>;
    static constexpr int N = width_of<L>, points = (M + 2) * (M + 2), block_channels = winograd_channels<L>;
    WinogradImage x, dy;
    int vectors, step;        ///< vectors of patches; how many are transformed at a time
    int out_block, in_block;  ///< channels of an item, in_block in vectors
    int out_blocks, in_blocks;
    /// [point][vector][output channel][sample], [point][vector][sample][input channel], [point][output][input channel]
    std::ptrdiff_t gradient_point, input_point, sum_point, patch_point;

    constexpr WinogradGradientLayout(Correlation const& g, int S)
        : x{g.in_height, g.in_width, g.pad_top, g.pad_left, S, (g.out_height + M - 1) / M, (g.out_width + M - 1) / M},
          dy{g.out_height, g.out_width, 0, 0, S, x.tile_rows, x.tile_columns} {
        vectors = x.vectors(N);
        step = (std::min)(vectors, winograd_step);
        int const in_vectors = (g.in_channels + N - 1) / N,
                  channel_blocks = (g.out_channels + block_channels - 1) / block_channels;
        in_block = (std::min)(in_vectors, 2);
        in_blocks = (in_vectors + in_block - 1) / in_block;
        out_block = (std::min)(64, channel_blocks * block_channels);
        out_blocks = (g.out_channels + out_block - 1) / out_block;
        gradient_point = (step * out_block + 1) * N;
        input_point = (step * in_block * N + 1) * N;
        sum_point = (out_block * in_block + 1) * N;
        patch_point = (step * N + 1) * N;
    }
    /// Items of winograd_weight_gradient: (block of output channels, block of input channels).
    [[nodiscard]] constexpr int items() const { return out_blocks * in_blocks; }
    struct Parts {
        T *gradients, *inputs, *sums, *patches;
    };
    constexpr Parts carve(Carver& memory) const {
        return {memory.take<T>(gradient_point * points), memory.take<T>(input_point * points),
                memory.take<T>(sum_point * points), memory.take<T>(patch_point * points)};
    }
    [[nodiscard]] constexpr int scratch() const { return carved_numbers<T>(*this); }
};

/// Transposes N neighbouring vectors; the results are `step` scalars apart.
template <class L, class T>
STRATA_INLINE void transpose_block(T const* from, T* to, std::ptrdiff_t step) {
    constexpr int N = width_of<L>;
    L block[static_cast<std::size_t>(N)];
    STRATA_UNROLL
    for (int k = 0; k < N; ++k) block[k] = load_lane<L>(from + k * N);
    transpose(block);
    STRATA_UNROLL
    for (int k = 0; k < N; ++k) store_lane(to + k * step, block[k]);
}

/// At one point: sums[o][V vectors of c] += gradients[vector][o][sample] inputs[vector][sample][c],
/// blocks of output channels.
template <int V, class L, class T>
STRATA_ONE_COPY void winograd_outer_products(T const* gradients, T const* inputs, T* sums, int out_block, int in_block,
                                             int outs, int vectors, bool first) {
    constexpr int N = width_of<L>, CO = winograd_channels<L>;
    for (int o = 0; o < outs; o += CO, gradients += CO * N, sums += CO * in_block * N)
        winograd_block<V, N, 1, L>(gradients, inputs, in_block * N, sums, in_block * N, vectors, N, out_block * N,
                                   first);
}

/// Transforms the sums of an output channel and a vector of input channels back and adds them to dw.
template <int M, class L, class T>
STRATA_ONE_COPY void winograd_add_gradients(Correlation const& g, T const* sums, std::ptrdiff_t point, T* dw,
                                            int channels) {
    constexpr int N = width_of<L>, P = M + 2;
    using Transform = WinogradTransform<M>;
    L half[3][P];
    STRATA_UNROLL
    for (int j = 0; j < P; ++j) {
        L m[P], w[3];
        STRATA_UNROLL
        for (int i = 0; i < P; ++i) m[i] = load_lane<L>(sums + (i * P + j) * point);
        Transform::to_outputs(m, w);
        STRATA_UNROLL
        for (int i = 0; i < 3; ++i) half[i][j] = w[i];
    }
    T taps[9][N];
    STRATA_UNROLL
    for (int i = 0; i < 3; ++i) {
        L w[3];
        Transform::to_outputs(half[i], w);
        STRATA_UNROLL
        for (int j = 0; j < 3; ++j) store_lane(taps[i * 3 + j], w[j]);
    }
    std::ptrdiff_t const row = g.row_weights, tap = g.tap_weights;
    for (int c = 0; c < channels; ++c, dw += g.in_weights) {
        STRATA_UNROLL
        for (int k = 0; k < 9; ++k) dw[k / 3 * row + k % 3 * tap] += taps[k][c];
    }
}

/// Adds the weight gradient of the correlation g of x to dw; needs is_winograd(g), and S a multiple of the lane's width
/// or a divisor of it. Items [begin, end) of WinogradGradientLayout::items(), scratch of its scratch() scalars.
template <int M, class L, class X, class T>
STRATA_ONE_COPY void winograd_weight_gradient(Correlation const& g, X const* x, X const* dy, T* dw, int S, T* scratch,
                                              int begin, int end) {
    constexpr int N = width_of<L>;
    WinogradGradientLayout<M, L> const p(g, S);
    Carver memory(scratch);
    auto const [gradients, inputs, sums, patches] = p.carve(memory);
    // Channels that fill up a block are computed along: from finite numbers, not from what lies in the memory.
    if (g.out_channels % p.out_block > 0) std::fill_n(gradients, p.gradient_point * p.points, T(0));
    if (g.in_channels % N > 0) std::fill_n(patches, p.patch_point * p.points, T(0));
    for (int item = begin; item < end; ++item) {
        int const o = item / p.in_blocks * p.out_block, c = item % p.in_blocks * p.in_block * N;
        int const outs = (std::min)(p.out_block, g.out_channels - o),
                  ins = (std::min)(p.in_block * N, g.in_channels - c);
        for (int from = 0; from < p.vectors; from += p.step) {
            int const to = (std::min)(from + p.step, p.vectors);
            winograd_patches<WinogradGradientPatch<M>, L>(p.dy, dy + o * p.dy.plane(), outs, gradients,
                                                          p.gradient_point, N, p.out_block * N, from, to);
            for (int first = 0; first < ins; first += N) {
                winograd_patches<WinogradInputPatch<M>, L>(p.x, x + (c + first) * p.x.plane(),
                                                           (std::min)(N, ins - first), patches, p.patch_point, N, N * N,
                                                           from, to);
                for (int k = 0; k < p.points; ++k)
                    for (int v = 0; v < to - from; ++v)
                        transpose_block<L>(patches + k * p.patch_point + v * N * N,
                                           inputs + k * p.input_point + v * N * p.in_block * N + first, p.in_block * N);
            }
            for (int k = 0; k < p.points; ++k) {
                auto const multiply = ins > N ? winograd_outer_products<2, L, T> : winograd_outer_products<1, L, T>;
                multiply(gradients + k * p.gradient_point, inputs + k * p.input_point, sums + k * p.sum_point,
                         p.out_block, p.in_block, outs, to - from, from == 0);
            }
        }
        for (int u = 0; u < outs; ++u)
            for (int first = 0; first < ins; first += N)
                winograd_add_gradients<M, L>(g, sums + u * p.in_block * N + first, p.sum_point,
                                             dw + g.first_weight + (o + u) * g.out_weights + (c + first) * g.in_weights,
                                             (std::min)(N, ins - first));
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
