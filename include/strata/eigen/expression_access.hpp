// Eigen's expressions wherever arrays go in: from_memory, model(samples, workspace), train_step. Matrices, maps and
// blocks, which have a place in memory, need no Eigen to be read.
#pragma once

#include <Eigen/Core>

#include "../core/array_access.hpp"
#include "tensor_map.hpp"

namespace strata::inline STRATA_ABI {

/// `from_memory(x * rotation, …)`, `model(x.rowwise() - mean, workspace)`: evaluated into rows, one a sample.
template <class A>
requires(std::is_base_of_v<Eigen::DenseBase<A>, A> && !detail::StridedMatrix<A> && !detail::ContiguousRange<A>)
struct ArrayAccess<A> {
    using Element = typename A::Scalar;
    static constexpr bool views = false, owns = false;
    static std::size_t size(A const& a) { return static_cast<std::size_t>(a.size()); }
    static std::size_t columns(A const& a) { return static_cast<std::size_t>(a.cols()); }
    static Element const* data(A const&) { return nullptr; }
    static void copy(A const& a, Element* to) {
        using Rows = RowMajorMatrix<Element, A::RowsAtCompileTime, A::ColsAtCompileTime>;
        Eigen::Map<Rows> rows(to, a.rows(), a.cols());
        if constexpr (std::is_base_of_v<Eigen::ArrayBase<A>, A>)
            rows.array() = a;
        else
            rows = a;
    }
};

}  // namespace strata::inline STRATA_ABI
