// Network: the user's sentence, and everything that follows from it at compile time.
#pragma once

#include "expand.hpp"
#include "layer_table.hpp"
#include "plan.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <class T>
inline constexpr bool is_input = false;
template <int... E>
inline constexpr bool is_input<Input<E...>> = true;
/// The input's shape; anything else has said that it is none.
template <class T>
struct InputExtentOf {
    using type = Shape<1>;
};
template <int... E>
struct InputExtentOf<Input<E...>> {
    using type = Shape<E...>;
};

/// The op list of a network, in a class of its own: inside Network, nvcc 13 substitutes wrongly into the decltype.
template <class Extent, class... Layers>
struct NetworkExpansion {
    using Start = Builder<List<>, List<Extent>, 0, Path<>, 0>;
    using type = decltype(expand_all<Layers...>(Start{}));
};

// What an operation adds to each of the flat arenas.
struct ParameterSize {
    template <class Op>
    static consteval int of() {
        return Op::Parameters::size;
    }
};
struct BufferSize {
    template <class Op>
    static consteval int of() {
        if constexpr (requires { typename Op::Buffers; })
            return Op::Buffers::size;
        else
            return 0;
    }
};
struct StatisticSize {
    template <class Op>
    static consteval int of() {
        if constexpr (is_batch_wide<Op>())
            return Op::channels * Op::statistics_per_channel;
        else
            return 0;
    }
};

}  // namespace detail

/// A network as a type: `Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, …>`. All members are constants of the type.
template <class In, class... Layers>
class Network {
    static_assert(detail::is_input<In>,
                  "Network begins with the shape of its input: Network<Input<3, 32, 32>, layers…>");
    using InputExtent = typename detail::InputExtentOf<In>::type;
    using Expanded = typename detail::NetworkExpansion<InputExtent, Layers...>::type;
    template <class B>
    struct Parts {
        using Nodes = typename B::NodeList;
        using Shapes = typename B::ShapeList;
    };
    template <class B>
    requires detail::is_poisoned<B>
    struct Parts<B> {  // a layer is misused
        using Nodes = detail::List<>;
        using Shapes = detail::List<InputExtent>;
    };
    using Nodes = typename Parts<Expanded>::Nodes;

    template <class... Ns>
    static consteval int count_of(detail::List<Ns...>) {
        return sizeof...(Ns);
    }
    static_assert(sizeof...(Layers) > 0, "Network needs at least one layer after Input");
    static_assert(sizeof(typename detail::MessageOf<Expanded>::type) > 0);  // says what is misused

public:
    /// False where a layer was misused; the compiler has already said where.
    static constexpr bool valid = !detail::is_poisoned<Expanded>;
    /// Number of operations in the flat list; values are numbered 0 (the input) to this (the output).
    static constexpr int operation_count = count_of(Nodes{});
    template <int Index>
    using NodeAt = detail::type_at<Index, Nodes>;
    template <int Index>
    using OperationAt = typename NodeAt<Index>::Op;
    template <int V>
    using ValueShape = detail::type_at<V, typename Parts<Expanded>::Shapes>;

    using InputShape = InputExtent;
    using OutputShape = ValueShape<operation_count>;
    static constexpr InputShape input_shape{};
    static constexpr OutputShape output_shape{};

    /// Calls f.template operator()<I>() for every operation in order.
    template <class F>
    static constexpr void for_each_operation(F&& f) {
        [&]<int... Index>(std::integer_sequence<int, Index...>) {
            // Not a fold: clang nests those and takes at most 256.
            using InOrder = int[];
            static_cast<void>(InOrder{0, (static_cast<void>(f.template operator()<Index>()), 0)...});
        }(std::make_integer_sequence<int, operation_count>{});
    }

private:
    template <class F>
    static consteval auto per_operation(F f) {
        return [&]<int... Index>(std::integer_sequence<int, Index...>) {
            return std::array<decltype(f.template operator()<0>()), static_cast<std::size_t>(operation_count)> {
                f.template operator()<Index>()...
            };
        }(std::make_integer_sequence<int, operation_count>{});
    }
    /// Running sums: the offset of each operation's part in a flat arena, the total last.
    template <class SizeOf>
    static consteval auto offsets() {
        std::array<int, static_cast<std::size_t>(operation_count) + 1> at{};
        int total = 0;
        for_each_operation([&]<int Index>() {
            at[Index] = total;
            total += SizeOf::template of<OperationAt<Index>>();
        });
        at[static_cast<std::size_t>(operation_count)] = total;
        return at;
    }

public:
    /// A row for every operation in order: what names, summaries and messages are made from.
    static constexpr auto layer_table = detail::layer_table(Nodes{});
    /// False where two layers with parameters or buffers have one name; such a network cannot be saved.
    static constexpr bool names_differ = detail::names_differ(layer_table);

    /// Where each operation's parameters begin in the contiguous arena; the last entry is the number of parameters.
    static constexpr auto parameter_offset = offsets<detail::ParameterSize>();
    static constexpr int parameter_count = parameter_offset.back();
    /// Buffers are saved but not trained: BatchNorm's running statistics.
    static constexpr auto buffer_offset = offsets<detail::BufferSize>();
    static constexpr int buffer_count = buffer_offset.back();
    /// Doubles of batch-wide statistics.
    static constexpr auto statistic_offset = offsets<detail::StatisticSize>();
    static constexpr int statistic_count = statistic_offset.back();
    /// True when a layer needs the whole batch at once (BatchNorm in training): such networks run segment by segment.
    static constexpr bool is_batch_wide = statistic_count > 0;

    /// Floating-point operations of one forward pass of one sample; training is counted as three times that.
    static constexpr double flops = [] {
        double total = 0;
        for_each_operation([&]<int Index>() { total += OperationAt<Index>::flops; });
        return total;
    }();
    static constexpr double training_flops = 3 * flops;

private:
    template <bool Training>
    static consteval auto facts() {
        std::array<OperationFacts, static_cast<std::size_t>(operation_count)> all{};
        for_each_operation([&]<int Index>() {
            using Op = OperationAt<Index>;
            constexpr bool skipped = !Training && requires { typename Op::IsTrainingOnly; };
            all[Index] = {.input = NodeAt<Index>::input,
                          .other = NodeAt<Index>::other,
                          .output_size = Op::Output::size,
                          .has_parameters = Op::Parameters::size > 0,
                          .is_view = detail::is_view<Op>() || skipped,
                          .is_elementwise = detail::is_elementwise<Op>(),
                          .keeps_extra = detail::keeps_extra<Op>(),
                          .keep = Op::keep};
        });
        return all;
    }

public:
    static constexpr Plan<operation_count> training_plan =
        detail::make_plan<operation_count>(facts<true>(), InputShape::size, true);
    static constexpr Plan<operation_count> inference_plan =
        detail::make_plan<operation_count>(facts<false>(), InputShape::size, false);

    /// Bytes of parameters, and of one sample's part of the workspace, for scalars of type T.
    template <class T = float>
    static constexpr std::size_t parameter_bytes = sizeof(T) * static_cast<std::size_t>(parameter_count);
    template <class T = float>
    static constexpr std::size_t training_bytes_per_sample = sizeof(T) * static_cast<std::size_t>(training_plan.size);
    template <class T = float>
    static constexpr std::size_t inference_bytes_per_sample = sizeof(T) * static_cast<std::size_t>(inference_plan.size);
};

}  // namespace strata::inline STRATA_ABI
