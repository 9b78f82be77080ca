// The optimizer's state as a checkpoint has it: all of it, also where ranks keep a part each.
#pragma once

#include "../network/optimizer_state.hpp"
#include "rank_steps.hpp"

namespace strata::inline STRATA_ABI::detail {

/// True where each rank keeps a part of the state.
template <class Executor>
constexpr bool keeps_part() {
    if constexpr (RanksOf<Executor>::type::several)
        return !RanksOf<Executor>::type::replicated;
    else
        return false;
}

/// Numbers of the optimizer's state that a trainer keeps.
template <class Net, class Executor, class Optimizer>
std::size_t kept_state_size(Executor const& executor, Optimizer const& optimizer) {
    if constexpr (keeps_part<Executor>())
        return executor.state_size(optimizer);
    else
        return optimizer_state_size<Net>(optimizer);
}

/// The optimizer's state of all ranks, for a checkpoint.
template <class Net, class Executor, class Optimizer>
class CheckpointState {
    using Scalar = typename Executor::Scalar;
    static constexpr bool parts = keeps_part<Executor>();

public:
    CheckpointState(Optimizer const& optimizer, AlignedVector<Scalar>& kept) : optimizer_(optimizer), kept_(kept) {}

    /// Gathers it on rank 0. All ranks call it.
    void gather(Executor const& executor) {
        if constexpr (parts) all_ = executor.whole_state(kept_, states());
    }
    /// Makes room to read it from a file.
    void make_room() {
        if constexpr (parts) all_ = AlignedVector<Scalar>(optimizer_state_size<Net>(optimizer_));
    }
    /// Where it lies; null where there is none.
    [[nodiscard]] std::span<Scalar> state() const { return parts ? std::span<Scalar>(all_) : std::span<Scalar>(kept_); }
    /// Takes this rank's part of what was read.
    void keep(Executor& executor) {
        if constexpr (parts) kept_ = executor.part_of_state(all_, states());
    }

private:
    static constexpr std::size_t states() { return static_cast<std::size_t>(states_of<Optimizer>()); }

    Optimizer const& optimizer_;
    AlignedVector<Scalar>& kept_;
    mutable AlignedVector<Scalar> all_;
};

}  // namespace strata::inline STRATA_ABI::detail
