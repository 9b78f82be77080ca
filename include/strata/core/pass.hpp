// Passes: what an operation computes of a sample before its output or its gradients.
//
// A pass is a small tensor of a sample of which every element is a body of its own, in gather form as all bodies are:
// the mean of a sample's features, the largest logit of a pixel. The output's body then reads one number where it would
// have summed all of them again, so that the bodies' work grows with the sample and not with its square.
//
//   struct Mean : Pass<Shape<groups>> {};
//   using ForwardPasses = PassList<Mean, InverseDeviation>;   // in this order, each may read those before it
//   using BackwardPasses = PassList<MeanGradient>;            // before the gradients; reads dy, x and y as `keep` says
//   pass(Mean{}, at, io)                                      // one element of one lane
//
// Every body that comes later reads them, `io.pass(Mean{})(group)`; forward's are kept for backward. They are numbers
// of the precision's compute type, whatever values are stored as.
#pragma once

#include <type_traits>

#include "view.hpp"

namespace strata::inline STRATA_ABI {

/// A pass over a sample with as many elements as a shape. Operations derive named types from it.
template <class S>
struct Pass {
    using Extents = S;
};

/// The passes of an operation, in order.
template <class... Ps>
struct PassList {
    static constexpr int count = sizeof...(Ps);
    static constexpr int size = (0 + ... + Ps::Extents::size);  ///< numbers of one sample
    template <class P>
    static constexpr bool contains = (std::is_same_v<P, Ps> || ...);
    /// Where a pass begins among all of the list.
    template <class P>
    static constexpr int offset = [] {
        int at = 0, found = -1;
        ((found = std::is_same_v<P, Ps> ? at : found, at += Ps::Extents::size), ...);
        return found;
    }();
    template <class F>
    static constexpr void for_each(F&& f) {
        (f(Ps{}), ...);
    }
};

namespace detail {
template <class Op>
struct ForwardPassesOf {
    using type = PassList<>;
};
template <class Op>
requires requires { typename Op::ForwardPasses; }
struct ForwardPassesOf<Op> {
    using type = typename Op::ForwardPasses;
};
template <class Op>
struct BackwardPassesOf {
    using type = PassList<>;
};
template <class Op>
requires requires { typename Op::BackwardPasses; }
struct BackwardPassesOf<Op> {
    using type = typename Op::BackwardPasses;
};
/// An operation's passes, none where it lists none.
template <class Op>
using forward_passes = typename ForwardPassesOf<Op>::type;
template <class Op>
using backward_passes = typename BackwardPassesOf<Op>::type;
template <class Op>
constexpr bool has_passes() {
    return forward_passes<Op>::count + backward_passes<Op>::count > 0;
}

/// The body input's member of operations without passes.
struct NoPasses {
    template <class P>
    STRATA_HD TileView<typename P::Extents, double, double const> operator()(P) const {
        static_assert(sizeof(P) == 0,
                      "io.pass: the operation lists no passes: using ForwardPasses = PassList<...>, or BackwardPasses");
        return {};
    }
};

/// What a body reads of the passes before it: `view(P{})(element)`. View: how a lane reads a tile.
template <class Op, template <class, class, class> class View, class L, class T>
struct PassesView {
    T* forward;
    T* backward;
    View<Shape<1>, L, T> place;  ///< stride, and what else a view has

    template <class P>
    STRATA_HD STRATA_INLINE View<typename P::Extents, L, T> operator()(P) const {
        static_assert(forward_passes<Op>::template contains<P> || backward_passes<Op>::template contains<P>,
                      "io.pass: the operation lists no such pass in ForwardPasses or BackwardPasses");
        auto view = place.template as<typename P::Extents>();
        if constexpr (forward_passes<Op>::template contains<P>)
            view.data = forward + static_cast<std::ptrdiff_t>(forward_passes<Op>::template offset<P>) * place.stride;
        else
            view.data = backward + static_cast<std::ptrdiff_t>(backward_passes<Op>::template offset<P>) * place.stride;
        return view;
    }
};
template <class Op, template <class, class, class> class View, class L, class T>
using passes_view = std::conditional_t<has_passes<Op>(), PassesView<Op, View, L, T>, NoPasses>;
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
