// Shampoo: gradients whitened from both sides of a matrix.
//
//   L = beta2 L + (1 - beta2) g g^T,   R = beta2 R + (1 - beta2) g^T g    (beta2 = 1: sums, as in the first paper)
//   every `every` updates, with c = 1 - beta2^t (1 for sums) and lambda the largest eigenvalue:
//   P = (L / c + epsilon lambda I)^(-1/4),   Q = (R / c + epsilon lambda I)^(-1/4)
//   d = P g Q,   with graft: d = d |a| / |d| for Adam's step a = g / (sqrt(v / c) + 1e-8), v = beta2 v + (1 - beta2) g^2
//   m = momentum m + (1 - momentum) d,   w = (1 - learning_rate weight_decay) w - learning_rate m
//
// A side that is longer than `longest` is left out, and the other one's exponent is -1/2 then.
//
// Sources: Gupta, Koren, Singer, arXiv:1802.09568, Algorithm 1; Anil et al., arXiv:2002.09018, for grafting, the ridge
// relative to lambda and roots that are not computed every time.
#pragma once

#include "../optimizer/adamw.hpp"
#include "decomposition.hpp"
#include "matrix_state.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// (s + ridge lambda I)^exponent of a symmetric matrix and its largest eigenvalue lambda; the identity where s is zero.
STRATA_ONE_COPY inline Eigen::MatrixXd matrix_power(Eigen::MatrixXd const& s, double ridge, double exponent) {
    Spectrum spectrum = spectrum_of(s);
    double const largest = spectrum.values.maxCoeff();
    if (!(largest > 0)) return Eigen::MatrixXd::Identity(s.rows(), s.cols());
    Eigen::MatrixXd scaled = spectrum.vectors;
    for (Eigen::Index k = 0; k < s.rows(); ++k) {
        double const value = spectrum.values[k] > 0 ? spectrum.values[k] : 0;  // rounding may leave less
        scaled.col(k) *= std::pow(value + ridge * largest, exponent);
    }
    return times_transposed(scaled, spectrum.vectors);
}
}  // namespace detail

/// Shampoo for all matrices, `rest` (AdamW) for biases and BatchNorm. The matrix of a convolution is [out][in kh kw].
/// `learning_rate` is Shampoo's; a schedule moves the rest's in proportion, and a schedule's momentum takes the place of
/// momentum and beta1. State: four matrices of each side's length squared, which is also what a step costs.
struct Shampoo {
    using policy = OptimizerPolicy;
    static constexpr char const* name = "Shampoo";
    double learning_rate = 1e-3;
    double momentum = 0.9;
    double beta2 = 0.99;
    double epsilon = 1e-6;      ///< relative to the largest eigenvalue
    double weight_decay = 0.0;  ///< decoupled
    int every = 10;             ///< updates for which roots are used
    int longest = 2048;         ///< longer sides have no preconditioner
    bool graft = true;          ///< steps as long as Adam's, so its learning rates fit
    AdamW rest{.learning_rate = 1e-3, .weight_decay = 0.0};

    STRATA_COLD void check() const {
        detail::check_rate(name, "learning_rate", learning_rate);
        if (learning_rate == 0) fail("Shampoo: learning_rate is 0, expected a number above 0");
        detail::check_rate(name, "momentum", momentum, true);
        if (!(beta2 >= 0 && beta2 <= 1)) fail("Shampoo: beta2 is ", beta2, ", expected 0 to 1");
        if (!(epsilon > 0) || !is_finite(epsilon)) fail("Shampoo: epsilon is ", epsilon, ", expected above 0");
        detail::check_rate(name, "weight_decay", weight_decay);
        if (every < 1) fail("Shampoo: every is ", every, ", expected at least 1");
        if (longest < 1) fail("Shampoo: longest is ", longest, ", expected at least 1");
        rest.check();
    }

    [[nodiscard]] bool takes(MatrixShape) const { return true; }
    /// L, R, P, Q, m and, for grafting, v.
    [[nodiscard]] std::size_t state_size(MatrixShape shape) const {
        std::size_t const size = static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(shape.columns);
        return detail::Sides(shape, longest).size(2) + size * (graft ? 2 : 1);
    }
    template <class T, class Gradient>
    void update(MatrixShape shape, T* weight, Gradient const* gradient, T* state, OptimizerStep const& step) const {
        using Matrix = detail::Dense<T>;
        auto const [left, right] = detail::Sides(shape, longest);
        detail::MatrixState<T> arrays(state);
        auto l = arrays.take(left, left), r = arrays.take(right, right);
        auto p = arrays.take(left, left), q = arrays.take(right, right);
        // Transposed, as everything that is shaped as the parameter.
        auto m = arrays.take(shape.columns, shape.rows);
        detail::DenseMap<T> w(weight, shape.columns, shape.rows);
        Matrix const g = detail::DenseMap<Gradient const>(gradient, shape.columns, shape.rows).template cast<T>();

        T const keep = static_cast<T>(beta2), add = beta2 < 1 ? static_cast<T>(1 - beta2) : T(1);
        double const correction = beta2 < 1 ? 1 - std::pow(beta2, static_cast<double>(step.index + 1)) : 1;
        double const exponent = left > 0 && right > 0 ? -0.25 : -0.5;
        auto const root = [&](Matrix const& sums) -> Matrix {
            return detail::matrix_power(sums.template cast<double>() / correction, epsilon, exponent)
                .template cast<T>();
        };
        bool const now = step.index % every == 0;
        Matrix direction = g;
        if (left > 0) {
            l = keep * l + add * detail::transposed_times(g, g);
            if (now) p = root(l);
            direction = detail::times<T>(direction, p);
        }
        if (right > 0) {
            r = keep * r + add * detail::times_transposed(g, g);
            if (now) q = root(r);
            direction = detail::times<T>(q, direction);
        }
        if (graft) {
            auto v = arrays.take(shape.columns, shape.rows).array();
            v = keep * v + add * g.array().square();
            T const unbias = static_cast<T>(1 / correction);
            Matrix const adam = g.array() / ((v * unbias).sqrt() + T(1e-8));
            T const wanted = adam.stableNorm(), got = direction.stableNorm();
            if (got > 0) direction *= wanted / got;
        }
        auto const beta1 = static_cast<T>(step.momentum.value_or(momentum));
        m = beta1 * m + (1 - beta1) * direction;
        w = static_cast<T>(1 - step.learning_rate * weight_decay) * w - static_cast<T>(step.learning_rate) * m;
    }
};

}  // namespace strata::inline STRATA_ABI
