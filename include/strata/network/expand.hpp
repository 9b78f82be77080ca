// From the user's list of layers to the flat op list.
//
// A layer behind values of some shape is a *fragment*: operations that read what came in or what one of them made. A fragment
// knows nothing of its surroundings, so a block that a network repeats is one type, expanded once, and compile time
// grows with the blocks that differ. Names and numbers of values are written by constexpr code (OpListWriter), a step an
// operation. A fragment has
//
//   Output                 shape of what it makes; Poison where a layer is misused
//   Misuse                 what is said then
//   count, indices          operations, and the indices that it takes in its surroundings
//   First, Second, split   its parts, and the operations of the first; one operation is Operation, and split -1;
//                          -2 of Contents whose operations are frozen (frozen.hpp)
//   write(to, at, entry)   appends its operations at a place, behind value `entry`; returns the value that it makes
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "composite.hpp"
#include "op_list.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class... Ts>
struct List {
    static constexpr int size = sizeof...(Ts);
};

// A type of a list by its index: a base class that overload resolution finds, for std::tuple_element of g++ 12 makes
// hundreds of types of a long list for each of its indices.
template <int Index, class T>
struct Slot {
    using type = T;
};
template <class Indices, class L>
struct Slots;
template <int... Index, class... Ts>
struct Slots<std::integer_sequence<int, Index...>, List<Ts...>> : Slot<Index, Ts>... {};
template <int Index, class T>
Slot<Index, T> slot_of(Slot<Index, T> const*);
template <int Index, class L>
using type_at = typename decltype(slot_of<Index>(
    static_cast<Slots<std::make_integer_sequence<int, L::size>, L> const*>(nullptr)))::type;

// ---- misuse --------------------------------------------------------------------------------------------------------

/// The message of a misuse: to complete it makes the compiler print it. After no misuse there is none.
struct NoMessage {};
struct NoMisuse {
    template <int>
    using Moved = NoMisuse;
    using Inside = NoMisuse;
    using Message = NoMessage;
};
/// A misuse at a place in its surroundings. It is silent until Network lets it say its message: reported there, not
/// where it was found, it stands among the first lines that a compiler prints, however deep the layer is nested.
template <class Told, int Index, int... Inner>
struct Misused {
    template <int By>
    using Moved = Misused<Told, Index + By, Inner...>;
    using Inside = Misused<Told, 0, Index, Inner...>;
    using Message = typename Told::template At<layer<Index, Inner...>>::Message;
};
template <class A, class B>
using first_misuse = std::conditional_t<std::is_same_v<A, NoMisuse>, B, A>;
template <class Fragment>
inline constexpr bool is_misused = !std::is_same_v<typename Fragment::Misuse, NoMisuse>;

/// What a layer's, or a shortcut's, own check says.
template <class Layer, class... Got>
struct ToldByCheck {
    template <class Where>
    using At = typename Layer::template Check<Where, Got...>;
};
/// What one of the structs below says of a layer or an operation that got this.
template <template <class Of, class Where, class... Got> class Sentence, class Of, class... Got>
struct Told {
    template <class Where>
    using At = Sentence<Of, Where, Got...>;
};
/// Parts of composites, where a layer is expected.
template <class Layer>
inline constexpr bool is_part = false;
template <int... Extents>
inline constexpr bool is_part<Input<Extents...>> = true;
template <int Vocabulary, int... Extents>
inline constexpr bool is_part<Ids<Vocabulary, Extents...>> = true;
template <class In>
inline constexpr bool is_part<RequiresGrad<In>> = true;
template <class... Parts>
inline constexpr bool is_part<Inputs<Parts...>> = true;
template <class In, int Longest>
inline constexpr bool is_part<Sequence<In, Longest>> = true;
template <class... Layers>
inline constexpr bool is_part<Main<Layers...>> = true;
template <class... Layers>
inline constexpr bool is_part<Shortcut<Layers...>> = true;
template <class... Layers>
inline constexpr bool is_part<After<Layers...>> = true;
/// What is said of a type that is neither a layer nor an activation.
template <class Layer, class Where, class Got>
struct NotALayer {
    struct Message {
        static_assert(!is_part<Layer>,
                      "this is not a layer: Input, Ids, Inputs, Sequence<Input<...>> and RequiresGrad<Input<...>> "
                      "stand first in a Network, Main, Shortcut and After in a Residual");
        static_assert(!MisspellsBackward<Layer>,
                      "an activation's gradient is backward(x, y, dy), over lanes: here it is misspelt, takes other "
                      "arguments, or is missing where `keep` says what it reads");
        static_assert(Activation<Layer> || is_part<Layer> || MisspellsBackward<Layer>,
                      "this is not a layer: give it forward(x) and, if need be, backward(x, y, dy), templates over "
                      "lanes, and no members, or a template On<InputShape>");
    };
};
/// Whether an operation that says IsElementwise, IsView or IsTrainingOnly has the shapes for it.
template <class Op>
consteval bool keeps_its_word() {
    if constexpr (is_elementwise<Op>())
        return for_all_inputs<Op>([&]<int K>() { return input_of<Op, K>::size == Op::Output::size; }) &&
               Op::Parameters::size == 0 && block_of<Op>() == 1 && !has_passes<Op>();
    else
        return !(is_view<Op>() || requires { typename Op::IsTrainingOnly; }) || input_of<Op>::size == Op::Output::size;
}
/// What is said of a layer whose On<X> is no operation.
template <class Op, class Where, class Got>
struct NotAnOperation {
    static constexpr bool bodies = Operation<Op> && requires { typename Op::Input; };
    static constexpr bool of_batch = says_all_of_batch<Op>(), of_state = may_keep<Op>();
    static constexpr bool ok = [] {
        if constexpr (!bodies)
            return false;
        else
            return keeps_its_word<Op>() && of_batch && of_state;
    }();
    struct Message {
        static_assert(
            bodies,
            "a layer's On<X> needs the shapes Input and Output, Parameters (NoParameters where there are none) "
            "and static functions that return a lane (or std::array of block lanes): forward(at, io), "
            "input_gradient(at, io), and for each parameter P parameter_gradient(P{}, at, io) (for each pass P that it "
            "lists pass(P{}, at, io), over the batch pass(P{}, at, term, io), a lane or a std::array of P::numbers "
            "lanes, "
            "of Gather::moments one, too)");
        static_assert(
            ok || !bodies || !of_batch || !of_state,
            "a layer's On<X> says IsElementwise, IsView or IsTrainingOnly: its output must be as large as its "
            "input then, and an elementwise one has neither parameters, passes nor block");
        static_assert(of_batch || !bodies,
                      "a layer's On<X> with passes over the batch needs for each forward one evaluation(P{}, element, "
                      "buffers), an array of doubles that bodies read in evaluation instead, and for each of its "
                      "Buffers B moved(P{}, B{}, old, gathered)");
        static_assert(of_state || !bodies,
                      "a layer's On<X> with a State keeps numbers of its input, using State = KeptInput<first, count>, "
                      "says SeesSequence, and has no forward pass of scope sequence and no ReducesSequence, which look "
                      "at the whole sequence");
    };
};
/// What is said of a layer that would read all of a network's Inputs.
template <class Layer, class Where, class Got>
struct ReadsAllInputs {
    struct Message {
        static_assert(sizeof(Layer) == 0,
                      "a network with Inputs: what reads them, each branch or the first layer, begins with From<name>");
    };
};
/// What is said of a layer that would read ids as numbers.
template <class Layer, class Where, class Got>
struct ReadsIds {
    struct Message {
        static_assert(
            sizeof(Layer) == 0,
            "what comes in here are Ids, which are no numbers: put Embedding<width> first, or let the layer say "
            "`using TakesIds = void`");
    };
};
template <class Layer, class X>
inline constexpr bool reads_ids = are_ids<X> && !requires { typename Layer::TakesIds; };

// ---- fragments --------------------------------------------------------------------------------------------------------

/// No operation: what came in goes out.
template <class X, class Why = NoMisuse>
struct NoFragment {
    using Output = X;
    using Misuse = Why;
    static constexpr int count = 0, indices = 0, split = 0;
    static constexpr int write(OpListWriter&, LayerPath, int entry) { return entry; }
};

template <class Op>
struct OperationFragment {
    using Operation = Op;
    using Output = typename Op::Output;
    using Misuse = NoMisuse;
    static constexpr int count = 1, indices = 1, split = -1;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) { return to.add(row_of<Op>, at, {entry}); }
};

/// One fragment after another.
template <class A, class B>
struct Then {
    using First = A;
    using Second = B;
    using Output = typename B::Output;
    using Misuse = first_misuse<typename A::Misuse, typename B::Misuse::template Moved<A::indices>>;
    static constexpr int count = A::count + B::count, indices = A::indices + B::indices, split = A::count;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        return B::write(to, {at.scope, at.index + A::indices}, A::write(to, at, entry));
    }
};

/// A fragment in a scope of its own, one entry in the indices of its surroundings.
template <class Contents>
struct Scoped {
    using First = Contents;
    using Second = NoFragment<typename Contents::Output>;
    using Output = typename Contents::Output;
    using Misuse = typename Contents::Misuse::Inside;
    static constexpr int count = Contents::count, indices = 1, split = count;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        return Contents::write(to, {.scope = &at}, entry);
    }
};

/// What a layer is behind shape X.
template <class Layer, class X>
struct Fragment;

/// Layers [From, From + Count) of a list behind shape X, halved again and again: so no type lists what came before.
template <class Layers, int From, int Count, class X>
struct Range;
/// A list of layers N times over.
template <class Layers, int N, class X>
struct Repeated;
template <class Layers, class X>
using All = Range<Layers, 0, Layers::size, X>;

/// What follows a fragment, nothing where a layer in the fragment is misused.
template <class X>
struct Behind {
    template <class Layers, int From, int Count>
    using RangeOf = Range<Layers, From, Count, X>;
    template <class Layers, int N>
    using RepeatedOf = Repeated<Layers, N, X>;
};
template <>
struct Behind<Poison> {
    template <class, int, int>
    using RangeOf = NoFragment<Poison>;
    template <class, int>
    using RepeatedOf = NoFragment<Poison>;
};
template <class P>
using behind = Behind<typename P::Output>;

template <class Layers, int From, int Count, class X, class Half = Range<Layers, From, Count / 2, X>>
using Halves = Then<Half, typename behind<Half>::template RangeOf<Layers, From + Count / 2, Count - Count / 2>>;
template <class Layers, int From, int Count, class X>
struct Range : Halves<Layers, From, Count, X> {};
template <class Layers, int From, class X>
struct Range<Layers, From, 1, X> : Fragment<type_at<From, Layers>, X> {};
template <class Layers, int From, class X>
struct Range<Layers, From, 0, X> : NoFragment<X> {};
// What came in, which of several inputs is no value.
template <class Layers, int From, class X>
requires requires { typename X::AreInputParts; }
struct Range<Layers, From, 0, X> : NoFragment<Poison, Misused<Told<ReadsAllInputs, Identity, got<X>>, 0>> {};
template <class Layers, int From, class X>
requires are_ids<X>
struct Range<Layers, From, 0, X> : NoFragment<Poison, Misused<Told<ReadsIds, Identity, got<X>>, 0>> {};

template <class Layers, int N, class X, class Half = Repeated<Layers, N / 2, X>>
using RepeatedHalves = Then<Half, typename behind<Half>::template RepeatedOf<Layers, N - N / 2>>;
template <class Layers, int N, class X>
struct Repeated : RepeatedHalves<Layers, N, X> {};
template <class Layers, class X>
struct Repeated<Layers, 1, X> : All<Layers, X> {};
template <class Layers, class X>
struct Repeated<Layers, 0, X> : NoFragment<X> {};

/// Operation `Index` of a fragment.
template <int Index, class P,
          int Part = (P::split == -2     ? 3
                      : P::split < 0     ? 0
                      : Index < P::split ? 1
                                         : 2)>
struct OperationIn {
    using type = typename P::Operation;
};
template <int Index, class P>
struct OperationIn<Index, P, 1> : OperationIn<Index, typename P::First> {};
template <int Index, class P>
struct OperationIn<Index, P, 2> : OperationIn<Index - P::split, typename P::Second> {};

// ---- how each kind of layer expands --------------------------------------------------------------------------------

template <class Why>
using MisusedFragment = NoFragment<Poison, Misused<Why, 0>>;

/// A layer that is no composite: checked and bound to the shape.
template <class Layer, class X>
consteval auto bind() {
    if constexpr (requires { typename X::AreInputParts; }) {
        return MisusedFragment<Told<ReadsAllInputs, Layer, got<X>>>{};
    } else if constexpr (reads_ids<Layer, X> && !is_part<Layer>) {
        return MisusedFragment<Told<ReadsIds, Layer, got<X>>>{};
    } else if constexpr (requires { typename Layer::template Check<layer<>, got<X>>; }) {
        if constexpr (Layer::template Check<layer<>, got<X>>::ok)
            return OperationFragment<typename Layer::template On<X>>{};
        else
            return MisusedFragment<ToldByCheck<Layer, got<X>>>{};
    } else if constexpr (requires { typename Layer::template On<X>; }) {
        using Op = typename Layer::template On<X>;
        if constexpr (NotAnOperation<Op, layer<>, got<X>>::ok)
            return OperationFragment<Op>{};
        else
            return MisusedFragment<Told<NotAnOperation, Op, got<X>>>{};
    } else if constexpr (Activation<Layer>) {
        return OperationFragment<ElementwiseOperation<Layer, X>>{};
    } else {
        return MisusedFragment<Told<NotALayer, Layer, got<X>>>{};
    }
}
template <class Layer, class X>
struct Fragment : decltype(bind<Layer, X>()) {};

template <class... Layers, class X>
struct Fragment<Sequential<Layers...>, X> : Scoped<All<List<Layers...>, X>> {};
template <class X>
struct Fragment<Identity, X> : Fragment<Sequential<>, X> {};
template <int N, class... Layers, class X>
struct Fragment<Repeat<N, Layers...>, X> : Repeated<List<Layers...>, N, X> {};

// Found by its members: nvcc 13 does not match partial specialisations for Named<Name, …>.
template <class Layer, class X>
requires requires { typename Layer::NamedContents; }
struct Fragment<Layer, X> : Fragment<typename Layer::NamedContents, X> {
    static constexpr std::string_view name = Layer::name.view();
    static_assert(!name.empty() && name.find('.') == std::string_view::npos,
                  "Named: a layer's name must not be empty or contain a dot");
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        at.name = name;
        return Fragment<typename Layer::NamedContents, X>::write(to, at, entry);
    }
};

}  // namespace strata::inline STRATA_ABI::detail
