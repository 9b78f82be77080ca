// The op list and a plan as plain data.
#pragma once

#include <span>

#include "../network/op_list.hpp"
#include "step.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What the writing of a program reads, of any network.
struct PlannedOperations {
    OperationRow const* rows;
    std::ptrdiff_t const *parameter_offset, *buffer_offset;
    int const* statistic_offset;
    std::ptrdiff_t const* state_offset;
    bool const* is_last_use;  ///< of the parameters: nothing behind the operation works with them
    std::ptrdiff_t const *value, *gradient, *extra, *forward_passes, *backward_passes;
    std::array<GradientWrite, ValueList::most> const* write;
    bool const* in_place;
    std::ptrdiff_t passes;        ///< where the passes' numbers begin in the workspace
    std::ptrdiff_t pass_scalars;  ///< scalars of storage that one of them takes
    /// The operation's kernel applies the next one, a ReLU, too; none does where it is empty. (A span, for g++'s sanitizers
    /// compare no constant's address with null.)
    std::span<bool const> takes_relu{};

    /// `passes_at`: where in the workspace what passes leave begins, numbers of `scalars` scalars of storage each.
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
    /// Whether operation i's kernel applies the ReLU behind it.
    [[nodiscard]] constexpr bool applies_relu(int i) const {
        return !takes_relu.empty() && takes_relu[static_cast<std::size_t>(i)];
    }
    /// Numbers of a value of a sample; `input` is that of the network's.
    [[nodiscard]] constexpr std::ptrdiff_t size_of(int v, std::ptrdiff_t input) const {
        return v == 0 ? input : rows[v - 1].output_size;
    }
    /// What an operation works on; `frozen`: its parameters are among the buffers.
    [[nodiscard]] constexpr Step step(int i, bool frozen, bool backward) const {
        ValueList const& inputs = rows[i].inputs;
        auto const of_passes = [&](std::ptrdiff_t offset) {
            return offset < 0 ? std::ptrdiff_t{-1} : passes + offset * pass_scalars;
        };
        Step it{.operation = i, .backward = backward};
        it.parameters.frozen = frozen;
        OperationOffsets& at = it.offsets;
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
        return it;
    }
};

/// Where the passes' numbers begin in a workspace whose other things end at `size`: on a cache line.
constexpr std::ptrdiff_t passes_behind(std::ptrdiff_t size) { return (size + 31) / 32 * 32; }

}  // namespace strata::inline STRATA_ABI::detail
