// The weight gradient of a convolution whose kernel has five columns, stride 1, by Winograd's F(5, 4) along the row:
// four numbers of dy and eight inputs make the gradients of five taps with eight products, direct convolution takes
// twenty (toom_cook.hpp).
//
//   dw(o, c, kh, .) = A^T [sum over output rows i, tiles t and samples of (G dy(o, i, t)) . (B^T x(c, i + kh, t))]
//
// At each of the eight points that is a product of two matrices: output channels x (row, tile, sample) x kernel rows
// of the input channels. The transformed rows of a channel lie one after another without a gap (winograd_places.hpp), so
// a kernel row is the channel shifted by a row, and the sum one loop. The work goes in bands of output rows, whose
// transformed values stay in the second-level cache. An item is a register block; its sum runs over bands, rows and tiles
// in order.
#pragma once

#include "../micro/register_block.hpp"
#include "winograd_places.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The register block: rows of one side times rows of the other, what the registers hold besides a row of factors.
inline constexpr int row_block_long = vector_bytes >= 64 ? 6 : 4, row_block_short = vector_bytes >= 64 ? 4 : 3;

/// How the weight gradient is cut up, in numbers.
template <class L>
struct WinogradRowGradientLayout {
    using T = scalar_of<L>;
    static constexpr int N = width_of<L>, points = WinogradRowTransform::points;
    /// Numbers that the sums of a block take: whole vectors.
    static constexpr int block_sums = round_up_to<N>(row_block_long * row_block_short);
    int tiles;                 ///< of a row
    int out_block, tap_block;  ///< output channels and kernel rows of a register block
    int out_chunk, in_chunk;   ///< channels that are worked on together
    int in_chunks, out_chunks;
    int out_blocks, tap_blocks;  ///< of a pair of chunks
    int samples, band;           ///< samples and output rows that are worked on together
    int row;                     ///< numbers of a transformed row
    std::ptrdiff_t gradient_channel, input_channel, gradient_point, input_point, line, sums;

    constexpr WinogradRowGradientLayout(Correlation const& g, int S) : tiles(row_tiles(g)), samples((std::min)(S, N)) {
        constexpr int A = row_block_long, B = row_block_short;
        auto const parts = [](int n, int most) { return (n + most - 1) / most; };
        auto const up = [&](int n, int to) { return parts(n, to) * to; };
        int const taps = g.in_channels * g.taps_height;
        bool const long_outs = up(g.out_channels, A) * up(taps, B) <= up(g.out_channels, B) * up(taps, A);
        out_block = long_outs ? A : B;
        tap_block = long_outs ? B : A;
        // Chunks of equal size, so large that transforming the other side again for each of them does not count.
        out_chunk = (std::min)(g.out_channels, up(parts(g.out_channels, parts(g.out_channels, 24)), out_block));
        out_chunks = parts(g.out_channels, out_chunk);
        in_chunk = parts(g.in_channels, parts(g.in_channels, 12));
        in_chunks = parts(g.in_channels, in_chunk);
        out_blocks = parts(out_chunk, out_block);
        tap_blocks = parts(in_chunk * g.taps_height, tap_block);
        // 48 KB a point: those of all points are in the second-level cache, rows before samples.
        auto const rows = [&] {
            int const most = 48 * 1024 / (tiles * samples * static_cast<int>(sizeof(T)));
            return (most - in_chunk * (g.taps_height - 1)) / (out_chunk + in_chunk);
        };
        band = parts(g.out_height, parts(g.out_height, std::clamp(rows(), 1, g.out_height)));
        while (S % (2 * samples) == 0 && rows() >= 2 * g.out_height) samples *= 2;
        row = tiles * samples;
        int const zeros = S < N ? N : 0;  // behind the rows of a channel, for its last vector
        gradient_channel = round_up_to<N>(band * row + zeros);
        input_channel = round_up_to<N>((band + g.taps_height - 1) * row + zeros);
        line = row_line<L>(g, S, samples, band + g.taps_height - 1);
        // One vector more keeps the points of one value apart in the cache's sets.
        gradient_point = out_chunk * gradient_channel + N;
        input_point = in_chunk * input_channel + N;
        sums = static_cast<std::ptrdiff_t>(out_blocks) * tap_blocks * points * block_sums;
    }
    [[nodiscard]] constexpr int items() const { return out_chunks * in_chunks * out_blocks * tap_blocks; }
    struct Parts {
        T *gradients, *inputs, *line, *sums;
        constexpr Parts(Carver& memory, WinogradRowGradientLayout const& p)
            : gradients(memory.take<T>(p.gradient_point * points)),
              inputs(memory.take<T>(p.input_point * points)),
              line(memory.take<T>(p.line)),
              sums(memory.take<T>(p.sums)) {}
    };
    [[nodiscard]] constexpr int scratch() const { return carved_numbers<T, Parts>(*this); }
    /// False where rows are so long that bands of them leave the caches of a core.
    [[nodiscard]] constexpr bool fits() const {
        return (gradient_point + input_point) * points + line + sums <= most_row_numbers;
    }
};

/// Sums of the lanes of `Count` lanes, in order, in the first of them: neighbours are added till one number is left.
template <int Count, int Width, class L>
STRATA_INLINE void sum_lanes(L* lanes) {
    if constexpr (Width > 1) {
        STRATA_UNROLL
        for (int k = 0; k < (Count + 1) / 2; ++k) {
            L even, odd;
            deinterleave(lanes[2 * k], lanes[(std::min)(2 * k + 1, Count - 1)], even, odd);
            lanes[k] = even + odd;
        }
        sum_lanes<(Count + 1) / 2, Width / 2>(lanes);
    }
}

/// sums[u][v] += the sum of the products of `numbers` numbers, and what else is in whole vectors, from a[u] and b[v].
template <class L, class T>
STRATA_ONE_COPY void row_gradient_block(T const* const (&a)[row_block_long], T const* const (&b)[row_block_short],
                                        std::ptrdiff_t numbers, T* sums) {
    constexpr int A = row_block_long, B = row_block_short, N = width_of<L>;
    L block[B][A], total[A * B];
    auto const steps = [&](auto const& f) STRATA_INLINED {
        for (std::ptrdiff_t at = 0; at < numbers; at += N)
            f([&](int v) STRATA_INLINED { return b[v] + at; }, [&](int u) STRATA_INLINED { return a[u] + at; });
    };
    dot_lanes<B, A, L>(steps, block);
    STRATA_UNROLL
    for (int k = 0; k < A * B; ++k) total[k] = block[k % B][k / B];
    sum_lanes<A * B, N>(total);
    STRATA_UNROLL
    for (int k = 0; k < (A * B + N - 1) / N; ++k) store_lane(sums + k * N, load_lane<L>(sums + k * N) + total[k]);
}

/// The register blocks of a pair of chunks: its channels, the taps' rows of its inputs, blocks [first, first + count).
struct RowGradientBlocks {
    int outs, taps, first, count;
};

/// Calls each(k, o, tap) for block k, which begins at output channel o and kernel row tap.
template <class Layout, class F>
STRATA_INLINE void for_blocks(Layout const& p, RowGradientBlocks const& blocks, F const& each) {
    int o = blocks.first / p.tap_blocks * p.out_block, tap = blocks.first % p.tap_blocks * p.tap_block;
    for (int k = 0; k < blocks.count; ++k) {
        if (o < blocks.outs && tap < blocks.taps) each(k, o, tap);
        tap += p.tap_block;
        if (tap >= p.tap_blocks * p.tap_block) tap = 0, o += p.out_block;
    }
}

/// Adds the products of a band of `rows` rows at all points to the blocks' sums.
template <class L, class T>
STRATA_ONE_COPY void row_gradient_products(WinogradRowGradientLayout<L> const& p, RowGradientBlocks const& blocks,
                                           T const* gradients, T const* inputs, T* sums, int rows, int taps_height) {
    int const numbers = rows * p.row;
    for (int point = 0; point < p.points; ++point, gradients += p.gradient_point, inputs += p.input_point)
        for_blocks(p, blocks, [&](int k, int o, int tap) {
            T const *a[row_block_long], *b[row_block_short];
            bool const long_outs = p.out_block == row_block_long;
            T const **const outs = long_outs ? a : b, **const taps = long_outs ? b : a;
            for (int u = 0; u < p.out_block; ++u) {  // idle rows repeat the last one
                STRATA_SCALAR;
                outs[u] = gradients + (std::min)(o + u, blocks.outs - 1) * p.gradient_channel;
            }
            T const* row = inputs + tap / taps_height * p.input_channel;
            for (int v = 0, kernel_row = tap % taps_height; v < p.tap_block; ++v) {
                STRATA_SCALAR;
                taps[v] = row + kernel_row * p.row;
                if (tap + v + 1 < blocks.taps && ++kernel_row == taps_height) kernel_row = 0, row += p.input_channel;
            }
            row_gradient_block<L>(a, b, numbers, sums + (k * p.points + point) * p.block_sums);
        });
}

/// Transforms the blocks' sums back and adds them to dw, which begins at the chunks' first channels.
template <class L, class T>
STRATA_ONE_COPY void winograd_row_add(Correlation const& g, WinogradRowGradientLayout<L> const& p,
                                      RowGradientBlocks const& blocks, T const* sums, T* dw) {
    constexpr int points = WinogradRowTransform::points, columns = WinogradRowTransform::taps, N = width_of<L>;
    bool const long_outs = p.out_block == row_block_long;
    int const out_step = long_outs ? row_block_short : 1, tap_step = long_outs ? 1 : row_block_short;
    for_blocks(p, blocks, [&](int k, int o, int tap) {
        T gradients[columns][WinogradRowGradientLayout<L>::block_sums];
        T const* const from = sums + k * points * p.block_sums;
        STRATA_ROLLED
        for (int at = 0; at < p.block_sums; at += N) {
            L m[points], w[columns];
            STRATA_UNROLL
            for (int q = 0; q < points; ++q) m[q] = load_lane<L>(from + q * p.block_sums + at);
            WinogradRowTransform::to_outputs(m, w);
            STRATA_UNROLL
            for (int q = 0; q < columns; ++q) store_lane(gradients[q] + at, w[q]);
        }
        int const outs = (std::min)(p.out_block, blocks.outs - o), taps = (std::min)(p.tap_block, blocks.taps - tap);
        STRATA_ROLLED
        for (int v = 0; v < taps; ++v) {
            T* to = dw + (tap + v) / g.taps_height * g.in_weights + (tap + v) % g.taps_height * g.row_weights +
                    o * g.out_weights;
            T const* gradient = gradients[0] + v * tap_step;
            STRATA_ROLLED
            for (int u = 0; u < outs; ++u, to += g.out_weights, gradient += out_step) {
                STRATA_UNROLL
                for (int q = 0; q < columns; ++q) to[q * g.tap_weights] += gradient[q * p.block_sums];
            }
        }
    });
}

/// Adds the weight gradient of the correlation g of x to dw, and the sums of dy to dbias, where it is not null; needs S
/// a multiple of the lane's width or a power of two below it. Items [begin, end) of WinogradRowGradientLayout::items(),
/// scratch of its scratch() numbers.
template <class L, class T>
STRATA_COLD void winograd_row_weight_gradient(Correlation const& g, T const* x, T const* dy, T* dw, T* dbias, int S,
                                              Carver memory, int begin, int end) {
    WinogradRowGradientLayout<L> const p(g, S);
    auto const [gradients, inputs, line, sums] = typename WinogradRowGradientLayout<L>::Parts(memory, p);
    int const pair = p.out_blocks * p.tap_blocks, KH = g.taps_height;
    std::ptrdiff_t const x_plane = static_cast<std::ptrdiff_t>(g.in_height) * g.in_width * S,
                         dy_plane = static_cast<std::ptrdiff_t>(g.out_height) * g.out_width * S;
    for (int item = begin, count = 0; item < end; item += count) {
        int const first = item % pair, chunks = item / pair;
        count = (std::min)(pair - first, end - item);
        int const o = chunks / p.in_chunks * p.out_chunk, c = chunks % p.in_chunks * p.in_chunk,
                  outs = (std::min)(p.out_chunk, g.out_channels - o), ins = (std::min)(p.in_chunk, g.in_channels - c);
        RowGradientBlocks const blocks{outs, ins * KH, first, count};
        // The channels that these blocks read; sums of dy belong to the first block of taps.
        int const last = first + count - 1, first_out = first / p.tap_blocks, last_out = last / p.tap_blocks;
        bool const all = first_out < last_out;
        int const o_begin = first_out * p.out_block, o_end = (std::min)(outs, (last_out + 1) * p.out_block),
                  o_bias = c > 0 || !dbias ? o_end : (first + p.tap_blocks - 1) / p.tap_blocks * p.out_block,
                  c_begin = all ? 0 : first % p.tap_blocks * p.tap_block / KH,
                  c_end = all ? ins : (std::min)(ins, ((last % p.tap_blocks + 1) * p.tap_block - 1) / KH + 1);
        fill_with_zeros<L>(sums, count * p.points * p.block_sums);
        for (int s = 0; s < S; s += p.samples) {
            PlaneRows const x_rows{g.in_height, g.in_width, g.pad_left, S, s, p.samples, p.tiles, p.row, p.input_point},
                dy_rows{g.out_height, g.out_width, 0, S, s, p.samples, p.tiles, p.row, p.gradient_point};
            for (int i = 0; i < g.out_height; i += p.band) {
                int const rows = (std::min)(p.band, g.out_height - i);
                for (int k = c_begin; k < c_end; ++k)
                    rows_to_points<true, L>(x_rows, x + (c + k) * x_plane, line, inputs + k * p.input_channel,
                                            i - g.pad_top, rows + KH - 1);
                for (int k = o_begin; k < o_end; ++k) {
                    T const bias = rows_to_points<false, L>(dy_rows, dy + (o + k) * dy_plane, line,
                                                            gradients + k * p.gradient_channel, i, rows);
                    if (k >= o_bias) dbias[o + k] += bias;
                }
                row_gradient_products<L>(p, blocks, gradients, inputs, sums, rows, KH);
            }
        }
        winograd_row_add<L>(g, p, blocks, sums, dw + g.first_weight + o * g.out_weights + c * g.in_weights);
    }
}

}  // namespace strata::inline STRATA_ABI::detail
