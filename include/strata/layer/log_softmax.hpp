// LogSoftmax: the logarithm of softmax over the channels, as torch.nn.LogSoftmax(dim=1).
//
//   y(k) = x(k) - log sum_j e^x(j)
//   dx(k) = dy(k) - e^y(k) sum_j dy(j)
//
// Shapes: x and y [C], [C][L] or [C][H][W]; the sums are over the C of a position. Keeps y. -inf is a class that is
// left out. Training a classifier does not need it: CrossEntropy takes logits.
#pragma once

#include "softmax_sums.hpp"

namespace strata::inline STRATA_ABI {

/// LogSoftmax bound to a shape.
template <class X>
struct LogSoftmaxOperation : detail::SoftmaxSums<X> {
    using Base = detail::SoftmaxSums<X>;
    using Base::classes, Base::positions, Base::pass;
    static constexpr std::string_view type = "LogSoftmax";

    struct LogSum : Base::OfPosition {};       ///< log sum of e^(x - largest)
    struct GradientSum : Base::OfPosition {};  ///< sum of dy
    using ForwardPasses = PassList<typename Base::Largest, LogSum>;
    using BackwardPasses = PassList<GradientSum>;

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(LogSum, Position<1> at, Io const& io) {
        return log(Base::sum_of_exponentials(at[0], io));
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
        return (io.x[n] - io.pass(typename Base::Largest{})(p)) - io.pass(LogSum{})(p);
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
