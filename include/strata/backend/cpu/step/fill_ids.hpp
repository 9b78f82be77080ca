// The fill step of networks with ids: batches [sample][element] become tiles [element][sample], ids as int32.
#pragma once

#include "tile.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Number `at` of a batch's inputs as an id.
inline std::int32_t id_of(void const* values, DataType type, std::size_t at) {
    switch (type) {
        case DataType::uint8:
            return static_cast<std::uint8_t const*>(values)[at];
        case DataType::uint16:
            return static_cast<std::uint16_t const*>(values)[at];
        case DataType::int32:
            return static_cast<std::int32_t const*>(values)[at];
        case DataType::float32:
            return static_cast<std::int32_t>(static_cast<float const*>(values)[at]);
        default:
            return static_cast<std::int32_t>(static_cast<double const*>(values)[at]);
    }
}

/// Fills a tile of `stride` samples with samples [first, first + count) of the batch, of `elements` each, of which `parts`
/// are ids; empty lanes hold zeros.
template <class T>
STRATA_ONE_COPY void fill_with_ids(T* tile, Batch const& batch, std::span<IdPart const> parts, int elements, int first,
                                   int count, int stride) {
    int element = 0;
    T* to = tile;
    auto const fill_numbers = [&](int end) {
        if (element == end) return;
        fill_tile(to - static_cast<std::ptrdiff_t>(element) * stride, batch, first, count, stride, element, end);
        to += static_cast<std::ptrdiff_t>(end - element) * stride;
        element = end;
    };
    for (IdPart const& part : parts) {
        fill_numbers(part.first);
        for (int const end = element + part.count; element < end; ++element, to += scalars_of_id * stride)
            for (int s = 0; s < stride; ++s)
                ids_at(to)[s] = s < count ? id_of(batch.inputs, batch.type,
                                                  static_cast<std::size_t>(first + s) * batch.shape.size() +
                                                      static_cast<std::size_t>(element))
                                          : 0;
    }
    fill_numbers(elements);
}

}  // namespace strata::inline STRATA_ABI::detail
