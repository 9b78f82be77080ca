// Networks with several inputs: Inputs, and From, which takes one of them.
#pragma once

#include "../layer/input_part.hpp"
#include "expand.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class T>
struct InputExtentOf;
/// Whether a part of Inputs is `Named<"image", Input<3, 32, 32>>`.
template <class Part>
inline constexpr bool is_named_input = false;
template <class Part>
requires requires { typename Part::NamedContents::Extent; }
inline constexpr bool is_named_input<Part> = true;

/// What the first layers of a network stand behind: the shape of its input, or InputParts.
template <class In, bool WantsGradient = false>
struct EntryOf : InputExtentOf<In> {};
template <class In, bool WantsGradient>
struct EntryOf<RequiresGrad<In>, WantsGradient> : EntryOf<In, true> {};
template <class... Parts, bool WantsGradient>
requires(is_named_input<Parts> && ...)
struct EntryOf<Inputs<Parts...>, WantsGradient> {
    using type =
        InputParts<WantsGradient, ShapeList<InputName<Parts::name>...>, typename Parts::NamedContents::Extent...>;
};

/// What is said where From takes what is not there.
template <class Layer, class Where, class Got>
struct FromCheck {
    static constexpr bool first = requires { typename Got::type::AreInputParts; };
    static constexpr int input = [] {
        if constexpr (first)
            return Got::type::find(Layer::name.view());
        else
            return -1;
    }();
    static constexpr bool ok = input >= 0;
    struct Message {
        static_assert(first,
                      "From stands first in a network that begins with Inputs<Named<...>, ...>, or in a branch there");
        static_assert(ok || !first, "From: the network has no input of this name");
    };
};

/// It takes no index: what follows is called as in a module that is called with one of the inputs.
template <class Op, class Layer>
struct FromFragment : OperationFragment<Op> {
    static constexpr int indices = 0;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        at.name = Layer::name.view();
        return to.add(row_of<Op>, at, {entry});
    }
};
template <class Layer, class X>
consteval auto take_input() {
    if constexpr (FromCheck<Layer, layer<>, got<X>>::ok)
        return FromFragment<InputPart<X, FromCheck<Layer, layer<>, got<X>>::input>, Layer>{};
    else
        return MisusedFragment<Told<FromCheck, Layer, got<X>>>{};
}
template <class Layer, class X>
requires requires { typename Layer::TakesInput; }
struct Fragment<Layer, X> : decltype(take_input<Layer, X>()) {};

/// Layers behind the inputs of `In`, which come as one value: for gradient checks.
template <class In, class... Layers>
struct BehindInputs {};
template <class In, class... Layers, class X>
struct Fragment<BehindInputs<In, Layers...>, X> : Scoped<All<List<Layers...>, typename EntryOf<In, true>::type>> {};

}  // namespace strata::inline STRATA_ABI::detail
