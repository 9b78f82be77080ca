// The functions of training_state.hpp that no network type touches.
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
#include "training_state.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD EpochRecord TrainingState::epoch_record(bool classifies) const {
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

STRATA_DEFINE STRATA_COLD ProgressState TrainingState::progress(int epochs, std::int64_t samples,
                                                                bool classifies) const {
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

STRATA_DEFINE STRATA_COLD double TrainingState::train_loss() const {
    if (epoch_samples == 0) return EpochRecord::unknown;
    if (!epoch_heads.empty()) return epoch_heads.total();
    return epoch_weight > 0 ? epoch_loss / epoch_weight : 0;
}

STRATA_DEFINE STRATA_COLD double TrainingState::train_accuracy(bool classifies) const {
    if (!classifies || epoch_samples == 0) return EpochRecord::unknown;
    return static_cast<double>(epoch_correct) / static_cast<double>(epoch_samples);
}

STRATA_DEFINE STRATA_COLD void TrainingState::go_on_with(std::int64_t size, int batches_of, bool shuffled,
                                                         bool without_last) {
    if (batch > 0 && (batch_size != batches_of || dataset_size != size))
        fail("fit: the training stands at batch ", batch, " of an epoch of ", dataset_size, " samples in batches of ",
             batch_size, ", and cannot go on with ", size, " samples in batches of ", batches_of);
    if (batch > 0 && (shuffle != shuffled || drop_last != without_last))
        fail("fit: the training stands at batch ", batch, " of an epoch with shuffle ", shuffle, " and drop_last ",
             drop_last, ", and cannot go on with ", shuffled, " and ", without_last);
    batch_size = batches_of;
    dataset_size = size;
    shuffle = shuffled;
    drop_last = without_last;
}

STRATA_DEFINE void TrainingState::end_batch(bool trained, double loss, double weight, std::int64_t correct,
                                            std::int64_t counted) {
    ++batch;
    if (!trained) return;
    epoch_loss += loss * weight;
    epoch_weight += weight;
    epoch_correct += correct;
    epoch_samples += counted;
}

STRATA_DEFINE void TrainingState::end_batch_of_heads(bool trained, LossParts const& losses) {
    if (trained && !losses.empty()) epoch_heads.add(losses);
}

STRATA_DEFINE void TrainingState::end_epoch(EpochRecord const& record) {
    ++epoch;
    batch = 0;
    epoch_loss = epoch_weight = 0;
    epoch_correct = epoch_samples = 0;
    epoch_heads = {};
    history.push_back(record);
}

STRATA_DEFINE STRATA_COLD Metadata to_metadata(TrainingState const& state) {
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

STRATA_DEFINE STRATA_COLD TrainingState training_state_from(Metadata const& metadata, std::string const& source) {
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

STRATA_DEFINE STRATA_COLD Metadata checkpoint_metadata(TrainingState const& state, std::string_view optimizer,
                                                       std::string_view precision) {
    auto metadata = to_metadata(state);
    metadata.add("optimizer", std::string(optimizer));
    metadata.add("precision", std::string(precision));
    return metadata;
}

STRATA_DEFINE STRATA_COLD void check_written_with(Metadata const& metadata, std::string const& path, char const* entry,
                                                  std::string_view mine) {
    std::string const* const written = metadata.find(entry);
    if (!written || *written != mine)
        fail(path, ": the checkpoint was written with ", entry, " ", written ? *written : "(none)",
             ", this trainer uses ", mine);
}

namespace detail {
STRATA_DEFINE STRATA_COLD TensorView* state_tensors(std::span<TensorView const> model,
                                                    std::span<std::byte const> parameters,
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

}  // namespace strata::inline STRATA_ABI
