// What an operation keeps of each token of a sequence, for the tokens that come in later calls: keys and values.
//
//   using State = KeptInput<width, 2 * width>;   // of a token numbers [width, 3 width) of its input
//
// Bodies read them as ever, `io.column(s).x[width + j]`, whether token s comes in this call or came in an earlier
// one. An operation that says so promises that forward and its passes read of the other tokens of a sequence these
// numbers alone, and only of those before the token; that they do not look at io.length but to stop; and that a place
// of the lane stays as it is where it does not see a token that others see. Then a token has the same output whatever
// comes with it, and SequenceState (network/sequence_state.hpp) continues sequences of networks in which all that
// looks across them has a State.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pass.hpp"
#include "shape_list.hpp"
#include "tile_sequences.hpp"

namespace strata::inline STRATA_ABI {

/// Numbers [First, First + Count) of the (first) input of a token.
template <int First, int Count>
struct KeptInput {
    static constexpr int first = First, count = Count;
};

namespace detail {

/// Whether an operation has a State. `using State = void` says that it has none, as for Attention that is not Causal.
template <class Op>
constexpr bool has_state() {
    if constexpr (requires { typename Op::State; })
        return !std::is_void_v<typename Op::State>;
    else
        return false;
}
/// Numbers that an operation keeps of a token.
template <class Op>
constexpr int kept_numbers() {
    if constexpr (has_state<Op>())
        return Op::State::count;
    else
        return 0;
}

template <class State>
inline constexpr bool is_kept_input = false;
template <int First, int Count>
inline constexpr bool is_kept_input<KeptInput<First, Count>> = true;
/// Whether it is one that a sequence may be continued with.
template <class Op>
consteval bool may_keep() {
    if constexpr (!has_state<Op>()) {
        return true;
    } else if constexpr (!is_kept_input<typename Op::State>) {
        return false;
    } else {
        using State = typename Op::State;
        return State::first >= 0 && State::count > 0 && State::first + State::count <= input_of<Op>::size && requires {
            typename Op::SeesSequence;
        } && !requires { typename Op::ReducesSequence; } && !forward_passes<Op>::has_sequence_scope;
    }
}

/// One column of what an operation keeps, read by the places that its numbers have in the input: the same for all
/// places of a lane.
template <class S, class State, class L, class T>
struct KeptColumn {
    using LaneType = L;
    T* data;  ///< of number State::first
    int stride;

    STRATA_HD STRATA_INLINE L operator[](int element) const {
        return L(static_cast<scalar_of<L>>(data[static_cast<std::ptrdiff_t>(element - State::first) * stride]));
    }
    template <class... Indices>
    STRATA_HD STRATA_INLINE L operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
};
template <class Column>
struct ContinuedColumn {
    Column x;

    template <class P>
    STRATA_HD Column pass(P) const {
        static_assert(
            sizeof(P) == 0,
            "io.column(s).pass: of an operation with a State, forward and its passes read of other tokens the "
            "numbers of the input alone that KeptInput names");
        return x;
    }
};

}  // namespace detail

/// A SequenceInput, `Of`, of an operation whose earlier tokens may have come in an earlier call. X: its input's shape.
template <class Of, class X, class State, class T>
struct ContinuedInput : Of {
    T const* kept = nullptr;  ///< [tokens][State::count]
    int before = 0;           ///< tokens that came in earlier calls

    /// Column number `index` of the sequence, at most that of the last token so far.
    STRATA_HD STRATA_INLINE auto column(int index) const {
        using Column = detail::KeptColumn<X, State, typename Of::L, T const>;
        std::ptrdiff_t const stride = this->x.stride;
        return detail::ContinuedColumn<Column>{
            index < before ? Column{kept + static_cast<std::ptrdiff_t>(index) * State::count, 1}
                           : Column{this->x.data + (index - this->position) + State::first * stride, this->x.stride}};
    }
};

}  // namespace strata::inline STRATA_ABI
