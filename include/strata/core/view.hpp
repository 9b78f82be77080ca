// Views of tiles and parameters: bodies index logically, x(c, h, w); the view owns the layout.
#pragma once

#include <type_traits>

#include "lane.hpp"
#include "shape.hpp"

namespace strata::inline STRATA_ABI {

/// A view of one column of a tile, the same for all places of a lane.
template <class S, class L, class T>
struct ColumnView {
    using LaneType = L;
    T* data;
    int stride;

    STRATA_HD STRATA_INLINE L operator[](int element) const {
        return L(static_cast<scalar_of<L>>(data[static_cast<std::ptrdiff_t>(element) * stride]));
    }
    template <class... Indices>
    STRATA_HD STRATA_INLINE L operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
    template <class Other>
    STRATA_HD STRATA_INLINE ColumnView<Other, L, T> as() const {
        return {data, stride};
    }
};

/// One lane's view of a tile [elements of Shape][samples], the sample innermost: `data` already points at the lane's
/// first sample, `stride` counts scalars between neighbouring elements. T is const for values that are only read.
template <class S, class L, class T>
struct TileView {
    using LaneType = L;
    T* data;
    int stride;

    STRATA_HD STRATA_INLINE L operator[](int element) const {
        return load_lane<L>(data + static_cast<std::ptrdiff_t>(element) * stride);
    }
    template <class... Indices>
    STRATA_HD STRATA_INLINE L operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
    STRATA_HD STRATA_INLINE void set(int element, L value) const {
        store_lane(data + static_cast<std::ptrdiff_t>(element) * stride, value);
    }
    STRATA_HD STRATA_INLINE void add(int element, L value) const { set(element, (*this)[element] + value); }
    /// The same memory as a value of another shape.
    template <class Other>
    STRATA_HD STRATA_INLINE TileView<Other, L, T> as() const {
        return {data, stride};
    }
    /// A column so many behind the lane's first one.
    STRATA_HD STRATA_INLINE ColumnView<S, L, T> column(int offset) const {
        return {data ? data + offset : data, stride};
    }
};

/// A lane's view of the values that forward leaves for backward, one an output element. In inference nobody asks for
/// them: `data` is null, and `set` does nothing.
template <class S, class L, class T>
struct ExtraView {
    using LaneType = L;
    T* data;
    int stride;

    STRATA_HD STRATA_INLINE L operator[](int element) const {
        return load_lane<L>(data + static_cast<std::ptrdiff_t>(element) * stride);
    }
    template <class... Indices>
    STRATA_HD STRATA_INLINE L operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
    STRATA_HD STRATA_INLINE void set(int element, L value) const {
        if (data) store_lane(data + static_cast<std::ptrdiff_t>(element) * stride, value);
    }
};

/// A parameter tensor in PyTorch's layout, read as compute scalars: weight(o, c, p, q).
template <class S, class Compute, class T>
struct ParameterView {
    T const* data;
    STRATA_HD STRATA_INLINE Compute operator[](std::ptrdiff_t element) const {
        return static_cast<Compute>(data[element]);
    }
    template <class... Indices>
    STRATA_HD STRATA_INLINE Compute operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
};

}  // namespace strata::inline STRATA_ABI
