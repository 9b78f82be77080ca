// Run-time descriptions of data: what files, loaders and progress work on, so that none of them
// depends on a network type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "identity.hpp"

namespace strata::inline STRATA_ABI {

/// Element types that appear in files and batches.
enum class DataType : std::uint8_t { uint8, int64, float16, bfloat16, float32, float64 };

/// Bytes of one element.
constexpr std::size_t size_of(DataType type) {
    switch (type) {
        case DataType::uint8:
            return 1;
        case DataType::float16:
        case DataType::bfloat16:
            return 2;
        case DataType::float32:
            return 4;
        case DataType::int64:
        case DataType::float64:
            return 8;
    }
    return 0;
}

template <class T>
inline constexpr DataType data_type_of = [] {
    static_assert(sizeof(T) == 0, "data_type_of: no DataType for this C++ type");
    return DataType::uint8;
}();
template <>
inline constexpr DataType data_type_of<std::uint8_t> = DataType::uint8;
template <>
inline constexpr DataType data_type_of<std::int64_t> = DataType::int64;
template <>
inline constexpr DataType data_type_of<float> = DataType::float32;
template <>
inline constexpr DataType data_type_of<double> = DataType::float64;

/// A named tensor in someone else's memory, row-major, as it stands in a file. `data` is read when saving
/// and written when loading.
struct TensorView {
    std::string name;
    std::vector<std::int64_t> shape;
    DataType type = DataType::float32;
    void* data = nullptr;

    /// Number of elements (1 for a scalar with empty shape).
    [[nodiscard]] std::size_t size() const {
        std::size_t n = 1;
        for (auto const extent : shape) n *= static_cast<std::size_t>(extent);
        return n;
    }
    [[nodiscard]] std::size_t bytes() const { return size() * size_of(type); }
};

/// The shape of one sample at run time.
struct SampleShape {
    int channels = 1, height = 1, width = 1;
    [[nodiscard]] constexpr std::size_t size() const {
        return static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    }
    friend bool operator==(SampleShape const&, SampleShape const&) = default;
};

/// Samples [begin, end) of a batch.
struct SampleRange {
    int begin, end;
};

struct KeptSequences;  // tile_sequences.hpp

/// A batch in someone else's memory. Samples are contiguous, each [C][H][W]; they stay uint8 until a tile is filled.
struct Batch {
    int size = 0;
    SampleShape shape;
    DataType type = DataType::float32;     ///< uint8, float32 or float64
    void const* inputs = nullptr;          ///< [size][C][H][W]
    double const* scale = nullptr;         ///< [C]: x = scale[c] * value + shift[c]; nullptr leaves values as they are
    double const* shift = nullptr;         ///< [C]; nullptr exactly when scale is
    std::int32_t const* labels = nullptr;  ///< [size][labels_per_sample], classes; nullptr when there are none
    DataType target_type = DataType::float32;  ///< float32 or float64
    void const* targets = nullptr;             ///< [size][outputs], regression targets; nullptr when there are none
    std::uint32_t const* indices = nullptr;    ///< [size], where the samples are in their dataset; or nullptr
    int labels_per_sample = 1;                 ///< more than one: each place of the outputs has a label
    float const* weights = nullptr;            ///< [size], factors of the samples' losses; nullptr: all are 1
    Batch const* whole = nullptr;  ///< what this is a part of: losses are a mean over that; nullptr: over this
    /// [size + 1]: samples are sequences of columns, all columns one behind the other, and sample i is the columns from
    /// starts[i] to starts[i + 1]; starts[0] is 0. `shape` is a column's. nullptr: a sample is one column.
    std::int32_t const* starts = nullptr;
    KeptSequences const* kept = nullptr;  ///< of sequences that are continued: what earlier calls have left
    bool answers_columns = false;         ///< labels, targets and weights are those of columns, not of samples

    [[nodiscard]] constexpr int columns() const { return starts ? starts[size] : size; }
    /// What has labels, targets, weights and a loss of its own.
    [[nodiscard]] constexpr int answers() const { return answers_columns ? columns() : size; }
};

}  // namespace strata::inline STRATA_ABI
