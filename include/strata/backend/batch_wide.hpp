// What every backend does for operations with passes over the batch.
#pragma once

#include <algorithm>

#include "../core/error.hpp"
#include "../network/network.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Whether a pass takes moments of one value only in a batch of one.
template <class Op, class... Ps>
constexpr bool needs_two_samples(PassList<Ps...>) {
    return ([] {
        if constexpr (Ps::scope == Scope::batch)
            return Ps::gathers == Gather::moments && Ps::terms == 1;
        else
            return false;
    }() || ...);
}

/// Throws Error where moments are those of one value only in a training batch: there is no variance then.
template <class Net>
void check_batch_for_statistics(int batch) {
    Net::visit_operations([&]<class Op>(int index) {
        if constexpr (is_batch_wide<Op>()) {  // nvcc 13 needs these braces
            if (needs_two_samples<Op>(forward_passes<Op>{}) && batch == 1)
                fail("layer ", Net::layer_table[static_cast<std::size_t>(index)].name, " (", type_of<Op>(),
                     "): one value a channel has no variance, expected at least 2 samples in a training batch "
                     "(drop_last leaves a smaller last batch out)");
        }
    });
}

/// Calls f(numbers) for each pass over the batch in a training step, with the doubles that a tile's part of it has.
template <class Net, class F>
constexpr void for_batch_passes(F const& f) {
    Net::visit_operations([&]<class Op>(int index) {
        if constexpr (is_batch_wide<Op>()) {
            auto const each = [&]<class P>(P) {
                if constexpr (P::scope == Scope::batch) f(numbers_of_pass<P>);
            };
            forward_passes<Op>::for_each(each);
            if (Net::training_plan.gradient[static_cast<std::size_t>(index + 1)] >= 0)
                backward_passes<Op>::for_each(each);
        }
    });
}

/// Calls f.template operator()<Op, P>(buffers, to) for each pass over the batch whose place numbers from the buffers take:
/// all in evaluation, in training those of layers that are Frozen. `buffers` and `to` are the operation's.
template <class Net, bool Training, class T, class F>
void for_evaluated_passes(T const* buffers, double* statistics, F const& f) {
    Net::visit_operations([&]<class Op>(int index) {
        using O = kernel_operation<Op>;
        if constexpr (batch_numbers<O> > 0 && !(Training && is_batch_wide<Op>())) {  // nvcc 13 needs these braces
            T const* const its = buffers + Net::buffers_at(index) + statistics_in_buffers<Op>;
            double* const to = statistics + Net::statistic_offset[static_cast<std::size_t>(index)];
            auto const leave = [&]<class P>(P) {
                if constexpr (P::scope == Scope::batch) f.template operator()<O, P>(its, to + batch_place<O, P>());
            };
            forward_passes<O>::for_each(leave);
            if constexpr (Training) backward_passes<O>::for_each(leave);
        }
    });
}

/// Counts a batch whose running statistics become the model's.
template <class Net, class Model>
void count_batch(Model& model) {
    Net::visit_operations([&]<class Op>(int index) {
        if constexpr (is_batch_wide<Op>()) ++model.batches_tracked()[static_cast<std::size_t>(index)];
    });
}

/// The running statistics of a batch become the model's.
template <class Net, class Model, class Buffers>
void take_statistics(Model& model, Buffers const& fresh) {
    std::copy(fresh.begin(), fresh.end(), model.buffers().begin());
    count_batch<Net>(model);
}

}  // namespace strata::inline STRATA_ABI::detail
