// What Softmax and LogSoftmax share: shapes, and the exponentials of a position's channels. The largest is taken off
// first, so that none overflows.
#pragma once

#include "../core/long_sum.hpp"
#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class X>
struct SoftmaxSums {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    static constexpr int classes = channels_of<X>, positions = pixels_of<X>;
    static constexpr Keep keep = Keep::output;
    static constexpr double flops = 4.0 * X::size;

    using OfPosition = Pass<Shape<positions>>;  ///< one number of each position
    struct Largest : OfPosition {};

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Largest, Position<1> at, Io const& io) {
        auto top = io.x[at[0]];
        for (int k = 1; k < classes; ++k) top = maximum(io.x[k * positions + at[0]], top);
        return top;
    }
    /// sum_k e^(x(k) - largest)
    template <class Io>
    STRATA_HD static STRATA_INLINE auto sum_of_exponentials(int position, Io const& io) {
        LongSum<typename Io::L, classes> sum;
        auto const top = io.pass(Largest{})(position);
        for (int k = 0; k < classes; ++k) sum.add(exp(io.x[k * positions + position] - top));
        return sum.value();
    }
};

}  // namespace strata::inline STRATA_ABI::detail
