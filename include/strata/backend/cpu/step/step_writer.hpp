// The CPU's steps: each step of an operation (program/operation_steps.hpp) with the kernel that runs it.
#pragma once

#include "../../../program/operation_steps.hpp"
#include "../kernel/choice.hpp"
#include "batch_merge.hpp"

namespace strata::inline STRATA_ABI::detail {

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
    using OneStep = ProgramStep<Precision, Loss>;
    OneStep* table;
    int count = 0;
    int scratch = 0;
    std::ptrdiff_t with_gradient = 0;                 ///< parameters
    std::ptrdiff_t prepared = 0, phase_prepared = 0;  ///< the most of any phase, and this one's so far

    constexpr void operator()(OneStep const& step) {
        if (table) table[count] = step;
        ++count;
    }
    template <class K>
    constexpr void kernel(Step const& what, void (*merge)(BatchMerge<Precision> const&) = nullptr) {
        using Facts = KernelFacts<K, Precision, sizes>;
        OneStep step;
        static_cast<Step&>(step) = what;
        step.kernel = &K::run;
        step.items = K::items;
        step.merge = merge;
        scratch = (std::max)(scratch, Facts::scratch);
        with_gradient += step.parameters.cleared;
        if (sets_gradient<K>()) step.parameters.cleared = 0;
        step.preparation = Facts::preparation;
        step.prepared = phase_prepared;
        phase_prepared += step.preparation.size;
        prepared = (std::max)(prepared, phase_prepared);
        if (step.reduction) phase_prepared = 0;
        (*this)(step);
    }

    template <class O>
    static consteval bool applies_relu() {
        return requires { ForwardKernel<O, Precision>::applies_relu; };
    }
    template <class O, bool Forward>
    static consteval bool kernel_makes_passes() {
        if constexpr (Forward)
            return kernel_makes<ForwardKernel<O, Precision>, forward_passes<O>>();
        else
            return kernel_makes<InputGradientKernel<O, Precision>, backward_passes<O>>();
    }
    template <class O>
    constexpr void forward(Step const& step) {
        kernel<ForwardKernel<O, Precision>>(step);
    }
    template <class O>
    constexpr void input_gradient(Step const& step) {
        kernel<InputGradientKernel<O, Precision>>(step);
    }
    template <class O>
    constexpr void parameter_gradient(Step const& step) {
        kernel<ParameterGradientKernel<O, Precision>>(step);
    }
    template <class O>
    constexpr void keep_tokens(Step const& step) {
        kernel<KeepTokens<O, Precision>>(step);
    }
    template <class O, class P>
    constexpr void pass(Step const& step) {
        if constexpr (sees_sequence<O>())
            kernel<SequencePass<O, P, Precision>>(step);
        else
            kernel<GenericPass<O, P, Precision>>(step);
    }
    template <class O, class P>
    constexpr void gather(Step const& step) {
        kernel<GatherKernel<O, P, Precision>>(step, &merge_pass<O, P, Precision>);
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
};

}  // namespace strata::inline STRATA_ABI::detail
