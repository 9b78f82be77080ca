// Samples with their labels or targets, and what is done to them: the run-time edge between
// files or arrays and training.
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
#include "transform.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// One by one: a std::vector made of a range of pointers is code that nothing else needs.
STRATA_COLD inline std::vector<std::string> strings(std::span<char const* const> texts) {
    std::vector<std::string> result;
    for (char const* const text : texts) result.push_back(text);
    return result;
}
}  // namespace detail

/// N samples [C][H][W] of uint8, float32 or float64 with N labels, or N masks of labels, N rows of targets, or neither, and a
/// weight each or none. A Dataset is a cheap
/// value: copies and subsets share the samples and the transforms, functions of the user's own included. It is never
/// empty, except when default-constructed; one that was moved from may only be assigned to or destroyed.
class Dataset {
public:
    Dataset() = default;

    /// Number of samples.
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] SampleShape shape() const { return shape_; }
    /// Element type of the stored samples: uint8, float32 or float64.
    [[nodiscard]] DataType type() const { return type_; }
    /// Number of classes, 0 when there are no labels.
    [[nodiscard]] int classes() const { return classes_; }
    /// One name a class, or empty.
    [[nodiscard]] std::vector<std::string> const& class_names() const { return notes_->class_names; }
    /// [N][labels_per_sample()] labels in 0 … classes - 1, or ignore_index(); or empty.
    [[nodiscard]] std::span<std::int32_t const> labels() const {
        return classes_ > 0 ? std::span(notes_->labels.data(), size_ * each_) : std::span<std::int32_t const>();
    }
    /// Those of one sample; index < size().
    [[nodiscard]] std::span<std::int32_t const> labels(std::size_t index) const {
        return classes_ > 0 ? std::span(notes_->labels.data() + index * each_, each_) : std::span<std::int32_t const>();
    }
    /// 1, or as many as a network has places to label: H W for a class a pixel.
    [[nodiscard]] int labels_per_sample() const { return static_cast<int>(each_); }
    /// [N] factors of the samples' losses; empty where all are 1.
    [[nodiscard]] std::span<float const> weights() const {
        return notes_->weights.empty() ? std::span<float const>() : std::span(notes_->weights.data(), size_);
    }
    /// The label of samples that are of no class, which losses leave out (CrossEntropy::ignore_index).
    [[nodiscard]] int ignore_index() const { return ignore_index_; }
    /// Whether there are such labels.
    [[nodiscard]] bool has_ignored() const { return has_ignored_; }
    /// Values of one target row, 0 when there are no targets.
    [[nodiscard]] int outputs() const { return outputs_; }
    /// float32 or float64.
    [[nodiscard]] DataType target_type() const { return target_type_; }

    /// The stored sample [C][H][W] of type(), before any transform; index < size().
    [[nodiscard]] void const* sample(std::size_t index) const {
        return samples_ + position(index) * shape_.size() * size_of(type_);
    }
    /// The target row [outputs] of target_type(), nullptr when there are none; index < size().
    [[nodiscard]] void const* target(std::size_t index) const {
        if (outputs_ == 0) return nullptr;
        return targets_ + position(index) * static_cast<std::size_t>(outputs_) * size_of(target_type_);
    }
    /// The transforms, with the scale and shift that remain for the executor.
    [[nodiscard]] Transforms const& transforms() const { return *transforms_; }

    /// Writes the transformed sample [C][H][W] of transforms().sample_type() to `bytes`, memory for just that,
    /// aligned for its type; not yet scaled and shifted. All randomness comes from (seed, epoch, index). For
    /// loaders; input() gives numbers.
    STRATA_ONE_COPY void load(std::size_t index, std::span<std::byte> bytes, std::uint64_t seed,
                              std::uint32_t epoch) const {
        // Nobody asks for them, but transforms look at them.
        AlignedVector<std::int32_t> labels(targets_move() ? this->labels(index).size() : 0);
        AlignedVector<std::byte> row(targets_move() ? target_bytes() : 0);
        load(index, bytes, labels.data(), row.data(), seed, epoch);
    }
    /// The same with what belongs to the sample, where transforms change that (targets_move()): its labels
    /// [labels_per_sample()] and its target row, memory for those that it has.
    STRATA_ONE_COPY void load(std::size_t index, std::span<std::byte> bytes, std::int32_t* labels, std::byte* row,
                              std::uint64_t seed, std::uint32_t epoch) const {
        std::size_t const values = shape_.size();
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
            for (std::size_t i = 0; i < values; ++i)
                static_cast<float*>(to)[i] = static_cast<float>(pixels[i]) / 255.0f;
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
    /// Whether transforms change labels or targets with the samples.
    [[nodiscard]] bool targets_move() const { return transforms_->move_targets(labels_per_sample()); }

    /// A sample as the network gets it, [C][H][W]: its transforms (as in epoch 0 of seed 0), with Normalize, and bytes
    /// divided by 255. Throws Error unless index < size().
    [[nodiscard]] STRATA_COLD std::vector<float> input(std::size_t index) const {
        if (index >= size_) fail("input: index ", index, " is not below ", size_, ", the number of samples");
        auto const type = transforms_->sample_type();
        AlignedVector<std::byte> sample(shape_.size() * size_of(type));
        load(index, {sample.data(), sample.size()}, 0, 0);
        std::vector<float> values(shape_.size());
        auto const scale = transforms_->scale(), shift = transforms_->shift();
        std::size_t const pixels = shape_.size() / static_cast<std::size_t>(shape_.channels);
        for (std::size_t k = 0; k < values.size(); ++k) {
            void const* const at = sample.data() + k * size_of(type);
            float const value = type == DataType::uint8     ? static_cast<float>(*static_cast<std::uint8_t const*>(at))
                                : type == DataType::float32 ? *static_cast<float const*>(at)
                                                            : static_cast<float>(*static_cast<double const*>(at));
            std::size_t const c = k / pixels;
            values[k] = scale.empty() ? value : value * static_cast<float>(scale[c]) + static_cast<float>(shift[c]);
        }
        return values;
    }

    /// The same samples with these transforms added behind those it has: Normalize, RandomHorizontalFlip, RandomCrop,
    /// or any callable void(std::span<float> sample, SampleShape, Random&), with a SampleTarget before Random& where it
    /// sees labels or targets, too.
    template <class... T>
    [[nodiscard]] Dataset with(T... transforms) const {
        static_assert((SampleTransform<T> && ...),
                      "with: a transform is Normalize, RandomHorizontalFlip, RandomCrop, or a callable "
                      "void(std::span<float> sample, SampleShape shape, Random& random), or with a SampleTarget before "
                      "random");
        if (size_ == 0) fail("with: the dataset is empty");
        Dataset result = *this;
        result.transforms_ = &result.transforms_owner_.hold<Transforms>(*transforms_);
        if constexpr ((SampleTransform<T> && ...)) (result.transforms_->add(std::move(transforms)), ...);
        if (result.transforms_->check_targets(classes_ > 0 ? labels_per_sample() : 1, outputs_))
            result.has_ignored_ = true;
        return result;
    }

    /// The same samples with these class names. Throws Error unless there is one for every class.
    [[nodiscard]] STRATA_COLD Dataset with_class_names(std::vector<std::string> names) const {
        if (names.size() != static_cast<std::size_t>(classes_))
            fail("with_class_names: got ", names.size(), " names for ", classes_, " classes");
        Dataset result = with_own_notes();
        result.notes_->class_names = std::move(names);
        return result;
    }

    /// The same samples with a row of targets each, besides labels, for a network whose heads take both: copied, taken
    /// over or viewed as from_memory does. Throws Error on a wrong count, or for a subset.
    [[nodiscard]] STRATA_COLD Dataset with_targets(Targets targets, int outputs) const {
        if (!notes_->positions.empty()) fail("with_targets: this is a subset: give the whole dataset its targets");
        Dataset result = with_own_notes();
        result.set_targets(std::move(targets), outputs);
        return result;
    }

    /// The same samples with a weight each, which their loss and its gradient are multiplied by; what the mean is divided
    /// by stays as it is, so that it is PyTorch's (loss(reduction="none") * weights).mean(). Throws Error unless there is
    /// one for each sample, finite and at least 0.
    [[nodiscard]] STRATA_COLD Dataset with_weights(Targets const& weights) const {
        if (weights.size != size_) fail("with_weights: got ", weights.size, " weights for ", size_, " samples");
        AlignedVector<float> own(size_);
        for (std::size_t i = 0; i < size_; ++i) {
            own[i] = weights.type == DataType::float32
                         ? static_cast<float const*>(weights.data)[i]
                         : static_cast<float>(static_cast<double const*>(weights.data)[i]);
            if (!is_finite(own[i]) || !(own[i] >= 0))
                fail("with_weights: the weight of sample ", i, " is ", own[i], ", expected a finite one of at least 0");
        }
        Dataset result = with_own_notes();
        result.notes_->weights = std::move(own);
        return result;
    }

    /// The first n samples. Throws Error unless 1 <= n <= size().
    [[nodiscard]] STRATA_COLD Dataset first(std::size_t n) const {
        if (n < 1 || n > size_) fail("first: asked for ", n, " samples of a dataset with ", size_);
        Dataset result = *this;
        result.size_ = n;
        return result;
    }

    /// The samples with these indices, in this order; an index may come several times. Throws Error when there are none
    /// or one is not below size().
    [[nodiscard]] STRATA_COLD Dataset subset(std::vector<std::size_t> const& indices) const {
        if (indices.empty()) fail("subset: no indices given");
        check_count(indices.size());
        bool const weighted = !notes_->weights.empty();
        AlignedVector<std::int32_t> positions(indices.size()), labels(classes_ > 0 ? indices.size() * each_ : 0);
        AlignedVector<float> weights(weighted ? indices.size() : 0);
        for (std::size_t i = 0; i < indices.size(); ++i) {
            std::size_t const index = indices[i];
            if (index >= size_) fail("subset: index ", index, " is not below ", size_, ", the number of samples");
            positions[i] = static_cast<std::int32_t>(position(index));
            if (classes_ > 0)
                std::memcpy(labels.data() + i * each_, this->labels(index).data(), each_ * sizeof(labels[0]));
            if (weighted) weights[i] = notes_->weights[index];
        }
        Dataset result = with_own_notes();
        result.size_ = indices.size();
        result.notes_->positions = std::move(positions);
        result.notes_->labels = std::move(labels);
        result.notes_->weights = std::move(weights);
        return result;
    }

    friend Dataset from_memory(Samples samples, SampleShape shape);
    friend Dataset from_memory(Samples samples, SampleShape shape, Labels const& labels, int classes, int ignore_index);
    friend Dataset from_memory(Samples samples, SampleShape shape, Targets targets, int outputs);

private:
    /// What is known of the samples besides their values, and who keeps those alive. Nothing changes in it once
    /// datasets share it. One object and not five, because everything that is shared costs compile time.
    struct Notes {
        detail::Owner samples_owner, targets_owner;
        AlignedVector<std::int32_t> positions;  // of a subset's samples in samples_; empty: identity
        AlignedVector<std::int32_t> labels;     // in the order of this dataset, at least size_ * each_; empty: none
        AlignedVector<float> weights;           // the same, one a sample
        std::vector<std::string> class_names;
    };

    STRATA_COLD Dataset(Samples samples, SampleShape shape)
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

    STRATA_COLD static SampleShape checked(SampleShape shape) {
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

    [[nodiscard]] std::size_t position(std::size_t index) const {
        return notes_->positions.empty() ? index : static_cast<std::size_t>(notes_->positions[index]);
    }

    [[nodiscard]] STRATA_COLD Dataset with_own_notes() const {
        Dataset result = *this;
        result.notes_ = &result.notes_owner_.hold<Notes>(*notes_);
        return result;
    }

    static void check_count(std::size_t count) {
        if (count > static_cast<std::size_t>((std::numeric_limits<std::int32_t>::max)()))
            fail("a dataset has at most 2147483647 samples, not ", count);
    }

    STRATA_COLD void set_labels(Labels const& labels, int classes, int ignore_index) {
        if (classes < 1) fail("from_memory: number of classes is ", classes, ", expected at least 1");
        std::size_t const count = labels.values.size();
        if (count == 0 || count % size_ != 0 || count / size_ > (std::numeric_limits<std::int32_t>::max)())
            fail("from_memory: got ", count, " labels for ", size_, " samples");
        each_ = count / size_;
        if (labels.columns > 1 && labels.columns != each_ && labels.columns != count)
            fail("from_memory: the matrix of labels has ", labels.columns, " columns, expected ", each_);
        notes_->labels = AlignedVector<std::int32_t>(count);
        for (std::size_t i = 0; i < count; ++i) {
            auto const label = labels.values[i];
            bool const is_class = label >= 0 && label < classes;
            has_ignored_ = has_ignored_ || label == ignore_index;
            if (!is_class && label != ignore_index)
                fail("from_memory: label ", label, " of sample ", i / each_, place_text(i), " is not in 0 to ",
                     classes - 1, " (", classes, " classes)");
            notes_->labels[i] = static_cast<std::int32_t>(label);
        }
        classes_ = classes;
        ignore_index_ = ignore_index;
    }

    /// Where in a sample a label is, in words.
    [[nodiscard]] STRATA_COLD std::string place_text(std::size_t label) const {
        auto const place = label % each_, width = static_cast<std::size_t>(shape_.width);
        if (each_ == 1) return {};
        if (each_ != static_cast<std::size_t>(shape_.height) * width) return concatenate(", place ", place, ",");
        return concatenate(", row ", place / width, ", column ", place % width, ",");
    }

    [[nodiscard]] std::size_t target_bytes() const {
        return static_cast<std::size_t>(outputs_) * size_of(target_type_);
    }
    /// Copies what belongs to a sample to memory for it.
    SampleTarget copy_target(std::size_t index, std::int32_t* labels, std::byte* row) const {
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

    STRATA_COLD void set_targets(Targets targets, int outputs) {
        if (outputs < 1) fail("from_memory: number of outputs is ", outputs, ", expected at least 1");
        if (targets.columns > 1 && targets.columns != static_cast<std::size_t>(outputs))
            fail("from_memory: the matrix of targets has ", targets.columns, " columns, expected ", outputs);
        if (targets.size / static_cast<std::size_t>(outputs) != size_ ||
            targets.size % static_cast<std::size_t>(outputs) != 0)
            fail("from_memory: got ", targets.size, " target values for ", size_, " samples with ", outputs, " outputs",
                 targets.size == size_ ? " (labels of classes are integers)" : "");
        target_type_ = targets.type;
        outputs_ = outputs;
        targets_ = static_cast<std::byte const*>(targets.data);
        notes_->targets_owner = std::move(targets.owner);
    }

    DataType type_ = DataType::float32, target_type_ = DataType::float32;
    SampleShape shape_;
    std::size_t size_ = 0, each_ = 1;  // each_: labels of a sample
    int classes_ = 0, outputs_ = 0, ignore_index_ = -100;
    bool has_ignored_ = false;
    std::byte const* samples_ = nullptr;
    std::byte const* targets_ = nullptr;
    detail::Owner notes_owner_;
    Notes* notes_ = &notes_owner_.hold<Notes>();
    detail::Owner transforms_owner_;  // shared like the notes
    Transforms* transforms_ = &transforms_owner_.hold<Transforms>(DataType::float32, SampleShape{});
};

/// Samples without labels, for inference: `from_memory(x, {3, 32, 32})`, or {n} for flat ones. The values are copied,
/// taken over from an rvalue, or viewed as view(x) says (see ArrayView). Throws Error when there are none or they are
/// not a whole number of samples.
inline Dataset from_memory(Samples samples, SampleShape shape) { return {std::move(samples), shape}; }

/// Samples with labels 0 … classes - 1, which are copied: one each, or as many each, one for each place that the network
/// labels, [N][H][W] for pixels. Throws Error on a wrong count or a label out of range; only
/// `ignore_index` may be, for samples that the loss is to leave out: its ignore_index, -100 too unless it says another one.
inline Dataset from_memory(Samples samples, SampleShape shape, Labels const& labels, int classes,
                           int ignore_index = -100) {
    Dataset dataset(std::move(samples), shape);
    dataset.set_labels(labels, classes, ignore_index);
    return dataset;
}

/// Samples with regression targets [N][outputs], copied, taken over or viewed like the samples. Throws Error on a wrong
/// count.
inline Dataset from_memory(Samples samples, SampleShape shape, Targets targets, int outputs) {
    Dataset dataset(std::move(samples), shape);
    dataset.set_targets(std::move(targets), outputs);
    return dataset;
}

/// The two datasets of a benchmark.
struct TrainTest {
    Dataset train, test;
};

}  // namespace strata::inline STRATA_ABI
