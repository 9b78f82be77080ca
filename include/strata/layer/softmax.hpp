// Softmax over the channels, as torch.nn.Softmax(dim=1).
//
//   y(k) = e^x(k) / sum_j e^x(j)
//   dx(k) = y(k) (dy(k) - sum_j y(j) dy(j))
//
// Shapes: x and y [C], [C][L] or [C][H][W]; the sums are over the C of a position. Keeps y. -inf is a class that is
// left out. Training a classifier does not need it: CrossEntropy takes logits.
#pragma once

#include "softmax_sums.hpp"

namespace strata::inline STRATA_ABI {

/// Softmax bound to a shape.
template <class X>
struct SoftmaxOperation : detail::SoftmaxSums<X> {
    using Base = detail::SoftmaxSums<X>;
    using Base::classes, Base::positions, Base::pass;
    static constexpr std::string_view type = "Softmax";

    struct Sum : Base::OfPosition {};      ///< of e^(x - largest)
    struct Product : Base::OfPosition {};  ///< sum of y dy
    using ForwardPasses = PassList<typename Base::Largest, Sum>;
    using BackwardPasses = PassList<Product>;

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Sum, Position<1> at, Io const& io) {
        return Base::sum_of_exponentials(at[0], io);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Product, Position<1> at, Io const& io) {
        LongSum<typename Io::L, classes> sum;
        for (int k = 0; k < classes; ++k) sum.add_product(io.y[k * positions + at[0]], io.dy[k * positions + at[0]]);
        return sum.value();
    }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<X::rank> at, Io const& io) {
        int const n = X::index(at), p = n % positions;
        return exp(io.x[n] - io.pass(typename Base::Largest{})(p)) / io.pass(Sum{})(p);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<X::rank> at, Io const& io) {
        int const n = X::index(at), p = n % positions;
        return io.y[n] * (io.dy[n] - io.pass(Product{})(p));
    }
};

/// `Softmax`, over the first axis.
struct Softmax {
    template <class X>
    using On = SoftmaxOperation<X>;
};

}  // namespace strata::inline STRATA_ABI
