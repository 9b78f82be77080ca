// What a layer is to the rest of the house.
//
// A layer is a small type without data, `Conv2d<6, 5>`. Bound to the shape of its input it becomes an *operation*:
//
//   using Input, Output             shapes of one sample
//   using Parameters                ParameterList<…>, in PyTorch's order and layouts, or NoParameters
//   forward(at, io)                 one output element of one lane
//   input_gradient(at, io)          one element of dx
//   parameter_gradient(P, at, io)   one element of the gradient of parameter P, for one lane of samples
//
// It may say more, and has these defaults if not:
//
//   static constexpr Keep keep      what forward leaves for backward; Keep::both
//   static constexpr double flops   floating-point operations of one forward pass of one sample; two for each output
//                                   or parameter, whichever are more
//   static constexpr auto type      the layer's name for people; "layer"
//
// An operation with several inputs lists them, `using Inputs = ShapeList<Shape<8, 4, 4>, Shape<8>>` instead of Input.
// Its bodies read input K as io.template input<K>() (io.x is input 0), and where the gradients differ, or the shapes
// do, `input_gradient<K>(at, io)` is an element of that input's. `keep` is about all of them. Join
// (network/composite.hpp) puts such an operation behind branches.
//
// and, where they apply, `using IsView` (output is the input's memory), `using IsElementwise` (no parameters, and a
// body does not care which sample or element it sees), `using IsTrainingOnly` (identity in evaluation), `block`
// (elements a body gives at once, as a std::array of lanes), `keeps_extra` (forward leaves a value an output element in
// io.extra, with `set`), `using ForwardPasses`, `using BackwardPasses` and `pass(P, at, io)` (what is computed of a
// sample, or gathered over a sequence or the batch, before the rest: pass.hpp), `using Buffers` (what passes over the batch
// move), `using ReducesSequence` (the output is one column a sequence: forward reads passes of scope sequence alone, and in
// backward io.dy is that of the column's sequence), `using SeesSequence` (bodies look at io.column(s) without having such a
// pass), `using State` (what later tokens of the sequence read of one that came in an earlier call: state.hpp), `same_in_every_lane` (forward gives the same bits in a scalar and in a vector of any width: no product that a
// compiler may fuse into an addition, no exp or log), `using PassesGradient` (the gradient of every input is dy itself),
// `using IsConcatenation` (the output is the inputs one behind the other, and there are no bodies).
//
// Bodies are in *gather form*: each is a pure function of what it reads, so executors may run the elements in any
// order, on SIMD lanes, GPU threads or doubles. They are marked STRATA_HD, as is all that they call, to run on GPUs.
// `io` (BodyInput below) holds the views a body may read: x in forward, and in backward dy, extra, and x and y as
// `keep` says. Forward runs in inference too, where there is no extra to read.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "batch_pass.hpp"
#include "dual.hpp"
#include "state.hpp"

namespace strata::inline STRATA_ABI {

/// What an operation's backward pass reads besides dy and the parameters.
enum class Keep : std::uint8_t { nothing = 0, input = 1, output = 2, both = 3 };
constexpr bool keeps_input(Keep k) { return (static_cast<int>(k) & 1) != 0; }
constexpr bool keeps_output(Keep k) { return (static_cast<int>(k) & 2) != 0; }

namespace detail {
template <class Op>
constexpr Keep keep_of() {
    if constexpr (requires { Op::keep; })
        return Op::keep;
    else
        return Keep::both;
}
template <class Op>
constexpr double flops_of() {
    if constexpr (requires { Op::flops; })
        return Op::flops;
    else
        return 2.0 * (Op::Output::size > Op::Parameters::size ? Op::Output::size : Op::Parameters::size);
}
template <class Op>
constexpr std::string_view type_of() {
    if constexpr (requires { Op::type; })
        return Op::type;
    else
        return "layer";
}
template <class Op>
constexpr int block_of() {
    if constexpr (requires { Op::block; })
        return Op::block;
    else
        return 1;
}
template <class Op>
constexpr bool keeps_extra() {
    if constexpr (requires { Op::keeps_extra; })
        return Op::keeps_extra;
    else
        return false;
}
template <class Op>
constexpr bool is_view() {
    return requires { typename Op::IsView; };
}
template <class Op>
constexpr bool is_concatenation() {
    return requires { typename Op::IsConcatenation; };
}
template <class Op>
constexpr bool passes_gradient() {
    return requires { typename Op::PassesGradient; };
}
template <class Op>
constexpr bool is_batch_wide() {
    return batch_numbers<Op> > 0 && !requires { typename Op::IsFrozen; };
}
template <class Op>
constexpr bool is_elementwise() {
    return requires { typename Op::IsElementwise; };
}
template <class Op>
constexpr bool is_same_in_every_lane() {
    if constexpr (requires { Op::same_in_every_lane; })
        return Op::same_in_every_lane;
    else
        return false;
}
/// The shape over which a pass runs: the output (input), or its blocks when a body returns several elements at once.
template <class Op, class S>
consteval auto domain_of() {
    if constexpr (block_of<Op>() > 1)
        return Shape<(S::size + block_of<Op>() - 1) / block_of<Op>()>{};
    else if constexpr (is_elementwise<Op>())
        return Shape<S::size>{};
    else
        return S{};
}
template <class Op>
using forward_domain = decltype(domain_of<Op, typename Op::Output>());
/// The shape of the gradient that input_gradient(at, io) is about.
template <class Op>
struct GradientShape {
    using type = input_of<Op>;
};
template <class Op>
requires requires { typename Op::Input; }
struct GradientShape<Op> {
    using type = typename Op::Input;
};
template <class Op>
using backward_domain = decltype(domain_of<Op, typename GradientShape<Op>::type>());

/// The list that BodyInput is given: none for one input, so that its type does not depend on the operation.
template <class Op>
struct SeveralInputs {
    using type = ShapeList<>;
};
template <class Op>
requires requires { typename Op::Inputs; }
struct SeveralInputs<Op> {
    using type = typename Op::Inputs;
};

/// Whether an operation makes one column of a sequence.
template <class Op>
constexpr bool reduces_sequence() {
    return requires { typename Op::ReducesSequence; };
}
/// Whether bodies see which column of a sequence they work on.
template <class Op>
constexpr bool sees_sequence() {
    return reduces_sequence<Op>() || requires { typename Op::SeesSequence; } ||
           forward_passes<Op>::has_sequence_scope || backward_passes<Op>::has_sequence_scope;
}
template <class Op, class Input>
using seen_input = std::conditional_t<sees_sequence<Op>(), SequenceInput<Input>, Input>;

/// What bodies are called with where only their signatures are asked for.
template <class Op>
using body_input_in_double = seen_input<
    Op,
    BodyInput<TileView<input_of<Op>, double, double const>, TileView<typename Op::Output, double, double const>,
              ExtraView<typename Op::Output, double, double>, ParametersView<typename Op::Parameters, double, double>,
              typename SeveralInputs<Op>::type, passes_view<Op, TileView, double, double>>>;

/// An operation as its input K sees it: with that input's shape and gradient.
template <class Op, int K>
struct SeenFromInput : Op {
    using Operation = Op;
    using Input = input_of<Op, K>;
    static constexpr int seen_from = K;
    static constexpr bool of_its_own =
        requires(Position<backward_domain<SeenFromInput>::rank> at, body_input_in_double<Op> const& io) {
            Op::template input_gradient<K>(at, io);
        };
    template <class At, class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(At at, Io const& io) {
        if constexpr (of_its_own)
            return Op::template input_gradient<K>(at, io);
        else
            return Op::input_gradient(at, io);
    }
};
/// The operation whose input_gradient is that of input K: the operation itself, where all inputs have one gradient.
template <class Op, int K>
struct GradientOperation {
    using type = Op;
};
template <class Op, int K>
requires(input_count<Op> > 1 && (!std::is_same_v<input_of<Op, K>, input_of<Op>> || SeenFromInput<Op, K>::of_its_own))
struct GradientOperation<Op, K> {
    using type = SeenFromInput<Op, K>;
};
template <class Op, int K>
using gradient_operation = typename GradientOperation<Op, K>::type;

template <class Op, class Io, class List>
inline constexpr bool has_parameter_gradients = false;
template <class Op, class Io, class... Ps>
inline constexpr bool has_parameter_gradients<Op, Io, ParameterList<Ps...>> =
    (requires(Position<Ps::Extents::rank> at, Io const& io) { Op::parameter_gradient(Ps{}, at, io); } && ...);
/// What forward and input_gradient return: a lane, or `block` of them.
template <class Op, class Result>
consteval bool is_result() {
    if constexpr (block_of<Op>() == 1)
        return std::is_convertible_v<Result, double>;
    else if constexpr (requires { std::tuple_size<Result>::value; })
        return std::tuple_size<Result>::value == static_cast<std::size_t>(block_of<Op>());
    else
        return false;
}
template <class Op, class Io>
concept HasInputGradient = requires(Position<backward_domain<Op>::rank> from, Io const& io) {
    requires is_result<Op, decltype(Op::input_gradient(from, io))>();
};
template <class Op, class Io>
consteval bool has_input_gradients() {
    if constexpr (input_count<Op> == 1)
        return HasInputGradient<Op, Io>;
    else
        return for_all_inputs<Op>([&]<int K>() { return HasInputGradient<gradient_operation<Op, K>, Io>; });
}
/// What the body of a pass over the batch returns: a lane, or as many as the pass has numbers, which moments are of one.
template <class P, class Result>
consteval bool is_term() {
    if constexpr (requires { std::tuple_size<Result>::value; })
        return P::gathers == Gather::mean && std::tuple_size<Result>::value == static_cast<std::size_t>(P::numbers);
    else
        return P::numbers == 1 && std::is_convertible_v<Result, double>;
}
template <class Op, class Io, class P>
consteval bool has_pass_body() {
    if constexpr (P::scope == Scope::batch)
        return requires(Position<P::Extents::rank> at, Io const& io) {
            requires is_term<P, decltype(Op::pass(P{}, at, 0, io))>();
        };
    else
        return requires(Position<P::Extents::rank> at, Io const& io) { Op::pass(P{}, at, io); };
}
template <class Op, class Io, class List>
inline constexpr bool has_pass_bodies = false;
template <class Op, class Io, class... Ps>
inline constexpr bool has_pass_bodies<Op, Io, PassList<Ps...>> = (has_pass_body<Op, Io, Ps>() && ...);
template <class Op, class Io = body_input_in_double<Op>>
concept HasBodies = requires(Position<forward_domain<Op>::rank> at, Io const& io) {
    requires is_result<Op, decltype(Op::forward(at, io))>();
    requires has_input_gradients<Op, Io>();
    requires has_pass_bodies<Op, Io, forward_passes<Op>> && has_pass_bodies<Op, Io, backward_passes<Op>>;
    requires gathers_gradients<Op>() || has_parameter_gradients<Op, Io, typename Op::Parameters>;
};
}  // namespace detail

/// A layer bound to the shape of its input, as it is described above.
template <class Op>
concept Operation =
    (requires { typename Op::Input; } || requires { typename Op::Inputs; }) &&
    requires { requires detail::input_of<Op>::size > 0 && Op::Output::size > 0 && Op::Parameters::size >= 0; } &&
    (detail::is_view<Op>() || detail::is_concatenation<Op>() || detail::HasBodies<Op>);

// ---- misuse --------------------------------------------------------------------------------------------------------

// Where a layer stands and what it got, spelled so that compilers print it:
// Linear<10>::Check<layer<7>, got<Shape<16, 5, 5>>>.
template <int... Index>
struct layer;
template <class S>
struct got {
    using type = S;
};
template <int Index, class S>
struct branch {
    using type = S;
};
/// Output of a misused layer: whatever is bound to it is silent, so that the first message stays the only one.
struct Poison {};

// ---- one's own activation ------------------------------------------------------------------------------------------

namespace detail {
template <class A>
concept WritesBackward = requires(A a, double x) { a.backward(x, x, x); };
/// A backward that nobody would call, or a word about what it reads where there is none.
template <class A>
concept MisspellsBackward =
    !WritesBackward<A> && (requires { &A::backward; } || requires { &A::template backward<double>; } ||
                           requires { &A::backwards; } || requires { &A::template backwards<double>; } ||
                           requires { A::keep; });
/// Written for lanes, and not for float or double alone.
template <class A>
concept TakesLanes = requires(A a, Lane<float, 4> x) { a.forward(x); } &&
                     (!WritesBackward<A> || requires(A a, Lane<float, 4> x) { a.backward(x, x, x); });
}  // namespace detail

/// An activation is any empty struct with forward(x) over lanes, a template where it writes no backward(x, y, dy),
/// which then follows from forward (dual.hpp); backward may be a template too.
template <class A>
concept Activation = std::is_empty_v<A> && requires(A a, double x) { a.forward(x); } && detail::TakesLanes<A> &&
                     !detail::MisspellsBackward<A>;

/// An activation bound to a shape: elementwise, without parameters.
template <class A, class X>
struct ElementwiseOperation {
    using ActivationType = A;
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    using IsElementwise = void;
    static constexpr Keep keep = detail::WritesBackward<A> ? detail::keep_of<A>() : Keep::input;
    static constexpr double flops = X::size;
    static constexpr bool same_in_every_lane = detail::is_same_in_every_lane<A>();
    static constexpr std::string_view type = [] {
        if constexpr (requires { A::type; })
            return std::string_view(A::type);
        else
            return std::string_view("activation");
    }();

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<1> at, Io const& io) {
        return typename Io::L(A{}.forward(io.x[at[0]]));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<1> at, Io const& io) {
        using L = typename Io::L;
        if constexpr (detail::WritesBackward<A>)
            return L(A{}.backward(kept_x(at, io), kept_y(at, io), io.dy[at[0]]));
        else
            return L(A{}.forward(Dual<L>(io.x[at[0]], L(1))).slope * io.dy[at[0]]);
    }

    /// What backward is given of input and output: 0 where it is not kept.
    template <class Io>
    STRATA_HD static STRATA_INLINE auto kept_x(Position<1> at, Io const& io) {
        return keeps_input(keep) ? io.x[at[0]] : typename Io::L(0);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto kept_y(Position<1> at, Io const& io) {
        return keeps_output(keep) ? io.y[at[0]] : typename Io::L(0);
    }
};

}  // namespace strata::inline STRATA_ABI
