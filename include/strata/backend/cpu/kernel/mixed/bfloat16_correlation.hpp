// Correlation by products of pairs of bfloat16 (AVX512-BF16): the forward pass of a convolution and, phase by phase of
// the stride, its input gradient.
//
// A vector is 16 neighbouring sums of the flattened row W·S, as in correlation.hpp, and a pair is two channels: their
// rows are interleaved, padded and de-interleaved by the stride in scratch memory, some output rows at a time. A last
// odd channel makes pairs with itself, of two neighbouring kernel rows. Sums run over (pair, p, q) in order, wherever
// an output stands in a block.
#pragma once

#include "../../../../core/partial_lane.hpp"
#include "bfloat16_pairs.hpp"
#include "mixed_kernel.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

namespace strata::inline STRATA_ABI::detail {

/// How a correlation's rows of pairs lie in scratch memory.
struct PairLayout {
    int channels;      ///< pairs of channels, and the odd one
    int kernel_rows;   ///< of all of them: the odd channel has half as many
    int rows;          ///< output rows that are worked on together
    int pitch;         ///< pairs between packed rows: an odd number of cache lines, so that rows lie in different sets
    int plane;         ///< pairs between packed channels
    int weights;       ///< pairs of weights
    int out_channels;  ///< rounded up to what the blocks compute

    constexpr PairLayout(Correlation const& g, int S) {
        constexpr int most = 192 << 10;  // bytes: a good part of a second-level cache
        channels = (g.in_channels + 1) / 2;
        kernel_rows = g.in_channels / 2 * g.taps_height + g.in_channels % 2 * ((g.taps_height + 1) / 2);
        pitch = ((g.packed_columns() * S + 15) / 16 | 1) * 16;
        rows = g.out_height;
        while (rows > 1 && channels * g.rows_under(rows) * pitch * 4 > most) --rows;
        plane = g.rows_under(rows) * pitch;
        out_channels = (g.out_channels + 1) / 2 * 2;
        weights = kernel_rows * g.taps_width * out_channels;
    }
    /// Pairs of scratch memory: weights, packed rows, one vector that is read beyond them, rounded weights.
    [[nodiscard]] constexpr int scratch(Correlation const& g) const {
        return (weights + 15) / 16 * 16 + channels * plane + 16 + (static_cast<int>(g.group_weights) + 1) / 2;
    }
};

/// Packs a row of two channels (either may be null: zeros), as pack_row.
STRATA_ONE_COPY inline void pack_pair_row(Correlation const& g, bfloat16 const* a, bfloat16 const* b, Pair* to, int S) {
    int const columns = g.phase_columns();
    if (!a && !b) return static_cast<void>(std::fill_n(to, g.packed_columns() * S, Pair(0)));
    auto const run = [&](int column, int count) {  // of numbers
        if (a) return interleave(a + column * S, b ? b + column * S : nullptr, to, count);
        interleave(b + column * S, nullptr, to, count);
        for (int k = 0; k < count; ++k) to[k] <<= 16;
    };
    if (g.stride_width == 1) {  // one run of columns between two runs of zeros
        int const from = std::clamp(g.pad_left, 0, columns), stop = std::clamp(g.pad_left + g.in_width, from, columns);
        std::fill_n(to, from * S, Pair(0));
        std::fill(to + stop * S, to + columns * S, Pair(0));
        to += from * S;
        run(from - g.pad_left, (stop - from) * S);
        return;
    }
    for (int phase = 0; phase < g.stride_width; ++phase)
        for (int c = 0; c < columns; ++c, to += S) {
            int const column = c * g.stride_width + phase - g.pad_left;
            if (column >= 0 && column < g.in_width)
                run(column, S);
            else
                std::fill_n(to, S, Pair(0));
        }
}

/// What a block of a correlation of pairs reads and writes.
struct PairBlock {
    Pair const* rows;  ///< under the first output row
    Pair const* weights;
    float const* bias;
    bfloat16* y;
    std::ptrdiff_t out_plane;  ///< numbers between output channels
    std::ptrdiff_t plane, row_step;
    int const* taps;  ///< offsets of the taps in a row
    int channels, odd, taps_height, taps_width;
    int first_row, end_row, first_tap, end_tap;  ///< kernel rows and taps that reach the image from the block
    int stored;                                  ///< output channels
    int numbers;                                 ///< of a vector that are stored: fewer than 16 where a row is shorter
    bool add, relu;                              ///< to y (not where a row is shorter); what is stored is its ReLU
};

/// Output channels of the next block when `left` are left.
constexpr int pair_block_channels(int left) { return left == 6 || left == 7 || left >= 10 ? 6 : left >= 4 ? 4 : 2; }

/// `CO` output channels of `V` vectors. Weights are [channel][kernel row][tap][CO].
template <int CO, int V>
STRATA_ONE_COPY void correlate_pairs_block(PairBlock const& d, BlockVectors const& at) {
    PairLane sum[CO][V];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) sum[u][v] = PairLane(d.bias && u < d.stored ? d.bias[u] : 0.0f);
    }
    int const *const first_tap = d.taps + d.first_tap, *const end_tap = d.taps + d.end_tap;
    for (int c = 0; c < d.channels; ++c) {
        int const rows = c == d.odd ? 2 : 1;  // that a kernel row of pairs stands for
        int const begin = d.first_row / rows, end = (d.end_row + rows - 1) / rows;
        Pair const* row = d.rows + c * d.plane + begin * rows * d.row_step;
        Pair const* w = d.weights + ((c * d.taps_height + begin) * d.taps_width + d.first_tap) * CO;
        for (int p = begin; p < end; ++p, row += rows * d.row_step, w += d.taps_width * CO) {
            Pair const* weight = w;
            for (int const* tap = first_tap; tap != end_tap; ++tap, weight += CO) {
                Pair const* const from = row + *tap;
                PairLane in[V];
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) {
                    in[v] = load_pairs(from + at.in[v]);
                    hold_in_register(in[v]);
                }
                STRATA_UNROLL
                for (int u = 0; u < CO; ++u) {
                    PairLane const factor = broadcast_pair(weight + u);
                    STRATA_UNROLL
                    for (int v = 0; v < V; ++v) sum[u][v] = multiply_add_pairs(factor, in[v], sum[u][v]);
                }
            }
        }
    }
    // Through memory: a loop over registers would keep them in memory all along.
    float values[CO * V * 16];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) store_lane(values + (u * V + v) * 16, sum[u][v]);
    }
    STRATA_ROLLED
    for (int u = 0; u < d.stored; ++u) {
        STRATA_ROLLED
        for (int v = 0; v < V; ++v) {
            bfloat16* const to = d.y + u * d.out_plane + at.out[v];
            PairLane value = load_lane<PairLane>(values + (u * V + v) * 16);
            if (d.add) {
                auto const old = load_lane<PairLane>(static_cast<bfloat16 const*>(to));
                value = select(first_lanes<PairLane>(at.skip[v]), old, old + value);
            }
            if (d.relu) value = ReLU::forward(value);
            store_first(to, value, d.numbers);
        }
    }
}

/// All output channels of `V` vectors.
template <int V>
void correlate_pairs_vectors(PairBlock d, BlockVectors const& at, int out_channels, int kernel_taps) {
    for (int left = out_channels; left > 0;) {
        int const count = pair_block_channels(left);
        d.stored = (std::min)(left, count);
        if (count == 6)
            correlate_pairs_block<6, V>(d, at);
        else if (count == 4)
            correlate_pairs_block<4, V>(d, at);
        else
            correlate_pairs_block<2, V>(d, at);
        left -= count;
        d.weights += kernel_taps * count;
        d.y += count * d.out_plane;
        if (d.bias) d.bias += count;
    }
}

/// Weights of a group as pairs, [block of output channels][channel][kernel row][tap][channel of the block].
STRATA_ONE_COPY inline void pack_pair_weights(Correlation const& g, float const* w, Pair* to, bfloat16* rounded) {
    convert_numbers(w, rounded, g.group_weights);
    bfloat16 const* const first = rounded + g.first_weight;
    for (int o = 0; o < g.out_channels;) {
        int const count = pair_block_channels(g.out_channels - o);
        for (int c = 0; c < g.in_channels; c += 2) {
            bool const odd = c + 1 == g.in_channels;
            int const step = odd ? 2 : 1;
            for (int p = 0; p < g.taps_height; p += step)
                for (int q = 0; q < g.taps_width; ++q)
                    for (int u = 0; u < count; ++u, ++to) {
                        bfloat16 const* const at = first + (std::min)(o + u, g.out_channels - 1) * g.out_weights +
                                                   c * g.in_weights + p * g.row_weights + q * g.tap_weights;
                        Pair const second = !odd                    ? at[g.in_weights].bits
                                            : p + 1 < g.taps_height ? at[g.row_weights].bits
                                                                    : 0u;
                        *to = at->bits | second << 16;
                    }
        }
        o += count;
    }
}

/// Items are (group, output row) of a correlation whose rows, if anything is added, have at least 16 numbers. The output row i of channel o
/// begins at y + o out_plane + i out_row, its columns are out_column apart (more than 1 only where whole vectors are
/// samples of one column).
STRATA_ONE_COPY inline void correlate_pairs(Correlation const& g, bfloat16 const* x, float const* w, float const* bias,
                                            bfloat16* y, int S, bfloat16* scratch, bool add, int begin, int end,
                                            std::ptrdiff_t out_plane, std::ptrdiff_t out_row, int out_column = 1,
                                            bool relu = false) {
    constexpr int N = 16, V = 4;
    PairLayout const layout(g, S);
    int const length = g.out_width * S, row_vectors = (length + N - 1) / N;
    int taps[64];
    auto* const weights = reinterpret_cast<Pair*>(scratch);
    Pair* const packed = weights + (layout.weights + 15) / 16 * 16;
    auto* const rounded = reinterpret_cast<bfloat16*>(packed + layout.channels * layout.plane + N);
    for (int q = 0; q < g.taps_width; ++q) taps[q] = g.tap_column(q) * S;

    PairBlock d;
    d.rows = packed;
    d.weights = weights;
    d.out_plane = out_plane;
    d.plane = layout.plane;
    d.row_step = static_cast<std::ptrdiff_t>(g.dilation_height) * layout.pitch;
    d.taps = taps;
    d.channels = layout.channels;
    d.odd = g.in_channels % 2 != 0 ? layout.channels - 1 : -1;
    d.taps_height = g.taps_height;
    d.taps_width = g.taps_width;
    d.numbers = (std::min)(N, length);
    d.add = add;
    d.relu = relu;
    for (int item = begin, count = 0, packed_group = -1; item < end; item += count) {
        int const first = item % g.out_height, group = item / g.out_height;
        count = (std::min)({layout.rows, end - item, g.out_height - first});
        if (group != packed_group) pack_pair_weights(g, w + group * g.group_weights, weights, rounded);
        packed_group = group;
        for (int c = 0; c < layout.channels; ++c) {
            bfloat16 const* const image =
                x + static_cast<std::ptrdiff_t>(group * g.in_channels + 2 * c) * g.in_height * g.in_width * S;
            auto const row_of = [&](int channel, int h) -> bfloat16 const* {
                if (h < 0 || h >= g.in_height) return nullptr;
                return image + static_cast<std::ptrdiff_t>(channel * g.in_height + h) * g.in_width * S;
            };
            for (int r = 0; r < g.rows_under(count); ++r) {
                int const h = g.in_row(first, 0) + r;
                pack_pair_row(g, row_of(0, h), c == d.odd ? row_of(0, h + g.dilation_height) : row_of(1, h),
                              packed + c * layout.plane + r * layout.pitch, S);
            }
        }
        d.bias = bias ? bias + group * g.out_channels : nullptr;
        d.y = y + group * g.out_channels * out_plane + first * out_row;

        // The vectors of the rows one after another; a row's last one is moved back to end with the row.
        int const vectors = count * row_vectors;
        auto const place = [&](int k, int& in, int& out, int& skip) {
            int const row = k / row_vectors, from = (k - row * row_vectors) * N,
                      at = (std::max)(0, (std::min)(from, length - N));
            in = row * g.stride_height * layout.pitch + at;
            out = row * static_cast<int>(out_row) + (out_column == 1 ? at : at / S * S * out_column + at % S);
            skip = from - at;
        };
        // Kernel rows and taps that see nothing but padding from vectors [k, last] are left out.
        auto const reach = [&](int k, int last) {
            int const row = k / row_vectors, last_row = last / row_vectors, dilation = g.dilation_height;
            // Rows and columns may lie in the padding altogether: then nothing is left.
            auto const end_of = [](int inside, int step, int most) {
                return inside < 0 ? 0 : (std::min)(inside / step + 1, most);
            };
            auto const first_of = [](int outside, int step, int most) {
                return std::clamp((outside + step - 1) / step, 0, most);
            };
            d.end_row = end_of(g.in_height - 1 - g.in_row(first + row, 0), dilation, g.taps_height);
            d.first_row = first_of(-g.in_row(first + last_row, 0), dilation, d.end_row);
            d.first_tap = 0;
            d.end_tap = g.taps_width;
            if (g.stride_width > 1 || row != last_row) return;
            int const from = (std::max)(0, (std::min)((k - row * row_vectors) * N, length - N)) / S,
                      to = (std::min)((last - row * row_vectors + 1) * N - 1, length - 1) / S;
            d.end_tap = end_of(g.in_width - 1 + g.pad_left - from, g.dilation_width, g.taps_width);
            d.first_tap = first_of(g.pad_left - to, g.dilation_width, d.end_tap);
        };
        int const kernel_taps = layout.kernel_rows * g.taps_width;
        int k = 0;
        for (; k + V <= vectors; k += V) {
            BlockVectors at;
            for (int v = 0; v < V; ++v) place(k + v, at.in[v], at.out[v], at.skip[v]);
            reach(k, k + V - 1);
            correlate_pairs_vectors<V>(d, at, g.out_channels, kernel_taps);
        }
        for (; k < vectors; ++k) {
            BlockVectors at;
            place(k, at.in[0], at.out[0], at.skip[0]);
            reach(k, k);
            correlate_pairs_vectors<1>(d, at, g.out_channels, kernel_taps);
        }
    }
}

/// Rows [begin, end) of dx of a group, phase by phase of the stride; S is a multiple of 16.
inline void pair_input_gradient_rows(Correlation const& f, bfloat16 const* dy, float const* w, bfloat16* dx, int S,
                                     bfloat16* scratch, bool add, int group, int begin, int end) {
    std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(f.in_height) * f.in_width * S;
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.stride_height) * f.in_width * S;
    dx += group * f.in_channels * plane;
    dy += group * f.out_channels * static_cast<std::ptrdiff_t>(f.out_height) * f.out_width * S;
    w += group * f.group_weights;
    for (int phase = 0; phase < f.stride_height * f.stride_width; ++phase) {
        auto const [g, row0, column0] = backward_phase(f, phase / f.stride_width, phase % f.stride_width);
        auto const rows_before = [&, first = row0](int h) {
            return h <= first ? 0 : (h - first + f.stride_height - 1) / f.stride_height;
        };
        int const from = rows_before(begin), to = (std::min)(g.out_height, rows_before(end));
        if (g.out_width == 0 || from >= to) continue;
        bfloat16* const y = dx + (row0 * f.in_width + column0) * S;
        if (g.taps_height > 0 && g.taps_width > 0) {
            correlate_pairs(g, dy, w, nullptr, y, S, scratch, add, from, to, plane, row, f.stride_width);
            continue;
        }
        for (int c = 0; !add && c < f.in_channels; ++c)  // no tap reaches these pixels
            for (int i = from; i < to; ++i)
                for (int column = 0; column < g.out_width; ++column)
                    std::fill_n(y + c * plane + i * row + column * f.stride_width * S, S, bfloat16(0));
    }
}
constexpr int pair_input_gradient_scratch(Correlation const& f, int S) {
    int most = 0;
    for (int phase = 0; phase < f.stride_height * f.stride_width; ++phase) {
        Correlation const g = backward_phase(f, phase / f.stride_width, phase % f.stride_width).correlation;
        most = (std::max)(most, 2 * PairLayout(g, S).scratch(g));
    }
    return most;
}

}  // namespace strata::inline STRATA_ABI::detail
#endif

#pragma GCC diagnostic pop
