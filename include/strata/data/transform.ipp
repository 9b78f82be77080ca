// The functions of transform.hpp that no network type touches.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "../core/aligned.hpp"
#include "../core/error.hpp"
#include "../core/finite.hpp"
#include "../core/function.hpp"
#include "../core/random.hpp"
#include "../core/tensor.hpp"
#include "transform.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_ONE_COPY void shift_sample(void* sample, std::size_t element_size, SampleShape shape, int down,
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

STRATA_DEFINE STRATA_ONE_COPY void shift_labels(std::int32_t* labels, int height, int width, int down, int right,
                                                std::int32_t fill) {
    shift_sample(labels, sizeof(std::int32_t), {1, height, width}, down, right);
    for (int h = 0; h < height; ++h)
        for (int w = 0; w < width; ++w)
            if (h + down < 0 || h + down >= height || w + right < 0 || w + right >= width)
                labels[static_cast<std::ptrdiff_t>(h) * width + w] = fill;
}

STRATA_DEFINE STRATA_COLD void Transforms::add(Normalize const& normalize) {
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

STRATA_DEFINE STRATA_COLD void Transforms::add(RandomHorizontalFlip flip) {
    if (!is_finite(flip.probability) || !(flip.probability >= 0 && flip.probability <= 1))
        fail("RandomHorizontalFlip: probability is ", flip.probability, ", expected 0 to 1");
    steps_.emplace_back().probability = flip.probability;
    steps_.back().kind = Step::Kind::flip;
    steps_.back().targets = flip.targets;
}

STRATA_DEFINE STRATA_COLD void Transforms::add(RandomCrop crop) {
    if (crop.padding < 0 || crop.padding > 1'000'000)
        fail("RandomCrop: padding is ", crop.padding, ", expected 0 to 1000000");
    if (crop.padding > 0 && crop.padding >= (std::min)(shape_.height, shape_.width))
        fail("RandomCrop: padding is ", crop.padding, ", expected less than the sides of a sample, ", shape_.height,
             " x ", shape_.width, ": some crops would have nothing of it");
    steps_.emplace_back().padding = crop.padding;
    steps_.back().kind = Step::Kind::crop;
    steps_.back().targets = crop.targets;
}

STRATA_DEFINE STRATA_COLD void Transforms::add(SampleFunction function) {
    if (!function) fail("with: the transform is an empty function");
    steps_.emplace_back().function = std::move(function);
    steps_.back().kind = Step::Kind::function;
    sample_type_ = DataType::float32;
    update_affine();
}

STRATA_DEFINE STRATA_COLD void Transforms::add(PairFunction function) {
    if (!function) fail("with: the transform is an empty function");
    steps_.emplace_back().pair = std::move(function);
    steps_.back().kind = Step::Kind::pair;
    sample_type_ = DataType::float32;
    update_affine();
}

STRATA_DEFINE STRATA_COLD bool Transforms::check_targets(int labels_per_sample, int outputs) const {
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

STRATA_DEFINE bool Transforms::move_targets(int labels_per_sample) const {
    for (auto const& step : steps_)
        if (step.kind == Step::Kind::pair || step.targets ||
            (labels_per_sample > 1 && step.kind != Step::Kind::function))
            return true;
    return false;
}

STRATA_DEFINE STRATA_ONE_COPY void Transforms::apply(void* sample, SampleTarget const& target, Random& random) const {
    for (auto const& step : steps_) switch (step.kind) {
            case Step::Kind::flip:
                if (!(random.uniform() < step.probability)) break;
                flip_sample(sample);
                if (target.labels.size() > 1) flip_horizontally(target.labels.data(), {1, shape_.height, shape_.width});
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
                    shift_labels(target.labels.data(), shape_.height, shape_.width, down, right, target.ignore_index);
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

STRATA_DEFINE SampleShape Transforms::shape_of(std::size_t numbers) const {
    return {
        static_cast<int>(numbers / static_cast<std::size_t>(shape_.height) / static_cast<std::size_t>(shape_.width)),
        shape_.height, shape_.width};
}

STRATA_DEFINE void Transforms::flip_sample(void* sample) const {
    switch (sample_type_) {
        case DataType::uint8:
            return flip_horizontally(static_cast<std::uint8_t*>(sample), shape_);
        case DataType::float32:
            return flip_horizontally(static_cast<float*>(sample), shape_);
        default:
            return flip_horizontally(static_cast<double*>(sample), shape_);
    }
}

STRATA_DEFINE STRATA_COLD void Transforms::update_affine() {
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

}  // namespace strata::inline STRATA_ABI
