// Muon: momentum whose every step is made (nearly) orthogonal, for the matrices of a network.
//
//   m = momentum m + (1 - momentum) g,   u = nesterov ? (1 - momentum) g + momentum m : m
//   X = u / |u| (transposed where it has more rows than columns); `steps` times:
//   A = X X^T,  X = 3.4445 X + (-4.7750 A + 2.0315 A A) X
//   w = (1 - learning_rate weight_decay) w - learning_rate scale X
//
// The quintic brings singular values from anywhere in (0, 1] to about 0.7 to 1.2 in five steps, so X is about U V^T of
// u's singular value decomposition.
//
// Sources: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, and its code (which computes
// the products in bfloat16; here they are in the precision of the weights); Liu et al., arXiv:2502.16982, for
// match_rms_adamw.
#pragma once

#include <algorithm>

#include "../optimizer/adamw.hpp"
#include "../optimizer/matrix_optimizer.hpp"
#include "dense.hpp"

namespace strata::inline STRATA_ABI {

/// What Muon's orthogonal step is multiplied by.
enum class MuonScale : std::uint8_t {
    original,         ///< sqrt(max(1, rows / columns)): a step moves outputs alike in layers of any shape
    match_rms_adamw,  ///< 0.2 sqrt(max(rows, columns)): numbers move as in AdamW, so its learning rate and decay fit
};

namespace detail {
/// About U V^T of the singular value decomposition of x, which has no more columns than rows; see the top of this header
/// (where x is transposed).
template <class T>
STRATA_ONE_COPY void newton_schulz(Dense<T>& x, int steps) {
    T const norm = x.stableNorm();  // squares of the numbers may be too large or too small for T
    if (!(norm > 0)) return;
    x /= norm;
    for (int k = 0; k < steps; ++k) {
        Dense<T> const a = transposed_times(x, x);
        Dense<T> const b = T(-4.7750) * a + T(2.0315) * times(a, a);
        x = T(3.4445) * x + times(x, b);
    }
}
}  // namespace detail

/// Muon for hidden matrices, `rest` (AdamW) for biases, BatchNorm and, as its authors advise, the output layer. The
/// matrix of a convolution is [out][in kh kw]. `learning_rate` is Muon's; a schedule moves the rest's in proportion, and
/// a schedule's momentum takes the place of both momentum and beta1.
struct Muon {
    using policy = OptimizerPolicy;
    static constexpr char const* name = "Muon";
    double learning_rate = 0.02;
    double momentum = 0.95;
    double weight_decay = 0.0;  ///< decoupled
    bool nesterov = true;
    int steps = 5;
    MuonScale scale = MuonScale::original;
    bool output_layer = false;  ///< whether the network's last matrix is Muon's too
    AdamW rest{.learning_rate = 3e-4, .weight_decay = 0.0};

    STRATA_COLD void check() const {
        detail::check_rate(name, "learning_rate", learning_rate);
        if (learning_rate == 0) fail("Muon: learning_rate is 0, expected a number above 0");
        detail::check_rate(name, "momentum", momentum, true);
        detail::check_rate(name, "weight_decay", weight_decay);
        if (steps < 1 || steps > 100) fail("Muon: steps is ", steps, ", expected 1 to 100");
        rest.check();
    }

    [[nodiscard]] bool takes(MatrixShape shape) const { return output_layer || !shape.is_last; }
    /// The momentum.
    [[nodiscard]] static std::size_t state_size(MatrixShape shape) {
        return static_cast<std::size_t>(shape.rows) * static_cast<std::size_t>(shape.columns);
    }
    template <class T, class Gradient>
    void update(MatrixShape shape, T* weight, Gradient const* gradient, T* state, OptimizerStep const& step) const {
        detail::DenseMap<T> w(weight, shape.columns, shape.rows), m(state, shape.columns, shape.rows);
        detail::Dense<T> x = detail::DenseMap<Gradient const>(gradient, shape.columns, shape.rows).template cast<T>();
        auto const beta = static_cast<T>(step.momentum.value_or(momentum));
        m = beta * m + (1 - beta) * x;
        if (nesterov)
            x = (1 - beta) * x + beta * m;
        else
            x = m;
        bool const tall = shape.rows > shape.columns;
        if (tall) x.transposeInPlace();
        detail::newton_schulz(x, steps);
        if (tall) x.transposeInPlace();
        double const rows = shape.rows, columns = shape.columns;
        double const factor = scale == MuonScale::original ? std::sqrt((std::max)(1.0, rows / columns))
                                                           : 0.2 * std::sqrt((std::max)(rows, columns));
        auto const keep = static_cast<T>(1 - step.learning_rate * weight_decay);
        auto const rate = static_cast<T>(step.learning_rate * factor);
        w = keep * w - rate * x;
    }
};

}  // namespace strata::inline STRATA_ABI
