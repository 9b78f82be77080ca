// The program of a tile: the op list as a flat table of steps. A step is data, a kernel and what it works on; one small
// function runs any of them. So a network costs a table and the kernels it needs, each of them once. The table is written by
// loops over the op list, that call what is compiled for each operation that differs (step_writer.hpp).
//
// Training is fill, forward, loss, backward. A pass over the batch cuts the table into phases: the step that gathers the
// tile's part of it ends a phase, the executor merges the parts of all tiles, and the next phase goes on.
#pragma once

#include "../../../program/program_rows.hpp"
#include "input_gradient_step.hpp"
#include "loss_step.hpp"
#include "step_writer.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The steps of a network, whatever the tile.
template <class Net, class Precision, class Loss>
class TileProgram {
public:
    using Context = TileContext<Precision, Loss>;
    using Step = ProgramStep<Precision, Loss>;
    static constexpr int outputs = Net::OutputShape::size;

private:
    /// Targets and what passes leave are kept as compute scalars behind the plan, so that rounding does not move them.
    static constexpr int target_scalars =
        static_cast<int>(sizeof(typename Precision::compute) / sizeof(typename Precision::storage));
    static constexpr std::ptrdiff_t target_offset(std::ptrdiff_t plan_size) {
        return !reads_targets<Loss> ? plan_size : (plan_size + target_scalars - 1) / target_scalars * target_scalars;
    }
    static constexpr int target_size = targets_in<Loss, Net> * target_scalars;
    /// Where the passes' numbers begin, on a cache line.
    static constexpr std::ptrdiff_t pass_offset(std::ptrdiff_t plan_size) {
        return passes_behind(target_offset(plan_size) + target_size);
    }
    template <class P>
    static constexpr std::ptrdiff_t size_of(P const& plan) {
        return plan.pass_size > 0 ? pass_offset(plan.size) + plan.pass_size * target_scalars
                                  : target_offset(plan.size) + target_size;
    }

public:
    /// Scalars of one sample's workspace: the plan, for regression the targets, and what passes leave.
    static constexpr std::ptrdiff_t training_size = size_of(Net::training_plan);
    static constexpr std::ptrdiff_t inference_size = size_of(Net::inference_plan);

private:
    static constexpr int n = Net::operation_count;
    static constexpr TileSizes sizes{most_tile_columns<Net, Precision>(), Net::has_sequences};
    using Writer = StepWriter<Precision, Loss, sizes>;
    using Rows = ProgramRows<Net, Writer>;
    using Write = typename Rows::Write;
    template <class T>
    using OfOperations = typename Rows::template OfOperations<T>;

    /// The loss step. `value` and `gradient` are the outputs' offsets, -1 for no gradient; `size` is the workspace's.
    static void finish(Context const& c, std::ptrdiff_t value, std::ptrdiff_t gradient_at, std::ptrdiff_t size) {
        auto const at = [&](std::ptrdiff_t offset) { return offset < 0 ? nullptr : c.workspace + offset * c.stride; };
        using T = typename Precision::compute;
        auto* const targets = reinterpret_cast<T*>(at(reads_targets<Loss> ? target_offset(size) : -1));
        finish_tile<Net>(c, at(value), at(gradient_at), targets);
    }
    template <bool Training>
    static void finish(Context const& tile) {
        constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
        auto const& c = [&]() -> decltype(auto) {
            if constexpr (Net::answers_sequences)
                return tile.with_columns_of(true);
            else
                return (tile);
        }();
        finish(c, p.value[n], Training ? p.gradient[n] : -1, p.size);  // -1: nothing to train below the loss
    }

    static void finish_input(Context const& c) {
        give_input_gradients(c, Net::training_plan.gradient[0], Net::InputShape::size);
    }

    template <bool Training>
    static constexpr PlannedOperations planned() {
        constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
        return {Net{}, p, pass_offset(p.size), target_scalars};
    }
    template <bool Training>
    static constexpr OfOperations<bool> takes_relu = Rows::takes_relu(planned<Training>());
    template <bool Training>
    static constexpr PlannedOperations all = [] {
        PlannedOperations it = planned<Training>();
        it.takes_relu = takes_relu<Training>;
        return it;
    }();

    /// Two operations that may be made in bands, in inference: a kind, and that of the operation behind it, or behind the
    /// ReLU that its kernel applies.
    struct Pair {
        int first = 0, second = 0;
        bool relu = false;
        constexpr bool operator==(Pair const&) const = default;
    };
    struct Pairs {
        OfOperations<Pair> different{};
        OfOperations<int> of{};  ///< of each operation, its pair with those behind it; -1
        int count = 0;
    };
    static constexpr int behind(int i) { return i + 1 + (all<false>.applies_relu(i) ? 1 : 0); }
    /// Pairs whose second operation alone reads what lies between them, does not make its output in the place of what the
    /// first reads, and has its parameters behind the first one's.
    static constexpr Pairs pairs = [] {
        PlannedOperations const& p = all<false>;
        std::array<int, static_cast<std::size_t>(n + 1)> readers{};
        for (int i = 0; i < n; ++i)
            for (int const v : p.rows[i].inputs) ++readers[static_cast<std::size_t>(v)];
        Pairs found;
        for (int i = 0; i < n; ++i) {
            auto& of = found.of[static_cast<std::size_t>(i)];
            of = -1;
            int const last = behind(i);
            if (last >= n) continue;
            auto const &first = p.rows[i], &second = p.rows[last];
            if (second.inputs[0] != last || readers[static_cast<std::size_t>(i + 1)] != 1 ||
                readers[static_cast<std::size_t>(last)] != 1 || first.is_frozen || second.is_frozen ||
                p.parameter_offset[last] != p.parameter_offset[i] + first.parameters)
                continue;
            auto const x = p.value[first.inputs[0]], y = p.value[last + 1];
            if (x < y + second.output_size && y < x + p.size_of(first.inputs[0], Net::InputShape::size)) continue;
            Pair const pair{Rows::kind_of(i), Rows::kind_of(last), last != i + 1};
            for (of = 0; of < found.count && !(found.different[static_cast<std::size_t>(of)] == pair);) ++of;
            if (of == found.count) found.different[static_cast<std::size_t>(found.count++)] = pair;
        }
        return found;
    }();
    /// The kernel that makes a pair in bands; void where no kernel does.
    template <int At>
    struct BandsOf {
        static constexpr Pair pair = pairs.different[static_cast<std::size_t>(At)];
        using First = typename Net::template KindAt<pair.first>;
        using Second = typename Net::template KindAt<pair.second>;
        using Kernel = typename BandKernel<InBands<First, pair.relu, Second>, Precision>::type;
        static constexpr void make(Writer& write, PlannedOperations const& p, int i) {
            int const last = behind(i);
            strata::detail::Step step = p.step(i, false, false);
            step.offsets.y = p.value[last + 1];
            step.offsets.extra = p.value[last];  // for tiles that are not made in bands
            step.relu = p.applies_relu(last);
            step.parameters.count = First::Parameters::size + Second::Parameters::size;
            write.template kernel<Kernel>(step);
        }
    };
    /// How they are written, and what is said of them, where a kernel makes them in bands.
    struct Band {
        Write write = nullptr;
        KernelNote note{};
        bool exists = false;
    };
    static constexpr auto bands = [] {
        std::array<Band, static_cast<std::size_t>(pairs.count)> all_bands{};
        [&]<int... At>(std::integer_sequence<int, At...>) {
            (
                [&] {
                    using Bands = BandsOf<At>;
                    if constexpr (!std::is_void_v<typename Bands::Kernel>)
                        all_bands[At] = {&Bands::make, note_of<typename Bands::Kernel>(), true};
                }(),
                ...);
        }(std::make_integer_sequence<int, pairs.count>{});
        return all_bands;
    }();

public:
    /// Whether an operation is made in bands with the one behind it.
    static constexpr bool begins_band(int i) {
        return i >= 0 && pairs.of[static_cast<std::size_t>(i)] >= 0 && band(i).exists;
    }
    static constexpr Band const& band(int i) {
        return bands[static_cast<std::size_t>(pairs.of[static_cast<std::size_t>(i)])];
    }
    static constexpr bool ends_band(int i) {
        return (begins_band(i - 1) && behind(i - 1) == i) || (begins_band(i - 2) && behind(i - 2) == i);
    }

private:
    template <bool Training, bool Bands = false>
    static constexpr Writer write_all(Step* table) {
        Writer write{table};
        Step step;
        step.fill = true;
        write(step);
        for (int i = 0; i < n; ++i)
            if (Bands && begins_band(i))
                band(i).write(write, all<Training>, i);
            else if (!Bands || !ends_band(i))
                Rows::template forward<Training>(write, all<Training>, i);
        step = {};
        step.finish = &finish<Training>;
        write(step);
        write.scratch =
            (std::max)(write.scratch, loss_scratch<row_shape<Loss, typename Net::OutputShape>::size, Precision>);
        if constexpr (Training) {
            Rows::backward(write, all<true>);
            if constexpr (Net::has_input_gradient) {
                step.finish = &finish_input;
                step.operation = 0;
                step.backward = true;
                write(step);
            }
        }
        return write;
    }
    template <bool Training, bool Bands = false>
    static constexpr Writer written = write_all<Training, Bands>(nullptr);
    template <bool Training, bool Bands = false>
    static constexpr auto table() {
        std::array<Step, static_cast<std::size_t>(written<Training, Bands>.count)> steps{};
        write_all<Training, Bands>(steps.data());
        if constexpr (Net::has_sequences)
            for (Step& step : steps)
                if (int const i = step.operation; i >= 0) {  // g++'s sanitizers compare no function with null here
                    step.reads_sequences = Net::reduced[static_cast<std::size_t>(all<Training>.rows[i].inputs[0])];
                    step.makes_sequences = Net::reduced[static_cast<std::size_t>(i) + 1];
                }
        return steps;
    }
    static_assert(Net::training_plan.value[0] == 0 && Net::inference_plan.value[0] == 0, "plans place the input first");
    static_assert(written<true>.with_gradient == Net::parameter_count, "a gradient that no step makes");

public:
    static constexpr auto training = table<true>();
    static constexpr auto inference = table<false, true>();
    /// A step for each operation: for who looks at what each of them makes, or has not all parameters at a time.
    static constexpr auto inference_by_layer = table<false>();
    static constexpr int training_scratch = written<true>.scratch,
                         inference_scratch = (std::max)(written<false, true>.scratch, written<false>.scratch);
    static constexpr std::ptrdiff_t training_prepared = written<true>.prepared,
                                    inference_prepared =
                                        (std::max)(written<false, true>.prepared, written<false>.prepared);
};

/// The program of a network for training or inference: the other one's kernels are not compiled.
template <class Net, class Precision, class Loss, bool Training>
constexpr Program<Precision, Loss> program_of() {
    using P = TileProgram<Net, Precision, Loss>;
    if constexpr (Training)
        return {P::training, P::training, P::training_size, P::training_scratch, P::training_prepared};
    else
        return {P::inference, P::inference_by_layer, P::inference_size, P::inference_scratch, P::inference_prepared};
}

}  // namespace strata::inline STRATA_ABI::detail
