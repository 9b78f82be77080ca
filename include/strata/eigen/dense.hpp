// The products that Eigen does for this room, each in one place: an expression where it is needed would bring a copy of
// Eigen's kernels for every layout it stands in, and be slow to compile.
#pragma once

#include <type_traits>

#include <Eigen/Core>

#include "../core/config.hpp"
#include "one_thread.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class T>
using Dense = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
/// A row-major matrix [rows][columns] of parameters is seen transposed, [columns] x [rows]: column-major, as all others.
template <class T>
using DenseMap = Eigen::Map<std::conditional_t<std::is_const_v<T>, Dense<std::remove_const_t<T>> const, Dense<T>>>;

/// a b
template <class T>
STRATA_ONE_COPY Dense<T> times(Dense<T> const& a, Dense<T> const& b) {
    OneThread const alone;
    Dense<T> c(a.rows(), b.cols());
    c.noalias() = a * b;
    return c;
}
/// a^T b
template <class T>
STRATA_ONE_COPY Dense<T> transposed_times(Dense<T> const& a, Dense<T> const& b) {
    OneThread const alone;
    Dense<T> c(a.cols(), b.cols());
    c.noalias() = a.transpose() * b;
    return c;
}
/// a b^T
template <class T>
STRATA_ONE_COPY Dense<T> times_transposed(Dense<T> const& a, Dense<T> const& b) {
    OneThread const alone;
    Dense<T> c(a.rows(), b.rows());
    c.noalias() = a * b.transpose();
    return c;
}

}  // namespace strata::inline STRATA_ABI::detail
