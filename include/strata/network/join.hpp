// How branches and what joins them expand: Join, and with it Concat and Multiply.
#pragma once

#include "expand.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class... Layers, class X>
struct Fragment<Branch<Layers...>, X> : Scoped<All<List<Layers...>, X>> {};

/// Layers side by side: each of them reads what came in.
template <class X, class... Parts>
struct SideBySide {
    using Misuse = NoMisuse;
    static constexpr int count = 0, indices = 0, split = 0;
    static constexpr void write(OpListWriter&, LayerPath, int, ValueList&) {}
};
template <class X, class Part, class... Rest>
struct SideBySide<X, Part, Rest...> {
    using First = Fragment<Part, X>;
    using Second = SideBySide<X, Rest...>;
    using Misuse = first_misuse<typename First::Misuse, typename Second::Misuse::template Moved<First::indices>>;
    static constexpr int count = First::count + Second::count, indices = First::indices + Second::indices,
                         split = First::count;
    static constexpr void write(OpListWriter& to, LayerPath at, int entry, ValueList& made) {
        made.add(First::write(to, at, entry));
        at.index += First::indices;
        Second::write(to, at, entry, made);
    }
};

/// Branches and the operation that reads what they make.
template <class Branches, class Op, class Layer>
struct JoinedBranches {
    using First = Branches;
    using Second = OperationFragment<Op>;
    using Output = typename Op::Output;
    using Misuse = NoMisuse;
    static constexpr int count = Branches::count + 1, indices = Branches::indices, split = Branches::count;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        ValueList made;
        Branches::write(to, at, entry, made);
        at.name = "join";
        if constexpr (requires { Layer::name; }) at.name = Layer::name;
        return to.add(row_of<Op>, at, made);
    }
};

template <class Layer, class Where, class... Got>
struct NotAJoin {
    struct Message {
        static constexpr bool count = sizeof...(Got) > 0 && sizeof...(Got) <= ValueList::most;
        static_assert(count, "Concat, Multiply and Join take 1 to 8 branches, each of which may be another Concat");
        static_assert(!count,
                      "Join: its layer has no On<X0, X1, ...> for the shapes of these branches that is an operation "
                      "with `using Inputs = ShapeList<X0, X1, ...>`");
    };
};

/// Whether a layer's On<X...> is an operation with these inputs.
template <class Layer, class... X>
consteval bool joins() {
    if constexpr (requires { typename Layer::template On<X...>::Inputs; }) {
        using Op = typename Layer::template On<X...>;
        if constexpr (std::is_same_v<typename Op::Inputs, ShapeList<X...>>)
            if constexpr (Operation<Op>) return keeps_its_word<Op>() && says_all_of_batch<Op>();
    }
    return false;
}
template <class Layer, class... Got>
consteval bool is_misused_here() {
    if constexpr (requires { Layer::template Check<layer<>, Got...>::ok; })
        return !Layer::template Check<layer<>, Got...>::ok;
    else
        return false;
}

template <class Layer, class X, class... Parts, int... K>
consteval auto join_branches(std::integer_sequence<int, K...>) {
    using Branches = SideBySide<X, Parts...>;
    if constexpr (!std::is_same_v<typename Branches::Misuse, NoMisuse>)
        return NoFragment<Poison, typename Branches::Misuse::Inside>{};
    else if constexpr ((are_ids<typename Fragment<Parts, X>::Output> || ...))
        return MisusedFragment<Told<ReadsIds, Layer, got<X>>>{};
    else if constexpr (sizeof...(Parts) == 0 || sizeof...(Parts) > ValueList::most)
        return MisusedFragment<Told<NotAJoin, Layer, branch<K, typename Fragment<Parts, X>::Output>...>>{};
    else if constexpr (is_misused_here<Layer, branch<K, typename Fragment<Parts, X>::Output>...>())
        return MisusedFragment<ToldByCheck<Layer, branch<K, typename Fragment<Parts, X>::Output>...>>{};
    else if constexpr (!joins<Layer, typename Fragment<Parts, X>::Output...>())
        return MisusedFragment<Told<NotAJoin, Layer, branch<K, typename Fragment<Parts, X>::Output>...>>{};
    else
        return Scoped<
            JoinedBranches<Branches, typename Layer::template On<typename Fragment<Parts, X>::Output...>, Layer>>{};
}
template <class Layer, class... Parts, class X>
struct Fragment<Join<Layer, Parts...>, X>
    : decltype(join_branches<Layer, X, Parts...>(std::make_integer_sequence<int, sizeof...(Parts)>{})) {};

}  // namespace strata::inline STRATA_ABI::detail
