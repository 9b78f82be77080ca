// The bodies of operations that look across a sequence, run sequence by sequence.
//
// Sums and largest numbers of a pass are gathered in a vector of columns from the sequence's first one on, and its places
// from the first to the last at the end: an order that depends on the sequence's length alone.
#pragma once

#include "sequence_input.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// One number of a pass of scope sequence, of the terms that of(part) gives.
template <Gather gathers, class L, class Of>
STRATA_INLINE scalar_of<L> gather_columns(SequencePart const& sequence, Of const& of) {
    constexpr int N = width_of<L>;
    using T = scalar_of<L>;
    // The larger one, or the one that is no number.
    auto const larger = [](auto a, auto b) { return select((a >= b) | is_nan(a), a, b); };
    L all(0);
    for_vectors<N>(sequence, [&](SequencePart const& part) {
        L const term = of(part);
        auto const there = first_lanes<L>(part.count);
        if constexpr (gathers == Gather::max)
            all = part.position == 0 ? term : select(there, larger(all, term), all);
        else
            all = all + select(there, term, L(0));
    });
    T values[static_cast<std::size_t>(N)];
    store_lane(static_cast<T*>(values), all);
    T result = values[0];
    for (int k = 1; k < (std::min)(N, sequence.length); ++k)
        result = gathers == Gather::max ? larger(result, values[k]) : result + values[k];
    return gathers == Gather::mean ? result / static_cast<T>(sequence.length) : result;
}

/// Columns of a tile that no sequence has: finite, and with gradient zero.
template <class T>
STRATA_INLINE void clear_empty(T* row, int filled, int stride) {
    std::fill(row + filled, row + (std::max)(filled, stride), T(0));
}
inline int filled_columns(TileSequences const& all) { return all.starts[all.count] - all.starts[0]; }

}  // namespace detail

/// A pass of an operation that looks across a sequence. Of one of scope sequence each column gets the number of its
/// sequence, of one of scope sample a number of its own.
template <class Op, class P, class Precision>
struct SequencePass {
    static constexpr Items items{P::Extents::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        using T = typename Precision::compute;
        using L = widest_lane<T>;
        using E = typename P::Extents;
        T* const place = detail::place_of_pass<Op, P>(a);
        auto const term = [&](auto const& at, detail::SequencePart const& part) {
            if constexpr (detail::forward_passes<Op>::template contains<P>)
                return L(Op::pass(P{}, at, detail::forward_sequence_input<Op, Precision, L>(a, part)));
            else
                return L(Op::pass(P{}, at, detail::sequence_input<Op, Precision, L>(a, part)));
        };
        detail::for_sequences(a, [&](detail::SequencePart const& sequence) {
            detail::for_rows<E>(begin, end, [&](auto const& at, int item) {
                T* const row = place + static_cast<std::ptrdiff_t>(item) * a.stride;
                if constexpr (P::scope == Scope::sequence) {
                    static_assert(P::gathers == Gather::mean || P::gathers == Gather::sum || P::gathers == Gather::max,
                                  "a pass of scope sequence gathers a mean, a sum or the largest number (Gather::mean, "
                                  "sum, max)");
                    std::fill_n(row + sequence.first, sequence.length,
                                detail::gather_columns<P::gathers, L>(
                                    sequence, [&](detail::SequencePart const& part) { return term(at, part); }));
                } else {
                    detail::for_vectors<width_of<L>>(sequence, [&](detail::SequencePart const& part) {
                        store_first(row + part.first, term(at, part), part.count);
                    });
                }
            });
        });
    }
};

/// Appends what an operation keeps of a tile's tokens to what is kept of their sequences; does nothing where the tile has
/// whole ones.
template <class Op, class Precision>
struct KeepTokens {
    static constexpr Items items{Op::State::count};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        using State = typename Op::State;
        if (!a.sequences.kept) return;
        detail::for_sequences(a, [&](detail::SequencePart const& part) {
            auto* const to =
                detail::kept_of<Op>(a, part.sequence) + static_cast<std::ptrdiff_t>(part.position) * State::count;
            for (int k = begin; k < end; ++k) {
                auto const* const from = a.x + static_cast<std::ptrdiff_t>(State::first + k) * a.stride + part.first;
                for (int t = 0; t < part.count; ++t) to[static_cast<std::ptrdiff_t>(t) * State::count + k] = from[t];
            }
        });
    }
};

template <class Op, class Precision>
struct SequenceForward;
template <class Op, class Precision>
requires(detail::sees_sequence<Op>())
struct SequenceForward<Op, Precision> {
    static constexpr KernelNote note{"sequence", "the bodies, sequence by sequence"};
    static constexpr Items items{detail::forward_domain<Op>::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        using L = widest_lane<typename Precision::compute>;
        constexpr bool reduces = detail::reduces_sequence<Op>();
        constexpr int size = Op::Output::size;
        int const stride = reduces ? a.sequences.stride : a.stride;
        auto const run_part = [&](detail::SequencePart const& part, int column) {
            auto const io = detail::forward_sequence_input<Op, Precision, L>(a, part);
            PartialTileView<typename Op::Output, L, typename Precision::storage> const y{a.y + column, stride,
                                                                                         part.count};
            detail::for_rows<detail::forward_domain<Op>>(begin, end, [&](auto const& at, int item) {
                detail::put_result<Op>(item, size, Op::forward(at, io), [&](int e, L value) { y.set(e, value); });
            });
        };
        detail::for_sequences(a, [&](detail::SequencePart const& whole) {
            if constexpr (reduces)
                run_part({whole.first, 1, 0, whole.length, whole.sequence}, whole.sequence);
            else
                detail::for_vectors<width_of<L>>(whole,
                                                 [&](detail::SequencePart const& part) { run_part(part, part.first); });
        });
        int const filled = reduces ? a.sequences.count : detail::filled_columns(a.sequences);
        detail::for_rows<detail::forward_domain<Op>>(begin, end, [&](auto const&, int item) {
            for (int e = item * detail::block_of<Op>(); e < (std::min)((item + 1) * detail::block_of<Op>(), int{size});
                 ++e)
                detail::clear_empty(a.y + static_cast<std::ptrdiff_t>(e) * stride, filled, stride);
        });
    }
};

template <class Op, class Precision>
struct SequenceInputGradient;
template <class Op, class Precision>
requires(detail::sees_sequence<Op>())
struct SequenceInputGradient<Op, Precision> {
    static constexpr KernelNote note{"sequence", "the bodies, sequence by sequence"};
    static constexpr Items items{detail::backward_domain<Op>::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        using L = widest_lane<typename Precision::compute>;
        using X = typename detail::GradientShape<Op>::type;
        constexpr int size = X::size;
        bool const add = a.write == GradientWrite::add;
        detail::for_sequences(a, [&](detail::SequencePart const& whole) {
            detail::for_vectors<width_of<L>>(whole, [&](detail::SequencePart const& part) {
                auto const io = detail::sequence_input<Op, Precision, L>(a, part);
                PartialTileView<X, L, typename Precision::storage> const dx{a.dx + part.first, a.stride, part.count};
                detail::for_rows<detail::backward_domain<Op>>(begin, end, [&](auto const& at, int item) {
                    detail::put_result<Op>(item, size, Op::input_gradient(at, io), [&](int e, L value) {
                        if (add)
                            dx.add(e, value);
                        else
                            dx.set(e, value);
                    });
                });
            });
        });
        if (add) return;
        detail::for_rows<detail::backward_domain<Op>>(begin, end, [&](auto const&, int item) {
            for (int e = item * detail::block_of<Op>(); e < (std::min)((item + 1) * detail::block_of<Op>(), int{size});
                 ++e)
                detail::clear_empty(a.dx + static_cast<std::ptrdiff_t>(e) * a.stride,
                                    detail::filled_columns(a.sequences), a.stride);
        });
    }
};

template <class Op, class Precision>
struct SequenceParameterGradient;
template <class Op, class Precision>
requires(detail::sees_sequence<Op>())
struct SequenceParameterGradient<Op, Precision> {
    static constexpr KernelNote note{"sequence", "the bodies, sequence by sequence"};
    static constexpr Items items{detail::parameter_rows<typename Op::Parameters>()};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        using L = widest_lane<typename Precision::compute>;
        int first_row = 0;
        Op::Parameters::for_each([&]<class P>(P parameter) {
            using E = typename P::Extents;
            auto* const gradient = a.gradient + Op::Parameters::template offset<P>;
            int const from = (std::max)(begin - first_row, 0), to = (std::min)(end - first_row, int{E::rows});
            detail::for_rows<E>(from, to, [&](auto const& at, auto element) {
                L total(0);
                detail::for_sequences(a, [&](detail::SequencePart const& whole) {
                    detail::for_vectors<width_of<L>>(whole, [&](detail::SequencePart const& part) {
                        L const value =
                            Op::parameter_gradient(parameter, at, detail::sequence_input<Op, Precision, L>(a, part));
                        total = total + select(first_lanes<L>(part.count), value, L(0));
                    });
                });
                gradient[element] += sum(total);
            });
            first_row += E::rows;
        });
    }
};

}  // namespace strata::inline STRATA_ABI
