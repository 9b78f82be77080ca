// Input rows packed for a band of output rows, so that a kernel of small tiles reads every tap as a shift, and zeros
// where the image ends.
#pragma once

#include "convolution_geometry.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Output rows of a band, a multiple of `block`: as many as keep it in half of a first-level cache.
template <class T>
constexpr int packed_band_rows(Correlation const& g, int S, int block) {
    int const row = g.packed_columns() * S * g.in_channels * g.stride_height * static_cast<int>(sizeof(T)),
              most = (g.out_height + block - 1) / block * block;
    return (std::min)((std::max)(16384 / (std::max)(row, 1) / block, 1) * block, most);
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
        for (int phase = 0; phase < stride; ++phase) {
            PackedRun const run(g, phase);
            int const top = g.in_row(first, 0), above = (std::max)(0, -top),
                      inside = (std::min)(under, g.in_height - top) - above;
            RowSteps const steps{inside, in_row, static_cast<std::ptrdiff_t>(stride) * columns * S};
            for (int c = 0; c < g.in_channels; ++c) {
                if (inside <= 0) continue;
                T const* const from = x + (c * g.in_height + top + above) * in_row + run.column * S;
                T* const to = rows + (((c * under + above) * stride + phase) * columns + run.begin) * S;
                if (stride == 1)
                    for (int r = 0; r < inside; ++r)
                        copy_numbers<L>(from + r * steps.from, (run.end - run.begin) * S, to + r * steps.to);
                else
                    move_columns<false>(from, stride * S, to, S, run.end - run.begin, S, steps);
            }
        }
    }
    /// Numbers that it needs: a short row's vector reads beyond the last one.
    static constexpr int size(Correlation const& g, int S, int band) {
        return g.in_channels * g.rows_under(band) * g.packed_columns() * S + width_of<L>;
    }
};

}  // namespace strata::inline STRATA_ABI::detail
