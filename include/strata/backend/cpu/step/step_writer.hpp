// How an operation becomes steps: written for each operation that differs, and for any place in any network. What a place
// is like is data.
#pragma once

#include "../../../layer/concatenation.hpp"
#include "../../../layer/relu.hpp"
#include "../kernel/choice.hpp"
#include "batch_merge.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The op list and a plan as plain data, of any network.
struct PlannedOperations {
    OperationRow const* rows;
    std::ptrdiff_t const *parameter_offset, *buffer_offset;
    int const* statistic_offset;
    std::ptrdiff_t const* state_offset;
    bool const* is_last_use;  ///< of the parameters: nothing behind the operation works with them
    std::ptrdiff_t const *value, *gradient, *extra, *forward_passes, *backward_passes;
    std::array<GradientWrite, ValueList::most> const* write;
    bool const* in_place;
    std::ptrdiff_t passes;             ///< where the passes' numbers begin in the workspace
    std::ptrdiff_t pass_scalars;       ///< scalars of storage that one of them takes
    bool const* takes_relu = nullptr;  ///< the operation's kernel applies the next one, a ReLU, too

    template <class Net, class P>
    constexpr PlannedOperations(Net, P const& plan, std::ptrdiff_t passes_at, std::ptrdiff_t scalars)
        : rows(Net::operations.data()),
          parameter_offset(Net::parameter_offset.data()),
          buffer_offset(Net::buffer_offset.data()),
          statistic_offset(Net::statistic_offset.data()),
          state_offset(Net::state_offset.data()),
          is_last_use(Net::last_uses.data()),
          value(plan.value.data()),
          gradient(plan.gradient.data()),
          extra(plan.extra.data()),
          forward_passes(plan.forward_passes.data()),
          backward_passes(plan.backward_passes.data()),
          write(plan.write.data()),
          in_place(plan.in_place.data()),
          passes(passes_at),
          pass_scalars(scalars) {}

    /// The operation whose parameters operation i works with.
    [[nodiscard]] constexpr int owner(int i) const { return rows[i].owner < 0 ? i : rows[i].owner; }
    /// Numbers of a value of a sample; `input` is that of the network's.
    [[nodiscard]] constexpr std::ptrdiff_t size_of(int v, std::ptrdiff_t input) const {
        return v == 0 ? input : rows[v - 1].output_size;
    }
    /// What an operation works on; `frozen`: its parameters are among the buffers.
    [[nodiscard]] constexpr OperationOffsets offsets(int i, bool frozen) const {
        ValueList const& inputs = rows[i].inputs;
        auto const of_passes = [&](std::ptrdiff_t offset) {
            return offset < 0 ? std::ptrdiff_t{-1} : passes + offset * pass_scalars;
        };
        OperationOffsets at;
        at.x = value[inputs[0]];
        at.inputs = inputs.count;
        for (int k = 1; k < inputs.count; ++k) at.more[k - 1] = value[inputs[k]];
        at.y = value[i + 1];
        at.dy = gradient[i + 1];
        at.extra = extra[i];
        at.parameters = (frozen ? buffer_offset : parameter_offset)[owner(i)];
        at.statistics = statistic_offset[i];
        at.state = state_offset[i];
        at.forward_passes = of_passes(forward_passes[i]);
        at.backward_passes = of_passes(backward_passes[i]);
        return at;
    }
};

/// What a program knows of a kernel, for tiles of these sizes.
template <class K, class Precision, TileSizes sizes>
struct KernelFacts {
    static constexpr int scratch = [] {
        int most = 0;
        for (int S = 1; S <= sizes.most; S = sizes.next(S)) most = (std::max)(most, scratch_of<K>(S));
        return most;
    }();
    static constexpr Preparation<Precision> preparation =
        preparation_of<K, Precision>(sizes.most, sizes.sequences ? &next_tile_columns : &twice);
};

/// Appends steps to a table, or only counts them.
template <class Precision, class Loss, TileSizes sizes>
struct StepWriter {
    using Step = ProgramStep<Precision, Loss>;
    Step* table;
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
        using Facts = KernelFacts<K, Precision, sizes>;
        scratch = (std::max)(scratch, Facts::scratch);
        step.kernel = &K::run;
        step.items = K::items;
        step.backward = backward;
        with_gradient += step.cleared;
        if (sets_gradient<K>()) step.cleared = 0;
        step.preparation = Facts::preparation;
        step.prepared = phase_prepared;
        phase_prepared += step.preparation.size;
        prepared = (std::max)(prepared, phase_prepared);
        if (step.reduction) phase_prepared = 0;
        (*this)(step);
    }
};

/// The gradients that a backward pass makes of the operations of a type, of any of them: a bit for each input, and two more.
struct GradientNeeds {
    static constexpr unsigned any = 1u << 8, in_place = 1u << 9;
    static constexpr unsigned of(PlannedOperations const& all, int i) {
        auto const& row = all.rows[i];
        if (row.is_view || all.gradient[i + 1] < 0) return 0;  // no parameter at or below it
        unsigned needs = any;
        for (int k = 0; k < row.inputs.count; ++k)
            if (all.write[i][static_cast<std::size_t>(k)] != GradientWrite::none) needs |= 1u << k;
        if (all.in_place[i] && all.gradient[row.inputs[0]] >= 0) needs |= in_place;
        return needs;
    }
};

/// The steps of an operation.
template <class Op, class Precision, class Loss, TileSizes sizes>
struct OperationSteps {
    using Step = ProgramStep<Precision, Loss>;
    using Writer = StepWriter<Precision, Loss, sizes>;
    using O = kernel_operation<Op>;
    static constexpr bool frozen = is_frozen<Op>;
    static constexpr bool is_relu = std::is_same_v<Op, ElementwiseOperation<ReLU, typename Op::Output>>;
    static constexpr bool applies_relu = [] {
        if constexpr (is_view<Op>() || is_concatenation<Op>())
            return false;
        else
            return requires { ForwardKernel<O, Precision>::applies_relu; };
    }();

    template <bool Training>
    static constexpr void forward(Writer& write, PlannedOperations const& all, int i) {
        if constexpr (is_concatenation<Op>()) {
            parts<false>(write, all, i);
        } else if constexpr (!is_view<Op>() && (Training || !requires { typename Op::IsTrainingOnly; })) {
            using Kernel = ForwardKernel<O, Precision>;
            if (i > 0 && all.takes_relu[i - 1]) return;
            if constexpr (!kernel_makes<Kernel, forward_passes<O>>())
                passes<Training, forward_passes<O>>(write, all, i, 0);
            if constexpr (!Training && has_state<O>()) {
                auto offsets = all.offsets(i, frozen);
                offsets.y = -1;  // it does not make the output
                write.template kernel<KeepTokens<O, Precision>>({.offsets = offsets, .operation = i, .frozen = frozen});
            }
            write.template kernel<Kernel>({.offsets = all.offsets(i, frozen),
                                           .relu = all.takes_relu[i],
                                           .operation = i,
                                           .parameters = O::Parameters::size,
                                           .frozen = frozen});
        }
    }

    template <unsigned needs>
    static constexpr void backward(Writer& write, PlannedOperations const& all, int i) {
        if constexpr (is_concatenation<Op>()) {
            if constexpr (needs != 0) parts<true>(write, all, i);
        } else if constexpr (needs != 0) {
            if (all.gradient[i + 1] < 0) return;
            constexpr bool gathers = gathers_gradients<O>();
            if constexpr (!kernel_makes<InputGradientKernel<O, Precision>, backward_passes<O>>())
                passes<true, backward_passes<O>>(write, all, i, gathers ? Op::Parameters::size : 0);
            if constexpr (constexpr auto size = trained_parameters<Op>::size; !gathers && size > 0) {
                // Of Shared parameters the last use comes first, and the others add to its gradient.
                auto const gradients = all.is_last_use[i] ? size : 0;
                write.template kernel<ParameterGradientKernel<O, Precision>>({.offsets = all.offsets(i, frozen),
                                                                              .operation = i,
                                                                              .gradients = gradients,
                                                                              .cleared = gradients,
                                                                              .adds = !all.is_last_use[i]});
            }
            // In place, the first input's gradient takes dy's memory: last, where it is another one.
            static_cast<void>(for_all_inputs<Op>([&]<int K>() {
                if constexpr ((needs >> K & 1u) != 0)
                    if (auto const how = all.write[i][static_cast<std::size_t>(K)]; how != GradientWrite::none)
                        input_gradient<K>(write, all, i, how);
                return true;
            }));
            if constexpr ((needs & GradientNeeds::in_place) != 0 && !passes_gradient<Op>())
                if (all.in_place[i] && all.gradient[all.rows[i].inputs[0]] >= 0)
                    input_gradient<0>(write, all, i, GradientWrite::overwrite);
        }
    }

private:
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
    template <bool Training, class Passes>
    static constexpr void passes(Writer& write, PlannedOperations const& all, int i, std::ptrdiff_t cleared) {
        Passes::for_each([&]<class P>(P) {
            if constexpr (P::scope != Scope::batch && sees_sequence<O>()) {
                write.template kernel<SequencePass<O, P, Precision>>(
                    {.offsets = all.offsets(i, frozen), .operation = i, .frozen = frozen});
            } else if constexpr (P::scope == Scope::sample) {
                write.template kernel<GenericPass<O, P, Precision>>(
                    {.offsets = all.offsets(i, frozen), .operation = i, .frozen = frozen});
            } else if constexpr (Training && is_batch_wide<Op>()) {
                write.template kernel<GatherKernel<Op, P, Precision>>(
                    {.offsets = all.offsets(i, frozen),
                     .reduction = {&merge_pass<Op, P, Precision>, all.statistic_offset[i] + batch_place<Op, P>(),
                                   numbers_of_pass<P>, all.buffer_offset[i]},
                     .operation = i,
                     .cleared = cleared});
                cleared = 0;
            }
        });
    }
    template <int K>
    static constexpr void input_gradient(Writer& write, PlannedOperations const& all, int i, GradientWrite how) {
        write.template kernel<InputGradientKernel<gradient_operation<O, K>, Precision>>(
            {.offsets = all.offsets(i, frozen),
             .dx = all.gradient[all.rows[i].inputs[K]],
             .write = how,
             .operation = i,
             .frozen = frozen});
    }
    /// The parts of a concatenation that are not made where the whole lies, or their gradients, are copied.
    template <bool Gradients>
    static constexpr void parts(Writer& write, PlannedOperations const& all, int i) {
        std::ptrdiff_t begin = 0;
        static_cast<void>(for_all_inputs<Op>([&]<int K>() {
            using Part = ElementwiseOperation<PassOn, input_of<Op, K>>;
            int const value = all.rows[i].inputs[K];
            Step step{.offsets = {.parameters = all.parameter_offset[i]}, .operation = i};
            if constexpr (Gradients) {
                step.offsets.dy = all.gradient[i + 1] + begin;
                step.dx = all.gradient[value];
                step.write = all.write[i][static_cast<std::size_t>(K)];
                if (step.write != GradientWrite::none)
                    write.template kernel<InputGradientKernel<Part, Precision>>(step);
            } else {
                step.offsets.x = all.value[value];
                step.offsets.y = all.value[i + 1] + begin;
                if (step.offsets.x != step.offsets.y) write.template kernel<ForwardKernel<Part, Precision>>(step);
            }
            begin += input_of<Op, K>::size;
            return true;
        }));
    }
};

}  // namespace strata::inline STRATA_ABI::detail
