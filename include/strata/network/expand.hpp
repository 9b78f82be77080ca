// From the user's list of layers to the flat op list: every operation with its position in names and indices and the
// values it reads. Value 0 is the network's input; the operation at position i makes value i + 1.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>

#include "../core/operation.hpp"
#include "../layer/sum.hpp"
#include "composite.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class... Ts>
struct List {};

template <int Index, class L>
struct TypeAt;
template <int Index, class... Ts>
struct TypeAt<Index, List<Ts...>> {
    using type = std::tuple_element_t<static_cast<std::size_t>(Index), std::tuple<Ts...>>;
};
template <int Index, class L>
using type_at = typename TypeAt<Index, L>::type;

/// One step of a path: the index in the surroundings and, for named layers, the name that takes its place. `write`
/// writes its text, `length` characters, and returns the end.
template <int Index>
struct Place {
    static constexpr int index = Index;
    static constexpr std::size_t length = [] {
        std::size_t digits = 1;
        for (int rest = Index / 10; rest > 0; rest /= 10) ++digits;
        return digits;
    }();
    static constexpr char* write(char* to) {
        int rest = Index;
        for (std::size_t i = length; i > 0; --i, rest /= 10) to[i - 1] = static_cast<char>('0' + rest % 10);
        return to + length;
    }
};
template <int Index, FixedString Name>
struct NamedPlace {
    static constexpr int index = Index;
    static constexpr std::string_view name = Name.view();
    static constexpr std::size_t length = name.size();
    static constexpr char* write(char* to) {
        for (char const c : name) *to++ = c;
        return to;
    }
    static_assert(!name.empty() && name.find('.') == std::string_view::npos,
                  "Named: a layer's name must not be empty or contain a dot");
};

template <class... Places>
struct Path {
    using Where = layer<Places::index...>;
    /// "layer1.0.conv1"
    static constexpr std::string_view text() { return {characters.data(), characters.size() - 1}; }

private:
    static constexpr auto characters = [] {
        std::array<char, (0 + ... + (Places::length + 1))> joined{};  // a dot behind every place
        char* at = joined.data();
        ((at = Places::write(at), *at++ = '.'), ...);
        return joined;
    }();
};

/// One entry of the op list. Other is -1 for operations with one input.
template <class Operation, class PathType, int InputValue, int OtherValue>
struct Node {
    using Op = Operation;
    using Name = PathType;
    static constexpr int input = InputValue, other = OtherValue;
};

/// The list so far: nodes, the shape of each value, the value the next layer reads, the scope it
/// is named in and its index.
template <class Nodes, class Shapes, int Value, class Scope, int Index>
struct Builder;
template <class... Nodes, class... Shapes, int Value, class... Places, int Index>
struct Builder<List<Nodes...>, List<Shapes...>, Value, Path<Places...>, Index> {
    using NodeList = List<Nodes...>;
    using ShapeList = List<Shapes...>;
    using Scope = Path<Places...>;
    static constexpr int value = Value, index = Index;
    using Current = type_at<Value, ShapeList>;

    // Spelled out, without NodeList and ShapeList: nvcc 13 unfolds member names of a type into its history, which
    // doubles with every layer.
    /// Appends an operation on the current value; `::Next` also counts it in the indices.
    template <class Operation, class P, int Other = -1>
    using Append = Builder<List<Nodes..., Node<Operation, Path<Places..., P>, Value, Other>>,
                           List<Shapes..., typename Operation::Output>, static_cast<int>(sizeof...(Nodes)) + 1,
                           Path<Places...>, Index>;
    using Next = Builder<List<Nodes...>, List<Shapes...>, Value, Path<Places...>, Index + 1>;
    template <int NewValue>
    using At = Builder<List<Nodes...>, List<Shapes...>, NewValue, Path<Places...>, Index>;
    template <class P>
    using Enter = Builder<List<Nodes...>, List<Shapes...>, Value, Path<Places..., P>, 0>;
    template <class Outer>
    using LeaveTo = Builder<List<Nodes...>, List<Shapes...>, Value, typename Outer::Scope, Outer::index + 1>;
};
/// After a misused layer: silent, until Network lets the misuse say its message. Reported there, not where it was
/// found, it stands among the first lines that a compiler prints, however deep the layer is nested.
template <class Misuse>
struct Poisoned {
    using Current = Poison;
};
template <class B>
inline constexpr bool is_poisoned = false;
template <class Misuse>
inline constexpr bool is_poisoned<Poisoned<Misuse>> = true;

/// The message of a misuse: to complete it makes the compiler print it. After no misuse there is none.
struct NoMessage {};
template <class B>
struct MessageOf {
    using type = NoMessage;
};
template <class Misuse>
struct MessageOf<Poisoned<Misuse>> {
    using type = typename Misuse::Message;
};

/// What is said of a type that is neither a layer nor an activation.
template <class Layer, class Where, class Got>
struct NotALayer {
    struct Message {
        static_assert(Activation<Layer>,
                      "this is not a layer: give it forward(x) and backward(x, y, dy) over lanes, "
                      "or a template On<InputShape>");
    };
};

template <class B, class P>
struct WhereOf;
template <class N, class S, int V, class... Places, int Index, class P>
struct WhereOf<Builder<N, S, V, Path<Places...>, Index>, P> {
    using type = typename Path<Places..., P>::Where;
};

// ---- how each kind of layer expands --------------------------------------------------------------------------------

/// A leaf layer: checked, bound to the current shape and appended. Composites specialise this.
template <class Layer>
struct Expansion {
    template <class P, class B>
    static consteval auto apply(B) {
        return bind<P, B>(typename B::Current{});
    }

private:
    // The shape anew from its numbers, for the same reason as in Builder.
    template <class P, class B, int... E>
    static consteval auto bind(Shape<E...>) {
        using X = Shape<E...>;
        if constexpr (requires { typename Layer::template Check<typename WhereOf<B, P>::type, got<X>>; }) {
            using Checked = typename Layer::template Check<typename WhereOf<B, P>::type, got<X>>;
            if constexpr (!Checked::ok)
                return Poisoned<Checked>{};
            else
                return typename B::template Append<typename Layer::template On<X>, P>::Next{};
        } else if constexpr (requires { typename Layer::template On<X>; }) {
            return typename B::template Append<typename Layer::template On<X>, P>::Next{};
        } else if constexpr (Activation<Layer>) {
            return typename B::template Append<ElementwiseOperation<Layer, X>, P>::Next{};
        } else {
            return Poisoned<NotALayer<Layer, typename WhereOf<B, P>::type, got<X>>>{};
        }
    }
};

/// Folds: `(builder + ... + Tag<Layers>{})` expands layers one after another in the current scope.
template <class Layer>
struct Tag {};
template <class B, class Layer>
consteval auto operator+(B builder, Tag<Layer>) {
    if constexpr (is_poisoned<B>)
        return builder;
    else
        return Expansion<Layer>::template apply<Place<B::index>>(builder);
}
template <class... Layers, class B>
consteval auto expand_all(B builder) {
    return (builder + ... + Tag<Layers>{});
}
/// Back to the surroundings after a group, which counts as one layer there.
template <class Outer, class B>
consteval auto leave(B builder) {
    if constexpr (is_poisoned<B>)
        return builder;
    else
        return typename B::template LeaveTo<Outer>{};
}

template <class... Layers>
struct Expansion<Sequential<Layers...>> {
    template <class P, class B>
    static consteval auto apply(B) {
        return leave<B>(expand_all<Layers...>(typename B::template Enter<P>{}));
    }
};

template <class... Layers>
struct Once {};
template <class B, class... Layers>
consteval auto operator+(B builder, Once<Layers...>) {
    return expand_all<Layers...>(builder);
}
template <int N, class... Layers>
struct Expansion<Repeat<N, Layers...>> {
    template <class P, class B>
    static consteval auto apply(B builder) {
        return []<int... Index>(B first, std::integer_sequence<int, Index...>) {
            return (first + ... + std::conditional_t<Index >= 0, Once<Layers...>, void>{});
        }(builder, std::make_integer_sequence<int, N>{});
    }
};

// Found by its members: nvcc 13 does not match partial specialisations for Named<Name, …>.
template <class Layer>
requires requires { typename Layer::NamedContents; }
struct Expansion<Layer> {
    template <class P, class B>
    static consteval auto apply(B builder) {
        return Expansion<typename Layer::NamedContents>::template apply<NamedPlace<B::index, Layer::name>>(builder);
    }
};

// ---- Residual ------------------------------------------------------------------------------------------------------

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

/// Expands the parts of a Residual: paths from the value that B reads.
template <class Part>
struct PathOf {
    template <class Target, class B>
    static consteval auto apply(B builder) {
        return builder + Tag<Part>{};
    }
};
template <class... Layers>
struct PathOf<Main<Layers...>> {
    template <class Target, class B>
    static consteval auto apply(B builder) {
        return expand_all<Layers...>(builder);
    }
};
template <class... Layers>
struct PathOf<After<Layers...>> : PathOf<Main<Layers...>> {};
template <class... Layers>
struct PathOf<Shortcut<Layers...>> {
    template <class Target, class B>
    static consteval auto apply(B builder) {
        return builder + Tag<Named<"shortcut", Sequential<Layers...>>>{};
    }
};
template <>
struct PathOf<Identity> {
    template <class Target, class B>
    static consteval auto apply(B builder) {
        return builder;
    }
};
/// Shortcuts that need to know the main path's shape.
template <class Part>
requires requires { typename Part::template OnTarget<Shape<1, 1, 1>, Shape<1, 1, 1>>; }
struct PathOf<Part> {
    template <class Target, class B>
    static consteval auto apply(B) {
        return bind<B>(typename B::Current{}, Target{});
    }

private:
    template <class B, int... E, int... T>
    static consteval auto bind(Shape<E...>, Shape<T...>) {
        using X = Shape<E...>;
        using Target = Shape<T...>;
        using P = NamedPlace<B::index, "shortcut">;
        using Checked = typename Part::template Check<typename WhereOf<B, P>::type, got<X>, Target>;
        if constexpr (!Checked::ok)
            return Poisoned<Checked>{};
        else
            return typename B::template Append<typename Part::template OnTarget<X, Target>, P>{};
    }
};

template <class Where, class MainPath, class ShortcutPath>
struct BranchesMeet {
    static constexpr bool ok = std::is_same_v<MainPath, ShortcutPath>;
    struct Message {
        static_assert(ok,
                      "Residual: main path and shortcut end in different shapes: use ZeroPadShortcut or "
                      "Shortcut<Conv2d<channels, 1, Stride<…>>, …>");
    };
};

template <class... Parts>
struct Expansion<Residual<Parts...>> {
    static constexpr int mains = (0 + ... + (is_kind<Main, Parts> ? 1 : 0)),
                         afters = (0 + ... + (is_kind<After, Parts> ? 1 : 0));
    static_assert(mains == 1 && afters <= 1 && sizeof...(Parts) <= static_cast<std::size_t>(2 + afters),
                  "Residual takes Main<…>, at most one shortcut and at most one After<…>");
    using MainPart = part_or<Main, Main<>, Parts...>;
    using AfterPart = part_or<After, After<>, Parts...>;
    using ShortcutPart = type_at<shortcut_index<Parts...>(), List<Identity, Parts...>>;

    template <class P, class B>
    static consteval auto apply(B) {
        using Start = typename B::template Enter<P>;
        using AfterMain = decltype(PathOf<MainPart>::template apply<Poison>(Start{}));
        if constexpr (is_poisoned<AfterMain>) {
            return AfterMain{};
        } else {
            using Joint = decltype(PathOf<ShortcutPart>::template apply<typename AfterMain::Current>(
                typename AfterMain::template At<B::value>{}));
            if constexpr (is_poisoned<Joint>)
                return Joint{};
            else
                return meet<P, B, AfterMain, Joint>();
        }
    }

private:
    template <class P, class B, class AfterMain, class Joint>
    static consteval auto meet() {
        using Meeting =
            BranchesMeet<typename WhereOf<B, P>::type, got<typename AfterMain::Current>, got<typename Joint::Current>>;
        if constexpr (!Meeting::ok) {
            return Poisoned<Meeting>{};
        } else {
            using Back = typename Joint::template At<AfterMain::value>;
            using Joined = typename Back::template Append<Sum<typename Joint::Current>, NamedPlace<Joint::index, "sum">,
                                                          Joint::value>;
            return leave<B>(PathOf<AfterPart>::template apply<Poison>(Joined{}));
        }
    }
};

}  // namespace strata::inline STRATA_ABI::detail
