// The functions of dataset.hpp that no network type touches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/aligned.hpp"
#include "../core/error.hpp"
#include "../core/owner.hpp"
#include "../core/random.hpp"
#include "../core/tensor.hpp"
#include "array_view.hpp"
#include "dataset.hpp"
#include "transform.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
STRATA_DEFINE STRATA_COLD std::vector<std::string> strings(std::span<char const* const> texts) {
    std::vector<std::string> result;
    for (char const* const text : texts) result.push_back(text);
    return result;
}

STRATA_DEFINE STRATA_COLD AlignedVector<std::int32_t> starts_of(Lengths const& lengths, std::size_t tokens,
                                                                char const* who) {
    std::size_t const count = lengths.values.size();
    if (count == 0) fail(who, ": there are no sequences");
    if (tokens > static_cast<std::size_t>((std::numeric_limits<std::int32_t>::max)()))
        fail(who, ": at most 2147483647 tokens, not ", tokens);
    AlignedVector<std::int32_t> starts(count + 1, 0);
    std::size_t end = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::int64_t const length = lengths.values[i];
        if (length < 1) fail(who, ": sequence ", i, " has ", length, " tokens, expected at least 1");
        if (static_cast<std::uint64_t>(length) > tokens - end)
            fail(who, ": the lengths of the first ", i + 1, " sequences are more than the ", tokens,
                 " tokens that there are");
        end += static_cast<std::size_t>(length);
        starts[i + 1] = static_cast<std::int32_t>(end);
    }
    if (end != tokens) fail(who, ": the sequences have ", end, " tokens together, and there are ", tokens);
    return starts;
}

}  // namespace detail

STRATA_DEFINE int Dataset::length(std::size_t index) const {
    if (index >= size_) fail("length: index ", index, " is not below ", size_, ", the number of samples");
    auto const& starts = notes_->starts;
    std::size_t const at = position(index);
    return starts.empty() ? 1 : starts[at + 1] - starts[at];
}

STRATA_DEFINE STRATA_COLD std::size_t Dataset::columns() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < size_; ++i) count += static_cast<std::size_t>(length(i));
    return count;
}

STRATA_DEFINE std::size_t Dataset::answers() const {
    return answers_tokens_ ? static_cast<std::size_t>(notes_->label_starts[size_]) : size_;
}

STRATA_DEFINE STRATA_COLD bool Dataset::are_of_tokens(std::size_t count, char const* what) const {
    auto const tokens = static_cast<std::size_t>(notes_->starts[notes_->starts.size() - 1]);
    if (count != size_ && count != tokens)
        fail("from_memory: got ", count, " ", what, " for ", size_, " sequences of ", tokens,
             " tokens, expected one for each of those or these");
    return count != size_;
}

STRATA_DEFINE STRATA_COLD void Dataset::set_lengths(Lengths const& lengths) {
    notes_->starts = detail::starts_of(lengths, size_, "from_memory");
    size_ = lengths.values.size();
}

STRATA_DEFINE std::span<std::int32_t const> Dataset::labels() const {
    return classes_ > 0 ? std::span(notes_->labels.data(), answers() * each_) : std::span<std::int32_t const>();
}

STRATA_DEFINE std::span<std::int32_t const> Dataset::labels(std::size_t index) const {
    if (index >= size_) fail("labels: index ", index, " is not below ", size_, ", the number of samples");
    if (classes_ > 0 && answers_tokens_)
        return std::span(notes_->labels.data() + notes_->label_starts[index], static_cast<std::size_t>(length(index)));
    return classes_ > 0 ? std::span(notes_->labels.data() + index * each_, each_) : std::span<std::int32_t const>();
}

STRATA_DEFINE std::span<float const> Dataset::weights() const {
    return notes_->weights.empty() ? std::span<float const>() : std::span(notes_->weights.data(), size_);
}

STRATA_DEFINE void const* Dataset::sample(std::size_t index) const {
    std::size_t at = position(index);
    if (has_sequences()) at = static_cast<std::size_t>(notes_->starts[at]);
    return samples_ + at * shape_.size() * size_of(type_);
}

STRATA_DEFINE void const* Dataset::target(std::size_t index) const {
    if (outputs_ == 0) return nullptr;
    std::size_t at = position(index);
    if (answers_tokens_) at = static_cast<std::size_t>(notes_->starts[at]);
    return targets_ + at * static_cast<std::size_t>(outputs_) * size_of(target_type_);
}

STRATA_DEFINE STRATA_ONE_COPY void Dataset::load(std::size_t index, std::span<std::byte> bytes, std::uint64_t seed,
                                                 std::uint32_t epoch) const {
    // Nobody asks for them, but transforms look at them.
    AlignedVector<std::int32_t> labels(targets_move() ? this->labels(index).size() : 0);
    AlignedVector<std::byte> row(targets_move() ? target_bytes() : 0);
    load(index, bytes, labels.data(), row.data(), seed, epoch);
}

STRATA_DEFINE STRATA_ONE_COPY void Dataset::load(std::size_t index, std::span<std::byte> bytes, std::int32_t* labels,
                                                 std::byte* row, std::uint64_t seed, std::uint32_t epoch) const {
    std::size_t const values = shape_.size() * static_cast<std::size_t>(length(index));
    if (bytes.size() != values * size_of(transforms_->sample_type()))
        fail("load: got memory of ", bytes.size(), " bytes for a sample of ",
             values * size_of(transforms_->sample_type()));
    void const* const from = sample(index);
    void* const to = bytes.data();
    if (transforms_->sample_type() == type_) {
        std::memcpy(to, from, values * size_of(type_));
    } else if (type_ == DataType::uint8) {
        // A division, not a product with 1/255: the same float that torchvision's ToTensor gives.
        auto const* const pixels = static_cast<std::uint8_t const*>(from);
        for (std::size_t i = 0; i < values; ++i) static_cast<float*>(to)[i] = static_cast<float>(pixels[i]) / 255.0f;
    } else {
        auto const* const doubles = static_cast<double const*>(from);
        for (std::size_t i = 0; i < values; ++i) {
            STRATA_SCALAR;  // doubles are rare
            static_cast<float*>(to)[i] = static_cast<float>(doubles[i]);
        }
    }
    if (transforms_->empty()) return;
    Random random(seed, Purpose::augmentation, epoch, static_cast<std::uint32_t>(index));
    transforms_->apply(to, targets_move() ? copy_target(index, labels, row) : SampleTarget{}, random);
}

STRATA_DEFINE STRATA_COLD std::vector<float> Dataset::input(std::size_t index) const {
    if (index >= size_) fail("input: index ", index, " is not below ", size_, ", the number of samples");
    auto const type = transforms_->sample_type();
    std::size_t const count = shape_.size() * static_cast<std::size_t>(length(index));
    AlignedVector<std::byte> sample(count * size_of(type));
    load(index, {sample.data(), sample.size()}, 0, 0);
    std::vector<float> values(count);
    auto const scale = transforms_->scale(), shift = transforms_->shift();
    std::size_t const pixels = shape_.size() / static_cast<std::size_t>(shape_.channels);
    for (std::size_t k = 0; k < values.size(); ++k) {
        void const* const at = sample.data() + k * size_of(type);
        float const value = type == DataType::uint8     ? static_cast<float>(*static_cast<std::uint8_t const*>(at))
                            : type == DataType::uint16  ? static_cast<float>(*static_cast<std::uint16_t const*>(at))
                            : type == DataType::int32   ? static_cast<float>(*static_cast<std::int32_t const*>(at))
                            : type == DataType::float32 ? *static_cast<float const*>(at)
                                                        : static_cast<float>(*static_cast<double const*>(at));
        std::size_t const c = k % shape_.size() / pixels;
        values[k] = scale.empty() ? value : value * static_cast<float>(scale[c]) + static_cast<float>(shift[c]);
    }
    return values;
}

STRATA_DEFINE STRATA_COLD Dataset Dataset::with_class_names(std::vector<std::string> names) const {
    if (names.size() != static_cast<std::size_t>(classes_))
        fail("with_class_names: got ", names.size(), " names for ", classes_, " classes");
    Dataset result = with_own_notes();
    result.notes_->class_names = std::move(names);
    return result;
}

STRATA_DEFINE STRATA_COLD Dataset Dataset::with_targets(Targets targets, int outputs) const {
    if (!notes_->positions.empty()) fail("with_targets: this is a subset: give the whole dataset its targets");
    Dataset result = with_own_notes();
    result.set_targets(std::move(targets), outputs);
    return result;
}

STRATA_DEFINE STRATA_COLD Dataset Dataset::with_weights(Targets const& weights) const {
    if (weights.size != size_) fail("with_weights: got ", weights.size, " weights for ", size_, " samples");
    AlignedVector<float> own(size_);
    for (std::size_t i = 0; i < size_; ++i) {
        own[i] = weights.type == DataType::float32 ? static_cast<float const*>(weights.data)[i]
                                                   : static_cast<float>(static_cast<double const*>(weights.data)[i]);
        if (!is_finite(own[i]) || !(own[i] >= 0))
            fail("with_weights: the weight of sample ", i, " is ", own[i], ", expected a finite one of at least 0");
    }
    Dataset result = with_own_notes();
    result.notes_->weights = std::move(own);
    return result;
}

STRATA_DEFINE STRATA_COLD Dataset Dataset::first(std::size_t n) const {
    if (n < 1 || n > size_) fail("first: asked for ", n, " samples of a dataset with ", size_);
    Dataset result = *this;
    result.size_ = n;
    return result;
}

STRATA_DEFINE STRATA_COLD Dataset Dataset::subset(std::vector<std::size_t> const& indices) const {
    if (indices.empty()) fail("subset: no indices given");
    check_count(indices.size());
    bool const weighted = !notes_->weights.empty();
    AlignedVector<std::int32_t> label_starts(answers_tokens_ ? indices.size() + 1 : 0, 0);
    for (std::size_t i = 0; answers_tokens_ && i < indices.size(); ++i)
        label_starts[i + 1] = label_starts[i] + (indices[i] < size_ ? length(indices[i]) : 0);
    std::size_t const answers =
        answers_tokens_ ? static_cast<std::size_t>(label_starts[indices.size()]) : indices.size();
    AlignedVector<std::int32_t> positions(indices.size()), labels(classes_ > 0 ? answers * each_ : 0);
    AlignedVector<float> weights(weighted ? indices.size() : 0);
    for (std::size_t i = 0; i < indices.size(); ++i) {
        std::size_t const index = indices[i];
        if (index >= size_) fail("subset: index ", index, " is not below ", size_, ", the number of samples");
        positions[i] = static_cast<std::int32_t>(position(index));
        std::size_t const first = answers_tokens_ ? static_cast<std::size_t>(label_starts[i]) : i * each_;
        if (classes_ > 0)
            std::memcpy(labels.data() + first, this->labels(index).data(), this->labels(index).size_bytes());
        if (weighted) weights[i] = notes_->weights[index];
    }
    Dataset result = with_own_notes();
    result.size_ = indices.size();
    result.notes_->positions = std::move(positions);
    result.notes_->labels = std::move(labels);
    result.notes_->weights = std::move(weights);
    result.notes_->label_starts = std::move(label_starts);
    return result;
}

STRATA_DEFINE STRATA_COLD Dataset::Dataset(Samples samples, SampleShape shape)
    : type_(samples.type),
      shape_(checked(shape)),
      samples_(static_cast<std::byte const*>(samples.data)),
      transforms_(&transforms_owner_.hold<Transforms>(samples.type, shape)) {
    notes_->samples_owner = std::move(samples.owner);
    if (samples.size == 0) fail("from_memory: the dataset is empty, expected at least one sample");
    if (samples.columns > 1 && samples.columns != shape.size())
        fail("from_memory: the matrix has ", samples.columns, " columns, but a sample of ", shape.channels, " x ",
             shape.height, " x ", shape.width, " has ", shape.size(), " values");
    if (samples.size % shape.size() != 0)
        fail("from_memory: ", samples.size, " values are not a whole number of samples of ", shape.channels, " x ",
             shape.height, " x ", shape.width, " = ", shape.size(), " values");
    size_ = samples.size / shape.size();
    check_count(size_);
}

STRATA_DEFINE STRATA_COLD SampleShape Dataset::checked(SampleShape shape) {
    if (shape.channels < 1 || shape.height < 1 || shape.width < 1)
        fail("from_memory: sample shape ", shape.channels, " x ", shape.height, " x ", shape.width,
             " must be positive in every dimension");
    // height * width fits in 62 bits; SampleShape::size() must not overflow either.
    std::size_t const plane = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
    if (static_cast<std::size_t>(shape.channels) > (std::numeric_limits<std::size_t>::max)() / 16 / plane)
        fail("from_memory: sample shape ", shape.channels, " x ", shape.height, " x ", shape.width,
             " is larger than any memory");
    return shape;
}

STRATA_DEFINE std::size_t Dataset::position(std::size_t index) const {
    return notes_->positions.empty() ? index : static_cast<std::size_t>(notes_->positions[index]);
}

STRATA_DEFINE STRATA_COLD Dataset Dataset::with_own_notes() const {
    Dataset result = *this;
    result.notes_ = &result.notes_owner_.hold<Notes>(*notes_);
    return result;
}

STRATA_DEFINE void Dataset::check_count(std::size_t count) {
    if (count > static_cast<std::size_t>((std::numeric_limits<std::int32_t>::max)()))
        fail("a dataset has at most 2147483647 samples, not ", count);
}

STRATA_DEFINE STRATA_COLD void Dataset::set_labels(Labels const& labels, int classes, int ignore_index) {
    if (classes < 1) fail("from_memory: number of classes is ", classes, ", expected at least 1");
    std::size_t const count = labels.values.size();
    if (has_sequences()) {
        answers_tokens_ = are_of_tokens(count, "labels");
        if (answers_tokens_) notes_->label_starts = notes_->starts;
    } else {
        if (count == 0 || count % size_ != 0 || count / size_ > (std::numeric_limits<std::int32_t>::max)())
            fail("from_memory: got ", count, " labels for ", size_, " samples");
        each_ = count / size_;
    }
    if (labels.columns > 1 && labels.columns != each_ && labels.columns != count)
        fail("from_memory: the matrix of labels has ", labels.columns, " columns, expected ", each_);
    notes_->labels = AlignedVector<std::int32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto const label = labels.values[i];
        bool const is_class = label >= 0 && label < classes;
        has_ignored_ = has_ignored_ || label == ignore_index;
        if (!is_class && label != ignore_index)
            fail("from_memory: label ", label, answers_tokens_ ? " of token " : " of sample ", i / each_, place_text(i),
                 " is not in 0 to ", classes - 1, " (", classes, " classes)");
        notes_->labels[i] = static_cast<std::int32_t>(label);
    }
    classes_ = classes;
    ignore_index_ = ignore_index;
}

STRATA_DEFINE STRATA_COLD std::string Dataset::place_text(std::size_t label) const {
    auto const place = label % each_, width = static_cast<std::size_t>(shape_.width);
    if (each_ == 1) return {};
    if (each_ != static_cast<std::size_t>(shape_.height) * width) return concatenate(", place ", place, ",");
    return concatenate(", row ", place / width, ", column ", place % width, ",");
}

STRATA_DEFINE std::size_t Dataset::target_bytes() const {
    return static_cast<std::size_t>(outputs_) * size_of(target_type_);
}

STRATA_DEFINE SampleTarget Dataset::copy_target(std::size_t index, std::int32_t* labels, std::byte* row) const {
    SampleTarget copy;
    copy.ignore_index = ignore_index_;
    auto const own = this->labels(index);
    if (!own.empty()) {
        std::memcpy(labels, own.data(), own.size_bytes());
        copy.labels = {labels, own.size()};
    }
    if (outputs_ > 0) {
        auto const count = static_cast<std::size_t>(outputs_);
        std::memcpy(row, target(index), target_bytes());
        if (target_type_ == DataType::float32)
            copy.floats = {reinterpret_cast<float*>(row), count};
        else
            copy.doubles = {reinterpret_cast<double*>(row), count};
    }
    return copy;
}

STRATA_DEFINE STRATA_COLD void Dataset::set_targets(Targets targets, int outputs) {
    if (outputs < 1) fail("from_memory: number of outputs is ", outputs, ", expected at least 1");
    if (targets.columns > 1 && targets.columns != static_cast<std::size_t>(outputs))
        fail("from_memory: the matrix of targets has ", targets.columns, " columns, expected ", outputs);
    if (has_sequences()) {
        bool const of_tokens = are_of_tokens(targets.size / static_cast<std::size_t>(outputs), "rows of targets");
        if (classes_ > 0 && of_tokens != answers_tokens_)
            fail("with_targets: labels and targets are both those of sequences, or of tokens");
        answers_tokens_ = of_tokens;
        if (of_tokens) notes_->label_starts = notes_->starts;
    }
    if (targets.size / static_cast<std::size_t>(outputs) != (answers_tokens_ ? answers() : size_) ||
        targets.size % static_cast<std::size_t>(outputs) != 0)
        fail("from_memory: got ", targets.size, " target values for ", size_, " samples with ", outputs, " outputs",
             targets.size == size_ ? " (labels of classes are integers)" : "");
    target_type_ = targets.type;
    outputs_ = outputs;
    targets_ = static_cast<std::byte const*>(targets.data);
    notes_->targets_owner = std::move(targets.owner);
}

STRATA_DEFINE Dataset from_memory(Samples samples, SampleShape shape, Labels const& labels, int classes,
                                  int ignore_index) {
    Dataset dataset(std::move(samples), shape);
    dataset.set_labels(labels, classes, ignore_index);
    return dataset;
}

STRATA_DEFINE Dataset from_memory(Samples samples, SampleShape shape, Targets targets, int outputs) {
    Dataset dataset(std::move(samples), shape);
    dataset.set_targets(std::move(targets), outputs);
    return dataset;
}

STRATA_DEFINE Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths) {
    Dataset dataset(std::move(tokens), shape);
    dataset.set_lengths(lengths);
    return dataset;
}

STRATA_DEFINE Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths, Labels const& labels,
                                  int classes, int ignore_index) {
    Dataset dataset = from_memory(std::move(tokens), shape, lengths);
    dataset.set_labels(labels, classes, ignore_index);
    return dataset;
}

STRATA_DEFINE Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths, Targets targets,
                                  int outputs) {
    Dataset dataset = from_memory(std::move(tokens), shape, lengths);
    dataset.set_targets(std::move(targets), outputs);
    return dataset;
}

}  // namespace strata::inline STRATA_ABI
