// Direct convolution on the CPU: register blocks of output channels times vectors of the flattened row W·S.
//
// A row of a tile is W·S contiguous numbers, and a tap (p, q) is the same row shifted by q·S: so one kernel serves
// every tile size, and a vector need not end at a column. Rows with horizontal padding or a stride are first packed:
// zeros around them, and the columns of equal remainder by the stride side by side, so that every tap is a shift again.
// Short rows (few samples, narrow images) share a block of vectors with the rows below them. The geometry is a run-time
// value: one copy of the code serves every convolution of a program. Each output's sum runs over (channel, p, q) in
// order, wherever it stands in a block.
#pragma once

#include "../../layer/conv2d.hpp"
#include "linear_kernel.hpp"

namespace strata {

namespace detail {

/// The numbers of a correlation with weights of any strides: the forward pass and, with the channels' roles exchanged
/// and the taps reversed, the input gradient.
struct Correlation {
    int in_height, in_width, out_height, out_width;
    int in_channels, out_channels;  ///< of one group
    int taps_height, taps_width, stride_height, stride_width, dilation_height, dilation_width, pad_top, pad_left;
    std::ptrdiff_t group_weights, out_weights, in_weights, row_weights, tap_weights, first_weight;  ///< weight strides

    /// Columns of a packed row: as many of each remainder as the last tap of the last output reaches.
    [[nodiscard]] constexpr int phase_columns() const {
        return out_width + (taps_width - 1) * dilation_width / stride_width;
    }
    [[nodiscard]] constexpr int packed_columns() const { return phase_columns() * stride_width; }
    /// True where the row as it is serves all taps, and whole vectors of N numbers.
    [[nodiscard]] constexpr bool is_plain(int S, int N) const {
        return stride_width == 1 && pad_left == 0 && phase_columns() <= in_width && out_width * S >= N;
    }
    /// Where tap q's row begins in a packed (or plain) row, in columns.
    [[nodiscard]] constexpr int tap_column(int q) const {
        int const at = q * dilation_width;
        return at % stride_width * phase_columns() + at / stride_width;
    }
    /// The input row under kernel row p of output row i; may lie outside.
    [[nodiscard]] constexpr int in_row(int i, int p) const { return i * stride_height + p * dilation_height - pad_top; }
    /// True where every kernel row of every output row lies inside.
    [[nodiscard]] constexpr bool rows_are_inside() const {
        return in_row(0, 0) >= 0 && in_row(out_height - 1, taps_height - 1) < in_height;
    }
    /// Output rows that are worked on together: several where one does not fill a block of vectors.
    [[nodiscard]] constexpr int rows_together(int S, int N) const { return out_width * S >= 4 * N ? 1 : 4; }
    /// Input rows under that many output rows.
    [[nodiscard]] constexpr int rows_under(int rows) const {
        return (rows - 1) * stride_height + (taps_height - 1) * dilation_height + 1;
    }
};

/// Copies (or adds) `count` columns of S numbers, from_step and to_step numbers apart.
template <bool Add, int S, class T>
STRATA_INLINE void move_columns(T const* from, int from_step, T* to, int to_step, int count) {
    for (int j = 0; j < count; ++j, from += from_step, to += to_step) {
        T values[S];
        std::copy_n(from, S, values);
        if constexpr (Add)
            for (int s = 0; s < S; ++s) values[s] += to[s];
        std::copy_n(values, S, to);
    }
}
template <bool Add, class T>
STRATA_ONE_COPY void move_columns(T const* from, int from_step, T* to, int to_step, int count, int S) {
    if (S == 1) return move_columns<Add, 1>(from, from_step, to, to_step, count);
    if (S == 2) return move_columns<Add, 2>(from, from_step, to, to_step, count);
    if (S == 4) return move_columns<Add, 4>(from, from_step, to, to_step, count);
    for (int s = 0; s < S; s += 8) move_columns<Add, 8>(from + s, from_step, to + s, to_step, count);
}

/// Columns [begin, end) of a phase of a packed row are columns of the image, from `column` on.
struct PackedRun {
    int begin, end, column;
    constexpr PackedRun(Correlation const& g, int phase) {
        int const columns = g.phase_columns(), stride = g.stride_width, before = g.pad_left - phase,
                  reach = g.in_width + before;
        end = reach <= 0 ? 0 : std::min(columns, (reach + stride - 1) / stride);
        begin = before <= 0 ? 0 : std::min(end, (before + stride - 1) / stride);
        column = begin * stride - before;
    }
};

/// Packs a row [W][S]: column c of the packed row is input column c / phase_columns + (c % phase_columns) stride - pad.
template <class T>
STRATA_ONE_COPY void pack_row(Correlation const& g, T const* row, T* packed, int S) {
    int const columns = g.phase_columns(), stride = g.stride_width;
    for (int phase = 0; phase < stride; ++phase, packed += columns * S) {
        PackedRun const run(g, phase);
        std::fill_n(packed, run.begin * S, T(0));
        if (stride == 1)
            std::copy_n(row + run.column * S, (run.end - run.begin) * S, packed + run.begin * S);
        else
            move_columns<false>(row + run.column * S, stride * S, packed + run.begin * S, S, run.end - run.begin, S);
        std::fill_n(packed + run.end * S, (columns - run.end) * S, T(0));
    }
}

/// Where V vectors of a block lie: offsets in the input and output of the block's first row, and how many leading
/// numbers of a vector are a neighbour's (only an addition has to know).
template <int V>
struct BlockVectors {
    int in[V], out[V], skip[V];
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
};

/// A block of `CO` output channels times `V` vectors.
template <int CO, int V, class L, class T>
STRATA_ONE_COPY void correlate_block(Correlation const& g, BlockData<T> const& d, BlockVectors<V> const& at) {
    L sum[CO][V];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) sum[u][v] = L(d.bias ? d.bias[d.channels > 1 ? u : 0] : T(0));
    }
    T const* const* row = d.rows;
    std::ptrdiff_t const out_weights = d.channels > 1 ? g.out_weights : 0;  // an idle channel repeats the first one
    int const *const first_tap = d.taps + d.first_tap, *const end_tap = d.taps + d.end_tap;
    std::ptrdiff_t const tap_weights = g.tap_weights;
    for (int c = 0; c < g.in_channels; ++c)
        for (int p = 0; p < g.taps_height; ++p, ++row) {
            if (!*row) continue;
            T const* w = d.weights + c * g.in_weights + p * g.row_weights + d.first_tap * tap_weights;
            for (int const* tap = first_tap; tap != end_tap; ++tap, w += tap_weights) {
                T const* const from = *row + *tap;
                L in[V];
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) in[v] = load_lane<L>(from + at.in[v]);
                STRATA_UNROLL
                for (int u = 0; u < CO; ++u) {
                    L const weight(w[u * out_weights]);
                    STRATA_UNROLL
                    for (int v = 0; v < V; ++v) sum[u][v] = multiply_add(weight, in[v], sum[u][v]);
                }
            }
        }
    // Through memory: a loop over registers would keep them in memory all along.
    constexpr int N = width_of<L>;
    T values[CO * V * N];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) store_lane(values + (u * V + v) * N, sum[u][v]);
    }
    STRATA_ROLLED
    for (int u = 0; u < d.channels; ++u) {
        STRATA_ROLLED
        for (int v = 0; v < V; ++v) {
            T* const to = d.y + u * d.plane + at.out[v];
            T const* const value = values + (u * V + v) * N;
            if (d.stored < N) {
                STRATA_ROLLED
                for (int k = 0; k < d.stored; ++k) to[k] = d.add ? to[k] + value[k] : value[k];
            } else if (d.add) {
                L const old = load_lane<L>(to);
                store_lane(to, select(first_lanes<L>(at.skip[v]), old, old + load_lane<L>(value)));
            } else {
                store_lane(to, load_lane<L>(value));
            }
        }
    }
}

/// Vectors of a block: what the registers hold besides six channels of accumulators.
inline constexpr int block_vectors = vector_bytes >= 64 ? 4 : 2;

/// All output channels of `V` vectors, in blocks of six, four and two.
template <int V, class L, class T>
void correlate_vectors(Correlation const& g, BlockData<T> d, BlockVectors<V> const& at) {
    for (int left = g.out_channels; left > 0;) {
        int const count = d.channels = left == 6 || left == 7 || left >= 10 ? 6 : left >= 4 ? 4 : std::min(left, 2);
        if (count == 6)
            correlate_block<6, V, L>(g, d, at);
        else if (count == 4)
            correlate_block<4, V, L>(g, d, at);
        else
            correlate_block<2, V, L>(g, d, at);
        left -= count;
        d.weights += count * g.out_weights;
        d.y += count * d.plane;
        if (d.bias) d.bias += count;
    }
}

/// Scalars of scratch memory for correlate: pointers to rows, offsets of taps, packed rows.
template <class T>
constexpr int correlation_scratch(Correlation const& g, int S) {
    constexpr int N = width_of<widest_lane<T>>;
    constexpr auto scalar = static_cast<int>(sizeof(T));
    int const together = g.rows_together(S, N);
    bool const packs = !g.is_plain(S, N) || (together > 1 && !g.rows_are_inside());
    int const rows = together > 1 ? g.rows_under(together) : g.taps_height;
    return g.in_channels * g.taps_height * static_cast<int>(sizeof(void*)) / scalar +
           (g.taps_width * static_cast<int>(sizeof(int)) + scalar - 1) / scalar +
           (packs ? g.in_channels * rows * g.packed_columns() * S + N : 0);
}

/// Items are (group, output row). The output row i of channel o begins at y + o plane + i out_row, its columns are
/// out_column apart (more than 1 only where whole vectors are samples of one column).
template <class L, class T>
STRATA_ONE_COPY void correlate(Correlation const& g, T const* x, T const* w, T const* bias, T* y, int S, T* scratch,
                               bool add, int begin, int end, std::ptrdiff_t plane, std::ptrdiff_t out_row,
                               int out_column = 1) {
    constexpr int N = width_of<L>, V = block_vectors;
    int const length = g.out_width * S, row_vectors = (length + N - 1) / N, together = g.rows_together(S, N);
    bool const packs = !g.is_plain(S, N) || (together > 1 && !g.rows_are_inside());
    std::ptrdiff_t const pitch = static_cast<std::ptrdiff_t>(packs ? g.packed_columns() : g.in_width) * S;
    int const kernel_rows = g.in_channels * g.taps_height;
    auto** const rows = reinterpret_cast<T const**>(scratch);
    int* const taps = reinterpret_cast<int*>(rows + kernel_rows);
    for (int q = 0; q < g.taps_width; ++q) taps[q] = g.tap_column(q) * S;
    T* const packed = scratch + correlation_scratch<T>(g, S) -
                      (packs ? g.in_channels * (together > 1 ? g.rows_under(together) : g.taps_height) * pitch + N : 0);

    BlockData<T> d{rows, taps, nullptr, nullptr, nullptr, plane, add, std::min(N, length)};
    for (int item = begin, count = 0; item < end; item += count) {
        int const i = item % g.out_height, group = item / g.out_height;
        count = std::min({together - i % together, end - item, g.out_height - i});
        T* pack = packed;
        for (int c = 0; c < g.in_channels; ++c) {
            T const* const image =
                x + static_cast<std::ptrdiff_t>(group * g.in_channels + c) * g.in_height * g.in_width * S;
            T const* const first = pack;
            if (packs && together > 1) {  // the rows under all output rows, zeros outside the image
                for (int r = 0; r < g.rows_under(count); ++r, pack += pitch) {
                    int const h = g.in_row(i, 0) + r;
                    if (h < 0 || h >= g.in_height)
                        std::fill_n(pack, pitch, T(0));
                    else
                        pack_row(g, image + static_cast<std::ptrdiff_t>(h) * g.in_width * S, pack, S);
                }
            }
            for (int p = 0; p < g.taps_height; ++p) {
                int const h = g.in_row(i, p);
                T const*& row = rows[c * g.taps_height + p];
                if (packs && together > 1) {
                    row = first + p * g.dilation_height * pitch;
                } else if (h < 0 || h >= g.in_height) {
                    row = nullptr;
                } else {
                    row = image + static_cast<std::ptrdiff_t>(h) * g.in_width * S;
                    if (!packs) continue;
                    pack_row(g, row, pack, S);
                    row = pack;
                    pack += pitch;
                }
            }
        }
        d.weights = w + group * g.group_weights + g.first_weight;
        d.bias = bias ? bias + group * g.out_channels : nullptr;
        d.y = y + group * g.out_channels * plane + i * out_row;

        // The vectors of the rows one after another; a row's last one is moved back to end with the row.
        int const vectors = count * row_vectors;
        auto const place = [&](int k, int& in, int& out, int& skip) {
            int const row = k / row_vectors, from = (k - row * row_vectors) * N,
                      at = std::max(0, std::min(from, length - N));
            in = row * g.stride_height * static_cast<int>(pitch) + at;
            out = row * static_cast<int>(out_row) + (out_column == 1 ? at : at / S * S * out_column + at % S);
            skip = from - at;
        };
        // Taps that see nothing but padding from columns [from, to] are left out.
        auto const reach = [&](int from, int to) {
            if (g.stride_width > 1) return;
            d.end_tap = std::clamp((g.in_width - 1 + g.pad_left - from) / g.dilation_width + 1, 0, g.taps_width);
            d.first_tap = std::clamp((g.pad_left - to + g.dilation_width - 1) / g.dilation_width, 0, d.end_tap);
        };
        d.first_tap = 0;
        d.end_tap = g.taps_width;
        int k = 0;
        for (; k + V <= vectors; k += V) {
            BlockVectors<V> at;
            for (int v = 0; v < V; ++v) place(k + v, at.in[v], at.out[v], at.skip[v]);
            if (count == 1) reach(at.in[0] / S, (at.in[V - 1] + N - 1) / S);
            correlate_vectors<V, L>(g, d, at);
        }
        for (; k < vectors; ++k) {
            BlockVectors<1> at;
            place(k, at.in[0], at.out[0], at.skip[0]);
            if (count == 1) reach(at.in[0] / S, (at.in[0] + N - 1) / S);
            correlate_vectors<1, L>(g, d, at);
        }
    }
}

// ---- weight gradient -----------------------------------------------------------------------------------------------

/// Taps of a block of the weight gradient.
inline constexpr int gradient_taps = vector_bytes >= 64 ? 6 : 3;

/// The weight gradient of CO output channels and a block of taps, over `rows` rows of `vectors` vectors: sums of
/// products of dy[u] and the taps' rows. taps[row][k] is where a tap's row begins.
template <int CO, class L, class T>
STRATA_ONE_COPY void weight_gradient_block(T const* const (&dy)[CO], std::ptrdiff_t dy_pitch, T const* const* taps,
                                           int rows, int vectors, T* const (&dw)[CO], int stored) {
    constexpr int Q = gradient_taps, N = width_of<L>;
    L total[CO][Q];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) total[u][q] = L(T(0));
    }
    for (int i = 0; i < rows; ++i, taps += Q) {
        T const *row[Q], *from[CO];
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) row[q] = taps[q];
        STRATA_UNROLL
        for (int u = 0; u < CO; ++u) from[u] = dy[u] + i * dy_pitch;
        for (std::ptrdiff_t at = 0; at < vectors * N; at += N) {
            L gradient[CO];
            STRATA_UNROLL
            for (int u = 0; u < CO; ++u) gradient[u] = load_lane<L>(from[u] + at);
            STRATA_UNROLL
            for (int q = 0; q < Q; ++q) {
                L value = load_lane<L>(row[q] + at);
                hold_in_register(value);
                STRATA_UNROLL
                for (int u = 0; u < CO; ++u) total[u][q] = multiply_add(gradient[u], value, total[u][q]);
            }
        }
    }
    T sums[CO][Q];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) sums[u][q] = sum(total[u][q]);
    }
    STRATA_ROLLED
    for (int u = 0; u < CO; ++u) {
        STRATA_ROLLED
        for (int q = 0; q < stored; ++q) dw[u][q] += sums[u][q];
    }
}

/// How the weight gradient lays out its rows: whole vectors of N numbers, zeros behind the row's end.
struct GradientLayout {
    bool packs_input, packs_gradient;
    int vectors;   ///< of a row
    int taps;      ///< of one input channel
    int channels;  ///< that a block of taps spans at most
    int pitch, rows;
    constexpr GradientLayout(Correlation const& g, int S, int N)
        : packs_gradient(g.out_width * S % N != 0),
          vectors((g.out_width * S + N - 1) / N),
          taps(g.taps_height * g.taps_width),
          channels(std::min(g.in_channels, (gradient_taps + taps - 2) / taps + 1)),
          rows(g.out_height) {
        packs_input = packs_gradient || !g.is_plain(S, N);
        // A vector that begins in a row's last number still reads numbers of ours.
        pitch = packs_input ? g.packed_columns() * S : g.in_width * S;
    }
};
/// Blocks of taps of one group.
constexpr int tap_blocks(Correlation const& g) {
    return (g.in_channels * g.taps_height * g.taps_width + gradient_taps - 1) / gradient_taps;
}

template <class T>
constexpr int weight_gradient_scratch(Correlation const& g, int S) {
    constexpr int N = width_of<widest_lane<T>>;
    GradientLayout const layout(g, S, N);
    return g.out_height * gradient_taps * static_cast<int>(sizeof(void*) / sizeof(T)) + layout.vectors * N +
           g.packed_columns() * S +  // a row of zeros
           (layout.packs_input ? layout.channels * (g.in_height * layout.pitch + N) : 0) +
           (layout.packs_gradient ? g.out_channels * g.out_height * layout.vectors * N : 0);
}

/// Items are (group, block of neighbouring taps of the input channels), so weights in PyTorch's layout.
template <class L, class T>
STRATA_ONE_COPY void weight_gradient(Correlation const& g, T const* x, T const* dy, T* dw, int S, T* scratch, int begin,
                                     int end) {
    constexpr int N = width_of<L>, Q = gradient_taps;
    GradientLayout const layout(g, S, N);
    int const blocks = tap_blocks(g), length = g.out_width * S, all_taps = g.in_channels * layout.taps;
    auto** const taps = reinterpret_cast<T const**>(scratch);
    T* const zeros = scratch + g.out_height * Q * static_cast<int>(sizeof(void*) / sizeof(T));
    int const zero_count = layout.vectors * N + g.packed_columns() * S;
    std::fill_n(zeros, zero_count, T(0));
    T* const packed = zeros + zero_count;
    // A packed channel ends in zeros: a short row's vector reads beyond it.
    int const slot = g.in_height * layout.pitch + N;
    int packed_channels[Q];
    std::fill_n(packed_channels, Q, -1);
    T* const gradients = packed + (layout.packs_input ? layout.channels * slot : 0);
    int const dy_pitch = layout.packs_gradient ? layout.vectors * N : length;

    for (int item = begin, packed_group = -1; item < end; ++item) {
        int const group = item / blocks, first = item % blocks * Q, stored = std::min(Q, all_taps - first);
        T const* const group_dy = dy + static_cast<std::ptrdiff_t>(group) * g.out_channels * g.out_height * length;
        if (layout.packs_gradient && packed_group != group) {
            for (int row = 0; row < g.out_channels * g.out_height; ++row) {
                std::copy_n(group_dy + static_cast<std::ptrdiff_t>(row) * length, length, gradients + row * dy_pitch);
                std::fill_n(gradients + row * dy_pitch + length, dy_pitch - length, T(0));
            }
            packed_group = group;
        }
        T const* channels[Q];
        for (int c = first / layout.taps; c <= (first + stored - 1) / layout.taps; ++c) {
            int const channel = group * g.in_channels + c, place = c % layout.channels;
            T const*& input = channels[place];
            input = x + static_cast<std::ptrdiff_t>(channel) * g.in_height * g.in_width * S;
            if (!layout.packs_input) continue;
            T* const to = packed + place * slot;
            if (packed_channels[place] != channel) {
                for (int row = 0; row < g.in_height; ++row)
                    pack_row(g, input + static_cast<std::ptrdiff_t>(row) * g.in_width * S, to + row * layout.pitch, S);
                std::fill_n(to + slot - N, N, T(0));
                packed_channels[place] = channel;
            }
            input = to;
        }
        for (int k = 0; k < Q; ++k) {  // idle taps repeat the first one
            int const tap = first + (k < stored ? k : 0), place = tap / layout.taps % layout.channels,
                      p = tap % layout.taps / g.taps_width, q = tap % g.taps_width;
            for (int i = 0; i < g.out_height; ++i) {
                int const h = g.in_row(i, p);
                taps[i * Q + k] =
                    h < 0 || h >= g.in_height
                        ? zeros
                        : channels[place] + static_cast<std::ptrdiff_t>(h) * layout.pitch + g.tap_column(q) * S;
            }
        }
        T const* const from = layout.packs_gradient ? gradients : group_dy;
        std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(g.out_height) * dy_pitch;
        T* const to = dw + group * g.group_weights + first;
        int o = 0;
        for (; o + 4 <= g.out_channels; o += 4) {
            T const* const source[4] = {from + o * plane, from + (o + 1) * plane, from + (o + 2) * plane,
                                        from + (o + 3) * plane};
            T* const target[4] = {to + o * g.out_weights, to + (o + 1) * g.out_weights, to + (o + 2) * g.out_weights,
                                  to + (o + 3) * g.out_weights};
            weight_gradient_block<4, L>(source, dy_pitch, taps, g.out_height, layout.vectors, target, stored);
        }
        for (; o + 2 <= g.out_channels; o += 2) {
            T const* const source[2] = {from + o * plane, from + (o + 1) * plane};
            T* const target[2] = {to + o * g.out_weights, to + (o + 1) * g.out_weights};
            weight_gradient_block<2, L>(source, dy_pitch, taps, g.out_height, layout.vectors, target, stored);
        }
        if (o < g.out_channels) {
            T unused[Q] = {};
            T const* const source[2] = {from + o * plane, from + o * plane};
            T* const target[2] = {to + o * g.out_weights, unused};
            weight_gradient_block<2, L>(source, dy_pitch, taps, g.out_height, layout.vectors, target, stored);
        }
    }
}

template <class G>
constexpr Correlation forward_correlation = {
    .in_height = G::height,
    .in_width = G::width,
    .out_height = G::out_height,
    .out_width = G::out_width,
    .in_channels = G::group_channels,
    .out_channels = G::group_out_channels,
    .taps_height = G::kernel_height,
    .taps_width = G::kernel_width,
    .stride_height = G::stride_height,
    .stride_width = G::stride_width,
    .dilation_height = G::dilation_height,
    .dilation_width = G::dilation_width,
    .pad_top = G::pad_top,
    .pad_left = G::pad_left,
    .group_weights = G::group_out_channels* G::group_channels* G::kernel_height* G::kernel_width,
    .out_weights = G::group_channels* G::kernel_height* G::kernel_width,
    .in_weights = G::kernel_height* G::kernel_width,
    .row_weights = G::kernel_width,
    .tap_weights = 1,
    .first_weight = 0};

/// dx as a correlation of dy, channels exchanged. A stride s splits the pixels of dx into phases (h + pad) mod s, each
/// of which sees every s-th tap, reversed; `row0` and `column0` are a phase's first pixel. A stride needs dilation 1.
struct BackwardPhase {
    Correlation correlation;
    int row0, column0;
};
constexpr BackwardPhase backward_phase(Correlation const& f, int phase_row, int phase_column) {
    struct Axis {
        int taps, first, count, pad;
        constexpr Axis(int phase, int kernel, int stride, int dilation, int padding, int extent)
            : taps((kernel - phase + stride - 1) / stride),
              first(((phase - padding) % stride + stride) % stride),
              count(first < extent ? (extent - first + stride - 1) / stride : 0),
              pad(dilation * (taps - 1) - (first + padding - phase) / stride) {}
    };
    Axis const h(phase_row, f.taps_height, f.stride_height, f.dilation_height, f.pad_top, f.in_height),
        w(phase_column, f.taps_width, f.stride_width, f.dilation_width, f.pad_left, f.in_width);
    return {{.in_height = f.out_height,
             .in_width = f.out_width,
             .out_height = h.count,
             .out_width = w.count,
             .in_channels = f.out_channels,
             .out_channels = f.in_channels,
             .taps_height = h.taps,
             .taps_width = w.taps,
             .stride_height = 1,
             .stride_width = 1,
             .dilation_height = f.dilation_height,
             .dilation_width = f.dilation_width,
             .pad_top = h.pad,
             .pad_left = w.pad,
             .group_weights = f.group_weights,
             .out_weights = f.in_weights,
             .in_weights = f.out_weights,
             .row_weights = -f.row_weights * f.stride_height,
             .tap_weights = -f.tap_weights * f.stride_width,
             .first_weight = (phase_row + f.stride_height * (h.taps - 1)) * f.row_weights + phase_column +
                             f.stride_width * (w.taps - 1)},
            h.first,
            w.first};
}

/// Numbers of a phase's rows that lie apart from dx before their columns are spread.
constexpr int spread_numbers(Correlation const& g, int S, int N) {
    return S % N == 0 ? 0 : g.out_channels * g.rows_together(S, N) * g.out_width * S;
}

/// Rows [begin, end) of dx of a group, phase by phase.
template <class L, class T>
void input_gradient_rows(Correlation const& f, T const* dy, T const* w, T* dx, int S, T* scratch, bool add, int group,
                         int begin, int end) {
    constexpr int N = width_of<L>;
    T const* const none = nullptr;
    std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(f.in_height) * f.in_width * S;
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.stride_height) * f.in_width * S;
    dx += group * f.in_channels * plane;
    dy += group * f.out_channels * static_cast<std::ptrdiff_t>(f.out_height) * f.out_width * S;
    w += group * f.group_weights;
    auto const rows_before = [&](int h, int row0) {  // of a phase
        return h <= row0 ? 0 : (h - row0 + f.stride_height - 1) / f.stride_height;
    };
    for (int phase_row = 0; phase_row < f.stride_height; ++phase_row)
        for (int phase_column = 0; phase_column < f.stride_width; ++phase_column) {
            auto [g, row0, column0] = backward_phase(f, phase_row, phase_column);
            int const from = rows_before(begin, row0), to = std::min(g.out_height, rows_before(end, row0));
            T* const y = dx + (row0 * f.in_width + column0) * S;
            if (g.out_width == 0 || from >= to) continue;
            if (g.taps_height <= 0 || g.taps_width <= 0) {  // no tap reaches these pixels
                for (int c = 0; !add && c < f.in_channels; ++c)
                    for (int i = from; i < to; ++i)
                        for (int column = 0; column < g.out_width; ++column)
                            std::fill_n(y + c * plane + i * row + column * f.stride_width * S, S, T(0));
            } else if (S % N == 0) {
                correlate<L>(g, dy, w, none, y, S, scratch, add, from, to, plane, row, f.stride_width);
            } else {  // columns of small tiles are no vectors: rows are made apart, then spread
                int const length = g.out_width * S, together = g.rows_together(S, N), top = g.pad_top;
                for (int i = from, count = 0; i < to; i += count) {
                    count = std::min(together, to - i);
                    g.pad_top = top - i;
                    g.out_height = count;
                    T* const apart = scratch + correlation_scratch<T>(g, S);
                    correlate<L>(g, dy, w, none, apart, S, scratch, false, 0, count, count * length, length);
                    for (int c = 0; c < g.out_channels; ++c)
                        for (int r = 0; r < count; ++r)
                            (add ? move_columns<true, T> : move_columns<false, T>)(apart + (c * count + r) * length, S,
                                                                                   y + c * plane + (i + r) * row,
                                                                                   f.stride_width * S, g.out_width, S);
                }
            }
        }
}
template <class T>
constexpr int input_gradient_scratch(Correlation const& f, int S) {
    int most = 0;
    bool const strided = f.stride_height > 1 || f.stride_width > 1;
    for (int row = 0; row < f.stride_height; ++row)
        for (int column = 0; column < f.stride_width; ++column) {
            Correlation const g = backward_phase(f, row, column).correlation;
            most = std::max(
                most, correlation_scratch<T>(g, S) + (strided ? spread_numbers(g, S, width_of<widest_lane<T>>) : 0));
        }
    return most;
}

// Concepts, so that a kernel of fewer geometries is more specialised.
/// The input gradient is a correlation, or one for each phase of the stride.
template <class G>
concept PhasedGeometry = (G::stride_height == 1 && G::stride_width == 1) ||
                         (G::dilation_height == 1 && G::dilation_width == 1);

}  // namespace detail

template <class G, class Scheme, class Precision>
struct DirectForward {
    using T = typename Precision::compute;
    static constexpr Items items{G::groups * G::out_height};
    static constexpr int scratch(int S) { return detail::correlation_scratch<T>(detail::forward_correlation<G>, S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const bias =
            G::bias ? a.parameters + Convolution<G, Scheme>::Parameters::size - G::out_channels : nullptr;
        detail::correlate<widest_lane<T>>(detail::forward_correlation<G>, a.x, a.parameters, bias, a.y, a.stride,
                                          a.scratch, false, begin, end, G::out_height * G::out_width * a.stride,
                                          G::out_width * a.stride);
    }
};

template <class G, class Scheme, class Precision>
struct DirectInputGradient {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int S) { return detail::input_gradient_scratch<T>(detail::forward_correlation<G>, S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr auto const& f = detail::forward_correlation<G>;
        bool const add = a.write == GradientWrite::add;
        if constexpr (G::stride_height == 1 && G::stride_width == 1) {
            static constexpr detail::Correlation g = detail::backward_phase(f, 0, 0).correlation;
            T const* const none = nullptr;
            detail::correlate<L>(g, a.dy, a.parameters, none, a.dx, a.stride, a.scratch, add, begin, end,
                                 G::height * G::width * a.stride, G::width * a.stride);
        } else {
            for (int item = begin, count = 0; item < end; item += count) {
                int const group = item / G::height, h = item % G::height;
                count = std::min(G::height - h, end - item);
                detail::input_gradient_rows<L>(f, a.dy, a.parameters, a.dx, a.stride, a.scratch, add, group, h,
                                               h + count);
            }
        }
    }
};

template <class G, class Scheme, class Precision>
struct DirectParameterGradient {
    using T = typename Precision::compute;
    static constexpr int blocks = G::groups * detail::tap_blocks(detail::forward_correlation<G>);
    static constexpr Items items{blocks + 1};  // the last one is the bias
    static constexpr int scratch(int S) {
        return detail::weight_gradient_scratch<T>(detail::forward_correlation<G>, S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::weight_gradient<widest_lane<T>>(detail::forward_correlation<G>, a.x, a.dy, a.gradient, a.stride,
                                                a.scratch, begin, std::min(end, blocks));
        if (G::bias && begin < end && end == items.count) add_bias(a);
    }
    static void add_bias(KernelData<Precision> const& a) {
        detail::bias_gradient<widest_lane<T>>(a.dy,
                                              a.gradient + Convolution<G, Scheme>::Parameters::size - G::out_channels,
                                              G::out_channels, G::out_height * G::out_width * a.stride);
    }
};

template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct ForwardKernel<Convolution<G, Scheme>, Precision> : DirectForward<G, Scheme, Precision> {
};
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&&
             detail::PhasedGeometry<G>) struct InputGradientKernel<Convolution<G, Scheme>, Precision>
    : DirectInputGradient<G, Scheme, Precision> {
};
template <class G, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct ParameterGradientKernel<Convolution<G, Scheme>, Precision> : DirectParameterGradient<G, Scheme, Precision> {
};

}  // namespace strata
