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
// and, where they apply, `using IsView` (output is the input's memory), `using IsElementwise` (no parameters, and a
// body does not care which sample or element it sees), `using IsTrainingOnly` (identity in evaluation), `block`
// (elements a body gives at once, as a std::array of lanes), `keeps_extra` (forward leaves a value an output element in
// io.extra, with `set`), `statistics_per_channel` (batch-wide), `same_in_every_lane` (forward gives the same bits in a
// scalar and in a vector of any width: no product that a compiler may fuse into an addition, no exp or log).
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

#include "dual.hpp"
#include "initialization.hpp"
#include "random.hpp"
#include "shape.hpp"
#include "view.hpp"

namespace strata::inline STRATA_ABI {

/// What an operation's backward pass reads besides dy and the parameters.
enum class Keep : std::uint8_t { nothing = 0, input = 1, output = 2, both = 3 };
constexpr bool keeps_input(Keep k) { return (static_cast<int>(k) & 1) != 0; }
constexpr bool keeps_output(Keep k) { return (static_cast<int>(k) & 2) != 0; }

/// One parameter tensor of a layer. Layers derive named types from it: `struct Weight : Parameter<"weight", …> {};`
template <FixedString Name, class S, class Scheme, int FanIn, int FanOut>
struct Parameter {
    static constexpr std::string_view name = Name.view();
    using Extents = S;
    using Initialization = Scheme;
    static constexpr Fan fan{FanIn, FanOut};
};

/// The parameter tensors of one layer, contiguous in this order.
template <class... Ps>
struct ParameterList {
    static constexpr int count = sizeof...(Ps);
    static constexpr int size = (0 + ... + Ps::Extents::size);
    /// Offset of a parameter's first scalar inside the layer.
    template <class P>
    static constexpr int offset = [] {
        int at = 0, found = -1;
        ((found = std::is_same_v<P, Ps> ? at : found, at += Ps::Extents::size), ...);
        return found;
    }();
    template <class F>
    static constexpr void for_each(F&& f) {
        (f(Ps{}), ...);
    }
};
using NoParameters = ParameterList<>;

/// A layer's parameters as a body sees them: `io.p(Weight{})(o, c, p, q)`.
template <class List, class Compute, class T>
struct ParametersView {
    T const* data;
    template <class P>
    STRATA_HD STRATA_INLINE ParameterView<typename P::Extents, Compute, T> operator()(P) const {
        return {data + List::template offset<P>};
    }
};

/// The key of a step's random numbers: word w of element e of a sample is a function of these alone.
struct RandomKey {
    std::uint64_t seed = 0;
    std::uint32_t operation = 0;  ///< index in the op list
    std::uint32_t step = 0;
};

/// Everything a body may read, and the one thing besides its result that it may write, `extra`. X, Y: TileView, E:
/// ExtraView, P: ParametersView. Views that a pass does not provide are null.
template <class X, class Y, class E, class P>
struct BodyInput {
    X x;      ///< input
    X other;  ///< second input of two-input operations
    Y y;      ///< output
    Y dy;     ///< gradient of the output
    E extra;  ///< one value an output element that forward may leave for backward (`keeps_extra`)
    P p;      ///< parameters
    double const* statistics = nullptr;  ///< batch-wide operations: what their reductions gave, a block a channel
    RandomKey random{};
    int sample = 0;  ///< index in the batch of the lane's first sample

    using L = typename X::LaneType;
};

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
constexpr bool is_batch_wide() {
    return requires { Op::statistics_per_channel; };
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
template <class Op>
using backward_domain = decltype(domain_of<Op, typename Op::Input>());

/// What bodies are called with where only their signatures are asked for.
template <class Op>
using body_input_in_double =
    BodyInput<TileView<typename Op::Input, double, double const>, TileView<typename Op::Output, double, double const>,
              ExtraView<typename Op::Output, double, double>, ParametersView<typename Op::Parameters, double, double>>;
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
template <class Op, class Io = body_input_in_double<Op>>
concept HasBodies =
    requires(Position<forward_domain<Op>::rank> at, Position<backward_domain<Op>::rank> from, Io const& io) {
        requires is_result<Op, decltype(Op::forward(at, io))>();
        requires is_result<Op, decltype(Op::input_gradient(from, io))>();
        requires is_batch_wide<Op>() || has_parameter_gradients<Op, Io, typename Op::Parameters>;
    };
}  // namespace detail

/// A layer bound to the shape of its input, as it is described above.
template <class Op>
concept Operation = requires { requires Op::Input::size > 0 && Op::Output::size > 0 && Op::Parameters::size >= 0; } &&
                    (detail::is_view<Op>() || detail::HasBodies<Op>);

// ---- misuse --------------------------------------------------------------------------------------------------------

// Where a layer stands and what it got, spelled so that compilers print it:
// Linear<10>::Check<layer<7>, got<Shape<16, 5, 5>>>.
template <int... Index>
struct layer;
template <class S>
struct got {
    using type = S;
};
/// Output of a misused layer: whatever is bound to it is silent, so that the first message stays the only one.
struct Poison {};

// ---- one's own activation ------------------------------------------------------------------------------------------

namespace detail {
template <class A>
concept WritesBackward = requires(A a, double x) { a.backward(x, x, x); };
/// A backward that nobody would call.
template <class A>
concept MisspellsBackward =
    !WritesBackward<A> && (requires { &A::backward; } || requires { &A::template backward<double>; });
}  // namespace detail

/// An activation is any empty struct with forward(x) over lanes, a template where it writes no backward(x, y, dy), which
/// then follows from forward (dual.hpp); backward may be a template too.
template <class A>
concept Activation = std::is_empty_v<A> && requires(A a, double x) { a.forward(x); } && !detail::MisspellsBackward<A>;

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
