// How the arrays of Shampoo and SOAP lie in an optimizer's state.
#pragma once

#include "../optimizer/matrix_optimizer.hpp"
#include "dense.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Hands out matrices of a state one after the other.
template <class T>
class MatrixState {
public:
    explicit MatrixState(T* first) : next_(first) {}
    DenseMap<T> take(Eigen::Index rows, Eigen::Index columns) {
        T* const mine = next_;
        next_ += rows * columns;
        return {mine, rows, columns};
    }

private:
    T* next_;
};

/// Rows and columns of the preconditioners of a matrix's two sides: 0 for a side that is longer than `longest`.
struct Sides {
    Eigen::Index left, right;
    Sides(MatrixShape shape, int longest)
        : left(shape.rows <= longest ? shape.rows : 0), right(shape.columns <= longest ? shape.columns : 0) {}
    /// Numbers of `each` square matrices a side.
    [[nodiscard]] std::size_t size(int each) const {
        return static_cast<std::size_t>(each) * static_cast<std::size_t>(left * left + right * right);
    }
};

}  // namespace strata::inline STRATA_ABI::detail
