// What an operation says of its passes over the batch (pass.hpp), as whoever gathers them calls it.
#pragma once

#include "body_input.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What a pass over the batch has gathered for one element.
template <class P>
using gathered_by = std::conditional_t<P::gathers == Gather::moments, GatheredMoments, GatheredSums<P::numbers>>;

template <class Op>
struct BuffersOf {
    using type = NoParameters;
};
template <class Op>
requires requires { typename Op::Buffers; }
struct BuffersOf<Op> {
    using type = typename Op::Buffers;
};
template <class Op>
using buffers_of = typename BuffersOf<Op>::type;

/// Whether a pass moves a buffer, and whether it makes the gradient of a parameter.
template <class Op, class P, class B>
concept MovesBuffer = requires(gathered_by<P> const& all) { Op::moved(P{}, B{}, 1.0, all); };
template <class Op, class P, class Parameter>
concept GathersGradient = requires(gathered_by<P> const& all) { Op::gathered_gradient(P{}, Parameter{}, all); };

template <class Op, class Parameter, class... Ps>
constexpr bool gathers_gradient(PassList<Ps...>) {
    return ([] {
        if constexpr (Ps::scope == Scope::batch)
            return GathersGradient<Op, Ps, Parameter>;
        else
            return false;
    }() || ...);
}
template <class Op, class... Parameters>
constexpr bool gathers_gradients(ParameterList<Parameters...>) {
    return sizeof...(Parameters) > 0 && (gathers_gradient<Op, Parameters>(backward_passes<Op>{}) && ...);
}
/// True where passes over the batch make the gradients of all of an operation's parameters.
template <class Op>
constexpr bool gathers_gradients() {
    return gathers_gradients<Op>(typename Op::Parameters{});
}

template <class Op, class B, class... Ps>
constexpr bool moves_buffer(PassList<Ps...>) {
    return ([] {
        if constexpr (Ps::scope == Scope::batch)
            return MovesBuffer<Op, Ps, B>;
        else
            return false;
    }() || ...);
}
/// Whether an operation says what becomes of each of its buffers.
template <class Op, class... Bs>
constexpr bool moves_all(ParameterList<Bs...>) {
    return (moves_buffer<Op, Bs>(forward_passes<Op>{}) && ...);
}
template <class Op, class P, class T>
concept HasEvaluation =
    requires(ParametersView<buffers_of<Op>, double, T> const& view) { Op::evaluation(P{}, 0, view)[0]; };
/// Whether it says what takes the place of each forward pass over the batch in evaluation.
template <class Op, class... Ps>
constexpr bool evaluates_all(PassList<Ps...>) {
    return ([] {
        if constexpr (Ps::scope == Scope::batch)
            return HasEvaluation<Op, Ps, double>;
        else
            return true;
    }() && ...);
}
/// Whether it says all that is asked of one with passes over the batch.
template <class Op>
constexpr bool says_all_of_batch() {
    if constexpr (batch_numbers<Op> > 0)
        return evaluates_all<Op>(forward_passes<Op>{}) && moves_all<Op>(buffers_of<Op>{});
    else
        return true;
}

/// What the bodies read of an element.
template <class Op, class P>
STRATA_HD void leave_numbers(gathered_by<P> const& all, double* to) {
    if constexpr (requires { Op::finish(P{}, all); }) {
        auto const numbers = Op::finish(P{}, all);
        static_assert(
            std::tuple_size<std::remove_cvref_t<decltype(numbers)>>::value == left_by<P>(),
            "finish: bodies read as many numbers of an element as are gathered: 2 of Gather::moments, else `numbers`");
        for (int k = 0; k < left_by<P>(); ++k) to[k] = numbers[static_cast<std::size_t>(k)];
    } else if constexpr (P::gathers == Gather::moments) {
        to[0] = all.mean;
        to[1] = all.variance();
    } else {
        for (int k = 0; k < P::numbers; ++k) to[k] = all.sum[static_cast<std::size_t>(k)] / all.count;
    }
}

template <class Op, class P, class B, class T>
STRATA_HD void move_buffer([[maybe_unused]] int element, [[maybe_unused]] gathered_by<P> const& all,
                           [[maybe_unused]] T const* old, [[maybe_unused]] T* next) {
    if constexpr (MovesBuffer<Op, P, B>) {
        static_assert(B::Extents::size == P::Extents::size,
                      "moved: a buffer has as many elements as the pass over the batch that moves it");
        int const at = buffers_of<Op>::template offset<B> + element;
        next[at] = Op::moved(P{}, B{}, old[at], all);
    }
}
/// An element of the operation's buffers after the batch.
template <class Op, class P, class T, class... Bs>
STRATA_HD void move_buffers([[maybe_unused]] int element, [[maybe_unused]] gathered_by<P> const& all,
                            [[maybe_unused]] T const* old, [[maybe_unused]] T* next, ParameterList<Bs...>) {
    (move_buffer<Op, P, Bs>(element, all, old, next), ...);
}

template <class Op, class P, class Parameter, class T>
STRATA_HD void add_gradient([[maybe_unused]] int element, [[maybe_unused]] gathered_by<P> const& all,
                            [[maybe_unused]] T* gradient) {
    if constexpr (GathersGradient<Op, P, Parameter>) {
        static_assert(Parameter::Extents::size == P::Extents::size,
                      "gathered_gradient: a parameter has as many elements as the pass over the batch");
        gradient[Op::Parameters::template offset<Parameter> + element] +=
            static_cast<T>(Op::gathered_gradient(P{}, Parameter{}, all));
    }
}
/// Adds what the pass knows of an element of the parameters' gradients.
template <class Op, class P, class T, class... Parameters>
STRATA_HD void add_gradients([[maybe_unused]] int element, [[maybe_unused]] gathered_by<P> const& all,
                             [[maybe_unused]] T* gradient, ParameterList<Parameters...>) {
    (add_gradient<Op, P, Parameters>(element, all, gradient), ...);
}

/// All that becomes of an element that is gathered: `gradient`, where it is not null, and the buffers are the operation's.
template <class Op, class P, class Gradient, class T>
STRATA_HD void finish_pass([[maybe_unused]] int element, gathered_by<P> const& all, double* to,
                           [[maybe_unused]] Gradient* gradient, [[maybe_unused]] T const* buffers,
                           [[maybe_unused]] T* next_buffers) {
    leave_numbers<Op, P>(all, to);
    if constexpr (forward_passes<Op>::template contains<P>) {
        move_buffers<Op, P>(element, all, buffers, next_buffers, buffers_of<Op>{});
    } else if constexpr (gathers_gradients<Op>()) {
        if (gradient) add_gradients<Op, P>(element, all, gradient, typename Op::Parameters{});
    }
}

/// What bodies read of an element in evaluation, and where the layer is Frozen. `buffers` are the operation's.
template <class Op, class P, class T>
STRATA_HD void leave_evaluation([[maybe_unused]] int element, [[maybe_unused]] T const* buffers, double* to) {
    if constexpr (forward_passes<Op>::template contains<P>) {
        using View = ParametersView<buffers_of<Op>, double, T>;
        auto const numbers = Op::evaluation(P{}, element, View{buffers});
        static_assert(std::tuple_size<std::remove_cvref_t<decltype(numbers)>>::value == left_by<P>(),
                      "evaluation: as many numbers of an element as bodies read: 2 of Gather::moments, else `numbers`");
        for (int k = 0; k < left_by<P>(); ++k) to[k] = numbers[static_cast<std::size_t>(k)];
    } else {
        for (int k = 0; k < left_by<P>(); ++k) to[k] = 0;
    }
}

}  // namespace strata::inline STRATA_ABI::detail
