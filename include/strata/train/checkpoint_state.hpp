// The optimizer's state as a checkpoint has it: all of it, also where ranks keep a part each.
#pragma once

#include "../network/optimizer_state.hpp"
#include "rank_steps.hpp"

namespace strata::inline STRATA_ABI::detail {

/// True where each rank keeps something for itself.
template <class Executor>
constexpr bool keeps_part() {
    if constexpr (RanksOf<Executor>::type::several)
        return !RanksOf<Executor>::type::replicated;
    else
        return false;
}
/// True where that is a part of the optimizer's state.
template <class Executor>
constexpr bool shards_state() {
    if constexpr (RanksOf<Executor>::type::several)
        return RanksOf<Executor>::type::sharded;
    else
        return false;
}

/// Numbers of the optimizer's state that a trainer keeps.
template <class Net, class Executor, class Optimizer>
std::size_t kept_state_size(Executor const& executor, Optimizer const& optimizer) {
    if constexpr (shards_state<Executor>())
        return executor.state_size(optimizer);
    else
        return optimizer_state_size<Net>(optimizer);
}

/// What a checkpoint holds of a trainer, from all ranks.
template <class Net, class Executor, class Optimizer, class ModelType>
class CheckpointState {
    using Scalar = typename Executor::Scalar;
    static constexpr bool shards = shards_state<Executor>(), has_codes = requires { typename Executor::CodeState; };

public:
    CheckpointState(Executor& executor, Optimizer const& optimizer, AlignedVector<Scalar>& kept)
        : executor_(executor), optimizer_(optimizer), kept_(kept) {}

    /// Gathers it on rank 0. All ranks call it.
    void gather() {
        if constexpr (shards) state_ = executor_.whole_state(kept_, states());
        if constexpr (has_codes) code_state_ = executor_.whole_code_state();
    }
    /// Makes room to read it from a file.
    void make_room() {
        if constexpr (shards) state_ = AlignedVector<Scalar>(optimizer_state_size<Net>(optimizer_));
        if constexpr (has_codes) code_state_ = executor_.room_for_codes();
    }
    [[nodiscard]] std::vector<TensorView> tensors(ModelType& model, bool flat_states = false) {
        auto all =
            strata::checkpoint_tensors(model, optimizer_, std::span<Scalar>(shards ? state_ : kept_), flat_states);
        if constexpr (has_codes) executor_.add_code_tensors(all, code_state_);
        return all;
    }
    /// Takes this rank's part of what was read.
    void keep() {
        if constexpr (shards) kept_ = executor_.part_of_state(state_, states());
        if constexpr (has_codes) executor_.restored(code_state_);
    }

private:
    static constexpr std::size_t states() { return static_cast<std::size_t>(states_of<Optimizer>()); }
    static auto code_state() {
        if constexpr (has_codes)
            return std::type_identity<typename Executor::CodeState>();
        else
            return std::type_identity<int>();
    }

    Executor& executor_;
    Optimizer const& optimizer_;
    AlignedVector<Scalar>& kept_;
    AlignedVector<Scalar> state_;
    typename decltype(code_state())::type code_state_{};
};

}  // namespace strata::inline STRATA_ABI::detail
