// Network: the user's sentence, and everything that follows from it at compile time.
#pragma once

#include "expand.hpp"
#include "frozen.hpp"
#include "inputs.hpp"
#include "join.hpp"
#include "layer_table.hpp"
#include "plan.hpp"
#include "residual.hpp"
#include "sequences.hpp"
#include "shared.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class T>
inline constexpr bool is_input = false;
template <int... E>
inline constexpr bool is_input<Input<E...>> = true;
template <class... Parts>
inline constexpr bool is_input<Inputs<Parts...>> = true;
template <class In>
inline constexpr bool is_input<RequiresGrad<In>> = is_input<In>;
template <class In, int Longest>
inline constexpr bool is_input<Sequence<In, Longest>> = is_input<In>;
template <class T>
inline constexpr bool requires_grad = false;
template <class In>
inline constexpr bool requires_grad<RequiresGrad<In>> = true;
/// What is said of Inputs.
template <class In>
struct InputsCheck {};
template <class In>
struct InputsCheck<RequiresGrad<In>> : InputsCheck<In> {};
template <class In, int Longest>
struct InputsCheck<Sequence<In, Longest>> : InputsCheck<In> {
    static_assert(Longest > 0 && Longest <= 16384,
                  "Sequence: the longest sequence has 1 to 16384 tokens: Sequence<Input<64>, 512>");
    static_assert(longest_sequence<In> == 0 && !requires_grad<In>,
                  "Sequence: what is in it is the shape of a token: RequiresGrad<Sequence<Input<64>>>");
};
template <class... Parts>
struct InputsCheck<Inputs<Parts...>> {
    static constexpr bool named = sizeof...(Parts) > 0 && (is_named_input<Parts> && ...);
    static_assert(named,
                  "Inputs: each input is Named: Inputs<Named<\"image\", Input<3, 32, 32>>, Named<\"meta\", Input<8>>>");
    static_assert(
        [] {
            if constexpr (named) return EntryOf<Inputs<Parts...>>::type::differ;
            return true;
        }(),
        "Inputs: two inputs have the same name");
    static_assert(
        [] {
            if constexpr (named) return EntryOf<Inputs<Parts...>>::type::countable;
            return true;
        }(),
        "Inputs: all inputs of a sample together have more than 2^31 - 1 numbers");
};
/// The input's shape; anything else has said that it is none.
template <class T>
struct InputExtentOf {
    using type = Shape<1>;
};
template <int... E>
struct InputExtentOf<Input<E...>> {
    using type = Shape<E...>;
};
template <class... Parts>
requires(sizeof...(Parts) > 0 && (is_named_input<Parts> && ...))
struct InputExtentOf<Inputs<Parts...>> {
    using type = typename EntryOf<Inputs<Parts...>>::type::Whole;
};
template <class In>
struct InputExtentOf<RequiresGrad<In>> : InputExtentOf<In> {};

template <class P>
consteval std::size_t name_characters() {
    OpListWriter counted;
    P::write(counted, {}, 0);
    return counted.characters;
}
/// The op list of a fragment that begins at the network's input.
template <class P, std::size_t Characters>
consteval auto op_list_of() {
    OpList<P::count, Characters> list;
    OpListWriter writer{.rows = list.rows.data(), .text = list.names.data()};
    P::write(writer, {}, 0);
    list.fault = writer.fault;
    if (list.fault == SharedFault::none && !frozen_alike(list.rows)) list.fault = SharedFault::frozen;
    return list;
}

/// Running sums: the offset of each operation's part in a flat arena, the total last.
template <std::size_t N, class Count>
consteval std::array<Count, N + 1> offsets(std::array<OperationRow, N> const& rows, Count OperationRow::* size) {
    std::array<Count, N + 1> at{};
    for (std::size_t i = 0; i < N; ++i) at[i + 1] = at[i] + rows[i].*size;
    return at;
}

/// The same of the buffers: those that training moves come first.
template <std::size_t N>
consteval std::array<std::ptrdiff_t, N + 1> buffer_offsets(std::array<OperationRow, N> const& rows) {
    std::array<std::ptrdiff_t, N + 1> at{};
    for (bool const frozen : {false, true})
        for (std::size_t i = 0; i < N; ++i)
            if (rows[i].is_frozen == frozen) {
                at[i] = at[N];
                at[N] += rows[i].buffers;
            }
    return at;
}

/// What the plan needs to know of the operations.
template <std::size_t N>
consteval std::array<OperationFacts, N> facts_of(std::array<OperationRow, N> const& rows, bool training) {
    std::array<OperationFacts, N> all{};
    for (std::size_t i = 0; i < N; ++i) {
        auto const& row = rows[i];
        all[i] = {.inputs = row.inputs,
                  .output_size = row.output_size,
                  .has_parameters = row.trained > 0,
                  .is_view = row.is_view || (row.is_training_only && !training),
                  .is_elementwise = row.is_elementwise,
                  .keeps_extra = row.keeps_extra,
                  .is_concatenation = row.is_concatenation,
                  .keep = row.keep,
                  .forward_passes = row.forward_passes,
                  .backward_passes = row.backward_passes,
                  .view_offset = row.view_offset};
        for (std::size_t k = i + 1; k < N && k <= i + 2 && !training && row.is_depthwise; ++k) {
            if (rows[k].is_pointwise) all[i].lasting = static_cast<int>(k - i);
            if (!rows[k].is_elementwise) break;
        }
    }
    return all;
}

}  // namespace detail

/// A network as a type: `Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, …>`. All members are constants of the type.
template <class In, class... Layers>
class Network {
    static_assert(detail::is_input<In>,
                  "Network begins with the shape of its input: Network<Input<3, 32, 32>, layers...>");
    static_assert(sizeof(detail::InputsCheck<In>) > 0);
    using InputExtent = typename detail::InputExtentOf<In>::type;
    using Expanded = detail::All<detail::List<Layers...>, typename detail::EntryOf<In>::type>;
    static_assert(sizeof...(Layers) > 0, "Network needs at least one layer after Input");
    static_assert(sizeof(typename Expanded::Misuse::Message) > 0);  // says what is misused

public:
    /// False where a layer was misused; the compiler has already said where.
    static constexpr bool valid = !detail::is_misused<Expanded>;

private:
    using Contents = std::conditional_t<valid, Expanded, detail::NoFragment<InputExtent>>;
    static constexpr auto op_list = detail::op_list_of<Contents, detail::name_characters<Contents>()>();
    static constexpr auto layer_names = op_list.names;
    static_assert(op_list.fault != detail::SharedFault::other_layers,
                  "Shared: all layers that share a name must be the same, with parameters of the same shapes");
    static_assert(op_list.fault != detail::SharedFault::frozen,
                  "Shared: layers that share a name are Frozen in all places or in none");
    static_assert(op_list.fault != detail::SharedFault::too_many,
                  "Shared: a network may have 64 names of Shared layers");
    static constexpr auto sequence_fault = detail::sequence_fault(op_list.rows, detail::longest_sequence<In> > 0);
    static_assert(
        sequence_fault != detail::SequenceFault::missing,
        "a layer that looks across the tokens of a sequence stands in a network whose samples are none: let it "
        "begin with Sequence<Input<...>>");
    static_assert(sequence_fault != detail::SequenceFault::reduced,
                  "a layer that looks across the tokens of a sequence stands behind a reduction: there is one column a "
                  "sequence left");
    static_assert(
        sequence_fault != detail::SequenceFault::joined,
        "a join, Residual or Heads of branches of which one has a column a token and another one a sequence: reduce "
        "all of them, or none");
    static_assert(sequence_fault != detail::SequenceFault::batch,
                  "Sequence: statistics of a batch (BatchNorm) are not there yet: take LayerNorm or GroupNorm, "
                  "or put it into Frozen");

public:
    /// Number of operations in the flat list; values are numbered 0 (the input) to this (the output).
    static constexpr int operation_count = Contents::count;
    template <int Index>
    using OperationAt = typename detail::UseOf<typename detail::OperationIn<Index, Contents>::type,
                                               (op_list.rows[Index].owner >= 0)>::type;
    /// An entry of the op list.
    template <int Index>
    struct NodeAt {
        using Op = OperationAt<Index>;
        static constexpr ValueList inputs = op_list.rows[Index].inputs;
        static constexpr int input = inputs[0];
    };

    using InputShape = InputExtent;
    using InputType = In;
    using OutputShape = typename Contents::Output;
    static constexpr InputShape input_shape{};
    static constexpr OutputShape output_shape{};

    /// The op list as data, a row an operation.
    static constexpr std::span<detail::OperationRow const, static_cast<std::size_t>(operation_count)> operations{
        op_list.rows};
    /// The operations that differ.
    static constexpr detail::OperationKinds<operation_count> kinds{op_list.rows};
    template <int Kind>
    using KindAt = OperationAt<kinds.first[static_cast<std::size_t>(Kind)]>;

private:
    template <class F, class Op>
    static constexpr void visit(F& f, int index) {
        f.template operator()<Op>(index);
    }

public:
    /// Calls f.template operator()<Op>(index) for every operation in order. It is compiled for operations that differ.
    template <class F>
    static constexpr void visit_operations(F&& f) {
        [&]<int... Kind>(std::integer_sequence<int, Kind...>) {
            using Visited = std::remove_reference_t<F>;
            using Visitor = void (*)(Visited&, int);
            Visitor const visitors[sizeof...(Kind) + 1] = {&visit<Visited, KindAt<Kind>>..., nullptr};
            for (int i = 0; i < operation_count; ++i) visitors[kinds.of[static_cast<std::size_t>(i)]](f, i);
        }(std::make_integer_sequence<int, kinds.count>{});
    }

    /// Calls f.template operator()<Index>() for every operation in order, compiled for each: see visit_operations.
    template <class F>
    static constexpr void for_each_operation(F&& f) {
        [&]<int... Index>(std::integer_sequence<int, Index...>) {
            // Not a fold: clang nests those and takes at most 256.
            using InOrder = int[];
            static_cast<void>(InOrder{0, (static_cast<void>(f.template operator()<Index>()), 0)...});
        }(std::make_integer_sequence<int, operation_count>{});
    }

    /// A row for every operation in order: what names, summaries and messages are made from.
    static constexpr auto layer_table = detail::layer_table(op_list.rows, layer_names);
    /// False where two layers with parameters or buffers have one name; such a network cannot be saved.
    static constexpr bool names_differ = detail::names_differ(layer_table);

    /// Where each operation's parameters begin in the contiguous arena; the last entry is the number of parameters.
    static constexpr auto parameter_offset = detail::offsets(op_list.rows, &detail::OperationRow::parameters);
    static constexpr std::ptrdiff_t parameter_count = parameter_offset.back();
    /// Buffers are saved but not trained: BatchNorm's running statistics, and all that is Frozen, which comes last.
    static constexpr auto buffer_offset = detail::buffer_offsets(op_list.rows);
    static constexpr std::ptrdiff_t buffer_count = buffer_offset.back();
    /// True where layers are Shared and used again.
    static constexpr bool has_shared = [] {
        bool any = false;
        for (auto const& row : op_list.rows) any = any || row.owner >= 0;
        return any;
    }();
    /// The operation whose parameters operation `index` works with: itself, or the first use of what is Shared.
    static constexpr int owner(int index) {
        int const its = op_list.rows[static_cast<std::size_t>(index)].owner;
        return its < 0 ? index : its;
    }
    /// Where they begin, and where its buffers do.
    static constexpr std::ptrdiff_t parameters_at(int index) {
        return parameter_offset[static_cast<std::size_t>(owner(index))];
    }
    static constexpr std::ptrdiff_t buffers_at(int index) {
        return buffer_offset[static_cast<std::size_t>(owner(index))];
    }
    /// For each operation whether nothing behind it works with its parameters.
    static constexpr auto last_uses = [] {
        std::array<bool, static_cast<std::size_t>(operation_count)> last{}, used{};
        for (int i = operation_count - 1; i >= 0; --i) {
            auto const its = static_cast<std::size_t>(owner(i));
            last[static_cast<std::size_t>(i)] = !used[its];
            used[its] = true;
        }
        return last;
    }();
    /// True where training would need gradients of Shared parameters from both sides of a BatchNorm.
    static constexpr bool shares_over_batch = detail::shared_over_batch(op_list.rows);
    /// Those that a training step moves.
    static constexpr std::ptrdiff_t moving_buffer_count = [] {
        std::ptrdiff_t sum = 0;
        for (auto const& row : op_list.rows) sum += row.is_frozen ? 0 : row.buffers;
        return sum;
    }();
    /// Parameters, trained or not; the latter are among the buffers.
    static constexpr std::int64_t weight_count = [] {
        std::int64_t sum = parameter_count;
        for (auto const& row : op_list.rows) sum += row.frozen;
        return sum;
    }();
    /// Doubles of batch-wide statistics.
    static constexpr auto statistic_offset = detail::offsets(op_list.rows, &detail::OperationRow::statistics);
    static constexpr int statistic_count = statistic_offset.back();
    /// Where what each operation keeps of a token begins, for the tokens of later calls, and how many numbers all keep.
    static constexpr auto state_offset = detail::offsets(op_list.rows, &detail::OperationRow::state);
    static constexpr std::ptrdiff_t state_size = state_offset.back();
    /// True when a layer needs the whole batch at once (BatchNorm in training): such networks run phase by phase.
    static constexpr bool is_batch_wide = [] {
        bool any = false;
        for (auto const& row : op_list.rows) any = any || row.is_batch_wide;
        return any;
    }();
    /// True when a BatchNorm is Frozen.
    static constexpr bool has_frozen_statistics = [] {
        bool any = false;
        for (auto const& row : op_list.rows) any = any || (row.is_frozen && row.statistics > 0);
        return any;
    }();

    /// Floating-point operations of one forward pass of one sample; training is counted as three times that.
    static constexpr double flops = [] {
        double total = 0;
        for (auto const& row : op_list.rows) total += row.flops;
        return total;
    }();
    static constexpr double training_flops = 3 * flops;

    /// Columns of the longest sequence; 0 where samples are no sequences.
    static constexpr int longest_sequence = detail::longest_sequence<In>;
    static constexpr bool has_sequences = longest_sequence > 0;
    /// Of each value, whether it has a column for each sequence, not for each token.
    static constexpr auto reduced = detail::reduced_values(op_list.rows);
    static constexpr bool answers_sequences = reduced.back();

    /// Of networks of sequences: whether a token's output depends on it and those before it alone, and what looks at those
    /// keeps them (State).
    static constexpr bool is_causal = detail::is_causal(op_list.rows);

    /// True where training passes give the gradient of the samples, too.
    static constexpr bool has_input_gradient = detail::requires_grad<In>;

    static constexpr Plan<operation_count> training_plan = detail::make_plan<operation_count>(
        detail::facts_of(op_list.rows, true), InputShape::size, true, has_input_gradient);
    static constexpr Plan<operation_count> inference_plan =
        detail::make_plan<operation_count>(detail::facts_of(op_list.rows, false), InputShape::size, false);

    /// Bytes of parameters, and of one sample's part of the workspace, for scalars of type T.
    template <class T = float>
    static constexpr std::size_t parameter_bytes = sizeof(T) * static_cast<std::size_t>(weight_count);
    template <class T = float>
    static constexpr std::size_t training_bytes_per_sample =
        sizeof(T) * static_cast<std::size_t>(training_plan.size + training_plan.pass_size);
    template <class T = float>
    static constexpr std::size_t inference_bytes_per_sample =
        sizeof(T) * static_cast<std::size_t>(inference_plan.size + inference_plan.pass_size);
};

}  // namespace strata::inline STRATA_ABI
