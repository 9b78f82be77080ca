// SequenceState: sequences that are continued call by call, with what the network's layers keep of the tokens so far.
//
//   SequenceState<Net> state(4, 512);                           // four sequences of at most 512 tokens
//   auto y = model.append(prompt, state[0], workspace);         // the first tokens of one, an output for each
//   y = model.append(token, state[0], workspace);               // its next one
//   y = model.append(SequenceBatch(x, {64}, Lengths({7, 1})), state[{2, 0}], workspace);  // 7 of slot 2, one of slot 0
//   y = model.append(x, state, workspace);                      // of all slots, as many tokens each
//   state.clear(0);                                             // a new sequence begins there
#pragma once

#include <initializer_list>

#include "../core/fixed_array.hpp"
#include "model.hpp"

namespace strata::inline STRATA_ABI {

template <class Net, class Precision>
class SequenceState;

namespace detail {

/// Sequences in slots: how long they are, and where those of a call lie. What all networks have in common.
class SequenceSlots {
public:
    STRATA_COLD SequenceSlots(int slots, int capacity, int longest, std::ptrdiff_t numbers)
        : lengths_(static_cast<std::size_t>(checked(slots, capacity, longest))),
          chosen_(lengths_.size()),
          starts_(lengths_.size() + 1),
          seen_(lengths_.size()) {
        kept.capacity = capacity;
        kept.slot_size = numbers * capacity;
        kept.lengths = lengths_.data();
        kept.slots = chosen_.data();
    }

    /// The batch whose tokens come next in `count` slots, all of them where `slots` is null: a sequence each, or as
    /// many tokens each where the batch has no sequences. Throws Error and changes nothing where they have no room.
    STRATA_COLD Batch place(Batch const& tokens, int const* slots, int count) {
        if (!slots) count = size();
        if (count < 1) fail("append: no slots of the state are given");
        if (tokens.starts && tokens.size != count)
            fail("append: got ", tokens.size, " sequences for ", count, " slots");
        if (!tokens.starts && (tokens.size < 1 || tokens.size % count != 0))
            fail("append: got ", tokens.size, " tokens for ", count,
                 " slots, expected as many for each, or a SequenceBatch");
        ++call_;
        for (int i = 0; i < count; ++i) {
            int const slot = slots ? slots[i] : i;
            check(slot);
            auto const at = static_cast<std::size_t>(i), of = static_cast<std::size_t>(slot);
            if (seen_[of] == call_) fail("append: slot ", slot, " is given twice");
            seen_[of] = call_;
            chosen_[at] = slot;
            starts_[at + 1] = tokens.starts ? tokens.starts[i + 1] : tokens.size / count * (i + 1);
            int const wanted = starts_[at + 1] - (i > 0 ? starts_[at] : 0), room = kept.capacity - lengths_[of];
            if (wanted > room)
                fail("append: slot ", slot, " has ", lengths_[of], " tokens and room for ", room, " more, got ",
                     wanted);
        }
        Batch placed = tokens;
        placed.size = count;
        if (!tokens.starts) placed.starts = starts_.data();
        placed.kept = &kept;
        return placed;
    }
    /// Those tokens are there now.
    void advance(Batch const& placed) {
        for (int i = 0; i < placed.size; ++i)
            lengths_[static_cast<std::size_t>(kept.slots[i])] += placed.starts[i + 1] - placed.starts[i];
    }
    void check(int slot) const {
        if (slot < 0 || slot >= size()) fail("SequenceState: there is no slot ", slot, ", expected 0 to ", size() - 1);
    }
    [[nodiscard]] int size() const { return static_cast<int>(lengths_.size()); }
    [[nodiscard]] std::int32_t& length(int slot) {
        check(slot);
        return lengths_[static_cast<std::size_t>(slot)];
    }

    KeptSequences kept;

private:
    static int checked(int slots, int capacity, int longest) {
        if (slots < 1 || slots > 65536) fail("SequenceState: got ", slots, " slots, expected 1 to 65536");
        if (capacity < 1 || capacity > longest)
            fail("SequenceState: got room for ", capacity, " tokens, expected 1 to ", longest,
                 ", what the network's Sequence<Input<...>, longest> says");
        return slots;
    }

    FixedArray<std::int32_t> lengths_, chosen_, starts_;
    FixedArray<std::int64_t> seen_;  // the last call that a slot was in
    std::int64_t call_ = 0;
};

/// A workspace that answers the next tokens of some slots.
template <class Net, class Precision, class Workspace>
struct ContinuedWorkspace {
    SequenceSlots& all;
    int const* slots;
    int count;
    Workspace& workspace;
    static constexpr char const* called = "append";  ///< what errors begin with

    auto run(Model<Net, Precision> const& model, Batch const& tokens) {
        Batch const placed = all.place(tokens, slots, count);
        auto const answers = workspace.run(model, placed, called);
        all.advance(placed);
        return answers;
    }
};
template <class Net, class Precision, class Workspace>
concept RunsSequences = requires(Workspace& workspace, Model<Net, Precision> const& model, Batch const& batch) {
    workspace.run(model, batch, "");
};

/// Some slots of a state, in a call: a list of them, state[{0, 2}], is gone behind it.
template <class Net, class Precision>
struct ChosenSlots {
    SequenceSlots& all;
    int const* slots;  ///< null: `slot` alone
    int count, slot;

    template <class Workspace>
    requires RunsSequences<Net, Precision, Workspace>
    auto continued(Model<Net, Precision> const&, Workspace& workspace) && {
        return ContinuedWorkspace<Net, Precision, Workspace>{all, slots ? slots : &slot, count, workspace};
    }
};

}  // namespace detail

/// What the layers of a network keep of the tokens of some sequences (keys and values), so that the next tokens cost
/// their own work and what attention reads. Slots hold a sequence each, empty at first; model.append(tokens, state,
/// workspace) continues them. Tokens have the bits of model(sequences, workspace) of the whole sequences, however
/// they are cut into calls, where the workspace is `batch_invariant`.
///
/// Memory is taken once, Net::state_size numbers of storage for each token of each slot. A call that throws changes
/// nothing. A state is used by one call at a time; model and workspace do not know it, and a sequence goes on with
/// the model that it began with. All slots are meant where none are chosen. The network looks back only: Attention is
/// Causal, and there are no means or maxima over whole sequences.
template <class Net, class Precision = Float32>
class SequenceState {
    using Storage = typename Precision::storage;
    static_assert(Net::has_sequences,
                  "SequenceState: the network's samples are no sequences: let it begin with Sequence<Input<...>>");
    static_assert(
        Net::is_causal || !Net::has_sequences,
        "SequenceState: a layer looks at tokens that are yet to come (Attention that is not Causal, SequenceMean, "
        "SequenceMax), or does not say what it keeps (State): such sequences cannot be continued");

public:
    using ModelType = Model<Net, Precision>;

    /// Room for `slots` sequences of at most `capacity` tokens, which is at most the network's longest. Throws Error.
    SequenceState(int slots, int capacity)
        : all_(slots, capacity, Net::longest_sequence, Net::state_size),
          numbers_(static_cast<std::size_t>(memory_bytes(slots, capacity)) / sizeof(Storage)) {
        all_.kept.numbers = numbers_.data();
    }
    /// Bytes of what is kept.
    static constexpr std::size_t memory_bytes(int slots, int capacity) {
        return sizeof(Storage) * static_cast<std::size_t>(Net::state_size) * static_cast<std::size_t>(slots) *
               static_cast<std::size_t>(capacity);
    }
    [[nodiscard]] std::size_t memory_bytes() const { return numbers_.size() * sizeof(Storage); }

    [[nodiscard]] int slots() const { return all_.size(); }
    [[nodiscard]] int capacity() const { return all_.kept.capacity; }
    /// Tokens of a slot so far.
    [[nodiscard]] int length(int slot) const { return const_cast<SequenceState*>(this)->all_.length(slot); }
    /// The slot is empty again, or all are.
    void clear(int slot) { all_.length(slot) = 0; }
    void clear() {
        for (int slot = 0; slot < slots(); ++slot) clear(slot);
    }
    /// Only the first tokens of a slot remain: those behind them are appended anew.
    void keep_first(int slot, int tokens) {
        auto& length = all_.length(slot);
        if (tokens < 0 || tokens > length)
            fail("SequenceState: slot ", slot, " has ", length, " tokens, cannot keep the first ", tokens);
        length = tokens;
    }

    /// Some slots, chosen in the call of append itself.
    auto operator[](int slot) { return detail::ChosenSlots<Net, Precision>{all_, nullptr, 1, slot}; }
    auto operator[](std::initializer_list<int> slots) { return (*this)[std::span<int const>(slots)]; }
    auto operator[](std::span<int const> slots) {
        return detail::ChosenSlots<Net, Precision>{all_, slots.data(), static_cast<int>(slots.size()), 0};
    }

    template <class Workspace>
    requires detail::RunsSequences<Net, Precision, Workspace>
    auto continued(ModelType const&, Workspace& workspace) {
        return detail::ContinuedWorkspace<Net, Precision, Workspace>{all_, nullptr, 0, workspace};
    }

private:
    detail::SequenceSlots all_;
    AlignedVector<Storage> numbers_;
};

}  // namespace strata::inline STRATA_ABI
