// Values of ids: integers that name rows of a table, as torch.nn.Embedding takes them, and how bodies read them.
//
// An operation's `using Input` says the element type of what it reads: a Shape is of numbers, Ids of ids. Ids are int32
// wherever they are, in a tile of bfloat16 too, where a number above 256 would be rounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "lane.hpp"
#include "shape.hpp"

namespace strata::inline STRATA_ABI {

/// The ids of a sample, each from 0 to Vocabulary - 1: `Ids<1000, 3>` are three; `Ids<1000>` is one that has no axis, as a
/// token of a sequence is one. First in a Network, `Network<Ids<1000, 3>, Embedding<16>, …>`, or in Sequence and Inputs.
template <int Vocabulary, int... Extents>
struct Ids : Shape<Extents...> {
    static_assert(Vocabulary > 0, "Ids: the vocabulary has at least one id: Ids<50'257>");
    using Extent = Ids;
    using Numbers = Shape<Extents...>;
    static constexpr int vocabulary = Vocabulary;
    /// The shape of `Width` numbers for each id.
    template <int Width>
    using With = Shape<Extents..., Width>;
};
template <int Vocabulary>
struct Ids<Vocabulary> : Shape<1> {
    static_assert(Vocabulary > 0, "Ids: the vocabulary has at least one id: Ids<50'257>");
    using Extent = Ids;
    using Numbers = Shape<1>;
    static constexpr int vocabulary = Vocabulary;
    template <int Width>
    using With = Shape<Width>;
};

/// The ids of a lane's samples.
template <class L>
struct IdLane {
    static constexpr int width = width_of<L>;
    std::int32_t id[static_cast<std::size_t>(width)];

    /// The mask of those that are `other`.
    STRATA_HD STRATA_INLINE friend auto operator==(IdLane const& a, int other) {
        using T = scalar_of<L>;
        T is[static_cast<std::size_t>(width)];
        for (int k = 0; k < width; ++k) is[k] = a.id[k] == other ? T(1) : T(0);
        return load_lane<L>(static_cast<T const*>(is)) == L(T(1));
    }
    /// Of each sample the element table(id, position...), of a parameter: `io.x[0].row_of(io.p(Weight{}), c)`.
    template <class Table, class... Indices>
    STRATA_HD STRATA_INLINE L row_of(Table const& table, Indices... position) const {
        using T = scalar_of<L>;
        T element[static_cast<std::size_t>(width)];
        for (int k = 0; k < width; ++k) element[k] = static_cast<T>(table(id[k], position...));
        return load_lane<L>(static_cast<T const*>(element));
    }
};

/// A lane's view of ids in a tile: `count` of them are there, the others read as 0.
template <class S, class L>
struct IdView {
    using LaneType = L;
    std::int32_t const* data;
    std::ptrdiff_t stride;  ///< ids between those of neighbouring elements
    int count;

    STRATA_HD STRATA_INLINE IdLane<L> operator[](int element) const {
        IdLane<L> ids{};
        for (int k = 0; k < IdLane<L>::width && k < count; ++k) ids.id[k] = data[element * stride + k];
        return ids;
    }
    template <class... Indices>
    STRATA_HD STRATA_INLINE IdLane<L> operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
};

namespace detail {

/// Whether a value is of ids.
template <class Value>
inline constexpr bool are_ids = requires { Value::vocabulary; };

/// What an id takes of a tile, in scalars of storage: room for an int32 where they are bfloat16, and as many of wider ones,
/// so that a plan is that of all precisions. The ids of an element lie one behind the other where these begin.
inline constexpr int scalars_of_id = 2;
/// Where ids begin that come behind so many scalars: where an int32 may lie.
constexpr std::ptrdiff_t begin_of_ids(std::ptrdiff_t scalars) {
    return (scalars + scalars_of_id - 1) / scalars_of_id * scalars_of_id;
}
template <class Value>
inline constexpr std::ptrdiff_t scalars_of_value = Value::size * std::ptrdiff_t{are_ids<Value> ? scalars_of_id : 1};
/// Ids between those of neighbouring elements, in a tile of S samples of T.
template <class T>
constexpr std::ptrdiff_t id_stride(int S) {
    return static_cast<std::ptrdiff_t>(scalars_of_id * sizeof(T) / sizeof(std::int32_t)) * S;
}
/// The ids of a value in a tile.
template <class T>
STRATA_INLINE std::int32_t const* ids_at(T const* value) {
    return reinterpret_cast<std::int32_t const*>(value);
}
template <class T>
STRATA_INLINE std::int32_t* ids_at(T* value) {
    return reinterpret_cast<std::int32_t*>(value);
}

/// What bodies read the first input as: `View` where it is numbers.
template <class Value, class View>
struct InputView {
    using type = View;
};
template <class Value, class View>
requires are_ids<Value>
struct InputView<Value, View> {
    using type = IdView<Value, typename View::LaneType>;
};
template <class Value, class View>
using input_view = typename InputView<Value, View>::type;
template <class View>
constexpr int most_ids(int count = IdLane<typename View::LaneType>::width) {
    return count;
}
/// That view of a value in a tile of S samples, from sample `first` on; `count`, where given, is how many are there.
template <class View, class T, class... Count>
STRATA_INLINE View view_input(T const* value, int S, int first, Count... count) {
    if constexpr (std::is_same_v<decltype(View::data), std::int32_t const*>)
        return {value ? ids_at(value) + first : nullptr, id_stride<T>(S), most_ids<View>(count...)};
    else
        return {value ? value + first : value, S, count...};
}

/// Where ids are among the elements of a network's input.
struct IdPart {
    int first = 0, count = 0;  ///< elements
    int vocabulary = 0;
    std::string_view name{};  ///< of one of several inputs
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
