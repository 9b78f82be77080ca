// The decompositions that Eigen does for this room, in double, each compiled once.
#pragma once

#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include "../core/config.hpp"
#include "one_thread.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The eigenvalues of a symmetric matrix in ascending order, and its eigenvectors as columns.
struct Spectrum {
    Eigen::VectorXd values;
    Eigen::MatrixXd vectors;
};
/// Reads the lower half alone. Of numbers that are not finite the results are none either.
STRATA_ONE_COPY inline Spectrum spectrum_of(Eigen::MatrixXd const& symmetric) {
    OneThread const alone;
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> const solver(symmetric);
    return {solver.eigenvalues(), solver.eigenvectors()};
}

/// Q of a QR decomposition, as many columns as the matrix has, with a diagonal of R that is nowhere negative: there is
/// one such Q.
STRATA_ONE_COPY inline Eigen::MatrixXd orthogonal_factor(Eigen::MatrixXd const& matrix) {
    OneThread const alone;
    Eigen::HouseholderQR<Eigen::MatrixXd> const qr(matrix);
    Eigen::MatrixXd q = Eigen::MatrixXd::Identity(matrix.rows(), matrix.cols());
    q.applyOnTheLeft(qr.householderQ());
    for (Eigen::Index k = 0; k < q.cols(); ++k)
        if (qr.matrixQR()(k, k) < 0) q.col(k) = -q.col(k);
    return q;
}

}  // namespace strata::inline STRATA_ABI::detail
