// LogSoftmax: the logarithm of softmax over the channels, as torch.nn.LogSoftmax(dim=1).
//
//   y(k) = x(k) - log sum_j e^x(j)
//   dx(k) = dy(k) - e^y(k) sum_j dy(j)
//
// Shapes: x and y [C], [C][L] or [C][H][W]; the sums are over the C of a position. Keeps y. The largest is taken off
// first, so that no exponential overflows; -inf is a class that is left out. Training a classifier does not need it:
// CrossEntropy takes logits.
#pragma once

#include "../core/long_sum.hpp"
#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// LogSoftmax bound to a shape.
template <class X>
struct LogSoftmaxOperation {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    static constexpr int classes = channels_of<X>, positions = pixels_of<X>;
    static constexpr Keep keep = Keep::output;
    static constexpr double flops = 4.0 * X::size;
    static constexpr std::string_view type = "LogSoftmax";

    struct Largest : Pass<Shape<positions>> {};
    struct LogSum : Pass<Shape<positions>> {};       ///< log sum of e^(x - largest)
    struct GradientSum : Pass<Shape<positions>> {};  ///< sum of dy
    using ForwardPasses = PassList<Largest, LogSum>;
    using BackwardPasses = PassList<GradientSum>;

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Largest, Position<1> at, Io const& io) {
        auto top = io.x[at[0]];
        for (int k = 1; k < classes; ++k) top = maximum(io.x[k * positions + at[0]], top);
        return top;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(LogSum, Position<1> at, Io const& io) {
        LongSum<typename Io::L, classes> sum;
        auto const top = io.pass(Largest{})(at[0]);
        for (int k = 0; k < classes; ++k) sum.add(exp(io.x[k * positions + at[0]] - top));
        return log(sum.value());
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(GradientSum, Position<1> at, Io const& io) {
        LongSum<typename Io::L, classes> sum;
        for (int k = 0; k < classes; ++k) sum.add(io.dy[k * positions + at[0]]);
        return sum.value();
    }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<X::rank> at, Io const& io) {
        int const n = X::index(at), p = n % positions;
        return (io.x[n] - io.pass(Largest{})(p)) - io.pass(LogSum{})(p);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<X::rank> at, Io const& io) {
        int const n = X::index(at), p = n % positions;
        return io.dy[n] - exp(io.y[n]) * io.pass(GradientSum{})(p);
    }
};

/// `LogSoftmax`, over the first axis.
struct LogSoftmax {
    template <class X>
    using On = LogSoftmaxOperation<X>;
};

}  // namespace strata::inline STRATA_ABI
