// Columns of S numbers, copied between where they are neighbours and where they are apart: what strided convolutions of
// small tiles read and write. Every second column, the usual stride, is a shuffle of two vectors.
#pragma once

#include <algorithm>
#include <cstddef>

#include "../../../../core/lane.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Every second group of S numbers of 2N - S, of which the first lane holds the first N, the second one the last N.
template <int S, int N>
struct EverySecond {
    static constexpr int of(int k) {
        int const number = k / S * 2 * S + k % S;
        return number < N ? number : number + S;
    }
};
/// The groups of the first lane in every second place of those 2N - S, from number First on; between them what the
/// second lane holds.
template <int S, int N, int First>
struct BetweenSeconds {
    static constexpr int of(int k) {
        int const number = k + First;
        return number / S % 2 == 0 ? number / S / 2 * S + number % S : N + k;
    }
};

/// Columns from `from_column` on, gathered from every second place or spread to it, as far as whole vectors reach;
/// returns where they end.
template <int S, class L, class T>
STRATA_INLINE int gather_second(T const* from, T* to, int from_column, int count) {
    constexpr int N = width_of<L>, columns = N / S;
    int j = from_column;
    for (; j < count && count >= columns; j += columns) {
        j = (std::min)(j, count - columns);  // the last vector ends with the last column
        T const* const source = from + 2 * j * S;
        store_lane(to + j * S, shuffle<EverySecond<S, N>>(load_lane<L>(source), load_lane<L>(source + N - S)));
    }
    return j;
}
template <int S, bool Add, class L, class T>
STRATA_INLINE int spread_second(T const* from, T* to, int from_column, int count) {
    constexpr int N = width_of<L>, columns = N / S;
    int j = from_column;
    while (j + columns <= count || (!Add && j < count && count >= columns)) {
        if (!Add) j = (std::min)(j, count - columns);
        T *const first = to + 2 * j * S, *const last = first + N - S;
        L value = load_lane<L>(from + j * S);
        L const low = load_lane<L>(first), high = load_lane<L>(last);  // before a store that overlaps
        if constexpr (Add) value = value + shuffle<EverySecond<S, N>>(low, high);
        store_lane(first, shuffle<BetweenSeconds<S, N, 0>>(value, low));
        store_lane(last, shuffle<BetweenSeconds<S, N, N - S>>(value, high));
        j += columns;
    }
    return j;
}

/// Columns are moved as vectors of so many numbers; short types, which are for storage, one by one.
template <class T>
inline constexpr int column_vector = std::is_floating_point_v<T> ? vector_bytes / static_cast<int>(sizeof(T)) : 1;

template <bool Add, int S, class T>
STRATA_INLINE void move_columns(T const* from, int from_step, T* to, int to_step, int count) {
    constexpr int N = column_vector<T>;
    int j = 0;
    if constexpr (S < N && S < 4) {  // wider columns are short vectors themselves
        using L = widest_lane<T>;
        bool const gathers = from_step == 2 * S && to_step == S, spreads = from_step == S && to_step == 2 * S;
        if (!Add && gathers) j = gather_second<S, L>(from, to, j, count);
        if (spreads) j = spread_second<S, Add, L>(from, to, j, count);
        if constexpr (N > 4) {
            if (!Add && gathers) j = gather_second<S, Lane<T, 4>>(from, to, j, count);
            if (spreads) j = spread_second<S, Add, Lane<T, 4>>(from, to, j, count);
        }
    }
    STRATA_ROLLED
    for (; j < count; ++j) {
        STRATA_SCALAR;
        T values[S];
        std::copy_n(from + j * from_step, S, values);
        if constexpr (Add)
            for (int s = 0; s < S; ++s) values[s] += to[j * to_step + s];
        std::copy_n(values, S, to + j * to_step);
    }
}
/// How far rows are from each other where several are moved.
struct RowSteps {
    int rows = 1;
    std::ptrdiff_t from = 0, to = 0;
};
/// Copies (or adds) `count` columns of S numbers, from_step and to_step numbers apart, of each row. Where columns are
/// spread apart, what lies between them is written back as it was.
template <bool Add, class T>
STRATA_ONE_COPY void move_columns(T const* from, int from_step, T* to, int to_step, int count, int S,
                                  RowSteps steps = {}) {
    auto const rows = [&](auto const& move) {
        for (int r = 0; r < steps.rows; ++r, from += steps.from, to += steps.to) move(from, to);
    };
    if constexpr (constexpr int N = column_vector<T>; N > 1)
        if (S % N == 0) {
            using L = widest_lane<T>;
            return rows([&](T const* source, T* target) {
                for (int j = 0; j < count; ++j, source += from_step, target += to_step)
                    for (int s = 0; s < S; s += N) {
                        L const value = load_lane<L>(source + s);
                        store_lane(target + s, Add ? load_lane<L>(target + s) + value : value);
                    }
            });
        }
    auto const narrow = [&]<int K>(std::integral_constant<int, K>, int s) {
        rows([&](T const* source, T* target) {
            move_columns<Add, K>(source + s, from_step, target + s, to_step, count);
        });
    };
    if (S == 1) return narrow(std::integral_constant<int, 1>{}, 0);
    if (S == 2) return narrow(std::integral_constant<int, 2>{}, 0);
    if (S == 4) return narrow(std::integral_constant<int, 4>{}, 0);
    T const* const source = from;
    T* const target = to;
    for (int s = 0; s < S; s += 8, from = source, to = target) narrow(std::integral_constant<int, 8>{}, s);
}

/// move_columns as a value; null where a stride is known to be 1, so that it is compiled only for networks that stride.
template <class T>
using ColumnMover = void (*)(T const* from, int from_step, T* to, int to_step, int count, int S, RowSteps steps);
template <int Stride, class T>
constexpr ColumnMover<T> column_gather() {
    if constexpr (Stride > 1)
        return &move_columns<false, T>;
    else
        return nullptr;
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
