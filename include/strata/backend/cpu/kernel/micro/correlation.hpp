// Correlation on the CPU: register blocks of output channels times vectors of the flattened row W·S.
//
// A row of a tile is W·S contiguous numbers, and a tap (p, q) is the same row shifted by q·S: so one kernel serves
// every tile size, and a vector need not end at a column. Rows with horizontal padding or a stride are first packed:
// zeros around them, and the columns of equal remainder by the stride side by side, so that every tap is a shift again.
// Short rows (few samples, narrow images) share a block of vectors with the rows below them; where their last vectors
// would be mostly idle, the rows under a tap column are packed one after another without a gap, so that whole bands of
// output rows are one row. The geometry is a run-time value: one copy of the code serves every convolution of a
// program. Each output's sum runs over (channel, p, q) in order, wherever it stands in a block.
#pragma once

#include "carver.hpp"
#include "correlation_rows.hpp"
#include "register_block.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Where the vectors of a block lie: offsets in the input and output of the block's first row, and how many leading
/// numbers of a vector are a neighbour's (only an addition has to know).
struct BlockVectors {
    static constexpr int most = 4;
    int in[most], out[most], skip[most];
};

/// What a block of a correlation reads and writes.
template <class T>
struct BlockData {
    T const* const* rows;  ///< [(channel, p)] input rows, null outside the image
    int const* taps;       ///< offsets of the taps in a row
    T const* weights;
    T const* bias;
    T* y;
    std::ptrdiff_t plane;  ///< scalars between output channels
    bool add;
    int stored;                      ///< numbers of a vector that are stored: fewer than N where a row is shorter
    int channels = 0;                ///< of the block that are stored
    int first_tap = 0, end_tap = 0;  ///< taps of a row that reach the image from any of the block's columns
    bool relu = false;               ///< what is stored is its ReLU
};

/// Stores (or adds) a block's sums [channel][vector][lane].
template <class L, class T>
STRATA_ONE_COPY void store_block(BlockData<T> const& d, T* value, int vectors, int const* out, int const* skip) {
    constexpr int N = width_of<L>;
    STRATA_ROLLED
    for (int u = 0; u < d.channels; ++u) {
        STRATA_ROLLED
        for (int v = 0; v < vectors; ++v, value += N) {
            T* const to = d.y + u * d.plane + out[v];
            L result = load_lane<L>(value);
            if (d.relu) result = ReLU::forward(result);
            if (d.stored < N) {
                store_lane(value, result);
                STRATA_ROLLED
                for (int k = 0; k < d.stored; ++k) {
                    STRATA_SCALAR;
                    to[k] = d.add ? to[k] + value[k] : value[k];
                }
            } else if (d.add) {
                L const old = load_lane<L>(to);
                store_lane(to, select(first_lanes<L>(skip[v]), old, old + result));
            } else {
                store_lane(to, result);
            }
        }
    }
}

/// The steps of a block of a correlation: channels, kernel rows and taps.
template <class L>
struct RowsSource {
    using T = scalar_of<L>;
    static constexpr bool holds = false;
    Correlation const& g;
    BlockData<T> const& d;
    BlockVectors const& at;
    std::ptrdiff_t out_weights = d.channels > 1 ? g.out_weights : 0;  // an idle channel repeats the first one

    [[nodiscard]] STRATA_INLINE int vector(int v) const { return at.in[v]; }
    [[nodiscard]] STRATA_INLINE T factor(T const* weights, int u) const { return weights[u * out_weights]; }
    template <class F>
    STRATA_INLINE void steps(F const& f) const {
        T const* const* row = d.rows;
        int const *const first_tap = d.taps + d.first_tap, *const end_tap = d.taps + d.end_tap;
        std::ptrdiff_t const tap_weights = g.tap_weights;
        for (int c = 0; c < g.in_channels; ++c)
            for (int p = 0; p < g.taps_height; ++p, ++row) {
                if (!*row) continue;
                T const* w = d.weights + c * g.in_weights + p * g.row_weights + d.first_tap * tap_weights;
                for (int const* tap = first_tap; tap != end_tap; ++tap, w += tap_weights) f(*row + *tap, w);
            }
    }
};

/// A block's sums begin with the bias and go to y.
template <class T>
struct CorrelationEpilogue {
    BlockData<T> const& d;
    BlockVectors const& at;

    [[nodiscard]] STRATA_INLINE T start(int u) const { return d.bias ? d.bias[d.channels > 1 ? u : 0] : T(0); }
    template <int CO, int V, class L>
    STRATA_INLINE void store(L const (&sum)[CO][V]) const {
        constexpr int N = width_of<L>;
        if (d.channels == CO && d.stored == N && !d.add) {  // most blocks of a forward pass
            STRATA_UNROLL
            for (int u = 0; u < CO; ++u) {
                STRATA_UNROLL
                for (int v = 0; v < V; ++v)
                    store_lane(d.y + u * d.plane + at.out[v], d.relu ? ReLU::forward(sum[u][v]) : sum[u][v]);
            }
            return;
        }
        T values[CO * V * N];
        spill(sum, values);
        store_block<L>(d, values, V, at.out, at.skip);
    }
};

/// A block of `CO` output channels times `V` vectors.
template <int CO, int V, class L, class T>
STRATA_ONE_COPY void correlate_block(Correlation const& g, BlockData<T> const& d, BlockVectors const& at) {
    outer<CO, V, L>(RowsSource<L>{g, d, at}, CorrelationEpilogue<T>{d, at});
}

/// Channels of the next block where so many are left: the last one of a block of two may be idle.
constexpr int block_channels(int left) { return left == 6 || left == 7 || left >= 10 ? 6 : left >= 4 ? 4 : 2; }

/// The code that a geometry needs, null for what it does not: blocks that no convolution of a program takes, and the
/// moves of strided columns, are not compiled for it.
template <class T>
struct CorrelationCode {
    using Block = void (*)(Correlation const&, BlockData<T> const&, BlockVectors const&);
    Block blocks[2][3];  ///< [one vector or block_vectors][two, four or six channels]
    ColumnMover<T> gather;
};
template <class L, int OutChannels, int Stride>
constexpr CorrelationCode<scalar_of<L>> correlation_code() {
    using T = scalar_of<L>;
    constexpr auto takes = [](int channels) {
        for (int left = OutChannels; left > 0; left -= block_channels(left))
            if (block_channels(left) == channels) return true;
        return false;
    };
    CorrelationCode<T> code{};
    if constexpr (takes(2)) {
        code.blocks[0][0] = &correlate_block<2, 1, L, T>;
        code.blocks[1][0] = &correlate_block<2, block_vectors, L, T>;
    }
    if constexpr (takes(4)) {
        code.blocks[0][1] = &correlate_block<4, 1, L, T>;
        code.blocks[1][1] = &correlate_block<4, block_vectors, L, T>;
    }
    if constexpr (takes(6)) {
        code.blocks[0][2] = &correlate_block<6, 1, L, T>;
        code.blocks[1][2] = &correlate_block<6, block_vectors, L, T>;
    }
    code.gather = column_gather<Stride, T>();
    return code;
}

/// All output channels of a block's vectors.
template <class T>
STRATA_ONE_COPY void correlate_vectors(Correlation const& g, BlockData<T>& d, BlockVectors const& at,
                                       typename CorrelationCode<T>::Block const (&blocks)[3]) {
    T const *const weights = d.weights, *const bias = d.bias;
    T* const y = d.y;
    for (int left = g.out_channels; left > 0;) {
        int const channels = block_channels(left), count = d.channels = (std::min)(left, channels);
        blocks[channels / 2 - 1](g, d, at);
        left -= count;
        d.weights += count * g.out_weights;
        d.y += count * d.plane;
        if (d.bias) d.bias += count;
    }
    d.weights = weights;
    d.bias = bias;
    d.y = y;
}

/// Numbers that pack_band writes, 0 where bands are not worth it.
constexpr int band_numbers(Correlation const& g, int S, int N) {
    int const rows = g.band_rows(S, N);
    return rows == 0 ? 0 : g.in_channels * g.taps_width * g.rows_under(rows) * g.out_width * S + N;
}

/// True where the rows under `together` output rows are packed, if not as a band.
constexpr bool packs_rows(Correlation const& g, int S, int N, int together) {
    return !g.is_plain(S, N) || (together > 1 && !g.rows_are_inside());
}

/// The scratch memory of correlate: pointers to rows, offsets of taps, packed rows.
template <class T>
struct CorrelationScratch {
    T const** rows;
    int* taps;
    T* packed;
    constexpr CorrelationScratch(Carver& memory, Correlation const& g, int S)
        : rows(memory.take<T const*>(g.in_channels * g.taps_height)), taps(memory.take<int>(g.taps_width)) {
        constexpr int N = width_of<widest_lane<T>>;
        int const together = g.rows_together(S, N), under = together > 1 ? g.rows_under(together) : g.taps_height;
        packed = memory.take<T>(
            (std::max)(packs_rows(g, S, N, together) ? g.in_channels * under * g.packed_columns() * S + N : 0,
                       band_numbers(g, S, N)));
    }
};

/// Points at the input rows under `count` output rows from i on, null outside the image. Packs them first where
/// `packed` is given, `pitch` numbers each: those of a single output row, or, `shared`, all, zeros outside the image.
template <class T>
STRATA_ONE_COPY void point_at_rows(Correlation const& g, T const* images, T const** rows, T* packed, int S, int i,
                                   int count, bool shared, std::ptrdiff_t pitch, ColumnMover<T> gather) {
    std::ptrdiff_t const width = static_cast<std::ptrdiff_t>(g.in_width) * S;
    for (int c = 0; c < g.in_channels; ++c, images += g.in_height * width) {
        T const* const first = packed;
        if (packed && shared) {
            for (int r = 0; r < g.rows_under(count); ++r, packed += pitch) {
                int const h = g.in_row(i, 0) + r;
                if (h < 0 || h >= g.in_height)
                    std::fill_n(packed, pitch, T(0));
                else
                    pack_row(g, images + h * width, packed, S, gather);
            }
        }
        for (int p = 0; p < g.taps_height; ++p) {
            int const h = g.in_row(i, p);
            T const*& row = *rows++;
            if (packed && shared) {
                row = first + p * g.dilation_height * pitch;
            } else if (h < 0 || h >= g.in_height) {
                row = nullptr;
            } else {
                row = images + h * width;
                if (!packed) continue;
                pack_row(g, row, packed, S, gather);
                row = packed;
                packed += pitch;
            }
        }
    }
}

/// Items are (group, output row). The output row i of channel o begins at y + o plane + i out_row, its columns are
/// out_column apart (more than 1 only where whole vectors are samples of one column). `relu`: y is its ReLU, where
/// nothing is added. `code` is correlation_code of g's output channels and stride.
template <class L, class T>
STRATA_ONE_COPY void correlate(CorrelationCode<T> const& code, Correlation const& g, T const* x, T const* w,
                               T const* bias, T* y, int S, Carver memory, bool add, int begin, int end,
                               std::ptrdiff_t plane, std::ptrdiff_t out_row, int out_column = 1, bool relu = false) {
    constexpr int N = width_of<L>, V = block_vectors;
    int const row_length = g.out_width * S;
    int const band = out_row == row_length && out_column == 1 ? g.band_rows(S, N) : 0;
    int const together = band > 0 ? band : g.rows_together(S, N);
    bool const packs = band == 0 && packs_rows(g, S, N, together);
    std::ptrdiff_t const pitch =
        band > 0 ? row_length : static_cast<std::ptrdiff_t>(packs ? g.packed_columns() : g.in_width) * S;
    auto const [rows, taps, packed] = CorrelationScratch<T>(memory, g, S);
    for (int q = 0; q < g.taps_width; ++q) {
        STRATA_SCALAR;
        taps[q] = g.tap_column(q) * S;
    }

    BlockData<T> d{rows, taps, nullptr, nullptr, nullptr, plane, add, N};
    d.relu = relu;
    for (int item = begin, count = 0; item < end; item += count) {
        int const i = item % g.out_height, group = item / g.out_height;
        count = (std::min)({together - i % together, end - item, g.out_height - i});
        T const* const images = x + static_cast<std::ptrdiff_t>(group * g.in_channels) * g.in_height * g.in_width * S;
        if (band > 0) {
            pack_band<L>(g, images, packed, S, i, count);
            int const column = g.rows_under(count) * row_length;
            for (int q = 0; q < g.taps_width; ++q) {
                STRATA_SCALAR;
                taps[q] = q * column;
            }
            for (int c = 0; c < g.in_channels; ++c)
                for (int p = 0; p < g.taps_height; ++p) {
                    STRATA_SCALAR;
                    rows[c * g.taps_height + p] =
                        packed + c * g.taps_width * column + p * g.dilation_height * row_length;
                }
        } else {
            point_at_rows(g, images, rows, packs ? packed : nullptr, S, i, count, together > 1, pitch, code.gather);
        }
        d.weights = w + group * g.group_weights + g.first_weight;
        d.bias = bias ? bias + group * g.out_channels : nullptr;
        d.y = y + group * g.out_channels * plane + i * out_row;

        // The vectors of the rows one after another; a row's last one is moved back to end with
        // the row. A band is one row.
        int const length = band > 0 ? count * row_length : row_length, row_vectors = (length + N - 1) / N,
                  vectors = band > 0 ? row_vectors : count * row_vectors;
        d.stored = (std::min)(N, length);
        // Vector k of a block; those before `first` have been stored already.
        auto const place = [&](int k, int first, int& in, int& out, int& skip) {
            int const row = k / row_vectors, from = (k - row * row_vectors) * N,
                      at = (std::max)(0, (std::min)(from, length - N));
            in = row * g.stride_height * static_cast<int>(pitch) + at;
            out = row * static_cast<int>(out_row) + (out_column == 1 ? at : at / S * S * out_column + at % S);
            skip = k < first ? N : from - at;
        };
        // Taps that see nothing but padding from columns [from, to] are left out.
        auto const reach = [&](int from, int to) {
            if (g.stride_width > 1) return;
            d.end_tap = std::clamp((g.in_width - 1 + g.pad_left - from) / g.dilation_width + 1, 0, g.taps_width);
            d.first_tap = std::clamp((g.pad_left - to + g.dilation_width - 1) / g.dilation_width, 0, d.end_tap);
        };
        d.first_tap = 0;
        d.end_tap = g.taps_width;
        bool const in_padding = count == 1 && band == 0;
        for (int k = 0, width = 0; k < vectors; k += width) {
            int const left = vectors - k;
            // Three of the rest are cheaper at once, with one before them again, than one by one.
            bool const full = left >= V || (left == 3 && vectors > V && !in_padding);
            width = full ? V : 1;
            int const from = full ? (std::min)(k, vectors - V) : k;
            BlockVectors at;
            STRATA_ROLLED
            for (int v = 0; v < width; ++v) place(from + v, k, at.in[v], at.out[v], at.skip[v]);
            if (in_padding) reach(at.in[0] / S, (at.in[width - 1] + N - 1) / S);
            correlate_vectors(g, d, at, code.blocks[full]);
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
