// How a Residual expands: two paths from one value, and their sum.
#pragma once

#include "../layer/sum.hpp"
#include "expand.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Where, class MainPath, class ShortcutPath>
struct BranchesMeet {
    struct Message {
        static_assert(std::is_same_v<MainPath, ShortcutPath>,
                      "Residual: main path and shortcut end in different shapes: use ZeroPadShortcut or "
                      "Shortcut<Conv2d<channels, 1, Stride<...>>, ...>");
    };
};
template <class MainPath, class ShortcutPath>
struct ToldOfBranches {
    template <class Where>
    using At = BranchesMeet<Where, got<MainPath>, got<ShortcutPath>>;
};

template <template <class...> class Kind, class Part>
inline constexpr bool is_kind = false;
template <template <class...> class Kind, class... Ls>
inline constexpr bool is_kind<Kind, Kind<Ls...>> = true;

/// The part of a Residual of one kind, or Default.
template <template <class...> class Kind, class... Parts>
consteval int part_index() {
    int found = 0, i = 0;
    ((++i, found = is_kind<Kind, Parts> ? i : found), ...);
    return found;
}
template <template <class...> class Kind, class Default, class... Parts>
using part_or = type_at<part_index<Kind, Parts...>(), List<Default, Parts...>>;
/// The part that is neither Main nor After.
template <class... Parts>
consteval int shortcut_index() {
    int found = 0, i = 0;
    ((++i, found = is_kind<Main, Parts> || is_kind<After, Parts> ? found : i), ...);
    return found;
}

template <class Path>
struct LayersOf;
template <class... Layers>
struct LayersOf<Main<Layers...>> {
    using type = List<Layers...>;
};
template <class... Layers>
struct LayersOf<After<Layers...>> {
    using type = List<Layers...>;
};

/// A shortcut that depends on the main path's shape. It takes no index.
template <class Op>
struct TargetFragment : OperationFragment<Op> {
    static constexpr int indices = 0;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        at.name = "shortcut";
        return to.add(row_of<Op>, at, {entry});
    }
};

/// The shortcut of a Residual whose main path makes Target.
template <class Part, class Target, class X>
struct ShortcutFragment : Fragment<Part, X> {};
template <class Target, class X>
struct ShortcutFragment<Identity, Target, X> : All<List<>, X> {};
template <class... Layers, class Target, class X>
struct ShortcutFragment<Shortcut<Layers...>, Target, X> : Fragment<Named<"shortcut", Sequential<Layers...>>, X> {};
template <class Part, class Target, class X>
requires requires { typename Part::template OnTarget<Shape<1, 1, 1>, Shape<1, 1, 1>>; }
struct ShortcutFragment<Part, Target, X>
    : std::conditional_t<Part::template Check<layer<>, got<X>, Target>::ok,
                         TargetFragment<typename Part::template OnTarget<X, Target>>,
                         MisusedFragment<ToldByCheck<Part, got<X>, Target>>> {};

/// Two paths from one value, their sum, and what comes after it.
template <class MainPath, class ShortcutPath, class AfterPath>
struct Joined {
    using SumFragment = OperationFragment<Sum<typename MainPath::Output>>;
    static constexpr int paths = MainPath::indices + ShortcutPath::indices;
    using First = Then<MainPath, ShortcutPath>;
    using Second = Then<SumFragment, AfterPath>;
    using Output = typename AfterPath::Output;
    using Misuse = typename AfterPath::Misuse::template Moved<paths>;
    static constexpr int count = First::count + Second::count, indices = paths + AfterPath::indices,
                         split = First::count;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        int const main = MainPath::write(to, at, entry);
        at.index += MainPath::indices;
        int const shortcut = ShortcutPath::write(to, at, entry);
        at.index += ShortcutPath::indices;
        int const sum = to.add(row_of<typename SumFragment::Operation>, {at.scope, at.index, "sum"}, {main, shortcut});
        return AfterPath::write(to, at, sum);
    }
};

template <class Part, class AfterPart, class X, class MainPath>
consteval auto join() {
    if constexpr (is_misused<MainPath>) {
        return Scoped<MainPath>{};
    } else {
        using ShortcutPath = ShortcutFragment<Part, typename MainPath::Output, X>;
        using MainOutput = typename MainPath::Output;
        using ShortcutOutput = typename ShortcutPath::Output;
        if constexpr (is_misused<ShortcutPath>)
            return Scoped<Then<MainPath, ShortcutPath>>{};
        else if constexpr (!std::is_same_v<MainOutput, ShortcutOutput>)
            return MisusedFragment<ToldOfBranches<MainOutput, ShortcutOutput>>{};
        else
            return Scoped<Joined<MainPath, ShortcutPath, All<typename LayersOf<AfterPart>::type, MainOutput>>>{};
    }
}

template <class... Parts>
struct PartsOf {
    static constexpr int mains = (0 + ... + (is_kind<Main, Parts> ? 1 : 0)),
                         afters = (0 + ... + (is_kind<After, Parts> ? 1 : 0));
    static_assert(mains == 1 && afters <= 1 && sizeof...(Parts) <= static_cast<std::size_t>(2 + afters),
                  "Residual takes Main<...>, at most one shortcut and at most one After<...>");
    using MainLayers = typename LayersOf<part_or<Main, Main<>, Parts...>>::type;
    using AfterPart = part_or<After, After<>, Parts...>;
    using ShortcutPart = type_at<shortcut_index<Parts...>(), List<Identity, Parts...>>;
};
template <class... Parts, class X>
struct Fragment<Residual<Parts...>, X>
    : decltype(join<typename PartsOf<Parts...>::ShortcutPart, typename PartsOf<Parts...>::AfterPart, X,
                    All<typename PartsOf<Parts...>::MainLayers, X>>()) {};

}  // namespace strata::inline STRATA_ABI::detail
