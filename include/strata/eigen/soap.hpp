// SOAP: Adam in the eigenvectors of Shampoo's two matrices.
//
//   first update: L = (1 - beta) g g^T, R = (1 - beta) g^T g, QL and QR their eigenvectors, the largest eigenvalue's
//   first; the weights stay, so that no gradient is seen in a basis of its own making. Then, t = 1, 2, …:
//   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) (QL^T g QR)^2
//   d = QL ((QL^T m QR) / (sqrt(v) + epsilon)) QR^T
//   w = (1 - learning_rate weight_decay) w - learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) d
//   L = beta L + (1 - beta) g g^T,   R = beta R + (1 - beta) g^T g      (beta: shampoo_beta)
//   every `every` updates: the columns of QL (and QR, and with them the rows and columns of v) in the order of
//   QL^T L QL's diagonal, largest first, and QL = the Q of L QL's QR decomposition
//
// A side that is longer than `longest` has the identity for its eigenvectors.
//
// Source: Vyas et al., arXiv:2409.11321, Algorithms 3 and 4, and their code, whose first step, order and bias correction
// these are.
#pragma once

#include <algorithm>
#include <vector>

#include "../optimizer/adamw.hpp"
#include "decomposition.hpp"
#include "matrix_state.hpp"

namespace strata::inline STRATA_ABI {

/// SOAP for all matrices, `rest` (AdamW) for biases and BatchNorm. The matrix of a convolution is [out][in kh kw].
/// `learning_rate` is SOAP's; a schedule moves the rest's in proportion, and a schedule's momentum takes the place of
/// beta1. State: two matrices of each side's length squared, which is also what a step costs.
struct SOAP {
    using policy = OptimizerPolicy;
    static constexpr char const* name = "SOAP";
    double learning_rate = 3e-3;
    double beta1 = 0.95;
    double beta2 = 0.95;
    double shampoo_beta = 0.95;
    double epsilon = 1e-8;
    double weight_decay = 0.01;  ///< decoupled
    int every = 10;              ///< updates for which eigenvectors are used
    int longest = 2048;          ///< longer sides have no preconditioner
    AdamW rest{.learning_rate = 3e-3, .beta1 = 0.95, .beta2 = 0.95, .weight_decay = 0.0};

    STRATA_COLD void check() const {
        detail::check_rate(name, "learning_rate", learning_rate);
        if (learning_rate == 0) fail("SOAP: learning_rate is 0, expected a number above 0");
        detail::check_rate(name, "beta1", beta1, true);
        detail::check_rate(name, "beta2", beta2, true);
        detail::check_rate(name, "shampoo_beta", shampoo_beta, true);
        detail::check_rate(name, "epsilon", epsilon);
        detail::check_rate(name, "weight_decay", weight_decay);
        if (every < 1) fail("SOAP: every is ", every, ", expected at least 1");
        if (longest < 1) fail("SOAP: longest is ", longest, ", expected at least 1");
        rest.check();
    }

    [[nodiscard]] bool takes(MatrixShape) const { return true; }
    /// L, R, QL, QR, m, v.
    [[nodiscard]] std::size_t state_size(MatrixShape shape) const {
        return detail::Sides(shape, longest).size(2) +
               2 * static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(shape.columns);
    }
    template <class T, class Gradient>
    void update(MatrixShape shape, T* weight, Gradient const* gradient, T* state, OptimizerStep const& step) const {
        using Matrix = detail::Dense<T>;
        auto const [left, right] = detail::Sides(shape, longest);
        detail::MatrixState<T> arrays(state);
        auto l = arrays.take(left, left), r = arrays.take(right, right);
        auto ql = arrays.take(left, left), qr = arrays.take(right, right);
        // Transposed, as everything that is shaped as the parameter.
        auto m = arrays.take(shape.columns, shape.rows), v = arrays.take(shape.columns, shape.rows);
        detail::DenseMap<T> w(weight, shape.columns, shape.rows);
        Matrix const g = detail::DenseMap<Gradient const>(gradient, shape.columns, shape.rows).template cast<T>();

        if (step.index > 0) {
            auto const project = [&ql, &qr](Matrix x) {
                if (ql.size() > 0) x = detail::times<T>(x, ql);
                if (qr.size() > 0) x = detail::transposed_times<T>(qr, x);
                return x;
            };
            auto const back = [&ql, &qr](Matrix x) {
                if (ql.size() > 0) x = detail::times_transposed<T>(x, ql);
                if (qr.size() > 0) x = detail::times<T>(qr, x);
                return x;
            };
            double const b1 = step.momentum.value_or(beta1);
            auto const t = static_cast<double>(step.index);
            m = static_cast<T>(b1) * m + static_cast<T>(1 - b1) * g;
            v.array() = static_cast<T>(beta2) * v.array() + static_cast<T>(1 - beta2) * project(g).array().square();
            Matrix direction = project(m);
            direction.array() /= v.array().sqrt() + static_cast<T>(epsilon);
            direction = back(std::move(direction));
            double const rate = step.learning_rate * std::sqrt(1 - std::pow(beta2, t)) / (1 - std::pow(b1, t));
            w = static_cast<T>(1 - step.learning_rate * weight_decay) * w - static_cast<T>(rate) * direction;
        }
        bool const first = step.index == 0, now = !first && step.index % every == 0;
        T const keep = static_cast<T>(shampoo_beta), add = static_cast<T>(1 - shampoo_beta);
        if (left > 0) {
            l = keep * l + add * detail::transposed_times(g, g);
            if (first) ql = eigenvectors(l.template cast<double>()).template cast<T>();
            if (now) {
                auto const order = turn<T>(l, ql);
                Matrix const old = v;
                for (Eigen::Index i = 0; i < left; ++i) v.col(i) = old.col(order[static_cast<std::size_t>(i)]);
            }
        }
        if (right > 0) {
            r = keep * r + add * detail::times_transposed(g, g);
            if (first) qr = eigenvectors(r.template cast<double>()).template cast<T>();
            if (now) {
                auto const order = turn<T>(r, qr);
                Matrix const old = v;
                for (Eigen::Index i = 0; i < right; ++i) v.row(i) = old.row(order[static_cast<std::size_t>(i)]);
            }
        }
    }

private:
    /// The largest eigenvalue's first.
    static Eigen::MatrixXd eigenvectors(Eigen::MatrixXd const& s) {
        return detail::spectrum_of(s).vectors.rowwise().reverse();
    }
    /// One step of the power iteration from the eigenvectors q towards those of s; returns which old column each new
    /// one comes from.
    template <class T>
    STRATA_ONE_COPY static std::vector<Eigen::Index> turn(detail::DenseMap<T> const& s, detail::DenseMap<T>& q) {
        detail::Dense<T> const power = detail::times<T>(s, q);
        std::vector<Eigen::Index> order(static_cast<std::size_t>(s.rows()));
        std::vector<T> values(order.size());
        for (std::size_t k = 0; k < order.size(); ++k) {
            order[k] = static_cast<Eigen::Index>(k);
            values[k] = q.col(order[k]).cwiseProduct(power.col(order[k])).sum();
        }
        std::stable_sort(order.begin(), order.end(), [&](Eigen::Index a, Eigen::Index b) {
            return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
        });
        Eigen::MatrixXd sorted(s.rows(), s.rows());
        for (std::size_t k = 0; k < order.size(); ++k)
            sorted.col(static_cast<Eigen::Index>(k)) = power.col(order[k]).template cast<double>();
        q = detail::orthogonal_factor(sorted).template cast<T>();
        return order;
    }
};

}  // namespace strata::inline STRATA_ABI
