// What the bodies of operations that look across a sequence are given.
#pragma once

#include "../generic.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Neighbouring columns of a sequence, in a tile.
struct SequencePart {
    int first, count;      ///< columns of the tile
    int position, length;  ///< where they begin in the sequence, and its columns so far
    int sequence;          ///< of the tile
};

/// The body input of a lane of columns.
template <class Op, class Precision, class L>
auto sequence_input(KernelData<Precision> const& a, SequencePart const& at) {
    using Storage = typename Precision::storage;
    using Compute = typename Precision::compute;
    constexpr bool reduces = reduces_sequence<Op>();
    using X = PartialTileView<input_of<Op>, L, Storage const>;
    using Y = std::conditional_t<reduces, ColumnView<typename Op::Output, L, Storage const>,
                                 PartialTileView<typename Op::Output, L, Storage const>>;
    using E = PartialExtraView<typename Op::Output, L, Storage>;
    using P = ParametersView<typename Op::Parameters, Compute, typename Precision::master>;
    using Input = BodyInput<X, Y, E, P, typename SeveralInputs<Op>::type, passes_view<Op, PartialTileView, L, Compute>>;
    int const S = a.stride;
    auto const here = [&](auto* p) { return p ? p + at.first : p; };
    auto const made = [&](Storage const* p) {
        if constexpr (reduces)
            return Y{p ? p + at.sequence : p, a.sequences.stride};
        else
            return Y{here(p), S, at.count};
    };
    SequenceInput<Input> io{{{here(a.x), S, at.count},
                             made(a.y),
                             made(a.dy),
                             {here(a.extra), S, at.count},
                             {a.parameters},
                             a.random,
                             a.first + at.first},
                            at.position,
                            at.length};
    if constexpr (input_count<Op> > 1)
        for (std::size_t k = 0; k < io.more.size(); ++k) io.more[k] = {here(a.more[k]), S, at.count};
    if constexpr (has_passes<Op>())
        io.passes = {here(a.forward_passes), here(a.backward_passes), {nullptr, S, at.count}, a.statistics};
    return io;
}

/// What an operation keeps of a sequence of the tile; null where the tile has whole ones.
template <class Op, class Precision>
typename Precision::storage* kept_of(KernelData<Precision> const& a, int sequence) {
    KeptSequences const* const all = a.sequences.kept;
    if (!all) return nullptr;
    return static_cast<typename Precision::storage*>(all->numbers) +
           all->slots[a.sequences.first + sequence] * all->slot_size + a.state * all->capacity;
}
/// The same for forward and the passes before it: tokens of earlier calls lie in what is kept.
template <class Op, class Precision, class L>
auto forward_sequence_input(KernelData<Precision> const& a, SequencePart const& at) {
    auto const io = sequence_input<Op, Precision, L>(a, at);
    if constexpr (!has_state<Op>())
        return io;
    else
        return ContinuedInput<std::remove_const_t<decltype(io)>, input_of<Op>, typename Op::State,
                              typename Precision::storage>{io, kept_of<Op>(a, at.sequence),
                                                           a.sequences.before(at.sequence)};
}

/// Calls f(part) for the sequences of a tile, with their tokens in it.
template <class Precision, class F>
STRATA_INLINE void for_sequences(KernelData<Precision> const& a, F const& f) {
    TileSequences const& all = a.sequences;
    for (int q = 0; q < all.count; ++q) {
        int const count = all.starts[q + 1] - all.starts[q], before = all.before(q);
        f(SequencePart{all.starts[q] - all.starts[0], count, before, before + count, q});
    }
}
/// Calls f(part) for the vectors of N columns, at most, of a sequence's in the tile.
template <int N, class F>
STRATA_INLINE void for_vectors(SequencePart const& whole, F const& f) {
    for (int t = 0; t < whole.count; t += N)
        f(SequencePart{whole.first + t, (std::min)(N, whole.count - t), whole.position + t, whole.length,
                       whole.sequence});
}

}  // namespace strata::inline STRATA_ABI::detail
