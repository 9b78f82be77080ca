// The numbers of a correlation and the packing of its input rows, so that every tap is a shift of a row.
#pragma once

#include <algorithm>
#include <cstddef>

#include "register_block.hpp"
#include "strided_columns.hpp"

namespace strata::inline STRATA_ABI::detail {

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
    /// Output rows that are worked on together: several where one does not fill blocks of vectors. Long rows that have
    /// to be packed stay alone, because a single one need not look at the taps in its padding.
    [[nodiscard]] constexpr int rows_together(int S, int N) const {
        int const vectors = (out_width * S + N - 1) / N;
        if (out_width * S < 4 * N) return 4;
        if (vectors % block_vectors == 0 || !is_plain(S, N) || !rows_are_inside()) return 1;
        return 2 * vectors % block_vectors == 0 ? 2 : 4;
    }
    /// Output rows of a band whose input rows are packed by tap columns; 0 where the idle numbers at the rows' ends
    /// cost less than packing does (about four instructions a vector and two a row).
    [[nodiscard]] constexpr int band_rows(int S, int N) const {
        int const length = out_width * S, vectors = (length + N - 1) / N, idle = vectors * N - length;
        if (stride_height > 1 || stride_width > 1 || idle * taps_height * out_channels <= (4 * vectors + 2) * N)
            return 0;
        constexpr int most = 20480;  // numbers packed: the second-level cache keeps up with a block's loads
        int const rows =
            (std::min)(out_height, most / (std::max)(in_channels * taps_width * length, 1) - rows_under(1) + 1);
        return rows < 4 && rows < out_height ? 0 : rows;
    }
    /// Input rows under that many output rows.
    [[nodiscard]] constexpr int rows_under(int rows) const {
        return (rows - 1) * stride_height + (taps_height - 1) * dilation_height + 1;
    }
};

/// Columns [begin, end) of a phase of a packed row are columns of the image, from `column` on.
struct PackedRun {
    int begin, end, column;
    constexpr PackedRun(Correlation const& g, int phase) {
        int const columns = g.phase_columns(), stride = g.stride_width, before = g.pad_left - phase,
                  reach = g.in_width + before;
        end = reach <= 0 ? 0 : (std::min)(columns, (reach + stride - 1) / stride);
        begin = before <= 0 ? 0 : (std::min)(end, (before + stride - 1) / stride);
        column = begin * stride - before;
    }
};

/// Packs a row [W][S]: column c of the packed row is input column c / phase_columns + (c % phase_columns) stride - pad.
/// `gather` is column_gather of the stride.
template <class T>
STRATA_ONE_COPY void pack_row(Correlation const& g, T const* row, T* packed, int S, ColumnMover<T> gather) {
    int const columns = g.phase_columns(), stride = g.stride_width;
    for (int phase = 0; phase < stride; ++phase, packed += columns * S) {
        PackedRun const run(g, phase);
        std::fill_n(packed, run.begin * S, T(0));
        if (stride == 1)
            std::copy_n(row + run.column * S, (run.end - run.begin) * S, packed + run.begin * S);
        else
            gather(row + run.column * S, stride * S, packed + run.begin * S, S, run.end - run.begin, S, {});
        std::fill_n(packed + run.end * S, (columns - run.end) * S, T(0));
    }
}

/// Packs the rows under `count` output rows from i on, for every tap column q the columns that the output's columns
/// see: [channel][q][row][out_width S], zeros outside the image. Writes up to a vector behind them.
template <class L, class T>
STRATA_ONE_COPY void pack_band(Correlation const& g, T const* x, T* packed, int S, int i, int count) {
    constexpr int N = width_of<L>;
    int const length = g.out_width * S, vectors = (length + N - 1) / N, rows = g.rows_under(count);
    std::ptrdiff_t const pitch = static_cast<std::ptrdiff_t>(g.in_width) * S, image = g.in_height * pitch,
                         all = g.in_channels * image;
    for (int c = 0; c < g.in_channels; ++c)
        for (int q = 0; q < g.taps_width; ++q) {
            int const column = q * g.dilation_width - g.pad_left, begin = std::clamp(-column, 0, g.out_width) * S,
                      end = (std::max)(begin, (std::min)(g.in_width - column, g.out_width) * S);
            T* const plane = packed;
            std::ptrdiff_t from = c * image + g.in_row(i, 0) * pitch + column * S;
            for (int r = 0, h = g.in_row(i, 0); r < rows; ++r, ++h, packed += length, from += pitch) {
                bool const inside = h >= 0 && h < g.in_height;
                if (inside && from >= 0 && from + vectors * N <= all) {
                    // Whole vectors: what they write behind the row, the next row overwrites.
                    STRATA_ROLLED
                    for (int k = 0; k < vectors * N; k += N) store_lane(packed + k, load_lane<L>(x + from + k));
                } else {
                    std::fill_n(packed, length, T(0));
                    if (inside) std::copy_n(x + from + begin, end - begin, packed + begin);
                }
            }
            if (begin == 0 && end == length) continue;
            for (int r = 0; r < rows; ++r) {
                STRATA_ROLLED
                for (int k = 0; k < begin; ++k) {
                    STRATA_SCALAR;
                    plane[r * length + k] = T(0);
                }
                STRATA_ROLLED
                for (int k = end; k < length; ++k) {
                    STRATA_SCALAR;
                    plane[r * length + k] = T(0);
                }
            }
        }
}

}  // namespace strata::inline STRATA_ABI::detail
