// outputs: what a network has computed as an Eigen matrix, a row a sample.
#pragma once

#include <span>

#include "../core/error.hpp"
#include "tensor_map.hpp"

namespace strata::inline STRATA_ABI {

/// The outputs of a workspace, a trainer's predict or an array of one's own as [samples][outputs], without a copy:
/// `outputs<LeNet>(model(x, workspace))` is an `Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, 10, Eigen::RowMajor>
/// const>`. Valid as long as the numbers. Throws Error when they are no whole number of rows.
template <class Net, class T>
[[nodiscard]] auto outputs(std::span<T const> values) {
    constexpr int columns = Net::OutputShape::size;
    if (values.size() % static_cast<std::size_t>(columns) != 0)
        fail("outputs: got ", values.size(), " values, expected a multiple of ", columns, ", the network's outputs");
    auto const rows = static_cast<Eigen::Index>(values.size()) / columns;
    return Eigen::Map<RowMajorMatrix<T, Eigen::Dynamic, columns> const>(values.data(), rows, columns);
}
/// A vector, of predict say.
template <class Net, class Values>
[[nodiscard]] auto outputs(Values const& values) {
    return outputs<Net>(std::span<typename Values::value_type const>(values));
}
template <class Net, class Values>
requires(!std::is_lvalue_reference_v<Values> && !requires(Values v) { typename Values::element_type; })
void outputs(Values&& values) = delete;

}  // namespace strata::inline STRATA_ABI
