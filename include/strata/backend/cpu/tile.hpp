// Between batches [sample][element] and tiles [element][sample]: the only place where uint8 images become numbers.
#pragma once

#include <cstdint>

#include "../../core/tensor.hpp"

namespace strata::detail {

template <class T, class From>
void fill_tile_from(T* tile, From const* samples, Batch const& batch, int first, int count, int stride, int begin,
                    int end) {
    std::size_t const size = batch.shape.size();
    int const pixels = batch.shape.height * batch.shape.width;
    for (int s = 0; s < count; ++s) {
        From const* const sample = samples + static_cast<std::size_t>(first + s) * size;
        for (int element = begin; element < end;) {
            int const channel = element / pixels, stop = (channel + 1) * pixels < end ? (channel + 1) * pixels : end;
            auto const scale = static_cast<T>(batch.scale ? batch.scale[channel] : 1.0);
            auto const shift = static_cast<T>(batch.scale ? batch.shift[channel] : 0.0);
            for (; element < stop; ++element)
                tile[element * stride + s] = static_cast<T>(sample[element]) * scale + shift;
        }
    }
    for (int s = count; s < stride; ++s)  // empty lanes hold finite data
        for (int element = begin; element < end; ++element) tile[element * stride + s] = T(0);
}

/// Fills elements [begin, end) of a tile of `stride` samples with samples [first, first + count) of the batch.
template <class T>
void fill_tile(T* tile, Batch const& batch, int first, int count, int stride, int begin, int end) {
    switch (batch.type) {
        case DataType::uint8:
            return fill_tile_from(tile, static_cast<std::uint8_t const*>(batch.inputs), batch, first, count, stride,
                                  begin, end);
        case DataType::float32:
            return fill_tile_from(tile, static_cast<float const*>(batch.inputs), batch, first, count, stride, begin,
                                  end);
        default:
            return fill_tile_from(tile, static_cast<double const*>(batch.inputs), batch, first, count, stride, begin,
                                  end);
    }
}

/// Fills a tile [outputs][stride] with regression targets.
template <class T>
void fill_targets(T* tile, Batch const& batch, int outputs, int first, int count, int stride) {
    for (int s = 0; s < stride; ++s)
        for (int k = 0; k < outputs; ++k) {
            auto const at =
                static_cast<std::size_t>(first + s) * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(k);
            T value(0);
            if (s < count)
                value = batch.target_type == DataType::float64
                            ? static_cast<T>(static_cast<double const*>(batch.targets)[at])
                            : static_cast<T>(static_cast<float const*>(batch.targets)[at]);
            tile[k * stride + s] = value;
        }
}

/// Samples in a tile: the largest of 16, 8, 4, 2, 1 that the batch fills. A function of the batch alone, never of the
/// threads.
constexpr int tile_samples(int batch) {
    for (int s = 16; s > 1; s /= 2)
        if (batch >= s) return s;
    return 1;
}

}  // namespace strata::detail
