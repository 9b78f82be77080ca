// inputs, labels, targets: batches and datasets as Eigen matrices, a row a sample.
#pragma once

#include "../data/dataset.hpp"
#include "tensor_map.hpp"

namespace strata::inline STRATA_ABI {

/// [samples][values], row-major.
template <class T>
using SampleMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The inputs of a batch [size][C H W] as they lie in memory, without a copy: before the batch's scale and shift
/// (Normalize, and bytes divided by 255), which executors apply. Throws Error when they are of another type than T.
template <class T>
[[nodiscard]] Eigen::Map<SampleMatrix<T> const> stored_inputs(Batch const& batch) {
    if (batch.type != data_type_of<T>)
        fail("stored_inputs: the batch holds ",
             batch.type == DataType::uint8     ? "bytes"
             : is_of_ids(batch.type)           ? "ids"
             : batch.type == DataType::float32 ? "floats"
                                               : "doubles",
             ", not what was asked for");
    return {static_cast<T const*>(batch.inputs), batch.columns(), static_cast<Eigen::Index>(batch.shape.size())};
}

/// The inputs of a batch as the network gets them, [size][C H W]: scaled and shifted, a copy.
template <class T = float>
[[nodiscard]] SampleMatrix<T> inputs(Batch const& batch) {
    if (is_of_ids(batch.type)) fail("inputs: the batch holds ids, not numbers");
    SampleMatrix<T> x = batch.type == DataType::uint8     ? stored_inputs<std::uint8_t>(batch).template cast<T>().eval()
                        : batch.type == DataType::float32 ? stored_inputs<float>(batch).template cast<T>().eval()
                                                          : stored_inputs<double>(batch).template cast<T>().eval();
    if (!batch.scale) return x;
    auto const pixels = static_cast<Eigen::Index>(batch.shape.height) * batch.shape.width;
    for (int c = 0; c < batch.shape.channels; ++c) {
        auto channel = x.middleCols(c * pixels, pixels).array();
        channel = channel * static_cast<T>(batch.scale[c]) + static_cast<T>(batch.shift[c]);
    }
    return x;
}
/// Every sample of a dataset as the network gets it, [N][C H W] (see Dataset::input), a copy.
[[nodiscard]] inline SampleMatrix<float> inputs(Dataset const& data) {
    SampleMatrix<float> x(static_cast<Eigen::Index>(data.columns()), static_cast<Eigen::Index>(data.shape().size()));
    float* to = x.data();
    for (std::size_t i = 0; i < data.size(); ++i)
        for (float const number : data.input(i)) *to++ = number;
    return x;
}

/// The labels [size], or [size][places] one behind the other, of a batch or dataset, without a copy; of size 0 where there
/// are none.
[[nodiscard]] inline Eigen::Map<Eigen::Matrix<std::int32_t, Eigen::Dynamic, 1> const> labels(Batch const& batch) {
    return {batch.labels, batch.labels ? Eigen::Index{batch.answers()} * batch.labels_per_sample : 0};
}
[[nodiscard]] inline Eigen::Map<Eigen::Matrix<std::int32_t, Eigen::Dynamic, 1> const> labels(Dataset const& data) {
    return {data.labels().data(), static_cast<Eigen::Index>(data.labels().size())};
}

/// The targets [size][outputs] of a batch, without a copy; of size 0 where there are none. A batch does not know how
/// many outputs its network has. Throws Error when they are of another type than T.
template <class Net, class T = float>
[[nodiscard]] auto targets(Batch const& batch) {
    constexpr int columns = Net::OutputShape::size;
    if (batch.targets && batch.target_type != data_type_of<T>)
        fail("targets: the batch holds targets of another type than was asked for");
    return Eigen::Map<RowMajorMatrix<T, Eigen::Dynamic, columns> const>(static_cast<T const*>(batch.targets),
                                                                        batch.targets ? batch.answers() : 0, columns);
}

}  // namespace strata::inline STRATA_ABI
