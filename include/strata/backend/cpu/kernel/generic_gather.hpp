// The generic kernel of a pass over the batch: a tile's part of it, from the terms that its body gives, added in double.
#pragma once

#include "generic.hpp"

namespace strata::inline STRATA_ABI {

/// A pass over the batch of an operation, as the lists of kernels know it (choice.hpp).
template <class Op, class P>
struct BatchPassOf {
    using Operation = Op;
    using PassType = P;
};

namespace detail {

/// Where a tile's part of such a pass goes, and what an earlier one has left, [element][numbers].
template <class Op, class P, class Precision>
double* part_of(KernelData<Precision> const& a) {
    return a.partial + batch_place<Op, P>();
}
template <class Op, class P, class Precision>
double const* left_of(KernelData<Precision> const& a) {
    return a.statistics + batch_place<Op, P>();
}

/// Calls f(number, value) for the numbers of all terms of an element, of the samples that are there.
template <class Op, class P, class Precision, class L, class F>
STRATA_INLINE void for_terms(KernelData<Precision> const& a, int element, F const& f) {
    auto const at = P::Extents::position(element);
    auto const put = [&](int number, L lane, int count) {
        scalar_of<L> values[static_cast<std::size_t>(width_of<L>)];
        store_lane(static_cast<scalar_of<L>*>(values), lane);
        for (int k = 0; k < count; ++k) f(number, static_cast<double>(values[k]));
    };
    for (int first = 0; first < a.samples; first += width_of<L>) {
        int const count = (std::min)(width_of<L>, a.samples - first);
        auto const io = body_input<Op, Precision, L>(a, a.stride, first);
        for (int term = 0; term < P::terms; ++term) {
            auto const numbers = Op::pass(P{}, at, term, io);
            if constexpr (requires { std::tuple_size<std::remove_cvref_t<decltype(numbers)>>::value; })
                for (int n = 0; n < P::numbers; ++n) put(n, numbers[static_cast<std::size_t>(n)], count);
            else
                put(0, numbers, count);
        }
    }
}

template <class Op, class P, class Precision, class L>
[[gnu::noinline]] void generic_gather(KernelData<Precision> const& a, int begin, int end) {
    for (int element = begin; element < end; ++element) {
        double* const to = part_of<Op, P>(a) + element * left_by<P>();
        if constexpr (P::gathers == Gather::moments) {
            double mean = 0, squares = 0;
            for_terms<Op, P, Precision, L>(a, element, [&](int, double value) { mean += value; });
            mean /= static_cast<double>(a.samples) * P::terms;
            for_terms<Op, P, Precision, L>(a, element,
                                           [&](int, double value) { squares += (value - mean) * (value - mean); });
            to[0] = mean;
            to[1] = squares;
        } else {
            double sums[static_cast<std::size_t>(P::numbers)] = {};
            for_terms<Op, P, Precision, L>(a, element, [&](int n, double value) { sums[n] += value; });
            std::copy_n(sums, P::numbers, to);
        }
    }
}

}  // namespace detail

template <class Of, class Precision>
struct GenericGather {
    using Op = typename Of::Operation;
    using P = typename Of::PassType;
    static constexpr KernelNote note{"generic", "the bodies, element by element"};
    static constexpr Items items{P::Extents::size};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        with_lane<typename Precision::compute>(
            a.stride, [&]<class L>() { detail::generic_gather<Op, P, Precision, L>(a, begin, end); });
    }
};

}  // namespace strata::inline STRATA_ABI
