// What a loss is: one pure function of a sample's row of outputs and its target, giving the sample's loss and, where
// asked for, the gradient with respect to the row. The mean over the batch is the executor's.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of loss policies.
struct LossPolicy {};

/// What a loss reads and writes for one lane of samples. X: TileView of the outputs, DX: of their gradient (data null
/// when only the value is wanted), Target: of regression targets.
template <class X, class DX, class Target>
struct LossInput {
    using L = typename X::LaneType;
    X x;
    DX dx;
    Target target;  ///< regression targets, null for classification
    L label;        ///< class index of each sample, as a number; unused for regression
    L scale;        ///< factor of the gradient: 1 / batch size, 0 in empty lanes
};

/// Index of the largest of K outputs, the first of equal ones; NaN is never larger.
template <int K, class X>
STRATA_HD STRATA_INLINE auto predicted_class(X const& x) {
    using L = typename X::LaneType;
    L best = x[0], at(0);
    STRATA_ROLLED
    for (int k = 1; k < K; ++k) {
        L const value = x[k];
        auto const larger = value > best;
        best = select(larger, value, best);
        at = select(larger, L(static_cast<scalar_of<L>>(k)), at);
    }
    return at;
}

}  // namespace strata::inline STRATA_ABI
