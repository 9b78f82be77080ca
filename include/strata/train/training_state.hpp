// Where a training stands: flat numbers that go into a checkpoint as text, and the names of its weights
// and optimizer state there.
#pragma once

#include <charconv>

#include "../core/tensor.hpp"
#include "../io/metadata.hpp"
#include "../network/optimizer_state.hpp"
#include "metrics.hpp"

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
    double epoch_loss = 0;  ///< sum over samples
    std::int64_t epoch_correct = 0, epoch_samples = 0;
    // What the position in an epoch means depends on these.
    std::int64_t batch_size = 0, dataset_size = 0, shuffle = 1, drop_last = 0;
    double loss_scale = 0;  ///< a dynamic one; 0 before the first step
    std::int64_t loss_scale_steps = 0;
    History history;
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
STRATA_COLD inline Metadata to_metadata(TrainingState const& state) {
    Metadata metadata;
    metadata.add("seed", concatenate(state.seed));
    for (auto const& number : detail::state_numbers)
        metadata.add(number.name, number.count ? concatenate(state.*number.count) : exact_text(state.*number.real));
    metadata.add("history", to_text(state.history));
    return metadata;
}

/// The state that to_metadata wrote. Throws Error that names `source` and what is missing or malformed.
STRATA_COLD inline TrainingState training_state_from(Metadata const& metadata, std::string const& source) {
    TrainingState state;
    auto const text_of = [&](char const* name) -> std::string const& {
        std::string const* const text = metadata.find(name);
        if (!text) fail(source, ": the checkpoint has no entry \"", name, "\"");
        return *text;
    };
    auto const read = [&](char const* name, auto& number) {
        std::string const& text = text_of(name);
        auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size())
            fail(source, ": the checkpoint's entry \"", name, "\" is \"", text, "\", expected a number");
    };
    read("seed", state.seed);
    for (auto const& number : detail::state_numbers) {
        if (number.newer && !metadata.find(number.name)) continue;
        if (number.real) {
            read(number.name, state.*number.real);
            continue;
        }
        read(number.name, state.*number.count);
        if (state.*number.count < 0) fail(source, ": the checkpoint's entry \"", number.name, "\" is negative");
    }
    state.history = history_from_text(text_of("history"));
    return state;
}

/// Weights, buffers and the `states` parts of an optimizer's state under the names they have in a checkpoint.
template <class Model>
STRATA_COLD std::vector<TensorView> checkpoint_tensors(Model& model, typename Model::Scalar* optimizer_state,
                                                       int states) {
    std::vector<TensorView> tensors(Model::tensor_count + static_cast<std::size_t>(states));
    model.tensors(tensors.data());
    for (std::size_t i = 0; i < Model::tensor_count; ++i) tensors[i].name = concatenate("model.", tensors[i].name);
    for (std::size_t k = 0, size = model.parameters().size(); k < static_cast<std::size_t>(states); ++k)
        tensors[Model::tensor_count + k] = {concatenate("optimizer.", k),
                                            {static_cast<std::int64_t>(size)},
                                            data_type_of<typename Model::Scalar>,
                                            optimizer_state + k * size};
    return tensors;
}

/// The same for a matrix optimizer: "optimizer.fc1.weight" is all the state of that tensor.
template <class Model, MatrixOptimizer Optimizer>
STRATA_COLD std::vector<TensorView> checkpoint_tensors(Model& model, Optimizer const& optimizer,
                                                       typename Model::Scalar* optimizer_state) {
    auto tensors = checkpoint_tensors(model, optimizer_state, 0);
    detail::for_each_state<typename Model::Network>(
        optimizer, [&](TensorRow const& row, MatrixShape, std::size_t offset, std::size_t size) {
            if (size > 0)
                tensors.push_back({concatenate("optimizer.", row.layer, ".", row.name),
                                   {static_cast<std::int64_t>(size)},
                                   data_type_of<typename Model::Scalar>,
                                   optimizer_state + offset});
        });
    return tensors;
}

}  // namespace strata::inline STRATA_ABI
