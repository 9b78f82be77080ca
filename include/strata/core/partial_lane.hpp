// Lanes of which only the first numbers lie in memory: tiles of fewer samples than a vector has places, worked on by the
// code of whole vectors, so that a sample gets the same bits in every tile.
#pragma once

#include <algorithm>

#include "view.hpp"

namespace strata::inline STRATA_ABI {

/// Reads `count` neighbouring values, width_of<L> at most; what the other places hold is not said.
template <class L, class T>
STRATA_INLINE L load_first(T const* from, int count) {
    constexpr int N = width_of<L>;
    if (count >= N) return load_lane<L>(from);
    if (count == 1) return L(static_cast<scalar_of<L>>(*from));
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    if constexpr (std::is_same_v<T, float> && N == 16)
        return L(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1 << count) - 1), from));
    else if constexpr (std::is_same_v<T, double> && N == 8)
        return L(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1 << count) - 1), from));
    else
#endif
    {
        T values[static_cast<std::size_t>(N)];
        std::fill_n(values, N, T(0));
        std::copy_n(from, count, values);
        return load_lane<L>(static_cast<T const*>(values));
    }
}
/// Writes the first `count` values, width_of<L> at most.
template <class T, class L>
STRATA_INLINE void store_first(T* to, L lane, int count) {
    constexpr int N = width_of<L>;
    if (count >= N) return store_lane(to, lane);
    T values[static_cast<std::size_t>(N)];
    store_lane(static_cast<T*>(values), lane);
    std::copy_n(values, count, to);
}

/// A TileView of lanes of which only the first `count` samples are there.
template <class S, class L, class T>
struct PartialTileView {
    using LaneType = L;
    T* data;
    int stride, count;

    STRATA_INLINE L operator[](int element) const {
        return load_first<L>(data + static_cast<std::ptrdiff_t>(element) * stride, count);
    }
    template <class... Indices>
    STRATA_INLINE L operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
    STRATA_INLINE void set(int element, L value) const {
        store_first(data + static_cast<std::ptrdiff_t>(element) * stride, value, count);
    }
    STRATA_INLINE void add(int element, L value) const { set(element, (*this)[element] + value); }
    template <class Other>
    STRATA_INLINE PartialTileView<Other, L, T> as() const {
        return {data, stride, count};
    }
    STRATA_INLINE ColumnView<S, L, T> column(int offset) const { return {data ? data + offset : data, stride}; }
};

/// An ExtraView of such lanes.
template <class S, class L, class T>
struct PartialExtraView {
    using LaneType = L;
    T* data;
    int stride, count;

    STRATA_INLINE L operator[](int element) const { return PartialTileView<S, L, T>{data, stride, count}[element]; }
    template <class... Indices>
    STRATA_INLINE L operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
    STRATA_INLINE void set(int element, L value) const {
        if (data) PartialTileView<S, L, T>{data, stride, count}.set(element, value);
    }
};

}  // namespace strata::inline STRATA_ABI
