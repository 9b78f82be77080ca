// Winograd convolution on the CPU for 3x3 taps, stride 1, no groups: the forward pass and, with the channels exchanged
// and the taps reversed, the input gradient. F(4x4, 3x3) does a quarter of direct convolution's multiplications,
// F(2x2, 3x3) four ninths, with fewer idle numbers where images are small and tiles have few samples.
//
// A block of vectors of patches (winograd_patch.hpp) is transformed for all input channels, which a second-level cache
// holds, then multiplied at each of the (M + 2)^2 points by the transformed weights of a chunk of output channels, and
// the chunk is transformed back. Each output's sum runs over the channels in order, and all vectors are treated alike,
// so no split of the items changes bits.
#pragma once

#include "../../../../layer/relu.hpp"
#include "../micro/carver.hpp"
#include "../micro/convolution_geometry.hpp"
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
    };
    constexpr Parts carve(Carver& memory) const {
        return {memory.take<T>(input_point * points), memory.take<T>(product_point * points)};
    }
    [[nodiscard]] constexpr int scratch() const { return carved_numbers<T>(*this); }
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
                Transform::of_taps({load_lane<L>(taps[q]), load_lane<L>(taps[3 + q]), load_lane<L>(taps[6 + q])}, half[q]);
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

/// sum(u, v) = (`first` ? 0 : out(u, v)) + sum over runs and steps of factor(u) vector(v): a block of output channels,
/// V vectors wide, over `runs` runs of `steps` steps. The steps of a run follow each other, `run` apart the runs' factors.
template <int V, int FactorRow, int Factor, class L, class T>
STRATA_INLINE void winograd_block(T const* factors, T const* vectors, std::ptrdiff_t vector, T* out,
                                  std::ptrdiff_t out_row, int runs, int steps, std::ptrdiff_t run, bool first) {
    constexpr int N = width_of<L>, CO = winograd_channels<L>;
    L sum[CO][V];
    STRATA_UNROLL
    for (int k = 0; k < CO * V; ++k)
        sum[k / V][k % V] = first ? L(T(0)) : load_lane<L>(out + k / V * out_row + k % V * N);
    for (; runs > 0; --runs, factors += run) {
        T const* w = factors;
        for (int k = 0; k < steps; ++k, w += Factor, vectors += vector) {
            L x[V];
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) x[v] = load_lane<L>(vectors + v * N);
            STRATA_UNROLL
            for (int u = 0; u < CO; ++u) {
                L const factor(w[u * FactorRow]);
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) sum[u][v] = multiply_add(factor, x[v], sum[u][v]);
            }
        }
    }
    STRATA_UNROLL
    for (int k = 0; k < CO * V; ++k) store_lane(out + k / V * out_row + k % V * N, sum[k / V][k % V]);
}

/// The products at one point: V vectors of a block, `blocks` blocks of output channels, summed over the input channels.
template <int V, class L, class T>
STRATA_ONE_COPY void winograd_products(T const* weight, std::ptrdiff_t weight_block, T const* in, T* out,
                                       int in_channels, int blocks) {
    constexpr int N = width_of<L>, CO = winograd_channels<L>;
    for (int block = 0; block < blocks; ++block, weight += weight_block, out += CO * V * N)
        winograd_block<V, 1, CO, L>(weight, in, V * N, out, V * N, 1, in_channels, 0, true);
}

/// Writes a vector of tiles [M][M][N] to a channel's image in pieces of S = `Length` numbers, as far as they lie in it.
template <int Length, int M, class L, class T, class Y>
STRATA_ONE_COPY void winograd_scatter(Correlation const& g, WinogradLayout<M, L> const& p, T const* values, Y* image,
                                      bool add, int vector) {
    constexpr int N = width_of<L>;
    for (int piece = 0; piece < N; piece += Length, values += Length) {
        int const tile = (vector * N + piece) / Length;
        int const row = tile / p.image.tile_columns * M, column = tile % p.image.tile_columns * M;
        int const rows = (std::min)(M, g.out_height - row), columns = (std::min)(M, g.out_width - column);
        for (int i = 0; i < rows; ++i) {
            Y* to = image + (static_cast<std::ptrdiff_t>(row + i) * g.out_width + column) * Length;
            for (int j = 0; j < columns; ++j, to += Length) {
                T result[Length];
                std::memcpy(result, values + (i * M + j) * N, sizeof result);
                if (add) {
                    Y before[Length];
                    std::memcpy(before, to, sizeof before);
                    STRATA_UNROLL
                    for (int k = 0; k < Length; ++k) result[k] = before[k] + result[k];
                }
                if constexpr (std::is_same_v<T, Y>)
                    std::memcpy(to, result, sizeof result);
                else
                    std::transform(result, result + Length, to, [](T value) { return static_cast<Y>(value); });
            }
        }
    }
}

/// Transforms the products of `channels` output channels back, adds the bias, takes the ReLU, and writes the tiles of
/// vectors [begin, end) as far as they lie in the image.
template <int M, class L, class T, class Y>
STRATA_ONE_COPY void winograd_outputs(Correlation const& g, WinogradLayout<M, L> const& p, T const* from, T const* bias,
                                      Y* y, bool add, bool relu, int begin, int end, int channels) {
    constexpr int N = width_of<L>, P = M + 2;
    using Transform = WinogradTransform<M>;
    int const S = p.image.samples;
    std::ptrdiff_t const pitch = static_cast<std::ptrdiff_t>(g.out_width) * S, plane = g.out_height * pitch;
    int rows[winograd_step] = {}, columns[winograd_step] = {};
    std::ptrdiff_t first[winograd_step] = {},
                   ahead[winograd_step] = {};  // a tile's first number, and from there to the next block's
    for (int v = begin; v < end && S % N == 0; ++v) {
        int const k = v - begin;
        auto const place = [&](int vector) {
            int const row = vector * N / S / p.image.tile_columns * M,
                      column = vector * N / S % p.image.tile_columns * M;
            rows[k] = (std::min)(M, g.out_height - row);
            columns[k] = (std::min)(M, g.out_width - column);
            return row * pitch + column * S + vector * N % S;
        };
        ahead[k] = place(v + winograd_step);
        first[k] = place(v);
        ahead[k] -= first[k];
    }
    for (int o = 0; o < channels; ++o, y += plane)
        for (int v = begin; v < end; ++v, from += N) {
            L half[M][P], out[M][M];
            L const b(bias ? bias[o] : T(0));
            STRATA_UNROLL
            for (int j = 0; j < P; ++j) {
                L m[P], q[M];
                STRATA_UNROLL
                for (int i = 0; i < P; ++i) m[i] = load_lane<L>(from + (i * P + j) * p.product_point);
                Transform::to_outputs(m, q);
                STRATA_UNROLL
                for (int i = 0; i < M; ++i) half[i][j] = q[i];
            }
            STRATA_UNROLL
            for (int i = 0; i < M; ++i) {
                Transform::to_outputs(half[i], out[i]);
                STRATA_UNROLL
                for (int j = 0; j < M; ++j) out[i][j] = out[i][j] + b;
            }
            if (relu) {
                STRATA_UNROLL
                for (int k = 0; k < M * M; ++k) out[k / M][k % M] = ReLU::forward(out[k / M][k % M]);
            }
            if (S % N == 0) {
                int const k = v - begin;
                STRATA_UNROLL
                for (int i = 0; i < M; ++i) {
                    STRATA_UNROLL
                    for (int j = 0; j < M; ++j) {
                        if (i >= rows[k] || j >= columns[k]) continue;
                        Y* const at = y + first[k] + i * pitch + j * S;
                        store_lane(at, add ? load_lane<L>(at) + out[i][j] : out[i][j]);
                        __builtin_prefetch(at + ahead[k], 1, 2);
                    }
                }
            } else {
                T values[M * M * N];
                STRATA_UNROLL
                for (int k = 0; k < M * M; ++k) store_lane(values + k * N, out[k / M][k % M]);
                with_length(S,
                            [&](auto length) { winograd_scatter<decltype(length)::value>(g, p, values, y, add, v); });
            }
        }
}

/// The correlation g of x with transformed `weights` (winograd_weights, on a cache line), set (with `relu`, its ReLU)
/// or added to y; needs is_winograd(g), and S a multiple of the lane's width or a divisor of it. Items [begin, end) of
/// WinogradLayout::items(), scratch of WinogradLayout::scratch() scalars. X may be a short type of storage.
template <int M, class L, class X, class T>
STRATA_ONE_COPY void winograd_correlate(Correlation const& g, X const* x, T const* weights, T const* bias, X* y, int S,
                                        T* scratch, bool add, int begin, int end, bool relu = false) {
    constexpr int CO = winograd_channels<L>;
    WinogradLayout<M, L> const p(g, S);
    WinogradWeights<M, L> const w(g);
    Carver memory(scratch);
    auto const [inputs, products] = p.carve(memory);
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
        winograd_outputs<M, L>(g, p, products, bias ? bias + channel : nullptr, y + channel * plane, add, relu, from,
                               to, channels);
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
