// What a loss is: one pure function of a sample's row of outputs and its target, giving the sample's loss and, where
// asked for, the gradient with respect to the row. The mean over the batch is the executor's.
//
//   using policy = LossPolicy
//   static constexpr bool classifies   true: it reads io.label, a class; false: io.target, a row of numbers
//   operator()<K>(io) const            the loss of a row of K outputs; it sets io.dx, times io.scale, unless that is
//                                      null. Marked STRATA_HD, as is all that it calls, to run on GPUs.
//
// One that classifies is given the outputs [C][places] place by place, as rows of C with a label each (PyTorch's
// dimensions d1, d2, …); the mean is over all of them then. Instead of operator() a loss of targets may have
// (pointwise_loss.hpp)
//
//   forward(x, target) const           the loss of one number, over any lane; the sample's is the mean over its numbers
//   backward(x, target) const          its derivative by x, where Dual is not to find it from forward
//
// It may have check() const, which throws Error where a hyperparameter makes no sense. One that classifies may have
// (loss_mean.hpp)
//
//   ignore_index                       a number: samples of that label are left out, by the executor: it divides by the
//                                      number of the others, and sets the row's gradient to 0
//   label_weight(label) const          what a sample of that label counts in the divisor, on the host
#pragma once

#include <concepts>

#include "pointwise_loss.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of loss policies.
struct LossPolicy {};

/// What a loss reads and writes for one lane of samples. X: a view of the outputs (as TileView), DX: of their gradient
/// (data null when only the value is wanted), Target: of regression targets.
template <class X, class DX, class Target>
struct LossInput {
    using L = typename X::LaneType;
    X x;
    DX dx;
    Target target;  ///< regression targets; NoTarget for classification
    L label;        ///< class index of each sample, as a number; unused for regression
    L scale;        ///< factor of the gradient: 1 / batch size (or the sum of the labels' weights), 0 in empty lanes
};

namespace detail {
/// What a loss looks at at once: the scores of one place where it classifies, else all outputs of a sample.
template <class Loss, class Output>
using row_shape =
    std::conditional_t<static_cast<bool>(Loss::classifies) && (Output::rank > 1), Shape<channels_of<Output>>, Output>;
/// Such rows a sample: its labels.
template <class Loss, class Output>
inline constexpr int places_of = Output::size / row_shape<Loss, Output>::size;
template <class Loss, class Net>
inline constexpr int places_in = places_of<Loss, typename Net::OutputShape>;
/// Numbers of a sample's targets.
template <class Loss, class Net>
inline constexpr int targets_in = Loss::classifies ? 0 : Net::OutputShape::size;
}  // namespace detail

/// Stands for the targets of a loss that classifies.
struct NoTarget {
    template <class Index>
    STRATA_HD double operator[](Index) const {
        static_assert(sizeof(Index) == 0, "this loss reads io.target: its classifies must be false then");
        return 0;
    }
    template <class... Index>
    STRATA_HD double operator()(Index...) const {
        static_assert(sizeof...(Index) > 9, "this loss reads io.target: its classifies must be false then");
        return 0;
    }
};

namespace detail {
/// What a loss is given for a target: T const* behind a view, or nothing.
template <class Loss, class Shape, class L, class T>
using target_view = std::conditional_t<static_cast<bool>(Loss::classifies), NoTarget, TileView<Shape, L, T const>>;
template <class Loss, class Shape, class L, class T>
STRATA_HD STRATA_INLINE target_view<Loss, Shape, L, T> view_targets(T const* targets, int stride) {
    if constexpr (Loss::classifies)
        return {};
    else
        return {targets, stride};
}
/// What executors of scalars hand to a loss.
template <class Loss, class Shape, class T>
using scalar_loss_input = LossInput<TileView<Shape, T, T const>, TileView<Shape, T, T>, target_view<Loss, Shape, T, T>>;
}  // namespace detail

namespace detail {
/// Losses of heads, which are losses without an operator() of their own (losses.hpp).
template <class T>
inline constexpr bool is_head_losses = false;
}  // namespace detail

/// A loss over outputs of a shape, as it is described above.
template <class T, class OutputShape = Shape<2>>
concept Loss =
    std::same_as<typename T::policy, LossPolicy> && std::convertible_to<decltype(T::classifies), bool> &&
    (detail::is_head_losses<T> ||
     requires(T const& loss, detail::scalar_loss_input<T, detail::row_shape<T, OutputShape>, float> const& io) {
         { detail::loss_of_row<detail::row_shape<T, OutputShape>::size>(loss, io) } -> std::convertible_to<float>;
     });

namespace detail {
/// Classes are numbers of the type that losses compute in: true where it knows all of a network's apart.
template <class Loss, class Net, class T>
inline constexpr bool knows_classes = true;  // of what is no loss, which others say
template <class Loss, class Net, class T>
requires requires { Loss::classifies; }
inline constexpr bool knows_classes<Loss, Net, T> =
    !Loss::classifies || sizeof(T) > 4 || row_shape<Loss, typename Net::OutputShape>::size <= 1 << 24;
}  // namespace detail

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
