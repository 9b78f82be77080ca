// Orthogonal initialisation and whitening: what they promise, and values that numpy computed.
#include <doctest/doctest.h>

#include <strata/eigen/orthogonal.hpp>
#include <strata/eigen/weights.hpp>
#include <strata/eigen/whitening.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/linear.hpp>

#include "../reference/reference.hpp"

using namespace strata;
using Eigen::MatrixXd;

namespace {

MatrixXd orthogonal(int rows, int columns, std::uint64_t seed) {
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> w(rows, columns);
    Random random(seed, Purpose::initialization);
    Orthogonal<>::fill(std::span(w.data(), static_cast<std::size_t>(w.size())), {columns, rows}, random);
    return w;
}

double distance_to_identity(MatrixXd const& m) { return (m - MatrixXd::Identity(m.rows(), m.cols())).norm(); }

/// [N][values] of a dataset as a network gets them.
MatrixXd all_inputs(Dataset const& data) {
    MatrixXd x(static_cast<Eigen::Index>(data.size()), static_cast<Eigen::Index>(data.shape().size()));
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
        auto const sample = data.input(static_cast<std::size_t>(i));
        for (Eigen::Index k = 0; k < x.cols(); ++k) x(i, k) = static_cast<double>(sample[static_cast<std::size_t>(k)]);
    }
    return x;
}
MatrixXd covariance_of(MatrixXd const& x) {
    MatrixXd const centred = x.rowwise() - x.colwise().mean();
    return centred.transpose() * centred / static_cast<double>(x.rows() - 1);
}

}  // namespace

TEST_CASE("orthogonal weights have orthogonal rows or columns") {
    // 150 columns: Householder vectors are applied in blocks.
    for (auto const& size : {std::pair{5, 5}, {3, 7}, {7, 3}, {1, 4}, {4, 1}, {60, 150}}) {
        int const rows = size.first, columns = size.second;  // clang 14 captures no structured bindings
        CAPTURE(rows);
        CAPTURE(columns);
        MatrixXd const w = orthogonal(rows, columns, 1);
        CHECK(distance_to_identity(rows <= columns ? MatrixXd(w * w.transpose()) : MatrixXd(w.transpose() * w)) <
              1e-12);
        CHECK(w == orthogonal(rows, columns, 1));
        CHECK(w != orthogonal(rows, columns, 2));
    }
}

TEST_CASE("an orthogonal matrix is the Gram-Schmidt basis of the normal numbers of its stream") {
    // With positive diagonals of R the decomposition is unique: no other signs, no other order.
    int const rows = 6, columns = 4;
    MatrixXd q(rows, columns);
    Random random(9, Purpose::initialization);
    for (int k = 0; k < columns; ++k)
        for (int i = 0; i < rows; ++i) q(i, k) = random.normal();
    for (int k = 0; k < columns; ++k) {
        for (int j = 0; j < k; ++j) q.col(k) -= q.col(j).dot(q.col(k)) * q.col(j);
        q.col(k).normalize();
    }
    CHECK((orthogonal(rows, columns, 9) - q).norm() < 1e-12);
    CHECK((orthogonal(columns, rows, 9) - q.transpose()).norm() < 1e-12);  // wide: the same, transposed
}

TEST_CASE("layers start orthogonal, with a gain") {
    using Net = Network<Input<3, 5, 5>, Named<"conv", Conv2d<6, 3, Initialize<Orthogonal<>>>>, Flatten,
                        Named<"fc", Linear<80, Initialize<Orthogonal<1.5>>>>>;
    Model<Net, Float64> const model(3);
    auto const conv = weights<"conv.weight">(model);
    auto const fc = weights<"fc.weight">(model);
    CHECK(distance_to_identity(conv * conv.transpose()) < 1e-12);
    CHECK(distance_to_identity(MatrixXd(fc.transpose() * fc) / 2.25) < 1e-12);
    Model<Net> const floats(3);
    CHECK((weights<"fc.weight">(floats).cast<double>() - fc).cwiseAbs().maxCoeff() < 1e-7);
}

TEST_CASE("whitening has numpy's mean and matrices") {
    auto const data = from_memory(reference_values<float>(700, 60), {5, 1, 1});
    Whitening const zca(data, {.epsilon = 1e-3}), pca(data, {.kind = WhiteningKind::pca, .epsilon = 1e-3});
    using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    auto const difference = [](auto const& matrix, char const* name) {
        RowMajor const m = matrix;
        return reference_difference(std::span(m.data(), static_cast<std::size_t>(m.size())), name);
    };
    // Rounded to float at the end.
    CHECK(difference(zca.mean(), "whitening/mean") < 1e-7);
    CHECK(difference(zca.matrix(), "whitening/zca") < 1e-7);
    CHECK(difference(pca.matrix(), "whitening/pca") < 1e-7);
}

TEST_CASE("whitened samples have the identity for their covariance") {
    // Bytes, more samples than a block, correlated neighbours.
    std::vector<std::uint8_t> pixels(700 * 12);
    Random random(5, Purpose::user);
    for (std::size_t i = 0; i < pixels.size(); ++i)
        pixels[i] =
            static_cast<std::uint8_t>(i % 12 == 0 ? random.below(256) : (pixels[i - 1] + random.below(200)) / 2);
    auto const data = from_memory(std::move(pixels), {1, 3, 4});
    for (auto const kind : {WhiteningKind::zca, WhiteningKind::pca}) {
        Whitening const whitening(data, {.kind = kind, .epsilon = 0});
        MatrixXd const y = all_inputs(data.with(whitening));
        CHECK(distance_to_identity(covariance_of(y)) < 1e-4);  // in float
        CHECK(y.colwise().mean().norm() < 1e-4);
    }
    // ZCA's matrix is symmetric; an epsilon shrinks; a later Normalize acts on whitened values.
    Whitening const whitening(data, {.epsilon = 0.1});
    CHECK((whitening.matrix() - whitening.matrix().transpose()).norm() < 1e-5f);
    MatrixXd const y = all_inputs(data.with(whitening));
    CHECK(covariance_of(y).trace() < 6);
    MatrixXd const z = all_inputs(data.with(Normalize{{1.0}, {2.0}}, whitening));
    CHECK((z - (y.array() - 1).matrix() / 2).cwiseAbs().maxCoeff() < 1e-6);
}

TEST_CASE("whitening says what it cannot do") {
    auto const one = from_memory(std::vector<float>{1, 2}, {2, 1, 1});
    CHECK_THROWS_WITH_AS(Whitening{one}, "Whitening: a covariance needs at least 2 samples, the dataset has 1", Error);
    auto const flat = from_memory(std::vector<float>{1, 2, 3, 2}, {2, 1, 1});
    CHECK_THROWS_WITH_AS((Whitening{flat, {.epsilon = 0}}),
                         "Whitening: a direction has no variance: give an epsilon above 0", Error);
    CHECK_THROWS_WITH_AS((Whitening{flat, {.epsilon = -1}}), "Whitening: epsilon is -1, expected at least 0", Error);
    auto const bad = from_memory(std::vector<float>{1, 2, 3, INFINITY}, {2, 1, 1});
    CHECK_THROWS_WITH_AS(Whitening{bad}, "Whitening: the samples hold numbers that are not finite", Error);
    Whitening const whitening(flat);
    auto const other = from_memory(std::vector<float>{1, 2, 3}, {3, 1, 1}).with(whitening);
    CHECK_THROWS_WITH_AS(static_cast<void>(other.input(0)), "Whitening: got a sample of 3 values, was fitted on 2",
                         Error);
}
