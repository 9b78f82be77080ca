// The weight gradient of a convolution on the CPU: register blocks of output channels times taps of the kernel, whose
// rows are shifted rows of the input (correlation.hpp); one copy of the code for every geometry.
#pragma once

#include "../micro/correlation.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Taps of a block of the weight gradient.
inline constexpr int gradient_taps = vector_bytes >= 64 ? 6 : 3;

/// The weight gradient of CO output channels and a block of taps, over `rows` rows of `vectors` vectors: sums of
/// products of dy[u] and the taps' rows. taps[row][k] is where a tap's row begins.
template <int CO, class L, class T>
STRATA_ONE_COPY void weight_gradient_block(T const* const* dy, std::ptrdiff_t dy_pitch, T const* const* taps, int rows,
                                           int vectors, T* const* dw, int stored) {
    constexpr int Q = gradient_taps, N = width_of<L>;
    auto const steps = [&](auto const& f) STRATA_INLINED {
        T const* const* row_taps = taps;
        for (int i = 0; i < rows; ++i, row_taps += Q) {
            T const *row[Q], *from[CO];
            STRATA_UNROLL
            for (int q = 0; q < Q; ++q) row[q] = row_taps[q];
            STRATA_UNROLL
            for (int u = 0; u < CO; ++u) from[u] = dy[u] + i * dy_pitch;
            for (std::ptrdiff_t at = 0; at < vectors * N; at += N)
                f([&](int u) STRATA_INLINED { return from[u] + at; },
                  [&](int q) STRATA_INLINED { return row[q] + at; });
        }
    };
    dot<CO, Q, L>(steps, CO, stored, [&](int u, int q, T sum) { dw[u][q] += sum; });
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
          channels((std::min)(g.in_channels, (gradient_taps + taps - 2) / taps + 1)),
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

/// The scratch memory of the weight gradient: where the taps' rows begin, a row of zeros, packed channels and dy. A packed
/// channel, `slot` numbers, ends in zeros: a short row's vector reads beyond it.
template <class T>
struct WeightGradientScratch {
    GradientLayout layout;
    int zero_count, slot;
    T const** taps;
    T *zeros, *packed, *gradients;
    constexpr WeightGradientScratch(Carver& memory, Correlation const& g, int S)
        : layout(g, S, N),
          zero_count(layout.vectors * N + g.packed_columns() * S),
          slot(g.in_height * layout.pitch + N),
          taps(memory.take<T const*>(g.out_height * gradient_taps)),
          zeros(memory.take<T>(zero_count)),
          packed(memory.take<T>(layout.packs_input ? layout.channels * slot : 0)),
          gradients(memory.take<T>(layout.packs_gradient ? g.out_channels * g.out_height * layout.vectors * N : 0)) {}

private:
    static constexpr int N = width_of<widest_lane<T>>;
};

/// Items are (group, block of neighbouring taps of the input channels), so weights in PyTorch's layout. `gather` is
/// column_gather of the stride.
template <class L, class T>
STRATA_ONE_COPY void weight_gradient(Correlation const& g, T const* x, T const* dy, T* dw, int S, Carver memory,
                                     int begin, int end, ColumnMover<T> gather) {
    constexpr int N = width_of<L>, Q = gradient_taps;
    auto const [layout, zero_count, slot, taps, zeros, packed, gradients] = WeightGradientScratch<T>(memory, g, S);
    int const blocks = tap_blocks(g), length = g.out_width * S, all_taps = g.in_channels * layout.taps;
    std::fill_n(zeros, zero_count, T(0));
    int packed_channels[Q];
    std::fill_n(packed_channels, Q, -1);
    int const dy_pitch = layout.packs_gradient ? layout.vectors * N : length;

    for (int item = begin, packed_group = -1; item < end; ++item) {
        int const group = item / blocks, first = item % blocks * Q, stored = (std::min)(Q, all_taps - first);
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
                    pack_row(g, input + static_cast<std::ptrdiff_t>(row) * g.in_width * S, to + row * layout.pitch, S,
                             gather);
                std::fill_n(to + slot - N, N, T(0));
                packed_channels[place] = channel;
            }
            input = to;
        }
        for (int k = 0; k < Q; ++k) {  // idle taps repeat the first one
            int const tap = first + (k < stored ? k : 0), place = tap / layout.taps % layout.channels,
                      p = tap % layout.taps / g.taps_width, q = tap % g.taps_width;
            for (int i = 0; i < g.out_height; ++i) {
                STRATA_SCALAR;
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
        T unused[Q] = {};  // where an idle channel's sums go
        for (int o = 0, count = 0; o < g.out_channels; o += count) {
            count = o + 4 <= g.out_channels ? 4 : 2;
            T const* source[4];
            T* target[4];
            STRATA_ROLLED
            for (int u = 0; u < count; ++u) {
                bool const idle = o + u == g.out_channels;
                source[u] = from + (idle ? o : o + u) * plane;
                target[u] = idle ? unused : to + (o + u) * g.out_weights;
            }
            if (count == 4)
                weight_gradient_block<4, L>(source, dy_pitch, taps, g.out_height, layout.vectors, target, stored);
            else
                weight_gradient_block<2, L>(source, dy_pitch, taps, g.out_height, layout.vectors, target, stored);
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
