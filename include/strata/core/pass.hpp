// Passes: what an operation computes of a sample, or of the whole batch, before its output or its gradients.
//
// A pass is a small tensor of which every element is a body of its own, in gather form as all bodies are: the mean of a
// sample's features, the largest logit of a pixel. The output's body then reads one number where it would have summed all
// of them again, so that the bodies' work grows with the sample and not with its square.
//
//   struct Mean : Pass<Shape<groups>> {};
//   using ForwardPasses = PassList<Mean, InverseDeviation>;   // in this order, each may read those before it
//   using BackwardPasses = PassList<MeanGradient>;            // before the gradients; reads dy, x and y as `keep` says
//   pass(Mean{}, at, io)                                      // one element of one lane
//
// Every body that comes later reads them, `io.pass(Mean{})(group)`; forward's are kept for backward. They are numbers
// of the precision's compute type, whatever values are stored as.
//
// A pass has a scope. That of the above is the sample: in networks of sequences a column of one (a token). What is
// gathered over all samples of the batch is a pass, too, whose body gives one of the numbers that a sample has a part
// in an element with:
//
//   struct Moments : Pass<Shape<channels>, Scope::batch> {
//       static constexpr Gather gathers = Gather::moments;    // Gather::mean if it does not say so
//       static constexpr int terms = pixels;                  // numbers of a sample, for each element; 1 if not
//   };
//   pass(Moments{}, at, term, io)                             // one of them, of one lane
//
// Whoever runs the operation gathers them, merges in double in a fixed order what tiles, workers and ranks have, and goes
// on with the next phase. Later bodies read `io.pass(Moments{})(c)`, the mean, and `(c, 1)`, the (biased) variance. A pass
// of means may gather several side by side: its body returns a std::array of as many lanes as its `numbers` says, and
// `(c, k)` is the mean of the k-th. The operation says besides
//
//   evaluation(Moments{}, element, buffers)   what takes the place of a forward pass in evaluation, an array of doubles
//   finish(Moments{}, gathered)               other numbers than mean and variance that bodies read, as an array; if it
//                                             likes to
//   moved(Moments{}, RunningMean{}, old, gathered)      an element of a buffer after the batch: for each of its Buffers
//   gathered_gradient(Gradients{}, Weight{}, gathered)  an element of the gradient of a parameter which a backward pass has
//                                             summed anyway; where all parameters have one there is no parameter_gradient
//
// where `gathered` is a GatheredMoments or GatheredSums. In evaluation, and where the layer is Frozen, backward passes are
// 0: what does not depend on the batch has no part in its means.
//
// Between the two is the sequence. The body of such a pass gives what one column has a part in an element with, and what
// is gathered over the columns of its sequence, `gathers` says how, each of them reads:
//
//   struct Largest : Pass<Shape<width>, Scope::sequence> {
//       static constexpr Gather gathers = Gather::max;        // or sum; Gather::mean if it does not say so
//   };
//   pass(Largest{}, at, io)                                   // the number of a column
//
// It needs nothing else, in evaluation or anywhere.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "view.hpp"

namespace strata::inline STRATA_ABI {

/// Whose numbers a pass sees: those of one sample (a column, where samples are sequences), of all columns of a sequence, or
/// of all samples of the batch. On ranks that is the batch of all of them, as SyncBatchNorm's: a group of ranks is no scope of
/// its own, because results do not depend on ranks.
enum class Scope : std::uint8_t { sample, batch, sequence };
/// What a pass makes of its terms: over the batch a mean or moments, over a sequence a mean, a sum or the largest.
enum class Gather : std::uint8_t { mean, moments, sum, max };

/// A pass with as many elements as a shape. Operations derive named types from it.
template <class S, Scope = Scope::sample>
struct Pass {
    using Extents = S;
    static constexpr Scope scope = Scope::sample;
};
template <class S>
struct Pass<S, Scope::batch> {
    using Extents = S;
    static constexpr Scope scope = Scope::batch;
    static constexpr Gather gathers = Gather::mean;
    static constexpr int terms = 1;    ///< of a sample, for each element
    static constexpr int numbers = 1;  ///< that a term is, of which each has a mean
};

template <class S>
struct Pass<S, Scope::sequence> {
    using Extents = S;
    static constexpr Scope scope = Scope::sequence;
    static constexpr Gather gathers = Gather::mean;
};

/// What a pass of Gather::moments has gathered for an element.
struct GatheredMoments {
    double count = 0, mean = 0, squares = 0;  ///< terms, their mean, the sum of their squared distances to it

    [[nodiscard]] STRATA_HD double variance() const { return squares / count; }
    [[nodiscard]] STRATA_HD double unbiased_variance() const { return squares / (count - 1); }
};
/// What a pass of Gather::mean has gathered for an element.
template <int Numbers>
struct GatheredSums {
    double count = 0;
    std::array<double, static_cast<std::size_t>(Numbers)> sum{};
};

namespace detail {
/// Doubles that a pass over the batch leaves an element; its tiles' parts are as many.
template <class P>
constexpr int left_by() {
    if constexpr (P::scope != Scope::batch)
        return 1;
    else
        return P::gathers == Gather::moments ? 2 : P::numbers;
}
template <class P>
inline constexpr int numbers_of_pass = P::Extents::size * left_by<P>();
}  // namespace detail

/// The passes of an operation, in order.
template <class... Ps>
struct PassList {
    static constexpr int count = sizeof...(Ps);
    /// Numbers that they leave: in each column of a tile, or of the batch.
    static constexpr int size_of([[maybe_unused]] bool of_batch) {
        return (0 + ... + ((Ps::scope == Scope::batch) == of_batch ? detail::numbers_of_pass<Ps> : 0));
    }
    static constexpr int size = size_of(false), batch_size = size_of(true);
    static constexpr bool has_sequence_scope = ((Ps::scope == Scope::sequence) || ...);
    template <class P>
    static constexpr bool contains = (std::is_same_v<P, Ps> || ...);
    /// How many come before a pass.
    template <class P>
    static constexpr int index = [] {
        int k = 0, found = -1;
        ((found = std::is_same_v<P, Ps> ? k : found, ++k), ...);
        return found;
    }();
    /// Where a pass begins among all that lie in a tile, or of the batch.
    template <class P>
    static constexpr int offset = [] {
        int at = 0, found = -1;
        ((found = std::is_same_v<P, Ps> ? at : found,
          at += (Ps::scope == Scope::batch) == (P::scope == Scope::batch) ? detail::numbers_of_pass<Ps> : 0),
         ...);
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
/// Doubles that an operation's passes over the batch leave: forward's, then backward's.
template <class Op>
inline constexpr int batch_numbers = forward_passes<Op>::batch_size + backward_passes<Op>::batch_size;
/// Where one of them begins.
template <class Op, class P>
constexpr int batch_place() {
    if constexpr (forward_passes<Op>::template contains<P>)
        return forward_passes<Op>::template offset<P>;
    else
        return forward_passes<Op>::batch_size + backward_passes<Op>::template offset<P>;
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

/// What a body reads of a pass over the batch: `view(element, number)`, the same for all samples.
template <class L, int Left>
struct BatchPassView {
    double const* data;

    STRATA_HD STRATA_INLINE L operator()(int element, int number = 0) const {
        return L(static_cast<scalar_of<L>>(data[element * Left + number]));
    }
    STRATA_HD STRATA_INLINE L operator[](int element) const { return (*this)(element); }
};

/// What a body reads of the passes before it: `view(P{})(element)`. View: how a lane reads a tile.
template <class Op, template <class, class, class> class View, class L, class T>
struct PassesView {
    T* forward;
    T* backward;
    View<Shape<1>, L, T> place;  ///< stride, and what else a view has
    double const* batch;         ///< what passes over the batch have left

    template <class P>
    STRATA_HD STRATA_INLINE auto operator()(P) const {
        static_assert(forward_passes<Op>::template contains<P> || backward_passes<Op>::template contains<P>,
                      "io.pass: the operation lists no such pass in ForwardPasses or BackwardPasses");
        if constexpr (P::scope == Scope::batch) {
            return BatchPassView<L, left_by<P>()>{batch + batch_place<Op, P>()};
        } else {
            auto view = place.template as<typename P::Extents>();
            if constexpr (forward_passes<Op>::template contains<P>)
                view.data =
                    forward + static_cast<std::ptrdiff_t>(forward_passes<Op>::template offset<P>) * place.stride;
            else
                view.data =
                    backward + static_cast<std::ptrdiff_t>(backward_passes<Op>::template offset<P>) * place.stride;
            return view;
        }
    }
};
template <class Op, template <class, class, class> class View, class L, class T>
using passes_view = std::conditional_t<has_passes<Op>(), PassesView<Op, View, L, T>, NoPasses>;
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
