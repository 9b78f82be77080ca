// What is done to samples on their way into a batch: Normalize, RandomHorizontalFlip, RandomCrop, and the user's own.
//
// Flip and crop work in place on the stored values, whatever their type, without a scratch buffer. Normalize is affine
// and costs nothing here: it becomes Batch::scale and Batch::shift, which the executor applies while it fills a tile.
#pragma once

#include <cstddef>
#include <cstdint>
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
void shift_sample(void* sample, std::size_t element_size, SampleShape shape, int down, int right);

/// Moves labels [H][W] of an image as shift_sample does; `fill` where what they come from lies outside.
void shift_labels(std::int32_t* labels, int height, int width, int down, int right, std::int32_t fill);

/// A list of transforms, checked for one kind of sample, applied in the order in which they were added.
class Transforms {
public:
    Transforms(DataType type, SampleShape shape) : sample_type_(type), shape_(shape) { update_affine(); }

    /// Throws Error unless there is one finite mean and one positive std for every channel.
    void add(Normalize const& normalize);
    /// Throws Error unless the probability is in [0, 1].
    void add(RandomHorizontalFlip flip);
    /// Throws Error when the padding is negative, or a crop could miss the sample altogether.
    void add(RandomCrop crop);
    /// Throws Error when the function is empty.
    void add(SampleFunction function);

    void add(PairFunction function);

    /// Throws Error where a transform would move labels or targets that are no image of the samples' size. Returns
    /// whether labels may become ignored ones.
    bool check_targets(int labels_per_sample, int outputs) const;
    /// Whether labels or targets change with the sample.
    [[nodiscard]] bool move_targets(int labels_per_sample) const;

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
    void apply(void* sample, SampleTarget const& target, Random& random) const;

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
    [[nodiscard]] SampleShape shape_of(std::size_t numbers) const;

    void flip_sample(void* sample) const;

    void update_affine();

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

#ifndef STRATA_FILES
#include "transform.ipp"
#endif
