// Between batches [sample][element] and tiles [element][sample]: the only place where uint8 images become numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "../../../core/ids.hpp"
#include "../../../core/tensor.hpp"
#include "../../../network/frozen_operation.hpp"
#include "../../ranks.hpp"
#include "../kernel/micro/matrix_product.hpp"
#include "sequence_tiles.hpp"

namespace strata::inline STRATA_ABI::detail {

/// to[k] = from[offset + k] * scale + shift.
template <class T>
STRATA_ONE_COPY void convert_values(void const* from, DataType type, std::size_t offset, int count, T scale, T shift,
                                    T* to) {
    auto const convert = [&](auto const* values) {
        for (int k = 0; k < count; ++k) {
            if (sizeof(*values) == 8) STRATA_SCALAR;  // doubles are rare
            to[k] = static_cast<T>(values[k]) * scale + shift;
        }
    };
    switch (type) {
        case DataType::uint8:
            return convert(static_cast<std::uint8_t const*>(from) + offset);
        case DataType::float32:
            return convert(static_cast<float const*>(from) + offset);
        default:
            return convert(static_cast<double const*>(from) + offset);
    }
}

/// Fills elements [begin, end) of a tile of `stride` samples with samples [first, first + count) of the batch; empty
/// lanes hold zeros.
template <class T>
STRATA_ONE_COPY void fill_tile(T* tile, Batch const& batch, int first, int count, int stride, int begin, int end) {
    using C = std::conditional_t<std::is_floating_point_v<T>, T, float>;  // short types are for storage only
    constexpr int chunk = 128;
    C rows[16 * chunk];
    std::size_t const size = batch.shape.size();
    int const pixels = batch.shape.height * batch.shape.width;
    for (int element = begin, length = 0; element < end; element += length) {
        int const channel = element / pixels;
        length = (std::min)({chunk, (channel + 1) * pixels - element, end - element});
        auto const scale = static_cast<C>(batch.scale ? batch.scale[channel] : 1.0);
        auto const shift = static_cast<C>(batch.scale ? batch.shift[channel] : 0.0);
        T* const to = tile + element * stride;
        for (int group = 0; group < stride; group += 16) {
            int const samples = (std::min)(16, stride - group), filled = std::clamp(count - group, 0, samples);
            for (int s = 0; s < filled; ++s) {
                C* row = rows + s * chunk;
                if constexpr (std::is_same_v<C, T>) row = stride == 1 ? to : row;
                convert_values(batch.inputs, batch.type,
                               static_cast<std::size_t>(first + group + s) * size + static_cast<std::size_t>(element),
                               length, scale, shift, row);
            }
            if (stride == 1 && std::is_same_v<C, T>) continue;
            for (int s = filled; s < samples; ++s) std::fill_n(rows + s * chunk, length, C(0));
            with_lane<C>(samples,
                         [&]<class L>() { transpose_rows<L>(rows, chunk, to + group, stride, length, samples); });
        }
    }
}

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
    std::ptrdiff_t at = 0;  // scalars of a sample
    auto const fill_numbers = [&](int end) {
        if (element == end) return;
        fill_tile(tile + (at - element) * stride, batch, first, count, stride, element, end);
        at += end - element;
        element = end;
    };
    for (IdPart const& part : parts) {
        fill_numbers(part.first);
        at = begin_of_ids(at);
        for (int const end = element + part.count; element < end; ++element, at += scalars_of_id)
            for (int s = 0; s < stride; ++s)
                ids_at(tile + at * stride)[s] = s < count
                                                    ? id_of(batch.inputs, batch.type,
                                                            static_cast<std::size_t>(first + s) * batch.shape.size() +
                                                                static_cast<std::size_t>(element))
                                                    : 0;
    }
    fill_numbers(elements);
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

/// True for networks that are mostly matrices larger than a second-level cache (1 MB): what they wait for is weights,
/// so many samples share each reading of them, and the whole batch is one leaf.
template <class Net>
inline constexpr bool weights_dominate =
    Net::weight_count > (1 << 18) && Net::flops < 8.0 * static_cast<double>(Net::weight_count);

/// Numbers of the largest value of a sample.
template <class Net>
consteval std::ptrdiff_t largest_value() {
    std::ptrdiff_t largest = Net::input_scalars;
    for (auto const& row : Net::layer_table) {
        std::ptrdiff_t size = 1;
        for (int const extent : row.output_shape) size *= extent;
        largest = (std::max)(largest, size);
    }
    return largest;
}
/// Kernels count the numbers of a tile's value in int, and those of the scratch memory they pack it into; those of
/// convolutions their weights, too.
template <class Net>
consteval int samples_counted_in_int() {
    constexpr std::ptrdiff_t largest = largest_value<Net>(), most = std::ptrdiff_t{1} << 30;
    static_assert(largest <= most, "a layer's output or the network's input has more than 2^30 numbers a sample");
    Net::visit_operations([&]<class Placed>(int) {
        using Op = kernel_operation<Placed>;
        if constexpr (requires { typename Op::Geometry; })
            static_assert(Op::Parameters::size < 0 || Net::longest_sequence <= 128,
                          "Sequence: a network with convolutions takes sequences of 128 tokens at most: Sequence<..., "
                          "128>");
        if constexpr (requires { typename Op::Geometry; })
            static_assert(std::ptrdiff_t{Op::Parameters::size} < std::ptrdiff_t{1} << 31,
                          "a convolution has more than 2^31 - 1 weights");
    });
    static_assert(!Net::has_sequences || tile_columns(Net::longest_sequence) * largest <= most,
                  "Sequence: the longest sequence has more than 2^30 numbers in a value");
    int samples = 128;
    while (samples * largest > most) samples /= 2;
    return samples;
}

/// The most samples in a tile: 16, or 64 where weights dominate, and fewer of samples of tens of millions of numbers. A
/// precision policy may say otherwise with a member `tile_samples`, a power of two up to 128:
///
///     struct SmallTiles : Float32 { static constexpr int tile_samples = 8; };
template <class Net, class Precision>
consteval int most_tile_samples() {
    if constexpr (requires { Precision::tile_samples; }) {
        constexpr int samples = Precision::tile_samples;
        static_assert(samples >= 1 && samples <= 128 && (samples & (samples - 1)) == 0,
                      "tile_samples of a precision policy: a power of two from 1 to 128");
        return (std::min)(samples, samples_counted_in_int<Net>());
    } else {
        return (std::min)(weights_dominate<Net> ? 64 : 16, samples_counted_in_int<Net>());
    }
}

/// The most columns in a tile of sequences, where none is longer; and in any tile.
template <class Net, class Precision>
consteval int usual_tile_columns() {
    if constexpr (requires { Precision::tile_samples; })
        return most_tile_samples<Net, Precision>();
    else
        return (std::min)(64, samples_counted_in_int<Net>());
}
template <class Net, class Precision>
consteval int most_tile_columns() {
    if constexpr (Net::has_sequences)
        return (std::max)(usual_tile_columns<Net, Precision>(), tile_columns(Net::longest_sequence));
    else
        return most_tile_samples<Net, Precision>();
}

/// Samples in a tile: the largest power of two that the batch fills. A function of network, policy and
/// batch, never of the threads.
template <class Net, class Precision>
constexpr int tile_samples(int batch) {
    for (int s = most_tile_samples<Net, Precision>(); s > 1; s /= 2)
        if (batch >= s) return s;
    return 1;
}

/// The tiles of a batch, in leaves of neighbours: at most `most_leaves`.
struct Tiling {
    int tiles, leaf_tiles, leaves;
    constexpr Tiling(int batch, int samples, int most_leaves)
        : tiles((batch + samples - 1) / samples),
          leaf_tiles((tiles + most_leaves - 1) / most_leaves),
          leaves((tiles + leaf_tiles - 1) / leaf_tiles) {}
};
/// Tiles [begin, end) of a batch.
struct TileRange {
    int begin, end;
    [[nodiscard]] constexpr int size() const { return end - begin; }
};
/// The tiles of some leaves.
constexpr TileRange tiles_of_leaves(LeafRange leaves, Tiling const& tiling) {
    return {(std::min)(leaves.begin * tiling.leaf_tiles, tiling.tiles),
            (std::min)(leaves.end * tiling.leaf_tiles, tiling.tiles)};
}

}  // namespace strata::inline STRATA_ABI::detail
