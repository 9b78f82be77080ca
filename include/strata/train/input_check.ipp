// The functions of input_check.hpp that no network type touches.
#pragma once

#include "../backend/backend.hpp"
#include "../backend/id_check.hpp"
#include "../data/dataset.hpp"
#include "../loss/losses.hpp"
#include "input_check.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD std::string name_of_sample(Batch const& batch, std::int64_t sample) {
    auto name = concatenate("sample ", sample, " of the batch");
    if (batch.indices) name += concatenate(" (sample ", batch.indices[sample], " of the dataset)");
    return name;
}

STRATA_DEFINE STRATA_COLD std::string name_of_column(Batch const& batch, std::int64_t column) {
    if (!batch.starts) return name_of_sample(batch, column);
    int sequence = 0;
    while (sequence + 1 < batch.size && batch.starts[sequence + 1] <= column) ++sequence;
    return concatenate("token ", column - batch.starts[sequence], " of ", name_of_sample(batch, sequence));
}

STRATA_DEFINE STRATA_COLD std::string name_of_answer(Batch const& batch, std::int64_t answer) {
    return batch.answers_columns ? name_of_column(batch, answer) : name_of_sample(batch, answer);
}

STRATA_DEFINE STRATA_COLD void InputCheck::check_samples(Dataset const& data, char const* who) const {
    if (data.size() == 0) fail(who, ": the dataset is empty");
    check(data.shape(), who);
    if (data.has_sequences() != (longest > 0))
        fail(who, ": ", longest > 0 ? detail::sequences_wanted : detail::no_sequences_wanted);
    for (std::size_t i = 0; longest > 0 && i < data.size(); ++i)
        if (data.length(i) > longest)
            fail(who, ": sample ", i, " of the dataset has ", data.length(i),
                 " tokens, the network's longest sequence has ", longest, ": Sequence<Input<...>, longest>");
    detail::check_id_type(data.transforms().sample_type(), ids, shape.size(), who);
    if (!ids.empty()) check_ids(data, who);
}

STRATA_DEFINE STRATA_COLD void InputCheck::check_ids(Dataset const& data, char const* who) const {
    auto const& transforms = data.transforms();
    bool normalized = false;
    for (double const scale : transforms.scale()) normalized = normalized || scale != 1 / 255.0;
    for (double const shift : transforms.shift()) normalized = normalized || shift != 0;
    if (!transforms.empty() || (normalized && data.type() == DataType::uint8))
        fail(who, ": the network takes ids, which transforms would change: give it a dataset without them");
    for (std::size_t i = 0; i < data.size(); ++i) {
        auto const tokens = static_cast<std::size_t>(data.length(i));
        if (auto const wrong = detail::wrong_id(data.sample(i), data.type(), tokens, shape.size(), ids); wrong.found)
            detail::refuse_id(wrong,
                              concatenate(longest > 0 ? concatenate("token ", wrong.column, " of ") : std::string(),
                                          "sample ", i, " of the dataset"),
                              who);
    }
}

STRATA_DEFINE STRATA_COLD void InputCheck::check_answers(bool of_tokens, char const* who) const {
    if (of_tokens == answers_tokens) return;
    fail(who, ": the network has an output a ", answers_tokens ? "token" : "sequence",
         ", and labels or targets are those of ", of_tokens ? "tokens" : "sequences");
}

STRATA_DEFINE STRATA_COLD void InputCheck::check(SampleShape got, char const* who) const {
    if (got == shape || (flat && got.size() == shape.size())) return;
    std::string const wanted =
        flat ? concatenate(shape.size()) : concatenate(shape.channels, " x ", shape.height, " x ", shape.width);
    bool const lines = !flat && got == SampleShape{shape.channels, shape.width, shape.height} && shape.height == 1;
    fail(who, ": the data's samples are ", got.channels, " x ", got.height, " x ", got.width,
         ", the network's input is ", wanted,
         lines ? concatenate(": give lines the shape {", shape.channels, ", 1, ", shape.width, "}") : "");
}

STRATA_DEFINE STRATA_COLD void InputCheck::check(Dataset const& data, char const* who) const {
    check_samples(data, who);
    if (longest > 0 && (data.outputs() > 0 || data.classes() > 0) && data.columns() != data.size())
        check_answers(data.answers_tokens(), who);
    if (!classifies || needs_both) {
        if (data.outputs() == 0)
            fail(who, ": the loss needs targets, the dataset has ", data.classes() > 0 ? "labels" : "none");
        if (data.outputs() != outputs)
            fail(who, ": the dataset has ", data.outputs(), " target values a sample, the network ", outputs,
                 needs_both ? " outputs that are no scores of classes" : " outputs");
        if (!needs_both) return;
    }
    if (data.classes() == 0)
        fail(who, ": the loss needs labels, the dataset has ", data.outputs() > 0 ? "targets" : "none");
    check_places(data.labels_per_sample(), who);
    if (heads > 0) {  // whose labels are looked at batch by batch
        bool known = !data.has_ignored();
        for (int h = 0; h < heads; ++h) known = known || labels_of[h].ignore_index == data.ignore_index();
        if (!known)
            fail(who, ": the dataset has labels ", data.ignore_index(),
                 ", to be ignored, which is the ignore_index of no head's loss");
        return;
    }
    if (data.classes() > classes)
        fail(who, ": the dataset has ", data.classes(), " classes, the network ", classes,
             places > 1 ? " channels of outputs" : " outputs");
    if (data.has_ignored() && data.ignore_index() != ignore_index) {
        auto const its = ignore_index == no_label ? std::string("none") : concatenate(ignore_index);
        fail(who, ": the dataset has labels ", data.ignore_index(), ", to be ignored, the loss's ignore_index is ",
             its);
    }
}

STRATA_DEFINE void InputCheck::check(Batch const& batch, char const* who) const {
    if (batch.size < 1) fail(who, ": a batch of ", batch.size, " samples, expected at least 1");
    check(batch.shape, who);
    check_batch_memory(batch, who);
    if ((batch.starts != nullptr) != (longest > 0))
        fail(who, ": ", longest > 0 ? detail::sequences_wanted : detail::no_sequences_wanted);
    if (batch.starts && batch.starts[0] != 0)
        fail(who, ": the batch's first sequence begins at token ", batch.starts[0], ", expected 0");
    for (int i = 0; batch.starts && i < batch.size; ++i)
        if (int const length = batch.starts[i + 1] - batch.starts[i]; length < 1 || length > longest)
            fail(who, ": ", name_of_sample(batch, i), " has ", length, " tokens, expected 1 to ", longest,
                 ": Sequence<Input<...>, longest>");
    detail::check_id_type(batch.type, ids, shape.size(), who);
    if (auto const wrong =
            detail::wrong_id(batch.inputs, batch.type, static_cast<std::size_t>(batch.columns()), shape.size(), ids);
        wrong.found)
        detail::refuse_id(wrong, name_of_column(batch, static_cast<std::int64_t>(wrong.column)), who);
    if (batch.starts && (batch.labels || batch.targets) && batch.columns() != batch.size)
        check_answers(batch.answers_columns, who);
    for (int i = 0; batch.weights && i < batch.answers(); ++i)
        if (!is_finite(batch.weights[i]) || !(batch.weights[i] >= 0))
            fail(who, ": the weight of ", name_of_answer(batch, i), " is ", batch.weights[i],
                 ", expected a finite one of at least 0");
    if (!classifies || needs_both) {
        if (!batch.targets) fail(who, ": the loss needs targets, the batch has ", batch.labels ? "labels" : "none");
        if (!needs_both) return;
    }
    if (!batch.labels) fail(who, ": the loss needs labels, the batch has ", batch.targets ? "targets" : "none");
    check_places(batch.labels_per_sample, who);
    if (heads > 0) return check_heads(batch, who);
    std::int64_t const count = std::int64_t{batch.answers()} * places;
    auto const wrong = [&](std::int32_t label) {
        return static_cast<unsigned>(label < 0) | static_cast<unsigned>(label >= classes);
    };
    unsigned any = 0;  // most batches have none, and pixels are many
    for (std::int64_t i = 0; i < count; ++i) any |= wrong(batch.labels[i]);
    for (std::int64_t i = 0; any != 0 && i < count; ++i)
        if (wrong(batch.labels[i]) != 0 && batch.labels[i] != ignore_index)
            fail(who, ": label ", batch.labels[i], " of ", name_of_answer(batch, i / places), place_text(i % places),
                 ", expected 0 to ", classes - 1);
}

STRATA_DEFINE STRATA_COLD void InputCheck::check_heads(Batch const& batch, char const* who) const {
    for (int h = 0; h < heads; ++h)
        for (std::int64_t i = 0; i < std::int64_t{batch.answers()} * labels_of[h].count; ++i) {
            Head const& head = labels_of[h];
            std::int64_t const sample = i / head.count, place = i % head.count;
            std::int32_t const label = batch.labels[sample * places + head.first + place];
            if ((label < 0 || label >= head.classes) && label != head.ignore_index)
                fail(who, ": label ", label, " of ", head.name, " of ", name_of_answer(batch, sample),
                     head.count > 1 ? concatenate(" at place ", place) : std::string(), ", expected 0 to ",
                     head.classes - 1);
        }
}

STRATA_DEFINE STRATA_COLD void InputCheck::check_places(int got, char const* who) const {
    if (got == places) return;
    if (heads > 0)
        fail(who, ": a sample has ", got, got == 1 ? " label" : " labels", ", the network's heads take ", places);
    if (places == 1) fail(who, ": a sample has ", got, " labels, the network's output is flat and takes one");
    fail(who, ": a sample has ", got, got == 1 ? " label" : " labels", ", the network's output takes ",
         places / columns, " x ", columns, ", one a place: for one label a sample end it in Linear or Flatten");
}

STRATA_DEFINE STRATA_COLD std::string InputCheck::place_text(std::int64_t place) const {
    if (places == 1) return {};
    return concatenate(" at row ", place / columns, ", column ", place % columns);
}

}  // namespace strata::inline STRATA_ABI
