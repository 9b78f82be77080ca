// A trainer's checkpoint: model, optimizer and where the training stands; all of it, also where ranks keep a part each.
#pragma once

#include "../io/checkpoint_file.hpp"
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

/// True where the parameters are the ranks' together, and a model is gathered when somebody looks at it.
template <class Executor>
constexpr bool keeps_model_apart() {
    if constexpr (requires { Executor::keeps_model_apart; })
        return Executor::keeps_model_apart;
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

/// Copies one of the optimizer's states, whole, on every rank.
template <class Executor, class Scalar>
STRATA_COLD void copy_state(Executor& executor, AlignedVector<Scalar> const& kept, int state, std::span<Scalar> to) {
    auto const k = static_cast<std::size_t>(state);
    if constexpr (shards_state<Executor>())
        executor.whole_state_on_all(kept, k, to.data());
    else
        std::copy_n(kept.data() + k * to.size(), to.size(), to.begin());
}

/// What codes left of gradients is kept shard by shard. Throws Error where a file has another number of them.
STRATA_COLD inline void check_shards(SafetensorsFile const& file, std::vector<TensorView> const& targets) {
    static constexpr std::string_view shard = "compression.shard";
    int written = 0, own = 0;
    for (auto const& [name, tensor] : file.tensors()) written += name.starts_with(shard) ? 1 : 0;
    for (auto const& target : targets) own += target.name.starts_with(shard) ? 1 : 0;
    auto const text = [](int shards) {
        return shards > 0 ? concatenate("with Compressed and ", shards, " shards") : std::string("without a code");
    };
    if (written != own)
        fail(file.path(), ": the checkpoint was written ", text(written), ", this trainer is one ", text(own));
}

/// What a checkpoint holds of a trainer, from all ranks.
template <class Net, class Executor, class Optimizer, class ModelType>
class CheckpointState {
    using Scalar = typename Executor::Scalar;
    static constexpr bool shards = shards_state<Executor>(), has_codes = requires { typename Executor::CodeState; };

public:
    CheckpointState(Executor& executor, Optimizer const& optimizer, ModelType& model, AlignedVector<Scalar>& kept)
        : executor_(executor), optimizer_(optimizer), model_(model), kept_(kept) {}

    /// Gathers it on rank 0. All ranks call it.
    void gather() {
        if constexpr (shards) state_ = executor_.whole_state(kept_, states());
        if constexpr (has_codes) code_state_ = executor_.whole_code_state();
    }
    void write(std::string const& path, TrainingState const& training) {
        write_checkpoint(path, tensors(), metadata(training));
    }
    /// Throws Error where it could not be written.
    void check(std::string const& path, TrainingState const& training) {
        make_room();
        check_safetensors(path, tensors(), metadata(training));
    }
    /// Reads it, and keeps this rank's part. Throws Error, nothing changed, where the file is another one's.
    [[nodiscard]] TrainingState read(std::string const& path) {
        CheckpointFile const file(path);
        TrainingState training = training_state_from(file.metadata(), path);
        check_written_with(file.metadata(), path, "optimizer", name_of_optimizer<Optimizer>());
        check_written_with(file.metadata(), path, "precision", dtype_name(data_type_of<Scalar>));
        make_room();
        bool const flat_states = file.tensors().find("optimizer.0") != nullptr;  // an older one
        auto const targets = tensors(flat_states);
        check_shards(file.tensors(), targets);
        load_tensors(file.tensors(), targets);
        if constexpr (shards) kept_ = executor_.part_of_state(state_, states());
        if constexpr (has_codes) executor_.restored(code_state_);
        return training;
    }

private:
    void make_room() {
        if constexpr (shards) state_ = AlignedVector<Scalar>(optimizer_state_size<Net>(optimizer_));
        if constexpr (has_codes) code_state_ = executor_.room_for_codes();
    }
    [[nodiscard]] std::vector<TensorView> tensors(bool flat_states = false) {
        auto all =
            strata::checkpoint_tensors(model_, optimizer_, std::span<Scalar>(shards ? state_ : kept_), flat_states);
        if constexpr (has_codes) executor_.add_code_tensors(all, code_state_);
        return all;
    }
    static Metadata metadata(TrainingState const& training) {
        return checkpoint_metadata(training, name_of_optimizer<Optimizer>(), dtype_name(data_type_of<Scalar>));
    }
    static constexpr std::size_t states() { return static_cast<std::size_t>(states_of<Optimizer>()); }
    static auto code_state() {
        if constexpr (has_codes)
            return std::type_identity<typename Executor::CodeState>();
        else
            return std::type_identity<int>();
    }

    Executor& executor_;
    Optimizer const& optimizer_;
    ModelType& model_;
    AlignedVector<Scalar>& kept_;
    AlignedVector<Scalar> state_;
    typename decltype(code_state())::type code_state_{};
};

}  // namespace strata::inline STRATA_ABI::detail
