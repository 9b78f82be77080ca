// The weight gradient of a convolution of Mixed<bfloat16> by products of pairs (AVX512-BF16). A pair is two
// neighbouring numbers of a row, so that rows are read as they lie; rows with padding or a stride are packed first.
#pragma once

#include "bfloat16_pairs.hpp"
#include "mixed_kernel.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

namespace strata::inline STRATA_ABI::detail {

/// The weight gradient of CO output channels and a block of taps over `rows` rows of `length` numbers: sums of products
/// of dy[u] and the taps' rows. taps[row][k] is where a tap's row begins.
template <int CO>
STRATA_ONE_COPY void pair_gradient_block(bfloat16 const* const (&dy)[CO], std::ptrdiff_t dy_pitch,
                                         bfloat16 const* const* taps, int rows, int length, float* const (&dw)[CO],
                                         int stored) {
    constexpr int Q = 6;
    PairLane total[CO][Q];
    STRATA_UNROLL
    for (int u = 0; u < CO; ++u) {
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) total[u][q] = PairLane(0.0f);
    }
    auto const read = [](bfloat16 const* from, __mmask32 mask) {
        PairLane value(_mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, from)));
        hold_in_register(value);
        return value;
    };
    auto const multiply = [&](auto const& from, auto const& row, int at, __mmask32 mask) STRATA_INLINED {
        PairLane gradient[CO];
        STRATA_UNROLL
        for (int u = 0; u < CO; ++u) gradient[u] = read(from[u] + at, mask);
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) {
            PairLane const value = read(row[q] + at, mask);
            STRATA_UNROLL
            for (int u = 0; u < CO; ++u) total[u][q] = multiply_add_pairs(gradient[u], value, total[u][q]);
        }
    };
    for (int i = 0; i < rows; ++i, taps += Q) {
        bfloat16 const *row[Q], *from[CO];
        STRATA_UNROLL
        for (int q = 0; q < Q; ++q) row[q] = taps[q];
        STRATA_UNROLL
        for (int u = 0; u < CO; ++u) from[u] = dy[u] + i * dy_pitch;
        int at = 0;
        for (; at + 32 <= length; at += 32) multiply(from, row, at, ~__mmask32(0));
        if (at < length)  // what lies behind a row is neither read nor multiplied
            multiply(from, row, at, (__mmask32(1) << (length - at)) - 1);
    }
    float sums[CO][Q];
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

/// How the weight gradient lays out its rows.
struct PairGradientLayout {
    bool packs;
    int taps;      ///< of one input channel
    int channels;  ///< that a block of taps spans at most
    int pitch;
    constexpr PairGradientLayout(Correlation const& g, int S)
        : packs(g.stride_width != 1 || g.pad_left != 0 || g.phase_columns() > g.in_width),
          taps(g.taps_height * g.taps_width),
          channels((std::min)(g.in_channels, (6 + taps - 2) / taps + 1)),
          pitch(packs ? g.packed_columns() * S : g.in_width * S) {}
    /// Numbers of scratch memory: pointers to rows, a row of zeros, packed rows.
    [[nodiscard]] constexpr int scratch(Correlation const& g, int S) const {
        return g.out_height * 6 * static_cast<int>(sizeof(void*) / sizeof(bfloat16)) + g.packed_columns() * S +
               (packs ? channels * g.in_height * pitch : 0);
    }
};
constexpr int pair_tap_blocks(Correlation const& g) { return (g.in_channels * g.taps_height * g.taps_width + 5) / 6; }

/// Items are (group, block of six neighbouring taps of the input channels), so weights in PyTorch's layout.
STRATA_ONE_COPY inline void pair_weight_gradient(Correlation const& g, bfloat16 const* x, bfloat16 const* dy, float* dw,
                                                 int S, bfloat16* scratch, int begin, int end) {
    constexpr int Q = 6;
    PairGradientLayout const layout(g, S);
    int const blocks = pair_tap_blocks(g), length = g.out_width * S, all_taps = g.in_channels * layout.taps;
    auto** const taps = reinterpret_cast<bfloat16 const**>(scratch);
    bfloat16* const zeros = scratch + g.out_height * Q * static_cast<int>(sizeof(void*) / sizeof(bfloat16));
    std::fill_n(zeros, g.packed_columns() * S, bfloat16(0));
    bfloat16* const packed = zeros + g.packed_columns() * S;
    std::ptrdiff_t const slot = static_cast<std::ptrdiff_t>(g.in_height) * layout.pitch;
    int packed_channels[Q + 1];
    std::fill_n(packed_channels, Q + 1, -1);

    for (int item = begin; item < end; ++item) {
        int const group = item / blocks, first = item % blocks * Q, stored = (std::min)(Q, all_taps - first);
        bfloat16 const* channels[Q + 1];
        for (int c = first / layout.taps; c <= (first + stored - 1) / layout.taps; ++c) {
            int const channel = group * g.in_channels + c, place = c % layout.channels;
            bfloat16 const*& input = channels[place];
            input = x + static_cast<std::ptrdiff_t>(channel) * g.in_height * g.in_width * S;
            if (!layout.packs) continue;
            bfloat16* const to = packed + place * slot;
            if (packed_channels[place] != channel)
                for (int row = 0; row < g.in_height; ++row)
                    pack_row(g, input + static_cast<std::ptrdiff_t>(row) * g.in_width * S, to + row * layout.pitch, S,
                             &move_columns<false, bfloat16>);
            packed_channels[place] = channel;
            input = to;
        }
        for (int k = 0; k < Q; ++k) {  // idle taps repeat the first one
            int const tap = first + (k < stored ? k : 0), place = tap / layout.taps % layout.channels,
                      p = tap % layout.taps / g.taps_width, q = tap % g.taps_width;
            bfloat16 const* const image = channels[place] + g.tap_column(q) * S;
            for (int i = 0, h = g.in_row(0, p); i < g.out_height; ++i, h += g.stride_height)
                taps[i * Q + k] =
                    h < 0 || h >= g.in_height ? zeros : image + static_cast<std::ptrdiff_t>(h) * layout.pitch;
        }
        std::ptrdiff_t const plane = static_cast<std::ptrdiff_t>(g.out_height) * length;
        bfloat16 const* const from = dy + group * g.out_channels * plane;
        float* const to = dw + group * g.group_weights + first;
        int o = 0;
        for (; o + 4 <= g.out_channels; o += 4) {
            bfloat16 const* const source[4] = {from + o * plane, from + (o + 1) * plane, from + (o + 2) * plane,
                                               from + (o + 3) * plane};
            float* const target[4] = {to + o * g.out_weights, to + (o + 1) * g.out_weights,
                                      to + (o + 2) * g.out_weights, to + (o + 3) * g.out_weights};
            pair_gradient_block<4>(source, length, taps, g.out_height, length, target, stored);
        }
        for (; o < g.out_channels; o += 2) {
            bool const idle = o + 1 == g.out_channels;
            float unused[Q] = {};
            bfloat16 const* const source[2] = {from + o * plane, from + (idle ? o : o + 1) * plane};
            float* const target[2] = {to + o * g.out_weights, idle ? unused : to + (o + 1) * g.out_weights};
            pair_gradient_block<2>(source, length, taps, g.out_height, length, target, stored);
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail
#endif

#pragma GCC diagnostic pop
