// Where a training stands: flat numbers that go into a checkpoint as text, and the names of its weights
// and optimizer state there.
#pragma once

#include <algorithm>
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
    [[nodiscard]] STRATA_COLD EpochRecord epoch_record(bool classifies) const {
        EpochRecord record;
        record.epoch = epoch + 1;
        record.step = step;
        record.learning_rate = learning_rate;
        record.train_loss = train_loss();
        record.train_accuracy = train_accuracy(classifies);
        if (epoch_samples == 0) return record;
        for (LossPart const& part : epoch_heads)
            record.heads.push_back({std::string(part.name), part.loss, part.accuracy()});
        return record;
    }
    [[nodiscard]] STRATA_COLD ProgressState progress(int epochs, std::int64_t samples, bool classifies) const {
        ProgressState shown;
        shown.epoch = epoch;
        shown.epochs = epochs;
        shown.sample = (std::min)(batch * batch_size, samples);
        shown.samples = samples;
        shown.learning_rate = learning_rate;
        shown.loss = train_loss();
        shown.accuracy = train_accuracy(classifies);
        return shown;
    }
    /// Of the current epoch so far; NaN before anything counts in it.
    [[nodiscard]] STRATA_COLD double train_loss() const {
        if (epoch_samples == 0) return EpochRecord::unknown;
        if (!epoch_heads.empty()) return epoch_heads.total();
        return epoch_weight > 0 ? epoch_loss / epoch_weight : 0;
    }
    [[nodiscard]] STRATA_COLD double train_accuracy(bool classifies) const {
        if (!classifies || epoch_samples == 0) return EpochRecord::unknown;
        return static_cast<double>(epoch_correct) / static_cast<double>(epoch_samples);
    }
    /// Notes what the next batches come from. Throws Error in mid epoch where its rest would be another one.
    STRATA_COLD void go_on_with(std::int64_t size, int batches_of, bool shuffled, bool without_last) {
        if (batch > 0 && (batch_size != batches_of || dataset_size != size))
            fail("fit: the training stands at batch ", batch, " of an epoch of ", dataset_size,
                 " samples in batches of ", batch_size, ", and cannot go on with ", size, " samples in batches of ",
                 batches_of);
        if (batch > 0 && (shuffle != shuffled || drop_last != without_last))
            fail("fit: the training stands at batch ", batch, " of an epoch with shuffle ", shuffle, " and drop_last ",
                 drop_last, ", and cannot go on with ", shuffled, " and ", without_last);
        batch_size = batches_of;
        dataset_size = size;
        shuffle = shuffled;
        drop_last = without_last;
    }
    /// Counts a batch of the current epoch, as its StepResult has it; its samples only where it was trained on.
    void end_batch(bool trained, double loss, double weight, std::int64_t correct, std::int64_t counted) {
        ++batch;
        if (!trained) return;
        epoch_loss += loss * weight;
        epoch_weight += weight;
        epoch_correct += correct;
        epoch_samples += counted;
    }
    /// The same of the losses of a batch's heads.
    void end_batch_of_heads(bool trained, LossParts const& losses) {
        if (trained && !losses.empty()) epoch_heads.add(losses);
    }
    void end_epoch(EpochRecord const& record) {
        ++epoch;
        batch = 0;
        epoch_loss = epoch_weight = 0;
        epoch_correct = epoch_samples = 0;
        epoch_heads = {};
        history.push_back(record);
    }
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
STRATA_COLD inline Metadata to_metadata(TrainingState const& state) {
    Metadata metadata;
    metadata.add("seed", concatenate(state.seed));
    for (auto const& number : detail::state_numbers)
        metadata.add(number.name, number.count ? concatenate(state.*number.count) : exact_text(state.*number.real));
    if (!state.epoch_heads.empty()) {
        std::string text;
        for (LossPart const& part : state.epoch_heads)
            append(text, exact_text(part.loss), ' ', exact_text(part.weight), ' ', exact_text(part.factor), ' ',
                   part.correct, ' ', part.counted, ' ', int{part.classifies}, '\n');
        metadata.add("epoch_heads", text);
    }
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
        auto const [end, error] = detail::read_number(text.data(), text.data() + text.size(), number);
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
    if (!metadata.find("epoch_weight")) state.epoch_weight = static_cast<double>(state.epoch_samples);
    if (std::string const* const text = metadata.find("epoch_heads")) {
        char const* at = text->data();
        auto const next = [&](auto& number) {
            auto const [end, error] = detail::read_number(at, text->data() + text->size(), number);
            if (error != std::errc{} || end == text->data() + text->size())
                fail(source, ": the checkpoint's entry \"epoch_heads\" is malformed");
            at = end + 1;
        };
        while (at != text->data() + text->size() && state.epoch_heads.count < LossParts::most) {
            LossPart& part = state.epoch_heads.parts[state.epoch_heads.count++];
            int classifies = 0;
            next(part.loss), next(part.weight), next(part.factor), next(part.correct), next(part.counted);
            next(classifies);
            part.classifies = classifies != 0;
        }
    }
    state.history = history_from_text(text_of("history"));
    return state;
}

/// What a checkpoint says besides its tensors.
STRATA_COLD inline Metadata checkpoint_metadata(TrainingState const& state, std::string_view optimizer,
                                                std::string_view precision) {
    auto metadata = to_metadata(state);
    metadata.add("optimizer", std::string(optimizer));
    metadata.add("precision", std::string(precision));
    return metadata;
}

/// Throws Error unless a checkpoint was written with the same optimizer, say, as this trainer has.
STRATA_COLD inline void check_written_with(Metadata const& metadata, std::string const& path, char const* entry,
                                           std::string_view mine) {
    std::string const* const written = metadata.find(entry);
    if (!written || *written != mine)
        fail(path, ": the checkpoint was written with ", entry, " ", written ? *written : "(none)",
             ", this trainer uses ", mine);
}

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
STRATA_COLD inline TensorView* state_tensors(std::span<TensorView const> model, std::span<std::byte const> parameters,
                                             std::string const& state_name, void* state, TensorView* to) {
    for (auto const& tensor : model) {
        auto const offset = reinterpret_cast<std::uintptr_t>(tensor.data) -
                            reinterpret_cast<std::uintptr_t>(parameters.data());  // huge where it lies before them
        if (offset >= parameters.size()) continue;
        *to++ = {concatenate("optimizer.", state_name, ".", tensor.name), tensor.shape, tensor.type,
                 static_cast<std::byte*>(state) + offset};
    }
    return to;
}
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
