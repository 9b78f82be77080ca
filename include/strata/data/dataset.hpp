// Samples with their labels or targets, and what is done to them: the run-time edge between
// files or arrays and training.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
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
std::vector<std::string> strings(std::span<char const* const> texts);
}  // namespace detail

/// How long each sequence is, in tokens, of any integer type: `from_memory(tokens, {64}, Lengths(lengths), labels, 10)`.
struct Lengths {
    template <class A>
    requires std::is_constructible_v<Labels, A const&>
    explicit Lengths(A const& lengths) : values(Labels(lengths).values) {}
    Lengths(std::initializer_list<std::int64_t> lengths) : values(lengths.size()) {
        std::copy(lengths.begin(), lengths.end(), values.begin());
    }
    AlignedVector<std::int64_t> values;
};
namespace detail {
/// Where sequences begin among their tokens, and where the last one ends. Throws Error that begins with `who` where one is
/// empty, there are none, or they are longer than `tokens` together, or shorter.
AlignedVector<std::int32_t> starts_of(Lengths const& lengths, std::size_t tokens, char const* who);
}  // namespace detail

/// N samples [C][H][W] of uint8, float32 or float64, or of ids, with N labels, or N masks of labels, N rows of targets, or neither, and a
/// weight each or none. A Dataset is a cheap
/// value: copies and subsets share the samples and the transforms, functions of the user's own included. It is never
/// empty, except when default-constructed; one that was moved from may only be assigned to or destroyed.
class Dataset {
public:
    Dataset() = default;

    /// Number of samples.
    [[nodiscard]] std::size_t size() const { return size_; }
    /// That of a sample, or of a token where samples are sequences.
    [[nodiscard]] SampleShape shape() const { return shape_; }
    /// Whether samples are sequences of tokens.
    [[nodiscard]] bool has_sequences() const { return !notes_->starts.empty(); }
    /// Tokens of a sequence; index < size(). 1 where samples are none.
    [[nodiscard]] int length(std::size_t index) const;
    /// Whether labels or targets are those of tokens, not of sequences.
    [[nodiscard]] bool answers_tokens() const { return answers_tokens_; }
    /// Tokens of all samples; samples, where they are no sequences.
    [[nodiscard]] std::size_t columns() const;
    /// How many have labels or targets: tokens, or samples.
    [[nodiscard]] std::size_t answers() const;
    /// Element type of the stored samples: uint8, float32 or float64, of ids uint16 or int32.
    [[nodiscard]] DataType type() const { return type_; }
    /// Number of classes, 0 when there are no labels.
    [[nodiscard]] int classes() const { return classes_; }
    /// One name a class, or empty.
    [[nodiscard]] std::vector<std::string> const& class_names() const { return notes_->class_names; }
    /// [N][labels_per_sample()] labels in 0 … classes - 1, or ignore_index(); or empty.
    [[nodiscard]] std::span<std::int32_t const> labels() const;
    /// Those of one sample; index < size().
    [[nodiscard]] std::span<std::int32_t const> labels(std::size_t index) const;
    /// 1, or as many as a network has places to label: H W for a class a pixel.
    [[nodiscard]] int labels_per_sample() const { return static_cast<int>(each_); }
    /// [N] factors of the samples' losses; empty where all are 1.
    [[nodiscard]] std::span<float const> weights() const;
    /// The label of samples that are of no class, which losses leave out (CrossEntropy::ignore_index).
    [[nodiscard]] int ignore_index() const { return ignore_index_; }
    /// Whether there are such labels.
    [[nodiscard]] bool has_ignored() const { return has_ignored_; }
    /// Values of one target row, 0 when there are no targets.
    [[nodiscard]] int outputs() const { return outputs_; }
    /// float32 or float64.
    [[nodiscard]] DataType target_type() const { return target_type_; }

    /// The stored sample [C][H][W] of type(), before any transform; index < size().
    [[nodiscard]] void const* sample(std::size_t index) const;
    /// The target row [outputs] of target_type(), nullptr when there are none; index < size().
    [[nodiscard]] void const* target(std::size_t index) const;
    /// The transforms, with the scale and shift that remain for the executor.
    [[nodiscard]] Transforms const& transforms() const { return *transforms_; }

    /// Writes the transformed sample [C][H][W] of transforms().sample_type() to `bytes`, memory for just that,
    /// aligned for its type; not yet scaled and shifted. All randomness comes from (seed, epoch, index). For
    /// loaders; input() gives numbers.
    void load(std::size_t index, std::span<std::byte> bytes, std::uint64_t seed, std::uint32_t epoch) const;
    /// The same with what belongs to the sample, where transforms change that (targets_move()): its labels
    /// [labels_per_sample()] and its target row, memory for those that it has.
    void load(std::size_t index, std::span<std::byte> bytes, std::int32_t* labels, std::byte* row, std::uint64_t seed,
              std::uint32_t epoch) const;
    /// Whether transforms change labels or targets with the samples.
    [[nodiscard]] bool targets_move() const { return transforms_->move_targets(labels_per_sample()); }

    /// A sample as the network gets it, [C][H][W]: its transforms (as in epoch 0 of seed 0), with Normalize, and bytes
    /// divided by 255. Throws Error unless index < size().
    [[nodiscard]] std::vector<float> input(std::size_t index) const;

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
        if (is_of_ids(type_)) fail("with: there are no transforms of ids");
        if (has_sequences() && !(std::is_same_v<T, Normalize> && ...))
            fail("with: of sequences there is Normalize alone");
        Dataset result = *this;
        result.transforms_ = &result.transforms_owner_.hold<Transforms>(*transforms_);
        if constexpr ((SampleTransform<T> && ...)) (result.transforms_->add(std::move(transforms)), ...);
        if (result.transforms_->check_targets(classes_ > 0 ? labels_per_sample() : 1, outputs_))
            result.has_ignored_ = true;
        return result;
    }

    /// The same samples with these class names. Throws Error unless there is one for every class.
    [[nodiscard]] Dataset with_class_names(std::vector<std::string> names) const;

    /// The same samples with a row of targets each, besides labels, for a network whose heads take both: copied, taken
    /// over or viewed as from_memory does. Throws Error on a wrong count, or for a subset.
    [[nodiscard]] Dataset with_targets(Targets targets, int outputs) const;

    /// The same samples with a weight each, which their loss and its gradient are multiplied by; what the mean is divided
    /// by stays as it is, so that it is PyTorch's (loss(reduction="none") * weights).mean(). Throws Error unless there is
    /// one for each sample, finite and at least 0.
    [[nodiscard]] Dataset with_weights(Targets const& weights) const;

    /// The first n samples. Throws Error unless 1 <= n <= size().
    [[nodiscard]] Dataset first(std::size_t n) const;

    /// The samples with these indices, in this order; an index may come several times. Throws Error when there are none
    /// or one is not below size().
    [[nodiscard]] Dataset subset(std::vector<std::size_t> const& indices) const;

    friend Dataset from_memory(Samples samples, SampleShape shape);
    friend Dataset from_memory(Samples samples, SampleShape shape, Labels const& labels, int classes, int ignore_index);
    friend Dataset from_memory(Samples samples, SampleShape shape, Targets targets, int outputs);
    friend Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths);
    friend Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths, Labels const& labels,
                               int classes, int ignore_index);
    friend Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths, Targets targets, int outputs);

private:
    /// What is known of the samples besides their values, and who keeps those alive. Nothing changes in it once
    /// datasets share it. One object and not five, because everything that is shared costs compile time.
    struct Notes {
        detail::Owner samples_owner, targets_owner;
        AlignedVector<std::int32_t> positions;  // of a subset's samples in samples_; empty: identity
        AlignedVector<std::int32_t> labels;     // in the order of this dataset, at least size_ * each_; empty: none
        AlignedVector<float> weights;           // the same, one a sample
        AlignedVector<std::int32_t>
            starts;  // where sequences begin among the tokens of samples_, and the end; or empty
        AlignedVector<std::int32_t> label_starts;  // where those of this dataset's sequences begin in labels, of tokens
        std::vector<std::string> class_names;
    };

    Dataset(Samples samples, SampleShape shape);

    static SampleShape checked(SampleShape shape);

    [[nodiscard]] std::size_t position(std::size_t index) const;
    void set_lengths(Lengths const& lengths);
    /// Of numbers of sequences, or of their tokens, whether they are of tokens. Throws Error where they are neither.
    [[nodiscard]] bool are_of_tokens(std::size_t count, char const* what) const;

    [[nodiscard]] Dataset with_own_notes() const;

    static void check_count(std::size_t count);

    void set_labels(Labels const& labels, int classes, int ignore_index);

    /// Where in a sample a label is, in words.
    [[nodiscard]] std::string place_text(std::size_t label) const;

    [[nodiscard]] std::size_t target_bytes() const;
    /// Copies what belongs to a sample to memory for it.
    SampleTarget copy_target(std::size_t index, std::int32_t* labels, std::byte* row) const;

    void set_targets(Targets targets, int outputs);

    DataType type_ = DataType::float32, target_type_ = DataType::float32;
    SampleShape shape_;
    std::size_t size_ = 0, each_ = 1;  // each_: labels of a sample
    int classes_ = 0, outputs_ = 0, ignore_index_ = -100;
    bool has_ignored_ = false, answers_tokens_ = false;
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
Dataset from_memory(Samples samples, SampleShape shape, Labels const& labels, int classes, int ignore_index = -100);

/// Samples with regression targets [N][outputs], copied, taken over or viewed like the samples. Throws Error on a wrong
/// count.
Dataset from_memory(Samples samples, SampleShape shape, Targets targets, int outputs);

/// Samples that are sequences: all tokens [tokens][shape] one behind the other, and how many each sequence has:
/// `from_memory(tokens, {64}, Lengths(lengths))`. Throws Error where a sequence is empty or the lengths do not add up to the
/// tokens.
Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths);
/// The same with a label for each sequence, or for each token.
Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths, Labels const& labels, int classes,
                    int ignore_index = -100);
/// The same with targets [sequences][outputs], or [tokens][outputs].
Dataset from_memory(Samples tokens, SampleShape shape, Lengths const& lengths, Targets targets, int outputs);

/// The two datasets of a benchmark.
struct TrainTest {
    Dataset train, test;
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "dataset.ipp"
#endif
