// Networks of sequences: which values have a column for each token of a tile, and which one for each sequence.
#pragma once

#include "inputs.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class In, int Longest>
struct InputExtentOf<Sequence<In, Longest>> : InputExtentOf<In> {};
template <class In, int Longest, bool WantsGradient>
struct EntryOf<Sequence<In, Longest>, WantsGradient> : EntryOf<In, WantsGradient> {};

template <int Vocabulary, int... E>
struct InputExtentOf<Ids<Vocabulary, E...>> {
    using type = typename Ids<Vocabulary, E...>::Numbers;
};
template <int Vocabulary, int... E, bool WantsGradient>
struct EntryOf<Ids<Vocabulary, E...>, WantsGradient> {
    using type = Ids<Vocabulary, E...>;
};
/// Scalars that a network's input takes of a tile, of what its first layers stand behind.
template <class Entry>
inline constexpr std::ptrdiff_t scalars_of_input = scalars_of_value<Entry>;
template <class Entry>
requires requires { typename Entry::AreInputParts; }
inline constexpr std::ptrdiff_t scalars_of_input<Entry> = Entry::scalars;
/// Where its ids are.
template <class Entry>
struct IdPartsOf {
    static constexpr std::array<IdPart, 0> value{};
};
template <class Entry>
requires are_ids<Entry>
struct IdPartsOf<Entry> {
    static constexpr std::array<IdPart, 1> value{IdPart{0, Entry::size, Entry::vocabulary, {}}};
};
template <class Entry>
requires requires { typename Entry::AreInputParts; }
struct IdPartsOf<Entry> {
    static constexpr auto value = Entry::id_parts;
};
template <class Entry>
inline constexpr auto id_parts_of = IdPartsOf<Entry>::value;

/// Columns of the longest sequence that a network takes; 0: its samples are no sequences.
template <class In>
inline constexpr int longest_sequence = 0;
template <class In, int Longest>
inline constexpr int longest_sequence<Sequence<In, Longest>> = Longest;
template <class In>
inline constexpr int longest_sequence<RequiresGrad<In>> = longest_sequence<In>;

/// The values with a column a sequence: those behind a reduction.
template <std::size_t N>
constexpr std::array<bool, N + 1> reduced_values(std::array<OperationRow, N> const& rows) {
    std::array<bool, N + 1> reduced{};
    for (std::size_t i = 0; i < N; ++i) {
        reduced[i + 1] = rows[i].reduces_sequence;
        for (int const v : rows[i].inputs) reduced[i + 1] = reduced[i + 1] || reduced[static_cast<std::size_t>(v)];
    }
    return reduced;
}

/// What is wrong with a network's sequences.
enum class SequenceFault : std::uint8_t { none, missing, reduced, joined, batch };
template <std::size_t N>
constexpr SequenceFault sequence_fault(std::array<OperationRow, N> const& rows, bool has_sequences) {
    bool sees = false, batch = false;
    for (auto const& row : rows) {
        sees = sees || row.sees_sequence;
        batch = batch || row.is_batch_wide;
    }
    if (!has_sequences) return sees ? SequenceFault::missing : SequenceFault::none;
    if (batch) return SequenceFault::batch;
    auto const reduced = reduced_values(rows);
    for (auto const& row : rows)
        for (int const v : row.inputs) {
            bool const its = reduced[static_cast<std::size_t>(v)];
            if (its != reduced[static_cast<std::size_t>(row.inputs[0])]) return SequenceFault::joined;
            if (its && row.sees_sequence) return SequenceFault::reduced;
        }
    return SequenceFault::none;
}

/// Whether all that looks across a sequence keeps what later tokens read.
template <std::size_t N>
constexpr bool is_causal(std::array<OperationRow, N> const& rows) {
    bool causal = true;
    for (auto const& row : rows) causal = causal && (!row.sees_sequence || row.state > 0);
    return causal;
}

template <class Samples>
constexpr std::size_t size_of_samples(Samples const& samples) {
    if constexpr (requires { samples.size(); })
        return samples.size();
    else
        return static_cast<std::size_t>(samples.size);
}
/// Rows of outputs for a batch or a dataset.
template <class Net, class Samples>
constexpr std::size_t answers_in(Samples const& samples) {
    if constexpr (Net::has_sequences && !Net::answers_sequences)
        return static_cast<std::size_t>(samples.columns());
    else
        return size_of_samples(samples);
}

}  // namespace strata::inline STRATA_ABI::detail
