// How an operation becomes steps: written for each operation that differs, for any place in any network, and for any
// backend. What a place is like is data; what a backend does with a step is its writer's:
//
//   forward<O>(step), input_gradient<O>(step), parameter_gradient<O>(step)
//   pass<O, P>(step)              one pass of a sample or sequence
//   gather<O, P>(step)            one over the batch, step.reduction, in training
//   keep_tokens<O>(step)          what an operation with a state keeps of a tile's tokens, in inference; where sequences run
//   kernel_makes_passes<O, Forward>()  constant: the kernel that makes y, or dx, makes the passes before it, too
//   applies_relu<O>()             constant: the kernel that makes y can apply the ReLU behind it
#pragma once

#include "../layer/concatenation.hpp"
#include "../layer/relu.hpp"
#include "../network/frozen_operation.hpp"
#include "../network/shared_operation.hpp"
#include "planned_operations.hpp"

namespace strata::inline STRATA_ABI::detail {

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
template <class Op, class Writer>
struct OperationSteps {
    using O = kernel_operation<Op>;
    static constexpr bool frozen = is_frozen<Op>;
    static constexpr bool is_relu = std::is_same_v<Op, ElementwiseOperation<ReLU, typename Op::Output>>;
    static constexpr bool applies_relu = [] {
        if constexpr (is_view<Op>() || is_concatenation<Op>())
            return false;
        else
            return Writer::template applies_relu<O>();
    }();

    template <bool Training>
    static constexpr void forward(Writer& write, PlannedOperations const& all, int i) {
        if constexpr (is_concatenation<Op>()) {
            parts<false>(write, all, i);
        } else if constexpr (!is_view<Op>() && (Training || !requires { typename Op::IsTrainingOnly; })) {
            if (i > 0 && all.applies_relu(i - 1)) return;
            if constexpr (!Writer::template kernel_makes_passes<O, true>())
                passes<Training, false, forward_passes<O>>(write, all, i, 0);
            if constexpr (!Training && has_state<O>()) {
                Step keeps = all.step(i, frozen, false);
                keeps.offsets.y = -1;  // it does not make the output
                write.template keep_tokens<O>(keeps);
            }
            Step step = all.step(i, frozen, false);
            step.relu = all.applies_relu(i);
            step.parameters.count = O::Parameters::size;
            write.template forward<O>(step);
        }
    }

    template <unsigned needs>
    static constexpr void backward(Writer& write, PlannedOperations const& all, int i) {
        if constexpr (is_concatenation<Op>()) {
            if constexpr (needs != 0) parts<true>(write, all, i);
        } else if constexpr (needs != 0) {
            if (all.gradient[i + 1] < 0) return;
            constexpr bool gathers = gathers_gradients<O>();
            if constexpr (!Writer::template kernel_makes_passes<O, false>())
                passes<true, true, backward_passes<O>>(write, all, i, gathers ? Op::Parameters::size : 0);
            if constexpr (constexpr auto size = trained_parameters<Op>::size; !gathers && size > 0) {
                // Of Shared parameters the last use comes first, and the others add to its gradient.
                Step step = all.step(i, frozen, true);
                step.parameters.gradients = step.parameters.cleared = all.is_last_use[i] ? size : 0;
                step.parameters.adds = !all.is_last_use[i];
                write.template parameter_gradient<O>(step);
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
    /// `cleared`: parameters whose gradients the first pass over the batch has to find at zero.
    template <bool Training, bool Backward, class Passes>
    static constexpr void passes(Writer& write, PlannedOperations const& all, int i, std::ptrdiff_t cleared) {
        Passes::for_each([&]<class P>(P) {
            Step step = all.step(i, frozen, Backward);
            if constexpr (P::scope != Scope::batch) {
                write.template pass<O, P>(step);
            } else if constexpr (Training && is_batch_wide<Op>()) {
                step.reduction = {all.statistic_offset[i] + batch_place<Op, P>(), numbers_of_pass<P>,
                                  all.buffer_offset[i]};
                step.parameters.cleared = cleared;
                write.template gather<Op, P>(step);
                cleared = 0;
            }
        });
    }
    template <int K>
    static constexpr void input_gradient(Writer& write, PlannedOperations const& all, int i, GradientWrite how) {
        Step step = all.step(i, frozen, true);
        step.offsets.dx = all.gradient[all.rows[i].inputs[K]];
        step.write = how;
        write.template input_gradient<gradient_operation<O, K>>(step);
    }
    /// The parts of a concatenation that are not made where the whole lies, or their gradients, are copied.
    template <bool Gradients>
    static constexpr void parts(Writer& write, PlannedOperations const& all, int i) {
        std::ptrdiff_t begin = 0;
        static_cast<void>(for_all_inputs<Op>([&]<int K>() {
            using Part = ElementwiseOperation<PassOn, input_of<Op, K>>;
            int const value = all.rows[i].inputs[K];
            Step step{.operation = i, .backward = Gradients};
            step.offsets.parameters = all.parameter_offset[i];
            if constexpr (Gradients) {
                step.offsets.dy = all.gradient[i + 1] + begin;
                step.offsets.dx = all.gradient[value];
                step.write = all.write[i][static_cast<std::size_t>(K)];
                if (step.write != GradientWrite::none) write.template input_gradient<Part>(step);
            } else {
                step.offsets.x = all.value[value];
                step.offsets.y = all.value[i + 1] + begin;
                if (step.offsets.x != step.offsets.y) write.template forward<Part>(step);
            }
            begin += input_of<Op, K>::size;
            return true;
        }));
    }
};

}  // namespace strata::inline STRATA_ABI::detail
