// What is done to samples on their way into a batch: Normalize, RandomHorizontalFlip, RandomCrop, and the user's own.
//
// Flip and crop work in place on the stored values, whatever their type, without a scratch buffer. Normalize is affine
// and costs nothing here: it becomes Batch::scale and Batch::shift, which the executor applies while it fills a tile.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "../core/aligned.hpp"
#include "../core/error.hpp"
#include "../core/finite.hpp"
#include "../core/function.hpp"
#include "../core/random.hpp"
#include "../core/tensor.hpp"

namespace strata::inline STRATA_ABI {

/// (x - mean[c]) / std[c], one mean and one standard deviation a channel. Bytes count as x / 255, as after
/// torchvision's ToTensor. Normalize acts last wherever it stands in the list (so RandomCrop pads with pixel value 0,
/// not with the mean); several are applied one after the other.
struct Normalize {
    std::vector<double> mean, std;
};

/// Mirrors the sample left to right with this probability; labels [H][W], one a pixel, with it, as torchvision's v2 does
/// with masks.
struct RandomHorizontalFlip {
    double probability = 0.5;
    bool targets = false;  ///< mirrors rows of targets, too, which are images [any][H][W] then
};

/// Pads with `padding` zeros on all four sides and cuts out the original size at a uniformly drawn place, as
/// torchvision's RandomCrop(size, padding). Labels [H][W] go along, padded with the dataset's ignore_index.
struct RandomCrop {
    int padding = 4;
    bool targets = false;  ///< cuts rows of targets, too, which are images [any][H][W] then
};

/// A transform of the user's own; it changes the sample [C][H][W] in place and draws all its randomness from `random`.
/// It makes the batch float32: bytes are handed over as value / 255. It may be called from several threads at once, and
/// copies of a dataset call the same object.
using SampleFunction = Function<void(std::span<float> sample, SampleShape shape, Random& random)>;

/// What belongs to a sample in a batch, to be changed in place.
struct SampleTarget {
    std::span<std::int32_t> labels;  ///< [labels_per_sample], classes or ignore_index; empty where there are none
    std::span<float> floats;         ///< [outputs] targets of type float32, else empty
    std::span<double> doubles;       ///< those of type float64
    int ignore_index = -100;         ///< the label that losses leave out
};
/// A transform that sees sample and target, otherwise like SampleFunction.
using PairFunction = Function<void(std::span<float> sample, SampleShape shape, SampleTarget target, Random& random)>;

/// Mirrors a sample [C][H][W] of T in place, left to right.
template <class T>
STRATA_ONE_COPY void flip_horizontally(T* sample, SampleShape shape) {
    auto const width = static_cast<std::size_t>(shape.width);
    for (T *row = sample, *const end = sample + shape.size(); row != end; row += width)
        for (T *left = row, *right = row + width; left < --right; ++left) {
            STRATA_SCALAR;
            std::swap(*left, *right);
        }
}

/// Moves a sample [C][H][W] in place: y(c, h, w) = x(c, h + down, w + right), 0 where that lies outside. The elements
/// have element_size bytes, and all bits zero must mean 0.
STRATA_ONE_COPY inline void shift_sample(void* sample, std::size_t element_size, SampleShape shape, int down,
                                         int right) {
    int const height = shape.height, width = shape.width;
    std::size_t const row_bytes = static_cast<std::size_t>(width) * element_size;
    int const kept = (std::max)(0, width - std::abs(right));
    std::size_t const kept_bytes = static_cast<std::size_t>(kept) * element_size, hole_bytes = row_bytes - kept_bytes;
    for (int c = 0; c < shape.channels; ++c) {
        auto* const plane = static_cast<std::byte*>(sample) +
                            static_cast<std::size_t>(c) * static_cast<std::size_t>(height) * row_bytes;
        for (int i = 0; i < height; ++i) {
            // Rows are taken in the order in which none is overwritten before it is read.
            int const h = down >= 0 ? i : height - 1 - i, from = h + down;
            std::byte* const y = plane + static_cast<std::size_t>(h) * row_bytes;
            if (from < 0 || from >= height || kept == 0) {
                std::memset(y, 0, row_bytes);
                continue;
            }
            std::byte const* const x = plane + static_cast<std::size_t>(from) * row_bytes;
            if (right >= 0) {
                std::memmove(y, x + hole_bytes, kept_bytes);
                std::memset(y + kept_bytes, 0, hole_bytes);
            } else {
                std::memmove(y + hole_bytes, x, kept_bytes);
                std::memset(y, 0, hole_bytes);
            }
        }
    }
}

/// Moves labels [H][W] of an image as shift_sample does; `fill` where what they come from lies outside.
STRATA_ONE_COPY inline void shift_labels(std::int32_t* labels, int height, int width, int down, int right,
                                         std::int32_t fill) {
    shift_sample(labels, sizeof(std::int32_t), {1, height, width}, down, right);
    for (int h = 0; h < height; ++h)
        for (int w = 0; w < width; ++w)
            if (h + down < 0 || h + down >= height || w + right < 0 || w + right >= width)
                labels[static_cast<std::ptrdiff_t>(h) * width + w] = fill;
}

/// A list of transforms, checked for one kind of sample, applied in the order in which they were added.
class Transforms {
public:
    Transforms(DataType type, SampleShape shape) : sample_type_(type), shape_(shape) { update_affine(); }

    /// Throws Error unless there is one finite mean and one positive std for every channel.
    STRATA_COLD void add(Normalize const& normalize) {
        auto const channels = static_cast<std::size_t>(shape_.channels);
        if (normalize.mean.size() != channels || normalize.std.size() != channels)
            fail("Normalize: got ", normalize.mean.size(), " means and ", normalize.std.size(),
                 " standard deviations for samples with ", channels, " channels: give one of each for every channel");
        auto factor = factor_.empty() ? AlignedVector<double>(channels, 1.0) : factor_;
        auto summand = summand_.empty() ? AlignedVector<double>(channels, 0.0) : summand_;
        for (std::size_t c = 0; c < channels; ++c) {
            double const mean = normalize.mean[c], deviation = normalize.std[c];
            if (!is_finite(mean) || !is_finite(deviation) || deviation <= 0)
                fail("Normalize: mean ", mean, " and std ", deviation, " of channel ", c,
                     " must be finite, and std positive");
            factor[c] /= deviation;
            summand[c] = (summand[c] - mean) / deviation;
        }
        factor_ = std::move(factor);
        summand_ = std::move(summand);
        update_affine();
    }
    /// Throws Error unless the probability is in [0, 1].
    STRATA_COLD void add(RandomHorizontalFlip flip) {
        if (!is_finite(flip.probability) || !(flip.probability >= 0 && flip.probability <= 1))
            fail("RandomHorizontalFlip: probability is ", flip.probability, ", expected 0 to 1");
        steps_.emplace_back().probability = flip.probability;
        steps_.back().kind = Step::Kind::flip;
        steps_.back().targets = flip.targets;
    }
    /// Throws Error when the padding is negative or beyond reason.
    STRATA_COLD void add(RandomCrop crop) {
        if (crop.padding < 0 || crop.padding > 1'000'000)
            fail("RandomCrop: padding is ", crop.padding, ", expected 0 to 1000000");
        steps_.emplace_back().padding = crop.padding;
        steps_.back().kind = Step::Kind::crop;
        steps_.back().targets = crop.targets;
    }
    /// Throws Error when the function is empty.
    STRATA_COLD void add(SampleFunction function) {
        if (!function) fail("with: the transform is an empty function");
        steps_.emplace_back().function = std::move(function);
        steps_.back().kind = Step::Kind::function;
        sample_type_ = DataType::float32;
        update_affine();
    }

    STRATA_COLD void add(PairFunction function) {
        if (!function) fail("with: the transform is an empty function");
        steps_.emplace_back().pair = std::move(function);
        steps_.back().kind = Step::Kind::pair;
        sample_type_ = DataType::float32;
        update_affine();
    }

    /// Throws Error where a transform would move labels or targets that are no image of the samples' size. Returns
    /// whether labels may become ignored ones.
    STRATA_COLD bool check_targets(int labels_per_sample, int outputs) const {
        bool ignores = false;
        std::size_t const pixels = static_cast<std::size_t>(shape_.height) * static_cast<std::size_t>(shape_.width);
        for (auto const& step : steps_) {
            if (step.kind != Step::Kind::flip && step.kind != Step::Kind::crop) continue;
            char const* const name = step.kind == Step::Kind::flip ? "RandomHorizontalFlip" : "RandomCrop";
            if (labels_per_sample > 1 && static_cast<std::size_t>(labels_per_sample) != pixels)
                fail(name, ": a sample has ", labels_per_sample, " labels, expected one, or ", shape_.height, " x ",
                     shape_.width, ", one a pixel");
            if (step.targets && (outputs == 0 || static_cast<std::size_t>(outputs) % pixels != 0))
                fail(name, ": .targets is set, and a sample has ", outputs, " target values, expected images of ",
                     shape_.height, " x ", shape_.width);
            ignores = ignores || (step.kind == Step::Kind::crop && labels_per_sample > 1);
        }
        return ignores;
    }
    /// Whether labels or targets change with the sample.
    [[nodiscard]] bool move_targets(int labels_per_sample) const {
        for (auto const& step : steps_)
            if (step.kind == Step::Kind::pair || step.targets ||
                (labels_per_sample > 1 && step.kind != Step::Kind::function))
                return true;
        return false;
    }

    /// The type of the samples handed to apply: that of the data, or float32 when there is a transform of the user's.
    [[nodiscard]] DataType sample_type() const { return sample_type_; }
    /// [C] factors of Batch::scale, or empty when values stay as they are.
    [[nodiscard]] std::span<double const> scale() const { return {scale_.data(), scale_.size()}; }
    /// [C] summands of Batch::shift; empty exactly when scale is.
    [[nodiscard]] std::span<double const> shift() const { return {shift_.data(), shift_.size()}; }
    /// True when apply does nothing.
    [[nodiscard]] bool empty() const { return steps_.empty(); }

    /// Applies all but Normalize to one sample [C][H][W] of sample_type(), and what belongs to it, in place.
    void apply(void* sample, Random& random) const { apply(sample, {}, random); }
    STRATA_ONE_COPY void apply(void* sample, SampleTarget const& target, Random& random) const {
        for (auto const& step : steps_) switch (step.kind) {
                case Step::Kind::flip:
                    if (!(random.uniform() < step.probability)) break;
                    flip_sample(sample);
                    if (target.labels.size() > 1)
                        flip_horizontally(target.labels.data(), {1, shape_.height, shape_.width});
                    if (!step.targets) break;
                    flip_horizontally(target.floats.data(), shape_of(target.floats.size()));
                    flip_horizontally(target.doubles.data(), shape_of(target.doubles.size()));
                    break;
                case Step::Kind::crop: {
                    auto const places = static_cast<std::uint32_t>(2 * step.padding + 1);
                    int const down = static_cast<int>(random.below(places)) - step.padding;
                    int const right = static_cast<int>(random.below(places)) - step.padding;
                    shift_sample(sample, size_of(sample_type_), shape_, down, right);
                    if (target.labels.size() > 1)
                        shift_labels(target.labels.data(), shape_.height, shape_.width, down, right,
                                     target.ignore_index);
                    if (!step.targets) break;
                    shift_sample(target.floats.data(), sizeof(float), shape_of(target.floats.size()), down, right);
                    shift_sample(target.doubles.data(), sizeof(double), shape_of(target.doubles.size()), down, right);
                    break;
                }
                case Step::Kind::pair:
                    step.pair(std::span(static_cast<float*>(sample), shape_.size()), shape_, target, random);
                    break;
                case Step::Kind::function:
                    step.function(std::span(static_cast<float*>(sample), shape_.size()), shape_, random);
                    break;
            }
    }

private:
    // Not a std::variant: GCC 12 warns of uninitialised memory when one is moved at -O3, and it is slow to compile.
    struct Step {
        enum class Kind : std::uint8_t { flip, crop, function, pair } kind = Kind::flip;
        double probability = 0;
        int padding = 0;
        bool targets = false;
        SampleFunction function;
        PairFunction pair;
    };

    /// That of so many numbers, images of the samples' size.
    [[nodiscard]] SampleShape shape_of(std::size_t numbers) const {
        return {static_cast<int>(numbers / static_cast<std::size_t>(shape_.height) /
                                 static_cast<std::size_t>(shape_.width)),
                shape_.height, shape_.width};
    }

    void flip_sample(void* sample) const {
        switch (sample_type_) {
            case DataType::uint8:
                return flip_horizontally(static_cast<std::uint8_t*>(sample), shape_);
            case DataType::float32:
                return flip_horizontally(static_cast<float*>(sample), shape_);
            default:
                return flip_horizontally(static_cast<double*>(sample), shape_);
        }
    }

    STRATA_COLD void update_affine() {
        bool const bytes = sample_type_ == DataType::uint8;
        scale_ = factor_;
        shift_ = summand_;
        if (bytes && scale_.empty()) {
            scale_ = AlignedVector<double>(static_cast<std::size_t>(shape_.channels), 1.0);
            shift_ = AlignedVector<double>(static_cast<std::size_t>(shape_.channels), 0.0);
        }
        if (bytes)
            for (auto& value : scale_) value /= 255;
    }

    DataType sample_type_;
    SampleShape shape_;
    std::vector<Step> steps_;
    AlignedVector<double> factor_,
        summand_;  // of all Normalize together, acting on value / 255 where the data are bytes
    AlignedVector<double> scale_, shift_;
};

/// What Dataset::with takes.
template <class T>
concept SampleTransform = requires(Transforms& list, T transform) { list.add(std::move(transform)); };

}  // namespace strata::inline STRATA_ABI
