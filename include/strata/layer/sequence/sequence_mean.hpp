// SequenceMean: the mean over the tokens of each sequence, as x.mean(0) of a sequence's [tokens][...] in PyTorch.
//
//   y(k) = 1/T sum_t x(t, k)
//   dx(t, k) = dy(k) / T
//
// Shapes: x any shape a token, y the same, one a sequence. T is the sequence's length. Keeps nothing.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// SequenceMean bound to the shape of a token.
template <class X>
struct SequenceMeanOperation {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    using ReducesSequence = void;
    static constexpr Keep keep = Keep::nothing;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "SequenceMean";

    struct Mean : Pass<X, Scope::sequence> {};
    using ForwardPasses = PassList<Mean>;

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Mean, Position<X::rank> at, Io const& io) {
        return io.x[X::index(at)];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<X::rank> at, Io const& io) {
        return io.pass(Mean{})[X::index(at)];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        return io.dy[X::index(at)] / L(static_cast<scalar_of<L>>(io.length));
    }
};

/// `SequenceMean`: behind it there is one column a sequence.
struct SequenceMean {
    template <class X>
    using On = SequenceMeanOperation<X>;
};

}  // namespace strata::inline STRATA_ABI
