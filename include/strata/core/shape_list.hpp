// The inputs of an operation that has several of them.
#pragma once

#include "shape.hpp"

namespace strata::inline STRATA_ABI {

/// The shapes of an operation's inputs, in order: `using Inputs = ShapeList<Shape<8, 4, 4>, Shape<8>>`.
template <class... Shapes>
struct ShapeList {
    static constexpr int count = sizeof...(Shapes);
};

namespace detail {

template <int K, class List>
struct ShapeAt;
template <class First, class... Rest>
struct ShapeAt<0, ShapeList<First, Rest...>> {
    using type = First;
};
template <int K, class First, class... Rest>
struct ShapeAt<K, ShapeList<First, Rest...>> : ShapeAt<K - 1, ShapeList<Rest...>> {};

/// An operation's inputs as a list, of one input too.
template <class Op>
struct InputsOf {
    using type = ShapeList<typename Op::Input>;
};
template <class Op>
requires requires { typename Op::Inputs; }
struct InputsOf<Op> {
    using type = typename Op::Inputs;
};
template <class Op>
inline constexpr int input_count = InputsOf<Op>::type::count;
/// The shape of an operation's input K.
template <class Op, int K = 0>
using input_of = typename ShapeAt<K, typename InputsOf<Op>::type>::type;

/// Whether a condition holds for each input of an operation: f.template operator()<K>().
template <class Op, class F>
constexpr bool for_all_inputs(F const& f) {
    return [&]<int... K>(std::integer_sequence<int, K...>) {
        return (f.template operator()<K>() && ...);
    }(std::make_integer_sequence<int, input_count<Op>>{});
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
