// Shapes as types, positions inside them, and fixed strings for names: the compile-time vocabulary of networks.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "config.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {
template <int R>
struct Position;
}
// Structured bindings of positions.
template <int R>
struct std::tuple_size<strata::Position<R>> : std::integral_constant<std::size_t, static_cast<std::size_t>(R)> {};
template <std::size_t Axis, int R>
struct std::tuple_element<Axis, strata::Position<R>> {
    using type = int;
};

namespace strata::inline STRATA_ABI {

/// A position in a shape of rank R: `auto const [channel, row, column] = at;`
template <int R>
struct Position {
    int at[R];
    constexpr int operator[](int axis) const { return at[axis]; }
    template <std::size_t Axis>
    constexpr int get() const {
        return at[Axis];
    }
};

namespace detail {
/// What a number of numbers is counted in: int, as indices inside of a tile are, but where it has not room enough.
template <std::ptrdiff_t Numbers>
using count_type = std::conditional_t<(Numbers <= 0x7fffffff), int, std::ptrdiff_t>;
}  // namespace detail

/// The shape of one sample or one parameter: `Shape<3, 32, 32>` is [C][H][W], `Shape<10>` ten features.
template <int... Extents>
struct Shape {
    static_assert(((Extents > 0) && ...), "Shape: every extent must be positive");
    static constexpr int rank = sizeof...(Extents);
    using Count = detail::count_type<(std::ptrdiff_t{1} * ... * Extents)>;
    static constexpr Count size = (Count{1} * ... * Extents);
    /// Extent of the last axis, and how many such rows there are: executors walk row by row.
    /// Flat shapes are rows of one.
    static constexpr int columns = [] {
        int last = 1, axis = 0;
        ((last = Extents, ++axis), ...);
        return axis > 1 ? last : 1;
    }();
    static constexpr Count rows = size / columns;

    template <int Axis>
    static constexpr int extent = [] {
        static_assert(Axis < rank);
        int const extents[] = {Extents...};
        return extents[Axis];
    }();

    /// Row-major index of a position.
    template <class... Indices>
    static constexpr Count index(Indices... position) {
        static_assert(sizeof...(Indices) == rank);
        Count flat = 0;
        ((flat = flat * Extents + position), ...);
        return flat;
    }
    static constexpr Count index(Position<rank> at) {
        constexpr int extents[] = {Extents...};
        Count flat = 0;
        for (int axis = 0; axis < rank; ++axis) flat = flat * extents[axis] + at.at[axis];
        return flat;
    }
    /// The position of a row-major index.
    static constexpr Position<rank> position(Count flat) {
        constexpr int extents[] = {Extents...};
        Position<rank> p{};
        for (int axis = rank - 1; axis >= 0; --axis) {
            p.at[axis] = static_cast<int>(flat % extents[axis]);
            flat /= extents[axis];
        }
        return p;
    }

    template <int... Others>
    friend constexpr bool operator==(Shape, Shape<Others...>) {
        return std::is_same_v<Shape, Shape<Others...>>;
    }
};

/// Channels, height and width of a shape; a flat shape is all channels.
template <class S>
inline constexpr int channels_of = S::template extent<0>;
template <class S>
inline constexpr auto pixels_of = S::size / channels_of<S>;

/// A string as a template argument: `Named<"conv1", …>`.
template <std::size_t N>
struct FixedString {
    char text[N]{};
    constexpr FixedString(char const (&characters)[N]) {  // NOLINT: implicit by design
        for (std::size_t i = 0; i < N; ++i) text[i] = characters[i];
    }
    [[nodiscard]] constexpr std::string_view view() const { return {text, N - 1}; }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
