// The generic kernels: an operation's bodies run element by element over the lanes of a tile. They are what every
// operation has and the oracle of every faster kernel.
//
// A kernel works on one tile and on a range of its items, so that a team can split it; what an item computes does not
// depend on the range it comes in. A kernel is a class template of an operation and a precision; it accepts those that it
// is specialised for. Which one runs is a list (choice.hpp). A forward kernel with `static constexpr bool applies_relu =
// true` applies the ReLU that follows the operation to what it stores, where KernelData::relu says so. A kernel of a
// forward pass or of an input gradient with `makes_passes` makes the operation's forward or backward passes, too, and
// leaves them where KernelData says.
#pragma once

#include <algorithm>

#include "../../../core/operation.hpp"
#include "../../../core/partial_lane.hpp"
#include "../../../program/tile.hpp"
#include "../../../program/values.hpp"
#include "../../../program/worker.hpp"
#include "micro/kernel_names.hpp"

namespace strata::inline STRATA_ABI {

/// What a kernel works on: an operation's values, of which tile, and the worker's memory.
template <class Precision>
struct KernelData : Values<Precision>, Tile, Worker<Precision> {
    using Storage = typename Precision::storage;
    bool set_gradient = false;  ///< parameter gradients are set, by kernels with a member `sets_gradient`
    bool relu = false;          ///< y takes the ReLU that follows; only for kernels that say `applies_relu`
};

/// How a kernel cuts its work on one tile into items that a team shares.
struct Items {
    enum class By : std::uint8_t { row, number, channel };
    int count = 0;    ///< rows, channels, or the numbers of a sample
    By by = By::row;  ///< by number: an item is a vector of N of the tile's numbers, and pointwise work
    int numbers = 0;  ///< by channel: of a sample
    [[nodiscard]] constexpr int of_tile(int S, int N) const {
        return by == By::number ? (count * S + N - 1) / N : count;
    }
    /// Numbers of a sample where the work on a number or a channel touches no other one, else 0.
    [[nodiscard]] constexpr int pointwise() const { return by == By::number ? count : numbers; }
};

namespace detail {

template <class S, class L, class T, class... Count>
using ViewOfTile = std::conditional_t<sizeof...(Count) == 0, TileView<S, L, T>, PartialTileView<S, L, T>>;

/// The body input of the lane that begins at sample `first` of a tile of S samples; `count`, where given, is how many
/// samples of the lane are there.
template <class Op, class Precision, class L, class... Count>
auto body_input(KernelData<Precision> const& a, int S, int first, Count... count) {
    using Storage = typename Precision::storage;
    using X = ViewOfTile<input_of<Op>, L, Storage const, Count...>;
    using Y = ViewOfTile<typename Op::Output, L, Storage const, Count...>;
    using E = std::conditional_t<sizeof...(Count) == 0, ExtraView<typename Op::Output, L, Storage>,
                                 PartialExtraView<typename Op::Output, L, Storage>>;
    using P = ParametersView<typename Op::Parameters, typename Precision::compute, typename Precision::master>;
    auto const at = [first](auto* p) { return p ? p + first : p; };
    using Compute = typename Precision::compute;
    using Earlier = std::conditional_t<sizeof...(Count) == 0, passes_view<Op, TileView, L, Compute>,
                                       passes_view<Op, PartialTileView, L, Compute>>;
    BodyInput<X, Y, E, P, typename SeveralInputs<Op>::type, Earlier> io{
        {at(a.x), S, count...},  {at(a.y), S, count...},
        {at(a.dy), S, count...}, {at(a.extra), S, count...},
        {a.parameters},          a.random,
        a.first + first};
    if constexpr (input_count<Op> > 1)
        for (std::size_t k = 0; k < io.more.size(); ++k) io.more[k] = {at(a.more[k]), S, count...};
    if constexpr (has_passes<Op>())
        io.passes = {at(a.forward_passes), at(a.backward_passes), {nullptr, S, count...}, a.statistics};
    return io;
}

/// Calls f(position, flat index) for the elements of rows [begin, end).
template <class S, class F>
STRATA_INLINE void for_rows(int begin, int end, F const& f) {
    for (int row = begin; row < end; ++row) {
        typename S::Count const first = typename S::Count{row} * S::columns;
        auto at = S::position(first);
        for (int column = 0; column < S::columns; ++column) {
            at.at[S::rank - 1] += column > 0 ? 1 : 0;
            f(at, first + column);
        }
    }
}

/// Stores what a body returned, one lane or a block of them, through `put(element, lane)`.
template <class Op, class Result, class Put>
STRATA_INLINE void put_result(int item, int size, Result const& result, Put const& put) {
    if constexpr (block_of<Op>() > 1) {
        for (int k = 0; k < block_of<Op>(); ++k)
            if (item * block_of<Op>() + k < size) put(item * block_of<Op>() + k, result[static_cast<std::size_t>(k)]);
    } else {
        put(item, result);
    }
}

// Shared by all tile sizes of one lane width: the number of samples is a run-time stride.

/// Elementwise operations do not ask which sample a number belongs to: a tile is one row of numbers to them, and one
/// copy of the code serves every tile size.
template <class Op, class Precision, class L>
STRATA_INLINE int elementwise_forward(KernelData<Precision> const& a, int from, int end) {
    auto const io = body_input<Op, Precision, L>(a, 1, 0);
    for (; from + width_of<L> <= end; from += width_of<L>) store_lane(a.y + from, Op::forward(Position<1>{from}, io));
    return from;
}
template <class Op, class Precision, class L>
STRATA_INLINE int elementwise_input_gradient(KernelData<Precision> const& a, int from, int end) {
    auto const io = body_input<Op, Precision, L>(a, 1, 0);
    for (; from + width_of<L> <= end; from += width_of<L>) {
        STRATA_SCALAR;  // vectors come as L
        L const value = Op::input_gradient(Position<1>{from}, io);
        store_lane(a.dx + from, a.write == GradientWrite::add ? load_lane<L>(a.dx + from) + value : value);
    }
    return from;
}
/// An elementwise operation as the kernels see it: without its shape where the operation does not need it, so that the
/// ReLUs of a network are one.
template <class Op>
struct ShapeFree {
    using type = Op;
};
template <class A, class X>
struct ShapeFree<ElementwiseOperation<A, X>> {
    using type = ElementwiseOperation<A, Shape<1>>;
};
// Items are whole vectors, so that a number is in a vector or in the tail however a team splits them: exp and log of a
// vector and of a scalar differ in their last bits.
template <class Op, class Precision>
[[gnu::noinline]] void elementwise_forward(KernelData<Precision> const& a, int numbers, int begin, int end) {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    int const stop = (std::min)(end * width_of<L>, numbers);
    elementwise_forward<Op, Precision, T>(a, elementwise_forward<Op, Precision, L>(a, begin * width_of<L>, stop), stop);
}
template <class Op, class Precision>
[[gnu::noinline]] void elementwise_input_gradient(KernelData<Precision> const& a, int numbers, int begin, int end) {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    int const stop = (std::min)(end * width_of<L>, numbers);
    elementwise_input_gradient<Op, Precision, T>(
        a, elementwise_input_gradient<Op, Precision, L>(a, begin * width_of<L>, stop), stop);
}

template <class Op, class Precision, class L>
[[gnu::noinline]] void generic_forward(KernelData<Precision> const& a, int begin, int end) {
    int const S = a.stride;
    for (int first = 0; first < S; first += width_of<L>) {
        auto const io = body_input<Op, Precision, L>(a, S, first);
        TileView<typename Op::Output, L, typename Precision::storage> const y{a.y + first, S};
        for_rows<forward_domain<Op>>(begin, end, [&](auto const& at, int item) {
            put_result<Op>(item, Op::Output::size, Op::forward(at, io), [&](int e, L value) { y.set(e, value); });
        });
    }
}

/// Forward passes where a sample's bits may not depend on the tile: one copy of the body, over vectors, for every tile
/// and every number of it. A body over scalars, or over vectors elsewhere, may fuse other products into additions.
template <class Op, class Precision>
[[gnu::noinline]] void invariant_elementwise_forward(KernelData<Precision> const& a, int numbers, int begin, int end) {
    using L = widest_lane<typename Precision::compute>;
    int const stop = (std::min)(end * width_of<L>, numbers);
    for (int from = begin * width_of<L>; from < stop; from += width_of<L>) {
        int const count = (std::min)(width_of<L>, stop - from);
        store_first(a.y + from, Op::forward(Position<1>{from}, body_input<Op, Precision, L>(a, 1, 0, count)), count);
    }
}
template <class Op, class Precision>
[[gnu::noinline]] void invariant_forward(KernelData<Precision> const& a, int begin, int end) {
    using L = widest_lane<typename Precision::compute>;
    int const S = a.stride;
    for (int first = 0; first < S; first += width_of<L>) {
        int const count = (std::min)(width_of<L>, S - first);
        auto const io = body_input<Op, Precision, L>(a, S, first, count);
        PartialTileView<typename Op::Output, L, typename Precision::storage> const y{a.y + first, S, count};
        for_rows<forward_domain<Op>>(begin, end, [&](auto const& at, int item) {
            put_result<Op>(item, Op::Output::size, Op::forward(at, io), [&](int e, L value) { y.set(e, value); });
        });
    }
}

template <class Op, class Precision, class L>
[[gnu::noinline]] void generic_input_gradient(KernelData<Precision> const& a, int begin, int end) {
    int const S = a.stride;
    for (int first = 0; first < S; first += width_of<L>) {
        auto const io = body_input<Op, Precision, L>(a, S, first);
        using X = typename GradientShape<Op>::type;
        TileView<X, L, typename Precision::storage> const dx{a.dx + first, S};
        bool const add = a.write == GradientWrite::add;
        for_rows<backward_domain<Op>>(begin, end, [&](auto const& at, int item) {
            put_result<Op>(item, X::size, Op::input_gradient(at, io), [&](int e, L value) {
                // Means over the batch make the gradient of an empty lane non-zero: it must not reach the layers below.
                if constexpr (is_batch_wide<Op>()) value = select(first_lanes<L>(a.samples - first), value, L(0));
                if (add)
                    dx.add(e, value);
                else
                    dx.set(e, value);
            });
        });
    }
}

template <class Op, class Precision, class L>
[[gnu::noinline]] void generic_parameter_gradient(KernelData<Precision> const& a, int begin, int end) {
    int const S = a.stride;
    int first_row = 0;
    Op::Parameters::for_each([&]<class P>(P parameter) {
        using E = typename P::Extents;
        auto* const gradient = a.gradient + Op::Parameters::template offset<P>;
        int const from = (std::max)(begin - first_row, 0), to = (std::min)(end - first_row, int{E::rows});
        for_rows<E>(from, to, [&](auto const& at, auto element) {
            auto const of = [&](int first) {
                L value = Op::parameter_gradient(parameter, at, body_input<Op, Precision, L>(a, S, first));
                if constexpr (is_batch_wide<Op>()) value = select(first_lanes<L>(a.samples - first), value, L(0));
                return value;
            };
            L total = of(0);
            for (int first = width_of<L>; first < S; first += width_of<L>) total = total + of(first);
            gradient[element] += sum(total);
        });
        first_row += E::rows;
    });
}

/// Where an operation's pass leaves its numbers.
template <class Op, class P, class Precision>
STRATA_INLINE typename Precision::compute* place_of_pass(KernelData<Precision> const& a) {
    if constexpr (forward_passes<Op>::template contains<P>)
        return a.forward_passes + static_cast<std::ptrdiff_t>(forward_passes<Op>::template offset<P>) * a.stride;
    else
        return a.backward_passes + static_cast<std::ptrdiff_t>(backward_passes<Op>::template offset<P>) * a.stride;
}
template <class Op, class P, class Precision, class L>
[[gnu::noinline]] void generic_pass(KernelData<Precision> const& a, int begin, int end) {
    int const S = a.stride;
    for (int first = 0; first < S; first += width_of<L>) {
        auto const io = body_input<Op, Precision, L>(a, S, first);
        TileView<typename P::Extents, L, typename Precision::compute> const to{place_of_pass<Op, P>(a) + first, S};
        for_rows<typename P::Extents>(begin, end,
                                      [&](auto const& at, int item) { to.set(item, Op::pass(P{}, at, io)); });
    }
}
template <class Op, class P, class Precision>
[[gnu::noinline]] void invariant_pass(KernelData<Precision> const& a, int begin, int end) {
    using L = widest_lane<typename Precision::compute>;
    int const S = a.stride;
    for (int first = 0; first < S; first += width_of<L>) {
        int const count = (std::min)(width_of<L>, S - first);
        auto const io = body_input<Op, Precision, L>(a, S, first, count);
        PartialTileView<typename P::Extents, L, typename Precision::compute> const to{place_of_pass<Op, P>(a) + first,
                                                                                      S, count};
        for_rows<typename P::Extents>(begin, end,
                                      [&](auto const& at, int item) { to.set(item, Op::pass(P{}, at, io)); });
    }
}

template <class Parameters>
consteval int parameter_rows() {
    int rows = 0;
    Parameters::for_each([&]<class P>(P) { rows += P::Extents::rows; });
    return rows;
}

}  // namespace detail

template <class Op, class Precision>
struct GenericForward {
    static constexpr KernelNote note{"generic", "the bodies, element by element"};
    static constexpr Items items = detail::is_elementwise<Op>() ? Items{Op::Output::size, Items::By::number}
                                                                : Items{detail::forward_domain<Op>::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        using ShapeFree = typename detail::ShapeFree<Op>::type;
        if constexpr (!detail::is_same_in_every_lane<Op>())
            if (a.invariant) {
                if constexpr (detail::is_elementwise<Op>())
                    return detail::invariant_elementwise_forward<ShapeFree>(a, Op::Output::size * a.stride, begin, end);
                else
                    return detail::invariant_forward<Op>(a, begin, end);
            }
        if constexpr (detail::is_elementwise<Op>())
            detail::elementwise_forward<ShapeFree>(a, Op::Output::size * a.stride, begin, end);
        else
            with_lane<typename Precision::compute>(
                a.stride, [&]<class L>() { detail::generic_forward<Op, Precision, L>(a, begin, end); });
    }
};

/// One pass of an operation.
template <class Op, class P, class Precision>
struct GenericPass {
    static constexpr Items items{P::Extents::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if constexpr (!detail::is_same_in_every_lane<Op>() && detail::forward_passes<Op>::template contains<P>)
            if (a.invariant) return detail::invariant_pass<Op, P>(a, begin, end);
        with_lane<typename Precision::compute>(
            a.stride, [&]<class L>() { detail::generic_pass<Op, P, Precision, L>(a, begin, end); });
    }
};

template <class Op, class Precision>
struct GenericInputGradient {
    static constexpr KernelNote note{"generic", "the bodies, element by element"};
    static constexpr int size = detail::GradientShape<Op>::type::size;
    static constexpr Items items =
        detail::is_elementwise<Op>() ? Items{size, Items::By::number} : Items{detail::backward_domain<Op>::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if constexpr (detail::is_elementwise<Op>())
            detail::elementwise_input_gradient<typename detail::ShapeFree<Op>::type>(a, size * a.stride, begin, end);
        else
            with_lane<typename Precision::compute>(
                a.stride, [&]<class L>() { detail::generic_input_gradient<Op, Precision, L>(a, begin, end); });
    }
};

template <class Op, class Precision>
struct GenericParameterGradient {
    static constexpr KernelNote note{"generic", "the bodies, element by element"};
    static constexpr Items items{detail::parameter_rows<typename Op::Parameters>()};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        with_lane<typename Precision::compute>(
            a.stride, [&]<class L>() { detail::generic_parameter_gradient<Op, Precision, L>(a, begin, end); });
    }
};

namespace detail {
/// Scalars of KernelData::scratch that a kernel uses on a tile of S samples.
template <class Kernel>
constexpr int scratch_of(int S) {
    if constexpr (requires { Kernel::scratch(S); })
        return Kernel::scratch(S);
    else
        return 0;
}

/// True for kernels that make the operation's passes themselves, in the same reading of the tile.
template <class Kernel>
constexpr bool makes_passes() {
    return requires { Kernel::makes_passes; };
}

/// True for kernels of parameter gradients that write all of them where KernelData::set_gradient says so, whatever lay
/// there: worth it where there are many parameters for the work on a tile.
template <class Kernel>
constexpr bool sets_gradient() {
    return requires { Kernel::sets_gradient; };
}

/// What a kernel makes of the parameters before any tile comes, such as transformed weights. A kernel that wants it has
/// `prepared(S)`, the scalars of storage that it takes for tiles of S samples, and `prepare(data, to, begin, end)`,
/// which makes items [begin, end) of `prepare_items` from data.parameters and data.stride, the same bits in any split.
template <class Precision>
struct Preparation {
    void (*run)(KernelData<Precision> const&, typename Precision::storage* to, int begin, int end) = nullptr;
    int items = 0;
    std::ptrdiff_t size = 0;  ///< scalars of storage, the most that any tile size takes, in whole cache lines
};
template <class Kernel, class Precision>
constexpr Preparation<Precision> preparation_of(int most_samples, int (*next)(int) = [](int S) { return 2 * S; }) {
    Preparation<Precision> all;
    if constexpr (requires { Kernel::prepare_items; }) {
        constexpr int line = 64 / static_cast<int>(sizeof(typename Precision::storage));
        for (int S = 1; S <= most_samples; S = next(S))
            all.size = (std::max)(all.size, std::ptrdiff_t{Kernel::prepared(S)});
        all.size = (all.size + line - 1) / line * line;
        if (all.size > 0) {
            all.run = &Kernel::prepare;
            all.items = Kernel::prepare_items;
        }
    }
    return all;
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
