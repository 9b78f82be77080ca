// SequenceMax: the largest number over the tokens of each sequence, as x.max(0).values of a sequence's [tokens][...] in
// PyTorch.
//
//   y(k) = max_t x(t, k)
//   dx(t, k) = dy(k) where t is the first token with x(t, k) = y(k), else 0
//
// Shapes: x any shape a token, y the same, one a sequence. Keeps x. A NaN is larger than all, as in PyTorch.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// SequenceMax bound to the shape of a token.
template <class X>
struct SequenceMaxOperation {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    using ReducesSequence = void;
    static constexpr Keep keep = Keep::input;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "SequenceMax";

    struct Largest : Pass<X, Scope::sequence> {
        static constexpr Gather gathers = Gather::max;
    };
    /// Where it is: minus the position, the largest of which is the first one's.
    struct First : Pass<X, Scope::sequence> {
        static constexpr Gather gathers = Gather::max;
    };
    using ForwardPasses = PassList<Largest>;
    using BackwardPasses = PassList<First>;

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Largest, Position<X::rank> at, Io const& io) {
        return io.x[X::index(at)];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(First, Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        auto const is_largest = io.x[X::index(at)] == io.pass(Largest{})[X::index(at)];
        return select(is_largest, L(0) - lane_index<L>(io.position), L(0) - L(static_cast<scalar_of<L>>(io.length)));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<X::rank> at, Io const& io) {
        return io.pass(Largest{})[X::index(at)];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        auto const is_first = lane_index<L>(io.position) == L(0) - io.pass(First{})[X::index(at)];
        return select(is_first, io.dy[X::index(at)], L(0));
    }
};

/// `SequenceMax`: behind it there is one column a sequence.
struct SequenceMax {
    template <class X>
    using On = SequenceMaxOperation<X>;
};

}  // namespace strata::inline STRATA_ABI
