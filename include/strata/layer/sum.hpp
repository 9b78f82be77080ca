// Sum: y = a + b, where the branches of a Residual meet; dy flows unchanged to both. Keeps nothing.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// The sum of two values of shape X; its gradient for either input is dy.
template <class X>
struct Sum {
    using Inputs = ShapeList<X, X>;
    using Output = X;
    using Parameters = NoParameters;
    using IsElementwise = void;
    using PassesGradient = void;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "Sum";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<1> at, Io const& io) {
        return io.x[at[0]] + io.template input<1>()[at[0]];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<1> at, Io const& io) {
        return io.dy[at[0]];
    }
};

}  // namespace strata::inline STRATA_ABI
