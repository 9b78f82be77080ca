// Winograd convolution on the CPU for 3x3 taps, stride 1, no groups: the forward pass, with the channels exchanged and
// the taps reversed the input gradient, and the weight gradient. F(4x4, 3x3) does a quarter of direct convolution's
// multiplications, F(2x2, 3x3) four ninths, with fewer idle numbers where images are small and tiles have few samples.
//
// A block of vectors of patches (winograd_patch.hpp) is transformed for all input channels, which a second-level cache
// holds, then multiplied at each of the (M + 2)^2 points by the transformed weights of a chunk of output channels, and
// the chunk is transformed back. Each output's sum runs over the channels in order, and all vectors are treated alike,
// so no split of the items changes bits.
//
// The weight gradient is itself a correlation, F(3x3, MxM), of x with the tiles of dy in the place of taps, and its tiles
// of x are those of the forward pass.
//
//   dw(o, c) = A^T [sum over tiles and samples of (G dy(o) G^T) . (B^T x(c) B)] A
//
// The sum is a matrix product at each point, output channels x (tile, sample) x input channels. The values of dy are
// read scalar by scalar, those of x as vectors of input channels: their transforms, made with the samples in the lanes,
// are transposed. Each gradient's sum runs over the tiles in order, within one item.
#pragma once

#include "../micro/carver.hpp"
#include "../micro/register_block.hpp"
#include "winograd_patch.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Output channels of a register block, two vectors wide: as the registers allow (32 with AVX-512, else 16).
template <class L>
inline constexpr int winograd_channels = width_of<L> * sizeof(scalar_of<L>) == 64 ? 8 : 4;

/// True for the geometries that winograd_correlate and winograd_weight_gradient know; the number of groups is not in g.
constexpr bool is_winograd(Correlation const& g) {
    return g.taps_height == 3 && g.taps_width == 3 && g.stride_height == 1 && g.stride_width == 1 &&
           g.dilation_height == 1 && g.dilation_width == 1;
}

/// How transformed weights lie: [block of output channels][point][input channel][channel of the block].
template <int M, class L>
struct WinogradWeights {
    static constexpr int points = (M + 2) * (M + 2), block_channels = winograd_channels<L>;
    int blocks;                   ///< of output channels
    std::ptrdiff_t point, block;  ///< distances

    constexpr explicit WinogradWeights(Correlation const& g)
        : blocks((g.out_channels + block_channels - 1) / block_channels) {
        constexpr int N = width_of<L>;
        point = (g.in_channels * block_channels + N - 1) / N * N;
        // One vector more than needed, here and below: distances of many kilobytes share a few sets of the caches.
        block = point * points + N;
    }
    [[nodiscard]] constexpr int size() const { return static_cast<int>(block) * blocks; }
};

/// How a Winograd correlation with M x M outputs a tile is cut up.
template <int M, class L>
struct WinogradLayout {
    using T = scalar_of<L>;
    static constexpr int N = width_of<L>, points = (M + 2) * (M + 2), block_channels = winograd_channels<L>;
    WinogradImage image;
    int vectors, block_vectors, blocks;  ///< vectors of the image; of a block; blocks of vectors
    int chunk, chunks;                   ///< output channels of a chunk, chunks
    /// Transformed inputs are [point][channel][vector of the block], products [point][output channel of the
    /// chunk][vector of the block].
    std::ptrdiff_t input_point, product_point;

    constexpr WinogradLayout(Correlation const& g, int S)
        : image{g.in_height,
                g.in_width,
                g.pad_top,
                g.pad_left,
                S,
                (g.out_height + M - 1) / M,
                (g.out_width + M - 1) / M} {
        vectors = image.vectors(N);
        block_vectors = (std::min)(vectors, winograd_step);
        blocks = (vectors + block_vectors - 1) / block_vectors;
        int const channel_blocks = (g.out_channels + block_channels - 1) / block_channels;
        chunk = (std::min)(16, channel_blocks * block_channels);
        chunks = (g.out_channels + chunk - 1) / chunk;
        input_point = (g.in_channels * block_vectors + 1) * N;
        product_point = (chunk * block_vectors + 1) * N;
    }
    /// Items of winograd_correlate: (block of vectors, chunk of output channels).
    [[nodiscard]] constexpr int items() const { return blocks * chunks; }
    struct Parts {
        T *inputs, *products;
        constexpr Parts(Carver& memory, WinogradLayout const& p)
            : inputs(memory.take<T>(p.input_point * points)), products(memory.take<T>(p.product_point * points)) {}
    };
    template <class Storage = T>
    [[nodiscard]] constexpr int scratch() const {
        return carved_numbers<Storage, Parts>(*this);
    }
};

/// Transforms the weights of blocks [begin, end) of output channels, zero where there is no channel.
template <int M, class L, class T>
STRATA_ONE_COPY void winograd_weights(Correlation const& g, T const* w, T* to, int begin, int end) {
    constexpr int N = width_of<L>, CO = winograd_channels<L>, P = M + 2;
    using Transform = WinogradTransform<M>;
    WinogradWeights<M, L> const p(g);
    std::ptrdiff_t const row = g.row_weights, tap = g.tap_weights, point = p.point;
    for (int o = begin * CO; o < end * CO; o += CO)
        for (int first = 0; first < g.in_channels * CO; first += N) {
            T taps[9][N] = {};
            int c = first / CO, u = first % CO;
            std::ptrdiff_t from = g.first_weight + (o + u) * g.out_weights + c * g.in_weights;
            for (int n = 0; n < N; ++n) {
                if (c < g.in_channels && o + u < g.out_channels) {
                    STRATA_UNROLL
                    for (int k = 0; k < 9; ++k) taps[k][n] = w[from + k / 3 * row + k % 3 * tap];
                }
                from += g.out_weights;
                if (++u == CO) {
                    u = 0;
                    ++c;
                    from += g.in_weights - CO * g.out_weights;
                }
            }
            L half[3][P];
            STRATA_UNROLL
            for (int q = 0; q < 3; ++q)
                Transform::of_taps({load_lane<L>(taps[q]), load_lane<L>(taps[3 + q]), load_lane<L>(taps[6 + q])},
                                   half[q]);
            T* at = to + o / CO * p.block + first;
            STRATA_UNROLL
            for (int i = 0; i < P; ++i) {
                L values[P];
                Transform::of_taps({half[0][i], half[1][i], half[2][i]}, values);
                STRATA_UNROLL
                for (int j = 0; j < P; ++j, at += point) store_lane(at, values[j]);
            }
        }
}

/// The steps of a product at one point: `runs` runs of `run_steps` steps, whose vectors all follow each other, `vectors`
/// apart; a step's factors are FactorRow apart, the next step's Factor further, the next run's `run`.
template <int FactorRow, int Factor, class L>
struct WinogradSource {
    using T = scalar_of<L>;
    static constexpr bool holds = false;
    T const *factors, *from;
    std::ptrdiff_t step;
    int runs, run_steps;
    std::ptrdiff_t run;

    STRATA_INLINE static constexpr int vector(int v) { return v * width_of<L>; }
    STRATA_INLINE static T factor(T const* w, int u) { return w[u * FactorRow]; }
    template <class F>
    STRATA_INLINE void steps(F const& f) const {
        T const *x = from, *first = factors;
        for (int r = runs; r > 0; --r, first += run) {
            T const* w = first;
            for (int k = 0; k < run_steps; ++k, w += Factor, x += step) f(x, w);
        }
    }
};

/// The products at one point: V vectors of a block, `blocks` blocks of output channels, summed over the input channels.
template <int V, class L, class T>
STRATA_ONE_COPY void winograd_products(T const* weight, std::ptrdiff_t weight_block, T const* in, T* out,
                                       int in_channels, int blocks) {
    constexpr int N = width_of<L>, CO = winograd_channels<L>;
    for (int block = 0; block < blocks; ++block, weight += weight_block, out += CO * V * N)
        outer<CO, V, L>(WinogradSource<1, CO, L>{weight, in, V * N, 1, in_channels, 0},
                        RowsOfSums<T>{out, V * N, true});
}

/// The correlation g of x with transformed `weights` (winograd_weights, on a cache line), set (with `relu`, its ReLU)
/// or added to y; needs is_winograd(g), and S a multiple of the lane's width or a divisor of it. Items [begin, end) of
/// WinogradLayout::items(), scratch of WinogradLayout::scratch() scalars. X may be a short type of storage.
template <int M, class L, class X, class T>
STRATA_ONE_COPY void winograd_correlate(Correlation const& g, X const* x, T const* weights, T const* bias, X* y, int S,
                                        Carver memory, bool add, int begin, int end, bool relu = false) {
    constexpr int CO = winograd_channels<L>;
    WinogradLayout<M, L> const p(g, S);
    WinogradWeights<M, L> const w(g);
    auto const [inputs, products] = typename WinogradLayout<M, L>::Parts(memory, p);
    std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(g.out_height) * g.out_width * S;
    int block = -1, from = 0, to = 0;
    for (int item = begin; item < end; ++item) {
        if (item / p.chunks != block) {
            block = item / p.chunks;
            from = block * p.block_vectors;
            to = (std::min)(from + p.block_vectors, p.vectors);
            winograd_patches<WinogradInputPatch<M>, L>(p.image, x, g.in_channels, inputs, p.input_point,
                                                       (to - from) * p.N, p.N, from, to);
        }
        int const channel = item % p.chunks * p.chunk, channels = (std::min)(p.chunk, g.out_channels - channel);
        auto const multiply = to - from == 2 ? winograd_products<2, L, T> : winograd_products<1, L, T>;
        for (int k = 0; k < p.points; ++k)
            multiply(weights + channel / CO * w.block + k * w.point, w.block, inputs + k * p.input_point,
                     products + k * p.product_point, g.in_channels, (channels + CO - 1) / CO);
        winograd_outputs<M, L>(g, p.image, products, p.product_point, bias ? bias + channel : nullptr,
                               y + channel * plane, add, relu, from, to, channels);
    }
}

// ---- the weight gradient -------------------------------------------------------------------------------------------

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
        constexpr Parts(Carver& memory, WinogradGradientLayout const& p)
            : gradients(memory.take<T>(p.gradient_point * points)),
              inputs(memory.take<T>(p.input_point * points)),
              sums(memory.take<T>(p.sum_point * points)),
              patches(memory.take<T>(p.patch_point * points)) {}
    };
    template <class Storage = T>
    [[nodiscard]] constexpr int scratch() const {
        return carved_numbers<Storage, Parts>(*this);
    }
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
        outer<CO, V, L>(WinogradSource<N, 1, L>{gradients, inputs, in_block * N, vectors, N, out_block * N},
                        RowsOfSums<T>{sums, in_block * N, first});
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
STRATA_ONE_COPY void winograd_weight_gradient(Correlation const& g, X const* x, X const* dy, T* dw, int S,
                                              Carver memory, int begin, int end) {
    constexpr int N = width_of<L>;
    WinogradGradientLayout<M, L> const p(g, S);
    auto const [gradients, inputs, sums, patches] = typename WinogradGradientLayout<M, L>::Parts(memory, p);
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
