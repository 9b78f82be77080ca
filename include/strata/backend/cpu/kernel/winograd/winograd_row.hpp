// Winograd convolution along the row on the CPU, for taps_height x 5 taps, stride 1, one group: the forward pass and,
// with the channels exchanged and the taps reversed, the input gradient. F(4, 5) does eight products for four outputs,
// where direct convolution does twenty.
//
//   y(o, i, 4t + j) = A^T [ sum over (kernel row p, channel c) of U(o, c, p) . V(c, i + p, t) ]_j
//
// The tiles of four columns of neighbouring rows, their samples innermost, are one run of *places*, [row][tile][sample],
// for each of the eight points; a vector is any N of them, a kernel row a shift by a row's places. So every tile size
// fills its vectors. Tiles of whole vectors of samples are carried down the image in strips, one tile and N samples
// wide, smaller ones in rows. The rows under a band of output rows are transformed once, and a block of output channels
// runs down the band while its weights and what it reads stay in the first-level cache. Registers hold six channels times
// some of the eight points, and the points are taken in rounds: so each vector of V serves six multiply-adds, and only
// the sums at the points pass through memory. Each output's sum runs over (p, c) in order, whatever the band and the
// tile: no split of the items changes bits. On one Zen 4 core (AVX-512) LeNet's convolutions take half the time of direct
// ones: 3.5, 2.3 and 3.2 us an image for conv1, conv2 and conv2's input gradient in place of 7.2, 4.7 and 6.8.
#pragma once

#include "../micro/register_block.hpp"
#include "winograd_places.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// How transformed weights lie on vectors L: [block of channels][round][p][c][point of the round][channel of the block].
template <class L>
struct WinogradRowWeights {
    /// Output channels of a register block and points of a round: as the registers allow (32 with AVX-512, else 16).
    static constexpr int block_channels = 6, round_points = vector_bytes >= 64 ? 4 : 2;
    std::ptrdiff_t row, round, block;  ///< weights of a kernel row, of a round, of a block
    int blocks;                        ///< of channels

    constexpr explicit WinogradRowWeights(Correlation const& g)
        : row(std::ptrdiff_t{round_points} * block_channels * g.in_channels),
          round(row * g.taps_height),
          block(round * WinogradRowTransform::points / round_points),
          blocks((g.out_channels + block_channels - 1) / block_channels) {}
    [[nodiscard]] constexpr int size() const { return static_cast<int>(block) * blocks; }
};

/// How a correlation of tiles of S samples is cut up: strips of all rows, bands of output rows.
template <class L>
struct WinogradRowLayout {
    using T = scalar_of<L>;
    static constexpr int N = width_of<L>, points = WinogradRowTransform::points;
    int tiles, samples, across;          ///< of a strip; strips that lie beside each other
    int band;                            ///< output rows
    std::ptrdiff_t row, channel, point;  ///< distances of transformed numbers
    std::ptrdiff_t inputs, line;

    constexpr WinogradRowLayout(Correlation const& g, int S)
        : tiles(S < N ? row_tiles(g) : 1),
          samples((std::min)(S, N)),
          across(S < N ? 1 : row_tiles(g) * (S / N)),
          // About 128 KB of transformed rows in float: a second-level cache keeps up with a block's loads.
          band(std::clamp(
              static_cast<int>(32768 / (std::ptrdiff_t{points} * tiles * samples * g.in_channels)) - g.taps_height + 1,
              4, (std::max)(g.out_height, 4))),
          line(0) {
        int const rows = (std::min)(band, g.out_height) + g.taps_height - 1;
        line = row_line<L>(g, S, samples, (std::min)(rows, g.in_height));
        // [channel][point][row][tile][sample]; rows of one vector as [row][channel][point]: what an output row needs is
        // then one run of memory, which moves on by a row.
        point = S < N ? round_up_to<N>(rows * tiles * samples) + N : N;
        channel = points * point;
        row = S < N ? tiles * samples : g.in_channels * channel;
        inputs = S < N ? g.in_channels * channel : (std::min)(rows, g.in_height) * row;
    }
    /// False where even four rows are so long that direct convolution, which needs fewer of them at once, is faster.
    [[nodiscard]] constexpr bool fits() const { return inputs <= most_row_numbers; }
    struct Parts {
        T *inputs, *line;
        constexpr Parts(Carver& memory, WinogradRowLayout const& p)
            : inputs(memory.take<T>(p.inputs)), line(memory.take<T>(p.line)) {}
    };
    [[nodiscard]] constexpr int scratch() const { return carved_numbers<T, Parts>(*this); }
};

/// Transforms the weights of blocks [begin, end) of output channels, zero where there is no channel.
template <class L, class T>
STRATA_COLD void winograd_row_weights(Correlation const& g, T const* w, T* to, int begin, int end) {
    WinogradRowWeights<L> const p(g);
    constexpr int CO = p.block_channels, P = p.round_points;
    to += begin * p.block;
    w += g.first_weight;
    for (int o = begin * CO; o < end * CO; o += CO, to += p.block)
        for (int row = 0; row < g.taps_height; ++row)
            for (int c = 0; c < g.in_channels; ++c) {
                STRATA_ROLLED
                for (int u = 0; u < CO; ++u) {
                    T taps[5] = {}, values[8];
                    if (o + u < g.out_channels) {
                        T const* const from = w + (o + u) * g.out_weights + c * g.in_weights + row * g.row_weights;
                        STRATA_UNROLL
                        for (int q = 0; q < 5; ++q) taps[q] = from[q * g.tap_weights];
                    }
                    WinogradRowTransform::of_taps(taps, values);
                    T* const at = to + row * p.row + c * P * CO + u;
                    STRATA_UNROLL
                    for (int k = 0; k < 8; ++k) at[k / P * p.round + k % P * CO] = values[k];
                }
            }
}

/// The steps of a round of points: kernel rows and channels. A vector of the block is a point.
template <class L>
struct WinogradRowSource {
    using T = scalar_of<L>;
    using Weights = WinogradRowWeights<L>;
    static constexpr bool holds = false;
    T const *in, *weights;
    std::ptrdiff_t row, channel, point;
    int rows, channels;

    [[nodiscard]] STRATA_INLINE std::ptrdiff_t vector(int k) const { return k * point; }
    /// Of each point one of its own.
    [[nodiscard]] STRATA_INLINE T factor(T const* w, int u, int k) const { return w[k * Weights::block_channels + u]; }
    template <class F>
    STRATA_INLINE void steps(F const& f) const {
        T const* w = weights;
        for (int p = 0; p < rows; ++p) {
            T const* from = in + p * row;
            for (int c = 0; c < channels; ++c, from += channel, w += Weights::round_points * Weights::block_channels)
                f(from, w);
        }
    }
};

/// The sums at the points of a vector of places: [channel of the block][point], the first CO channels, over `rows` kernel
/// rows and the channels from `in` and `weights` on.
template <int CO, class L, class T>
STRATA_ONE_COPY void winograd_row_products(T const* in, WinogradRowLayout<L> const& at, int rows, int channels,
                                           T const* weights, std::ptrdiff_t round, T* to) {
    using Weights = WinogradRowWeights<L>;
    constexpr int N = width_of<L>, P = Weights::round_points, points = WinogradRowTransform::points;
    std::ptrdiff_t const step = at.point, channel = at.channel, row = at.row;
    if (row == channels * channel) channels *= rows, rows = 1;
    STRATA_ROLLED
    for (int first = 0; first < points; first += P, in += P * step, to += P * N, weights += round)
        outer<CO, P, L>(WinogradRowSource<L>{in, weights, row, channel, step, rows, channels},
                        RowsOfSums<T>{to, points * N, true});
}

/// Where the outputs of a block's channels go, in a strip of `tiles` tiles.
template <class T>
struct WinogradRowOutput {
    T const* bias;
    T* y;                  ///< the strip's first number in the band's first row
    std::ptrdiff_t plane;  ///< scalars between output channels
    std::ptrdiff_t row;    ///< and between rows
    int samples, columns, channels, tiles;
    bool add, relu;
};

/// Transforms the sums at the points of a vector of places and writes the outputs of `count` tiles from tile `first` of row
/// `row` of the strip on, as far as they lie in their rows.
template <bool Narrow, class L, class T>
STRATA_ONE_COPY void winograd_row_outputs(T const* from, WinogradRowOutput<T> const& d, int row, int first, int count) {
    constexpr int N = width_of<L>, points = WinogradRowTransform::points, outputs = WinogradRowTransform::outputs;
    int const S = d.samples, tiles = d.tiles;
    // Where rows are whole tiles, tiles of neighbouring rows are neighbours too.
    bool const contiguous = Narrow && d.columns == outputs * tiles && count == N / S;
    T* y = d.y + row * d.row + first * outputs * S;
    for (int u = 0; u < d.channels; ++u, y += d.plane) {
        L m[points], out[outputs];
        STRATA_UNROLL
        for (int k = 0; k < points; ++k) m[k] = load_lane<L>(from + (u * points + k) * N);
        WinogradRowTransform::to_outputs(m, out);
        L const bias(d.bias ? d.bias[u] : T(0));
        STRATA_UNROLL
        for (L& column : out) {
            column = column + bias;
            if (d.relu) column = ReLU::forward(column);
        }
        T* to = y;
        if constexpr (Narrow) {
            columns_together<1>(S, out);
            if (!contiguous) {
                T numbers[outputs * N];
                STRATA_UNROLL
                for (int j = 0; j < outputs; ++j) store_lane(numbers + j * N, out[j]);
                for (int n = 0, t = first; n < count; ++n, to += outputs * S) {
                    put_numbers(numbers + n * outputs * S, (std::min)(outputs, d.columns - outputs * t) * S, to, d.add);
                    if (++t == tiles) t = 0, to += d.row - outputs * tiles * S;
                }
                continue;
            }
        }
        int const step = Narrow ? N : S, vectors = Narrow ? outputs : (std::min)(outputs, d.columns);
        STRATA_UNROLL
        for (int j = 0; j < outputs; ++j, to += step) {
            if (j == vectors) break;
            store_lane(to, d.add ? load_lane<L>(to) + out[j] : out[j]);
        }
    }
}

/// The correlation g of x with transformed `weights` (winograd_row_weights), set (with `relu`, its ReLU) or added to y:
/// output rows [begin, end). Needs is_winograd_row(g), S a multiple of the lane's width or a power of two below it, and
/// scratch of WinogradRowLayout::scratch() scalars.
template <class L, class T>
STRATA_ONE_COPY void winograd_row_correlate(Correlation const& g, T const* x, T const* weights, T const* bias, T* y,
                                            int S, Carver memory, bool add, int begin, int end, bool relu = false) {
    constexpr int N = width_of<L>, CO = WinogradRowWeights<L>::block_channels, outputs = WinogradRowTransform::outputs;
    WinogradRowWeights<L> const w(g);
    WinogradRowLayout<L> const p(g, S);
    auto const [inputs, line] = typename WinogradRowLayout<L>::Parts(memory, p);
    std::ptrdiff_t const out_row = static_cast<std::ptrdiff_t>(g.out_width) * S, plane = g.out_height * out_row,
                         in_plane = static_cast<std::ptrdiff_t>(g.in_height) * g.in_width * S;
    int const slices = (std::max)(1, S / N), step = N / p.samples;  // tiles of a vector
    std::ptrdiff_t const place = S < N ? p.samples : p.row;         // from one to the next
    alignas(64) T products[CO * WinogradRowTransform::points * N];
    auto write = winograd_row_outputs<false, L, T>;
    if constexpr (N > 1)
        if (S < N) write = winograd_row_outputs<true, L, T>;
    WinogradRowOutput<T> d{nullptr, nullptr, plane, out_row, S, 0, 0, p.tiles, add, relu};
    for (int from = begin, to; from < end; from = to) {
        to = (std::min)(end, from + p.band);
        int const count = (to - from) * p.tiles, above = from - g.pad_top, under = to - 1 + g.taps_height - g.pad_top,
                  // Rows outside the image are zeros where a vector reads them with others.
            top = S < N ? above : (std::max)(above, 0),
                  bottom = S < N ? under : (std::max)(top, (std::min)(under, g.in_height));
        for (int strip = 0; strip < p.across; ++strip) {
            int const tile = strip / slices, sample = strip % slices * N;
            PlaneRows const rows{g.in_height, g.in_width, g.pad_left - tile * outputs, S, sample, p.samples, p.tiles,
                                 p.row,       p.point};
            for (int c = 0; c < g.in_channels; ++c)
                rows_to_points<true, L>(rows, x + c * in_plane, line, inputs + c * p.channel, top, bottom - top);
            d.columns = g.out_width - tile * outputs;
            for (int o = 0; o < g.out_channels; o += CO) {
                d.bias = bias ? bias + o : nullptr;
                d.channels = (std::min)(CO, g.out_channels - o);
                d.y = y + o * plane + from * out_row + tile * outputs * S + sample;
                auto const multiply = d.channels > 4 ? winograd_row_products<6, L, T> : winograd_row_products<4, L, T>;
                for (int at = 0, row = from, tile_of_row = 0; at < count; at += step, tile_of_row += step) {
                    for (; tile_of_row >= p.tiles; tile_of_row -= p.tiles) ++row;
                    int last_row = row;
                    for (int k = tile_of_row + (std::min)(step, count - at); k > p.tiles; k -= p.tiles) ++last_row;
                    // Kernel rows that lie inside the image for any of the vector's rows.
                    int const first = std::clamp(g.pad_top - last_row, 0, g.taps_height),
                              last = std::clamp(g.in_height + g.pad_top - row, first, g.taps_height);
                    multiply(inputs + (first + above - top) * p.row + at * place, p, last - first, g.in_channels,
                             weights + o / CO * w.block + first * w.row, w.round, products);
                    write(products, d, row - from, tile_of_row, (std::min)(step, count - at));
                }
            }
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
