// Where a training stands: flat numbers that go into a checkpoint as text, and the names of its weights
// and optimizer state there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "../backend/backend.hpp"
#include "../core/read_number.hpp"
#include "../core/tensor.hpp"
#include "../io/metadata.hpp"
#include "../network/optimizer_state.hpp"
#include "metrics.hpp"
#include "progress.hpp"

namespace strata::inline STRATA_ABI {

/// Everything that makes the next step what it is, besides weights and optimizer state.
struct TrainingState {
    std::uint64_t seed = 0;
    std::int64_t step = 0;                        ///< training steps taken, skipped ones included
    std::int64_t updates = 0;                     ///< optimizer updates made
    std::int64_t epoch = 0;                       ///< epochs finished
    std::int64_t batch = 0;                       ///< batches of the current epoch finished
    double learning_rate = EpochRecord::unknown;  ///< of the last step
    // Sums over the current epoch, so that its record is the same after a resume.
    double epoch_loss = 0;    ///< sum over samples
    double epoch_weight = 0;  ///< what it is divided by: the samples, or their labels' weights
    std::int64_t epoch_correct = 0, epoch_samples = 0;  ///< without ignored ones
    LossParts epoch_heads;                              ///< of a network that ends in Heads: their losses
    // What the position in an epoch means depends on these.
    std::int64_t batch_size = 0, dataset_size = 0, shuffle = 1, drop_last = 0;
    double loss_scale = 0;  ///< a dynamic one; 0 before the first step
    std::int64_t loss_scale_steps = 0;
    History history;

    /// The current epoch so far, but for the test data and the clock.
    [[nodiscard]] EpochRecord epoch_record(bool classifies) const;
    [[nodiscard]] ProgressState progress(int epochs, std::int64_t samples, bool classifies) const;
    /// Of the current epoch so far; NaN before anything counts in it.
    [[nodiscard]] double train_loss() const;
    [[nodiscard]] double train_accuracy(bool classifies) const;
    /// Notes what the next batches come from. Throws Error in mid epoch where its rest would be another one.
    void go_on_with(std::int64_t size, int batches_of, bool shuffled, bool without_last);
    /// Counts a batch of the current epoch, as its StepResult has it; its samples only where it was trained on.
    void end_batch(bool trained, double loss, double weight, std::int64_t correct, std::int64_t counted);
    /// The same of the losses of a batch's heads.
    void end_batch_of_heads(bool trained, LossParts const& losses);
    void end_epoch(EpochRecord const& record);
};

namespace detail {
/// A number of a state: one of the two members.
struct StateNumber {
    char const* name;
    std::int64_t TrainingState::* count = nullptr;
    double TrainingState::* real = nullptr;
    bool newer = false;  ///< older checkpoints do not have it: it keeps its default then
};
/// All but the seed.
inline constexpr StateNumber state_numbers[] = {{"step", &TrainingState::step},
                                                {"updates", &TrainingState::updates},
                                                {"epoch", &TrainingState::epoch},
                                                {"batch", &TrainingState::batch},
                                                {"learning_rate", nullptr, &TrainingState::learning_rate},
                                                {"epoch_loss", nullptr, &TrainingState::epoch_loss},
                                                {"epoch_weight", nullptr, &TrainingState::epoch_weight, true},
                                                {"epoch_correct", &TrainingState::epoch_correct},
                                                {"epoch_samples", &TrainingState::epoch_samples},
                                                {"batch_size", &TrainingState::batch_size},
                                                {"dataset_size", &TrainingState::dataset_size},
                                                {"shuffle", &TrainingState::shuffle},
                                                {"drop_last", &TrainingState::drop_last},
                                                {"loss_scale", nullptr, &TrainingState::loss_scale, true},
                                                {"loss_scale_steps", &TrainingState::loss_scale_steps, nullptr, true}};
}  // namespace detail

/// The state as texts of exact numbers.
Metadata to_metadata(TrainingState const& state);

/// The state that to_metadata wrote. Throws Error that names `source` and what is missing or malformed.
TrainingState training_state_from(Metadata const& metadata, std::string const& source);

/// What a checkpoint says besides its tensors.
Metadata checkpoint_metadata(TrainingState const& state, std::string_view optimizer, std::string_view precision);

/// Throws Error unless a checkpoint was written with the same optimizer, say, as this trainer has.
void check_written_with(Metadata const& metadata, std::string const& path, char const* entry, std::string_view mine);

namespace detail {
/// The name that an optimizer gives its k-th state, "exp_avg", or "state0" where it gives none.
template <class Optimizer>
STRATA_COLD std::string optimizer_state_name(std::size_t k) {
    if constexpr (requires { Optimizer::state_names; }) {
        static_assert(std::size(Optimizer::state_names) == states_of<Optimizer>(),
                      "an optimizer's state_names are as many as its states");
        return Optimizer::state_names[k];
    } else {
        return concatenate("state", k);
    }
}

/// The tensors of a state, one for every tensor of the parameters: those lie in one arena, and so does the state.
/// Returns where they end.
TensorView* state_tensors(std::span<TensorView const> model, std::span<std::byte const> parameters,
                          std::string const& state_name, void* state, TensorView* to);
}  // namespace detail

/// Weights, buffers and optimizer state under the names they have in a checkpoint: "model.fc1.weight" and, for every
/// parameter, "optimizer.exp_avg.fc1.weight". `flat_states` gives a whole state as one tensor, "optimizer.0", as
/// checkpoints had it before.
template <class Model, class Optimizer>
STRATA_COLD std::vector<TensorView> checkpoint_tensors(Model& model, Optimizer const&,
                                                       std::span<typename Model::Scalar> optimizer_state,
                                                       bool flat_states = false) {
    auto const states = static_cast<std::size_t>(detail::states_of<Optimizer>());
    std::vector<TensorView> tensors(Model::tensor_count + states * (flat_states ? 1 : Model::parameter_tensor_count));
    model.tensors(tensors.data());
    auto* to = tensors.data() + Model::tensor_count;
    for (std::size_t k = 0, size = model.parameters().size(); k < states; ++k) {
        auto* const state = optimizer_state.data() + k * size;
        if (flat_states)
            *to++ = {concatenate("optimizer.", k),
                     {static_cast<std::int64_t>(size)},
                     data_type_of<typename Model::Scalar>,
                     state};
        else
            to = detail::state_tensors({tensors.data(), Model::tensor_count}, std::as_bytes(model.parameters()),
                                       detail::optimizer_state_name<Optimizer>(k), state, to);
    }
    for (std::size_t i = 0; i < Model::tensor_count; ++i) tensors[i].name = concatenate("model.", tensors[i].name);
    return tensors;
}

/// The same for a matrix optimizer: "optimizer.state.fc1.weight" is all the state of that parameter.
template <class Model, MatrixOptimizer Optimizer>
STRATA_COLD std::vector<TensorView> checkpoint_tensors(Model& model, Optimizer const& optimizer,
                                                       std::span<typename Model::Scalar> optimizer_state,
                                                       bool = false) {
    auto tensors = model.tensors();
    for (auto& tensor : tensors) tensor.name = concatenate("model.", tensor.name);
    detail::for_each_state<typename Model::Network>(
        optimizer, [&](TensorRow const& row, MatrixShape, std::size_t offset, std::size_t size) {
            if (size > 0)
                tensors.push_back({concatenate("optimizer.state.", row.layer, ".", row.name),
                                   {static_cast<std::int64_t>(size)},
                                   data_type_of<typename Model::Scalar>,
                                   optimizer_state.data() + offset});
        });
    return tensors;
}

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "training_state.ipp"
#endif
