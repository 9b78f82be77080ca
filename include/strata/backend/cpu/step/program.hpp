// The program of a tile: the op list as a flat table of steps. A step is data, a kernel and what it works on; one small
// function runs any of them. So a network costs a table and the kernels it needs, each of them once.
//
// Training is fill, forward, loss, backward. A pass over the batch cuts the table into phases: the step that gathers the
// tile's part of it ends a phase, the executor merges the parts of all tiles, and the next phase goes on.
#pragma once

#include "../../../layer/concatenation.hpp"
#include "../../../layer/relu.hpp"
#include "../kernel/choice.hpp"
#include "batch_merge.hpp"
#include "input_gradient_step.hpp"
#include "loss_step.hpp"

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
        return (target_offset(plan_size) + target_size + 31) / 32 * 32;
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
    template <int Index>
    using Op = typename Net::template OperationAt<Index>;
    template <int Index>
    using KernelOp = kernel_operation<Op<Index>>;
    static constexpr int n = Net::operation_count;

    template <int Index, bool Training>
    static constexpr OperationOffsets offsets_of() {
        constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
        using Node = typename Net::template NodeAt<Index>;
        OperationOffsets at;
        at.x = p.value[Node::input];
        at.inputs = Node::inputs.count;
        for (int k = 1; k < Node::inputs.count; ++k)
            at.more[k - 1] = p.value[static_cast<std::size_t>(Node::inputs[k])];
        at.y = p.value[Index + 1];
        at.dy = p.gradient[Index + 1];
        at.extra = p.extra[Index];
        at.parameters = is_frozen<Op<Index>> ? Net::buffers_at(Index) : Net::parameters_at(Index);
        at.statistics = Net::statistic_offset[Index];
        auto const of_passes = [&](std::ptrdiff_t offset) {
            return offset < 0 ? std::ptrdiff_t{-1} : pass_offset(p.size) + offset * target_scalars;
        };
        at.forward_passes = of_passes(p.forward_passes[Index]);
        at.backward_passes = of_passes(p.backward_passes[Index]);
        return at;
    }

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

    /// Appends steps to a table, or only counts them.
    struct Writer {
        Step* table;
        int most_samples;  ///< of a tile
        int count = 0;
        int scratch = 0;
        std::ptrdiff_t with_gradient = 0;                 ///< parameters
        std::ptrdiff_t prepared = 0, phase_prepared = 0;  ///< the most of any phase, and this one's so far
        bool backward = false;
        constexpr void operator()(Step const& step) {
            if (table) table[count] = step;
            ++count;
        }
        template <class K>
        constexpr void kernel(Step step) {
            for (int S = 1; S <= most_samples; S = next_samples(S)) scratch = (std::max)(scratch, scratch_of<K>(S));
            step.kernel = &K::run;
            step.items = K::items;
            step.backward = backward;
            if constexpr (Net::has_sequences) {
                auto const index = static_cast<std::size_t>(step.operation);
                step.reads_sequences = Net::reduced[static_cast<std::size_t>(first_input[index])];
                step.makes_sequences = Net::reduced[index + 1];
            }
            with_gradient += step.cleared;
            if (sets_gradient<K>()) step.cleared = 0;
            step.preparation = preparation_of<K, Precision>(most_samples, next_samples);
            step.prepared = phase_prepared;
            phase_prepared += step.preparation.size;
            prepared = (std::max)(prepared, phase_prepared);
            if (step.reduction) phase_prepared = 0;
            (*this)(step);
        }
    };

    static constexpr int next_samples(int S) { return Net::has_sequences ? next_tile_columns(S) : 2 * S; }
    /// Of each operation, its first input.
    static constexpr auto first_input = [] {
        std::array<int, static_cast<std::size_t>(n)> all{};
        Net::for_each_operation([&]<int J>() { all[static_cast<std::size_t>(J)] = Net::template NodeAt<J>::input; });
        return all;
    }();

    /// True where operation I's kernel applies operation I + 1 too: a ReLU in the place of I's output.
    template <int Index, bool Training>
    static constexpr bool takes_relu() {
        if constexpr (Index >= 0 && Index + 1 < n) {
            constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
            if constexpr (std::is_same_v<Op<Index + 1>, ElementwiseOperation<ReLU, typename Op<Index>::Output>> &&
                          requires { ForwardKernel<KernelOp<Index>, Precision>::applies_relu; })
                return Net::template NodeAt<Index + 1>::input == Index + 1 && p.in_place[Index + 1];
        }
        return false;
    }
    /// How many operations read a value.
    static constexpr auto readers = [] {
        std::array<int, static_cast<std::size_t>(n + 1)> count{};
        Net::for_each_operation([&]<int J>() {
            for (int const v : Net::template NodeAt<J>::inputs) ++count[static_cast<std::size_t>(v)];
        });
        return count;
    }();
    /// Whether nobody else reads what lies between operations I and Last, what the second makes does not take the place of
    /// what the first reads, and the parameters of one follow those of the other.
    template <int Index, int Last>
    static constexpr bool are_alone() {
        constexpr auto const& p = Net::inference_plan;
        if (Net::template NodeAt<Last>::input != Last || readers[Index + 1] != 1 || readers[Last] != 1 ||
            is_frozen<Op<Index>> || is_frozen<Op<Last>> ||
            Net::parameter_offset[Last] != Net::parameter_offset[Index] + Op<Index>::Parameters::size)
            return false;
        auto const x = p.value[Net::template NodeAt<Index>::input], y = p.value[Last + 1];
        return x >= y + Op<Last>::Output::size || y >= x + input_of<Op<Index>>::size;
    }

public:
    /// The operation behind I, or behind the ReLU that I's kernel applies.
    template <int Index>
    static constexpr int behind = Index + 1 + (takes_relu<Index, false>() ? 1 : 0);
    /// The kernel that makes both in bands, in inference; void where no kernel does.
    template <int Index>
    using BandKernelOf =
        typename BandKernel<InBands<Op<Index>, (behind<Index> > Index + 1), Op<behind<Index>>>, Precision>::type;
    template <int Index>
    static constexpr bool begins_band = [] {
        if constexpr (Index >= 0 && Index + 1 < n)
            if constexpr (behind<Index> < n)
                if constexpr (!std::is_void_v<BandKernelOf<Index>>) return are_alone<Index, behind<Index>>();
        return false;
    }();
    template <int Index>
    static constexpr bool ends_band = (begins_band<Index - 1> && behind<Index - 1> == Index) ||
                                      (begins_band<Index - 2> && behind<Index - 2> == Index);

private:
    template <int Index>
    static constexpr void write_band(Writer& write) {
        constexpr int last = behind<Index>;
        auto offsets = offsets_of<Index, false>();
        offsets.y = Net::inference_plan.value[last + 1];
        offsets.extra = Net::inference_plan.value[last];  // for tiles that are not made in bands
        write.template kernel<BandKernelOf<Index>>(
            {.offsets = offsets,
             .relu = takes_relu<last, false>(),
             .operation = Index,
             .parameters = Op<Index>::Parameters::size + Op<last>::Parameters::size});
    }

    template <int Index, bool Training, bool Bands = false>
    static constexpr void write_forward(Writer& write) {
        if constexpr (!Bands)
            write_operation<Index, Training>(write);
        else if constexpr (begins_band<Index>)
            write_band<Index>(write);
        else if constexpr (!ends_band<Index>)
            write_operation<Index, Training>(write);
    }
    template <int Index, bool Training>
    static constexpr void write_operation(Writer& write) {
        if constexpr (is_concatenation<Op<Index>>()) {
            write_parts<Index, Training>(write, false);
        } else if constexpr (!is_view<Op<Index>>() && !takes_relu<Index - 1, Training>() &&
                             (Training || !requires { typename Op<Index>::IsTrainingOnly; })) {
            if constexpr (!kernel_makes<ForwardKernel<KernelOp<Index>, Precision>, forward_passes<KernelOp<Index>>>())
                write_passes<Index, Training, forward_passes<KernelOp<Index>>>(write, 0);
            write.template kernel<ForwardKernel<KernelOp<Index>, Precision>>(
                {.offsets = offsets_of<Index, Training>(),
                 .relu = takes_relu<Index, Training>(),
                 .operation = Index,
                 .parameters = KernelOp<Index>::Parameters::size,
                 .frozen = is_frozen<Op<Index>>});
        }
    }
    /// Whether a kernel makes the passes itself.
    template <class Kernel, class Passes>
    static consteval bool kernel_makes() {
        static_assert(
            !makes_passes<Kernel>() || Passes::batch_size == 0,
            "a kernel with makes_passes makes those of a sample: a pass over the batch has a kernel of its own, "
            "OwnKernels<BatchPassOf<Op, P>, KernelPass::gather>");
        return makes_passes<Kernel>();
    }
    /// `cleared`: parameters whose gradients the first pass over the batch has to find at zero.
    template <int Index, bool Training, class Passes>
    static constexpr void write_passes(Writer& write, int cleared) {
        Passes::for_each([&]<class P>(P) {
            if constexpr (P::scope == Scope::sample && !sees_sequence<KernelOp<Index>>()) {
                write.template kernel<GenericPass<KernelOp<Index>, P, Precision>>(
                    {.offsets = offsets_of<Index, Training>(), .operation = Index, .frozen = is_frozen<Op<Index>>});
            } else if constexpr (P::scope != Scope::batch) {
                write.template kernel<SequencePass<KernelOp<Index>, P, Precision>>(
                    {.offsets = offsets_of<Index, Training>(), .operation = Index, .frozen = is_frozen<Op<Index>>});
            } else if constexpr (Training && is_batch_wide<Op<Index>>()) {
                write.template kernel<GatherKernel<Op<Index>, P, Precision>>(
                    {.offsets = offsets_of<Index, true>(),
                     .reduction = {&merge_pass<Op<Index>, P, Precision>,
                                   Net::statistic_offset[Index] + batch_place<Op<Index>, P>(), numbers_of_pass<P>,
                                   Net::buffer_offset[Index]},
                     .operation = Index,
                     .cleared = cleared});
                cleared = 0;
            }
        });
    }
    template <int Index>
    static constexpr void write_backward(Writer& write) {
        constexpr auto const& p = Net::training_plan;
        using Node = typename Net::template NodeAt<Index>;
        if constexpr (is_concatenation<Op<Index>>()) {
            write_parts<Index, true>(write, true);
        } else if constexpr (!is_view<Op<Index>>() && p.gradient[Index + 1] >= 0) {  // else no parameter at or below it
            constexpr bool gathers = gathers_gradients<KernelOp<Index>>();
            if constexpr (!kernel_makes<InputGradientKernel<KernelOp<Index>, Precision>,
                                        backward_passes<KernelOp<Index>>>())
                write_passes<Index, true, backward_passes<KernelOp<Index>>>(write,
                                                                            gathers ? Op<Index>::Parameters::size : 0);
            if constexpr (constexpr auto size = trained_parameters<Op<Index>>::size; !gathers && size > 0)
                // Of Shared parameters the last use comes first, and the others add to its gradient.
                write.template kernel<ParameterGradientKernel<KernelOp<Index>, Precision>>(
                    {.offsets = offsets_of<Index, true>(),
                     .operation = Index,
                     .gradients = Net::is_last_use(Index) ? size : 0,
                     .cleared = Net::is_last_use(Index) ? size : 0,
                     .adds = !Net::is_last_use(Index)});
            // In place, the first input's gradient takes dy's memory: last, where it is another one.
            constexpr bool own = p.in_place[Index] && !passes_gradient<Op<Index>>() && p.gradient[Node::input] >= 0;
            static_cast<void>(for_all_inputs<Op<Index>>([&]<int K>() {
                constexpr auto how = p.write[Index][static_cast<std::size_t>(K)];
                if constexpr (how != GradientWrite::none) write_input_gradient<Index, K>(write, how);
                return true;
            }));
            if constexpr (own) write_input_gradient<Index, 0>(write, GradientWrite::overwrite);
        }
    }
    template <int Index, int K>
    static constexpr void write_input_gradient(Writer& write, GradientWrite how) {
        constexpr int value = Net::template NodeAt<Index>::inputs[K];
        write.template kernel<InputGradientKernel<gradient_operation<KernelOp<Index>, K>, Precision>>(
            {.offsets = offsets_of<Index, true>(),
             .dx = Net::training_plan.gradient[static_cast<std::size_t>(value)],
             .write = how,
             .operation = Index,
             .frozen = is_frozen<Op<Index>>});
    }
    /// The parts of a concatenation that are not made where the whole lies, or their gradients, are copied.
    template <int Index, bool Training>
    static constexpr void write_parts(Writer& write, bool gradients) {
        constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
        using Node = typename Net::template NodeAt<Index>;
        std::ptrdiff_t begin = 0;
        static_cast<void>(for_all_inputs<Op<Index>>([&]<int K>() {
            using Part = ElementwiseOperation<PassOn, input_of<Op<Index>, K>>;
            constexpr auto value = static_cast<std::size_t>(Node::inputs[K]);
            Step step{.offsets = {.parameters = Net::parameter_offset[Index]}, .operation = Index};
            if (gradients) {
                step.offsets.dy = p.gradient[Index + 1] + begin;
                step.dx = p.gradient[value];
                step.write = p.write[Index][static_cast<std::size_t>(K)];
                if (step.write != GradientWrite::none)
                    write.template kernel<InputGradientKernel<Part, Precision>>(step);
            } else {
                step.offsets.x = p.value[value];
                step.offsets.y = p.value[Index + 1] + begin;
                if (step.offsets.x != step.offsets.y) write.template kernel<ForwardKernel<Part, Precision>>(step);
            }
            begin += input_of<Op<Index>, K>::size;
            return true;
        }));
    }

    template <bool Training, bool Bands = false>
    static constexpr Writer write_all(Step* table) {
        Writer write{table, most_tile_columns<Net, Precision>()};
        write({.fill = true});
        Net::for_each_operation([&]<int Index>() { write_forward<Index, Training, Bands>(write); });
        write({.finish = &finish<Training>});
        write.scratch =
            (std::max)(write.scratch, loss_scratch<row_shape<Loss, typename Net::OutputShape>::size, Precision>);
        write.backward = true;
        if constexpr (Training) Net::for_each_operation([&]<int J>() { write_backward<n - 1 - J>(write); });
        if constexpr (Training && Net::has_input_gradient)
            write({.finish = &finish_input, .operation = 0, .backward = true});
        return write;
    }
    template <bool Training, bool Bands = false>
    static constexpr auto table() {
        std::array<Step, static_cast<std::size_t>(write_all<Training, Bands>(nullptr).count)> steps{};
        write_all<Training, Bands>(steps.data());
        return steps;
    }
    static_assert(Net::training_plan.value[0] == 0 && Net::inference_plan.value[0] == 0, "plans place the input first");
    static_assert(write_all<true>(nullptr).with_gradient == Net::parameter_count, "a gradient that no step makes");

public:
    static constexpr auto training = table<true>();
    static constexpr auto inference = table<false, true>();
    /// A step for each operation: for who looks at what each of them makes, or has not all parameters at a time.
    static constexpr auto inference_by_layer = table<false>();
    static constexpr int training_scratch = write_all<true>(nullptr).scratch,
                         inference_scratch =
                             (std::max)(write_all<false, true>(nullptr).scratch, write_all<false>(nullptr).scratch);
    static constexpr std::ptrdiff_t training_prepared = write_all<true>(nullptr).prepared,
                                    inference_prepared = write_all<false>(nullptr).prepared;
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
