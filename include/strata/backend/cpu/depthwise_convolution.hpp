// Depthwise convolution on the CPU (Groups = channels): each output channel sees one input channel, so registers hold
// several output rows instead of several channels, and a vector of input serves all rows it lies under.
//
// Tiles of whole vectors read the image as it is: the columns whose window is inside run in blocks, those at the border
// alone with fewer taps. Smaller tiles pack rows as the direct convolution does, a band of rows at a time. The geometry
// is a run-time value; kernels of height 3 and 5 with stride 1 have blocks of their own. Each output's sum runs over
// (channel, p, q) in order, wherever it stands.
#pragma once

#include "direct_convolution.hpp"

namespace strata {

namespace detail {

/// Output rows and vectors of a block: 16 accumulators, 9 weights and 4 operands of 32 registers, or 8 of 16 registers.
inline constexpr int depthwise_rows = vector_bytes >= 64 ? 4 : 2, depthwise_vectors = 4;

/// Height and width of the kernel where it has blocks of its own, else 0.
constexpr int depthwise_square(Correlation const& g) {
    bool const neighbours = g.stride_height == 1 && g.stride_width == 1 && g.dilation_height == 1 &&
                            g.dilation_width == 1 && g.in_channels == 1;
    return neighbours && g.taps_height == g.taps_width && (g.taps_height == 3 || g.taps_height == 5) ? g.taps_height
                                                                                                     : 0;
}
constexpr int depthwise_block_rows(Correlation const& g) { return depthwise_square(g) > 0 ? depthwise_rows : 1; }
/// Input rows that a block of output rows needs, of one channel.
constexpr int depthwise_source_rows(Correlation const& g) { return g.taps_height + depthwise_block_rows(g) - 1; }

/// A tap inside the image.
template <class T>
struct DepthwiseTap {
    T const* from;  ///< of the first output column
    T weight;
    int column;  ///< in the kernel
};
/// What a block of rows reads and writes.
template <class T>
struct DepthwiseData {
    T const* const* rows;      ///< [row] input rows of a square kernel's block, null outside the image
    std::ptrdiff_t left, tap;  ///< where the first tap lies in a row, and how far the next one is from it
    T const* weights;
    DepthwiseTap<T> const *taps, *end_taps;  ///< of any other kernel
    T bias;
    T* y;
    std::ptrdiff_t out_row;
    int in_step, out_step;     ///< scalars between a block's vectors, N where the kernel is square
    bool add;                  ///< to y
    int count;                 ///< rows that are stored
    int first_tap, end_tap;    ///< taps of a row that reach the image (V = 1; else all do)
    int skip = 0, stored = 0;  ///< numbers [skip, stored) of a vector are stored (V = 1; else all are)
};

/// Stores a block's sums.
template <int R, int V, class L, class T>
STRATA_INLINE void depthwise_store(DepthwiseData<T> const& d, L const (&sum)[R][V], std::ptrdiff_t out, int out_step) {
    constexpr int N = width_of<L>;
    if (V == 1 && d.stored - d.skip < N) {
        T values[R * N];
        STRATA_UNROLL
        for (int r = 0; r < R; ++r) store_lane(values + r * N, sum[r][0]);
        STRATA_ROLLED
        for (int r = 0; r < d.count; ++r) {
            T* const to = d.y + r * d.out_row + out;
            STRATA_ROLLED
            for (int k = d.skip; k < d.stored; ++k) to[k] = d.add ? to[k] + values[r * N + k] : values[r * N + k];
        }
        return;
    }
    STRATA_UNROLL
    for (int r = 0; r < R; ++r) {
        if (r >= d.count) continue;
        T* const to = d.y + r * d.out_row + out;
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) {
            T* const at = to + v * out_step;
            store_lane(at, d.add ? load_lane<L>(at) + sum[r][v] : sum[r][v]);
        }
    }
}

/// An output row of any kernel: `groups` groups of `V` vectors, from `in` of the input rows and `out` of y on.
template <int V, class L, class T>
STRATA_ONE_COPY void depthwise_row(DepthwiseData<T> const& d, std::ptrdiff_t in, std::ptrdiff_t out, int groups) {
    std::ptrdiff_t const in_step = d.in_step, out_step = d.out_step;
    for (int n = 0; n < groups; ++n, in += V * in_step, out += V * out_step) {
        L sum[1][V];
        STRATA_UNROLL
        for (int v = 0; v < V; ++v) sum[0][v] = L(d.bias);
        for (auto const* tap = d.taps; tap != d.end_taps; ++tap) {
            if (V == 1 && (tap->column < d.first_tap || tap->column >= d.end_tap)) continue;
            L const weight(tap->weight);
            T const* const x = tap->from + in;
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[0][v] = multiply_add(weight, load_lane<L>(x + v * in_step), sum[0][v]);
        }
        depthwise_store(d, sum, out, d.out_step);
    }
}

/// `R` output rows of a KxK kernel: `groups` groups of `V` vectors, from `in` of the input rows and `out` of y on.
template <int K, int R, int V, class L, class T>
STRATA_ONE_COPY void depthwise_block(Correlation const& g, DepthwiseData<T> const& d, std::ptrdiff_t in,
                                     std::ptrdiff_t out, int groups) {
    constexpr int N = width_of<L>;
    L weight[K][K];
    STRATA_UNROLL
    for (int p = 0; p < K; ++p) {
        STRATA_UNROLL
        for (int q = 0; q < K; ++q) weight[p][q] = L(d.weights[p * g.row_weights + q * g.tap_weights]);
    }
    std::ptrdiff_t const tap = d.tap;
    in += d.left;
    for (int n = 0; n < groups; ++n, in += V * N, out += V * N) {
        L sum[R][V];
        STRATA_UNROLL
        for (int r = 0; r < R; ++r) {
            STRATA_UNROLL
            for (int v = 0; v < V; ++v) sum[r][v] = L(d.bias);
        }
        STRATA_UNROLL
        for (int t = 0; t < K + R - 1; ++t) {
            if (!d.rows[t]) continue;
            T const* const from = d.rows[t] + in;
            STRATA_UNROLL
            for (int q = 0; q < K; ++q) {
                if (V == 1 && (q < d.first_tap || q >= d.end_tap)) continue;
                L x[V];
                STRATA_UNROLL
                for (int v = 0; v < V; ++v) x[v] = load_lane<L>(from + q * tap + v * N);
                STRATA_UNROLL
                for (int r = 0; r < R; ++r) {
                    if (r > t || t - r >= K) continue;
                    STRATA_UNROLL
                    for (int v = 0; v < V; ++v) sum[r][v] = multiply_add(weight[t - r][q], x[v], sum[r][v]);
                }
            }
        }
        depthwise_store(d, sum, out, N);
    }
}

/// `groups` groups of V vectors of a block's rows.
template <int V, class L, class T>
void depthwise_groups(Correlation const& g, DepthwiseData<T> const& d, std::ptrdiff_t in, std::ptrdiff_t out,
                      int groups) {
    if (int const square = depthwise_square(g); square == 3)
        depthwise_block<3, depthwise_rows, V, L>(g, d, in, out, groups);
    else if (square == 5)
        depthwise_block<5, depthwise_rows, V, L>(g, d, in, out, groups);
    else
        depthwise_row<V, L>(d, in, out, groups);
}

/// Output columns [begin, end) that see all taps of a row.
struct ColumnRange {
    int begin, end;
    constexpr explicit ColumnRange(Correlation const& g) {
        int const last = g.in_width - 1 + g.pad_left - (g.taps_width - 1) * g.dilation_width;
        begin = std::clamp((g.pad_left + g.stride_width - 1) / g.stride_width, 0, g.out_width);
        end = last < 0 ? begin : std::clamp(last / g.stride_width + 1, begin, g.out_width);
    }
    /// The taps [first, stop) that column j sees.
    static constexpr void reach(Correlation const& g, int j, int& first, int& stop) {
        int const left = g.pad_left - j * g.stride_width, right = g.in_width - 1 + left;
        first = left <= 0 ? 0 : (left + g.dilation_width - 1) / g.dilation_width;
        stop = right < 0 ? 0 : std::min(g.taps_width, right / g.dilation_width + 1);
    }
};

/// Output rows of a packed band: as many as keep it in half of a first-level cache, whole blocks of them.
template <class T>
constexpr int depthwise_band(Correlation const& g, int S) {
    int const row = g.packed_columns() * S * g.in_channels * g.stride_height * static_cast<int>(sizeof(T));
    int const block = depthwise_rows, most = (g.out_height + block - 1) / block * block;
    return std::min(std::max(16384 / std::max(row, 1) / block, 1) * block, most);
}

/// Scalars of whole vectors that hold so many bytes: what follows is aligned as what goes before.
template <class T>
constexpr int whole_vectors(int bytes) {
    constexpr int N = width_of<widest_lane<T>>, vector = N * static_cast<int>(sizeof(T));
    return (bytes + vector - 1) / vector * N;
}

/// Copies `count` numbers; shorter than a call for the rows of small tiles.
template <class L, class T>
STRATA_INLINE void copy_numbers(T const* from, int count, T* to) {
    constexpr int N = width_of<L>;
    int k = 0;
    for (; k + N <= count; k += N) store_lane(to + k, load_lane<L>(from + k));
    if (k < count && count >= N) return store_lane(to + count - N, load_lane<L>(from + count - N));
    STRATA_ROLLED
    for (; k < count; ++k) to[k] = from[k];
}

/// Input rows under a band of output rows, packed one after another, zeros outside the image. The zeros of a band serve
/// the bands of other channels at the same height.
template <class L, class T>
struct PackedBand {
    T* rows;
    int first = -1, held = 0;

    STRATA_ONE_COPY void pack(Correlation const& g, T const* x, int S, int band_first, int band_held) {
        int const under = g.rows_under(band_held), columns = g.phase_columns(), stride = g.stride_width;
        std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S;
        if (first != band_first || held != band_held)
            std::fill_n(rows, static_cast<std::ptrdiff_t>(g.in_channels) * under * columns * stride * S + width_of<L>,
                        T(0));
        first = band_first;
        held = band_held;
        T* to = rows;
        for (int c = 0; c < g.in_channels; ++c, x += g.in_height * in_row)
            for (int r = 0, h = g.in_row(first, 0); r < under; ++r, ++h, to += columns * stride * S) {
                if (h < 0 || h >= g.in_height) continue;
                for (int phase = 0; phase < stride; ++phase) {
                    PackedRun const run(g, phase);
                    T const* const from = x + h * in_row + static_cast<std::ptrdiff_t>(run.column) * S;
                    T* const place = to + (phase * columns + run.begin) * S;
                    if (stride == 1)
                        copy_numbers<L>(from, (run.end - run.begin) * S, place);
                    else
                        move_columns<false>(from, stride * S, place, S, run.end - run.begin, S);
                }
            }
    }
    /// Numbers that it needs: a short row's vector reads beyond the last one.
    static constexpr int size(Correlation const& g, int S, int band) {
        return g.in_channels * g.rows_under(band) * g.packed_columns() * S + width_of<L>;
    }
};

/// Where the channels of a run lie: channel k reads the plane k / readers of x.
template <class T>
struct DepthwisePlanes {
    T const* x;
    std::ptrdiff_t x_plane;
    int readers;
    T const* weights;
    std::ptrdiff_t channel_weights;
    T const* bias;
    T* y;
    std::ptrdiff_t y_plane, out_row;
    int out_column;  ///< columns between neighbouring outputs
};

/// The scratch memory of depthwise_correlate, in scalars: pointers to rows, taps, a packed band and its output.
template <class T>
struct DepthwiseScratch {
    using L = widest_lane<T>;
    int band, rows, taps, packed, spread;
    constexpr DepthwiseScratch(Correlation const& g, int S)
        : band(depthwise_band<T>(g, S)),
          rows(whole_vectors<T>(depthwise_source_rows(g) * static_cast<int>(sizeof(void*)))),
          taps(whole_vectors<T>(g.in_channels * g.taps_height * g.taps_width *
                                static_cast<int>(sizeof(DepthwiseTap<T>)))),
          packed(0),
          spread(0) {
        if (S % width_of<L> == 0) {
            band = g.out_height;
        } else {
            packed = PackedBand<L, T>::size(g, S, band);
            spread = band * g.out_width * S;
        }
    }
    [[nodiscard]] constexpr int size() const { return rows + taps + packed + spread; }
};

/// Output rows [begin, end) of channels [channel, end_channel).
template <class L, class T>
STRATA_ONE_COPY void depthwise_correlate(Correlation const& g, DepthwisePlanes<T> const& planes, int S, T* scratch,
                                         bool add, int channel, int end_channel, int begin, int end) {
    constexpr int N = width_of<L>, V = depthwise_vectors;
    int const block_rows = depthwise_block_rows(g), sources = depthwise_source_rows(g);
    bool const packs = S % N != 0, apart = packs && planes.out_column > 1;  // columns are spread when a band is done
    std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S, in_plane = in_row * g.in_height,
                         pitch = static_cast<std::ptrdiff_t>(g.packed_columns()) * S;
    DepthwiseScratch<T> const layout(g, S);
    int const length = g.out_width * S, band = layout.band, square = depthwise_square(g);
    auto** const rows = reinterpret_cast<T const**>(scratch);
    auto* const taps = reinterpret_cast<DepthwiseTap<T>*>(scratch + layout.rows);
    PackedBand<L, T> packed{scratch + layout.rows + layout.taps};
    T* const spread = packed.rows + layout.packed;

    // Neighbouring columns are one run of vectors, also where a column is several.
    bool const run = packs || (g.stride_width == 1 && planes.out_column == 1);
    DepthwiseData<T> d{.rows = rows,
                       .left = packs ? 0 : -static_cast<std::ptrdiff_t>(g.pad_left) * S,
                       .tap = S,
                       .weights = nullptr,
                       .taps = taps,
                       .end_taps = taps,
                       .bias = T(0),
                       .y = nullptr,
                       .out_row = apart ? length : planes.out_row,
                       .in_step = run ? N : g.stride_width * S,
                       .out_step = run ? N : planes.out_column * S,
                       .add = add && !apart,
                       .count = 0,
                       .first_tap = 0,
                       .end_tap = g.taps_width,
                       .skip = 0,
                       .stored = N};
    ColumnRange const full(g);
    auto const border = [&](int from, int to) {
        for (int j = from; j < to; ++j) {
            ColumnRange::reach(g, j, d.first_tap, d.end_tap);
            for (int part = 0; part < S; part += N)
                depthwise_groups<1, L>(g, d, j * g.stride_width * S + part, j * planes.out_column * S + part, 1);
        }
        d.first_tap = 0;
        d.end_tap = g.taps_width;
    };

    for (int k = channel; k < end_channel; ++k) {
        T const* const x = planes.x + k / planes.readers * planes.x_plane;
        T* const y = planes.y + k * planes.y_plane;
        d.weights = planes.weights + k * planes.channel_weights;
        d.bias = planes.bias ? planes.bias[k] : T(0);
        for (int first = begin, held = 0; first < end; first += held) {
            held = std::min(band - first % band, end - first);
            if (packs) packed.pack(g, x, S, first, held);
            int const under = g.rows_under(held);
            for (int i = 0; i < held; i += d.count) {
                d.count = std::min(block_rows - (first + i) % block_rows, held - i);
                auto const source = [&](int c, int r) -> T const* {  // input row r of the band
                    if (packs) return r < under ? packed.rows + (c * under + r) * pitch : nullptr;
                    int const h = g.in_row(first, 0) + r;
                    return h < 0 || h >= g.in_height ? nullptr : x + c * in_plane + h * in_row;
                };
                if (square > 0) {
                    for (int t = 0; t < sources; ++t) rows[t] = source(0, i + t);
                } else {
                    auto* tap = taps;
                    for (int c = 0; c < g.in_channels; ++c)
                        for (int p = 0; p < g.taps_height; ++p) {
                            T const* const row = source(c, i * g.stride_height + p * g.dilation_height);
                            if (!row) continue;
                            T const* const w = d.weights + c * g.in_weights + p * g.row_weights;
                            for (int q = 0; q < g.taps_width; ++q)
                                *tap++ = {row + (packs ? g.tap_column(q) : q * g.dilation_width - g.pad_left) * S,
                                          w[q * g.tap_weights], q};
                        }
                    d.end_taps = tap;
                }
                d.y = apart ? spread + i * length : y + (first + i) * planes.out_row;
                if (packs) {
                    int const groups = length / (V * N), at = groups * V * N, whole = length / N * N;
                    depthwise_groups<V, L>(g, d, 0, 0, groups);
                    depthwise_groups<1, L>(g, d, at, at, (whole - at) / N);
                    if (whole < length) {  // a row's last vector ends with the row
                        int const back = std::max(0, length - N);
                        d.skip = d.add ? whole - back : 0;
                        d.stored = std::min(N, length);
                        depthwise_groups<1, L>(g, d, back, back, 1);
                        d.skip = 0;
                        d.stored = N;
                    }
                } else {
                    border(0, full.begin);
                    int const vectors = (full.end - full.begin) * (run ? S / N : 1), groups = vectors / V;
                    for (int part = 0; part < (run ? N : S); part += N) {
                        int const in = full.begin * g.stride_width * S + part,
                                  out = full.begin * planes.out_column * S + part;
                        depthwise_groups<V, L>(g, d, in, out, groups);
                        depthwise_groups<1, L>(g, d, in + groups * V * d.in_step, out + groups * V * d.out_step,
                                               vectors - groups * V);
                    }
                    border(full.end, g.out_width);
                }
            }
            if (apart)
                for (int i = 0; i < held; ++i)
                    (add ? move_columns<true, T> : move_columns<false, T>)(spread + i * length, S,
                                                                           y + (first + i) * planes.out_row,
                                                                           planes.out_column * S, g.out_width, S);
        }
    }
}

/// Calls f(channel, end_channel, begin, end) for the rectangles that items [from, to) are: items are (channel, row).
template <class F>
void depthwise_rectangles(int from, int to, int height, F const& f) {
    while (from < to) {
        int const channel = from / height, row = from % height;
        int const channels = row == 0 ? std::max(1, (to - from) / height) : 1;
        int const end = std::min(row + to - from, height);
        f(channel, channel + channels, row, end);
        from = channels > 1 ? (channel + channels) * height : channel * height + end;
    }
}

/// Rows [begin, end) of the dx of channels [channel, end_channel), phase by phase. `planes` has dy, the weights and dx.
template <class L, class T>
void depthwise_input_gradient(Correlation const& f, DepthwisePlanes<T> planes, int S, T* scratch, bool add, int channel,
                              int end_channel, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(f.in_width) * S;
    auto const [w, dx] = std::pair(planes.weights, planes.y);
    planes.out_row = f.stride_height * row;
    planes.out_column = f.stride_width;
    for (int phase_row = 0; phase_row < f.stride_height; ++phase_row)
        for (int phase_column = 0; phase_column < f.stride_width; ++phase_column) {
            auto const [g, row0, column0] = backward_phase(f, phase_row, phase_column);
            int const from = std::max(0, begin - row0 + f.stride_height - 1) / f.stride_height,
                      to = std::min(g.out_height, std::max(0, end - row0 + f.stride_height - 1) / f.stride_height);
            planes.weights = w + g.first_weight;
            planes.y = dx + row0 * row + column0 * S;
            if (g.taps_height > 0 && g.taps_width > 0) {
                depthwise_correlate<L>(g, planes, S, scratch, add, channel, end_channel, from, to);
            } else if (!add) {  // no tap reaches these pixels
                for (int c = channel; c < end_channel; ++c)
                    for (int i = from; i < to; ++i)
                        for (int j = 0; j < g.out_width; ++j)
                            std::fill_n(planes.y + c * planes.y_plane + i * planes.out_row + j * f.stride_width * S, S,
                                        T(0));
            }
        }
}
template <class T>
constexpr int depthwise_gradient_scratch(Correlation const& f, int S) {
    int most = 0;
    for (int row = 0; row < f.stride_height; ++row)
        for (int column = 0; column < f.stride_width; ++column)
            most = std::max(most, DepthwiseScratch<T>(backward_phase(f, row, column).correlation, S).size());
    return most;
}

// ---- weight gradient -----------------------------------------------------------------------------------------------

/// Taps of a block of the weight gradient: 3x3 at once.
inline constexpr int depthwise_taps = 9;

/// What a block of taps reads: rows of dy, and for each of them the input rows under the kernel's rows.
template <class T>
struct DepthwiseTaps {
    T const* dy;
    std::ptrdiff_t dy_pitch;
    int count, length;     ///< rows of dy, and their numbers
    T const* const* rows;  ///< [row of dy][kernel row], a row of zeros where outside the image
    int row[depthwise_taps], column[depthwise_taps], offset[depthwise_taps];  ///< of the taps; offset is column's
    int begin, end;  ///< numbers of a row that all taps see; others are looked up in `columns`
};

/// Adds to lanes[k] the products of dy with tap k's rows, and to `total` the numbers of dy.
template <class L, class T>
STRATA_ONE_COPY void depthwise_tap_sums(Correlation const& g, DepthwiseTaps<T> const& d, int S, bool packed, T* lanes,
                                        T* total) {
    constexpr int N = width_of<L>, Q = depthwise_taps;
    L sums[Q], bias = load_lane<L>(total);
    STRATA_UNROLL
    for (int k = 0; k < Q; ++k) sums[k] = load_lane<L>(lanes + k * N);
    // Columns of a strided image that is not packed are apart.
    int const apart = packed ? 0 : (g.stride_width - 1) * S;
    for (int i = 0; i < d.count; ++i) {
        T const* const dy = d.dy + i * d.dy_pitch;
        T const* tap[Q];
        STRATA_UNROLL
        for (int k = 0; k < Q; ++k) tap[k] = d.rows[i * g.taps_height + d.row[k]] + d.offset[k];
        std::ptrdiff_t in = 0, at = 0;
        auto const skip = [&] { in += (at += N) % S == 0 ? N + apart : N; };
        while (at < d.length) {
            if (at >= d.begin && at < d.end) {
                if (apart == 0) {
                    for (; at < d.end; at += N) {
                        L const gradient = load_lane<L>(dy + at);
                        bias = bias + gradient;
                        STRATA_UNROLL
                        for (int k = 0; k < Q; ++k)
                            sums[k] = multiply_add(gradient, load_lane<L>(tap[k] + at), sums[k]);
                    }
                    in = at;
                } else {
                    for (; at < d.end; skip()) {
                        L const gradient = load_lane<L>(dy + at);
                        bias = bias + gradient;
                        STRATA_UNROLL
                        for (int k = 0; k < Q; ++k)
                            sums[k] = multiply_add(gradient, load_lane<L>(tap[k] + in), sums[k]);
                    }
                }
            } else {
                int first, stop;
                ColumnRange::reach(g, static_cast<int>(at) / S, first, stop);
                L const gradient = load_lane<L>(dy + at);
                bias = bias + gradient;
                STRATA_UNROLL
                for (int k = 0; k < Q; ++k)
                    if (d.column[k] >= first && d.column[k] < stop)
                        sums[k] = multiply_add(gradient, load_lane<L>(tap[k] + in), sums[k]);
                skip();
            }
        }
    }
    STRATA_UNROLL
    for (int k = 0; k < Q; ++k) store_lane(lanes + k * N, sums[k]);
    store_lane(total, bias);
}

/// The scratch memory of the weight gradient, in scalars.
template <class T>
struct DepthwiseLayout {
    static constexpr int N = width_of<widest_lane<T>>;
    bool packs, packs_gradient;
    int vectors, band, blocks, rows, lanes, zeros, input, gradient;
    constexpr DepthwiseLayout(Correlation const& g, int S)
        : packs(S % N != 0),
          packs_gradient(g.out_width * S % N != 0),
          vectors((g.out_width * S + N - 1) / N),
          band(packs ? std::min(depthwise_band<T>(g, S), g.out_height) : g.out_height),
          blocks((g.taps_height * g.taps_width + depthwise_taps - 1) / depthwise_taps),
          rows(whole_vectors<T>(band * g.taps_height * static_cast<int>(sizeof(void*)))),
          lanes((blocks * depthwise_taps + 2) * N),
          zeros(packs ? 0 : g.in_width * S),
          input(packs ? PackedBand<widest_lane<T>, T>::size(g, S, band) : 0),
          gradient(packs_gradient ? band * vectors * N : 0) {}
    [[nodiscard]] constexpr int size() const { return rows + lanes + zeros + input + gradient; }
};

/// dw [taps] and, where there is one, dbias of output channels [channel, end_channel); `planes` has x and dy (as y).
template <class L, class T>
STRATA_ONE_COPY void depthwise_weight_gradient(Correlation const& g, DepthwisePlanes<T const> const& planes, T* dw,
                                               T* dbias, int S, T* scratch, int channel, int end_channel) {
    constexpr int N = width_of<L>, Q = depthwise_taps;
    DepthwiseLayout<T> const layout(g, S);
    int const length = g.out_width * S, tap_count = g.taps_height * g.taps_width;
    std::ptrdiff_t const in_row = static_cast<std::ptrdiff_t>(g.in_width) * S,
                         pitch = static_cast<std::ptrdiff_t>(g.packed_columns()) * S;
    auto** const rows = reinterpret_cast<T const**>(scratch);
    T *const lanes = scratch + layout.rows, *const zeros = lanes + layout.lanes,
             *const gradients = zeros + layout.zeros + layout.input;
    PackedBand<L, T> packed{zeros + layout.zeros};
    std::fill_n(zeros, layout.zeros, T(0));
    std::fill_n(gradients, layout.gradient, T(0));
    T *const total = lanes + layout.blocks * Q * N, *const unused = total + N;
    ColumnRange const full(g);
    DepthwiseTaps<T> d{};
    d.rows = rows;
    d.dy_pitch = d.length = layout.packs_gradient ? layout.vectors * N : length;
    d.begin = layout.packs ? 0 : full.begin * S;
    d.end = layout.packs ? d.length : full.end * S;
    for (int o = channel; o < end_channel; ++o) {
        T const* const x = planes.x + o / planes.readers * planes.x_plane;
        T const* const dy = planes.y + o * planes.y_plane;
        std::fill_n(lanes, layout.lanes, T(0));
        for (int first = 0; first < g.out_height; first += d.count) {
            d.count = std::min(layout.band, g.out_height - first);
            if (layout.packs) packed.pack(g, x, S, first, d.count);
            for (int i = 0; i < d.count; ++i)
                for (int p = 0; p < g.taps_height; ++p) {
                    int const h = g.in_row(first + i, p);
                    rows[i * g.taps_height + p] = layout.packs ? packed.rows + (h - g.in_row(first, 0)) * pitch
                                                  : h < 0 || h >= g.in_height ? zeros
                                                                              : x + h * in_row;
                }
            d.dy = dy + static_cast<std::ptrdiff_t>(first) * length;
            if (layout.packs_gradient) {  // zeros behind a row's end
                for (int i = 0; i < d.count; ++i)
                    copy_numbers<L>(d.dy + static_cast<std::ptrdiff_t>(i) * length, length, gradients + i * d.dy_pitch);
                d.dy = gradients;
            }
            for (int block = 0; block < layout.blocks; ++block) {
                for (int k = 0; k < Q; ++k) {  // idle taps repeat the last one
                    int const tap = std::min(block * Q + k, tap_count - 1);
                    d.row[k] = tap / g.taps_width;
                    d.column[k] = tap % g.taps_width;
                    d.offset[k] =
                        (layout.packs ? g.tap_column(d.column[k]) : d.column[k] * g.dilation_width - g.pad_left) * S;
                }
                depthwise_tap_sums<L>(g, d, S, layout.packs, lanes + block * Q * N, block == 0 ? total : unused);
            }
        }
        for (int tap = 0; tap < tap_count; ++tap) dw[o * tap_count + tap] += sum(load_lane<L>(lanes + tap * N));
        if (dbias) dbias[o] += sum(load_lane<L>(total));
    }
}

/// One input channel a group, and few output channels: more of them fill a block of the direct convolution.
template <class G>
concept DepthwiseGeometry = G::group_channels == 1 && G::group_out_channels <= 3;

}  // namespace detail

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&&
             detail::DepthwiseGeometry<G>) struct ForwardKernel<Convolution<G, Scheme>, Precision> {
    using T = typename Precision::compute;
    static constexpr detail::Correlation const& g = detail::forward_correlation<G>;
    static constexpr Items items{G::out_channels * G::out_height};
    static constexpr int scratch(int S) { return detail::DepthwiseScratch<T>(g, S).size(); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::DepthwisePlanes<T> const planes{
            .x = a.x,
            .x_plane = std::ptrdiff_t{G::height * G::width} * a.stride,
            .readers = G::group_out_channels,
            .weights = a.parameters,
            .channel_weights = g.out_weights,
            .bias = G::bias ? a.parameters + G::out_channels * g.out_weights : nullptr,
            .y = a.y,
            .y_plane = std::ptrdiff_t{G::out_height * G::out_width} * a.stride,
            .out_row = G::out_width * a.stride,
            .out_column = 1};
        detail::depthwise_rectangles(begin, end, G::out_height, [&](int channel, int end_channel, int from, int to) {
            detail::depthwise_correlate<widest_lane<T>>(g, planes, a.stride, a.scratch, false, channel, end_channel,
                                                        from, to);
        });
    }
};

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&& detail::PhasedGeometry<G>&&
             detail::DepthwiseGeometry<G>) struct InputGradientKernel<Convolution<G, Scheme>, Precision> {
    using T = typename Precision::compute;
    static constexpr detail::Correlation const& g = detail::forward_correlation<G>;
    static constexpr Items items{G::channels * G::height};
    static constexpr int scratch(int S) { return detail::depthwise_gradient_scratch<T>(g, S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::DepthwisePlanes<T> const planes{
            .x = a.dy,
            .x_plane = std::ptrdiff_t{G::group_out_channels * G::out_height * G::out_width} * a.stride,
            .readers = 1,
            .weights = a.parameters,
            .channel_weights = g.group_weights,
            .bias = nullptr,
            .y = a.dx,
            .y_plane = std::ptrdiff_t{G::height * G::width} * a.stride,
            .out_row = G::width * a.stride,
            .out_column = 1};
        detail::depthwise_rectangles(begin, end, G::height, [&](int channel, int end_channel, int from, int to) {
            detail::depthwise_input_gradient<widest_lane<T>>(
                g, planes, a.stride, a.scratch, a.write == GradientWrite::add, channel, end_channel, from, to);
        });
    }
};

template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision>&&
             detail::DepthwiseGeometry<G>) struct ParameterGradientKernel<Convolution<G, Scheme>, Precision> {
    using T = typename Precision::compute;
    static constexpr detail::Correlation const& g = detail::forward_correlation<G>;
    static constexpr Items items{G::out_channels};  // weights and bias of a channel
    static constexpr int scratch(int S) { return detail::DepthwiseLayout<T>(g, S).size(); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::DepthwisePlanes<T const> const planes{
            .x = a.x,
            .x_plane = std::ptrdiff_t{G::height * G::width} * a.stride,
            .readers = G::group_out_channels,
            .weights = nullptr,
            .channel_weights = 0,
            .bias = nullptr,
            .y = a.dy,
            .y_plane = std::ptrdiff_t{G::out_height * G::out_width} * a.stride,
            .out_row = 0,
            .out_column = 1};
        detail::depthwise_weight_gradient<widest_lane<T>>(
            g, planes, a.gradient, G::bias ? a.gradient + G::out_channels * g.out_weights : nullptr, a.stride,
            a.scratch, begin, end);
    }
};

}  // namespace strata
