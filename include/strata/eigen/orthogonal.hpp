// Orthogonal: weights that start with orthogonal rows or columns, as torch.nn.init.orthogonal_.
//
// Source: Saxe, McClelland, Ganguli, arXiv:1312.6120; Mezzadri, arXiv:math-ph/0609050, for the signs.
#pragma once

#include "../core/initialization.hpp"
#include "decomposition.hpp"

namespace strata::inline STRATA_ABI {

/// `Linear<120, Initialize<Orthogonal<>>>`: the weight as a matrix W [out][in kh kw] has W W^T = Gain^2 I where it has
/// no more rows than columns, else W^T W = Gain^2 I, uniformly distributed among all such matrices: Q of a normal
/// matrix's QR decomposition, its columns multiplied by the signs of R's diagonal. Computed in double. PyTorch's gain
/// for ReLU is sqrt(2).
template <Real Gain = Real(1.0)>
struct Orthogonal {
    template <class T>
    [[gnu::noinline]] static void fill(std::span<T> values, Fan fan, Random& random) {
        Eigen::Index const columns = fan.in, rows = static_cast<Eigen::Index>(values.size()) / columns;
        bool const wide = rows < columns;
        Eigen::MatrixXd normal(wide ? columns : rows, wide ? rows : columns);
        for (Eigen::Index k = 0; k < normal.size(); ++k) normal.data()[k] = random.normal();
        Eigen::MatrixXd const q = detail::orthogonal_factor(normal);
        for (Eigen::Index i = 0, k = 0; i < rows; ++i)
            for (Eigen::Index j = 0; j < columns; ++j, ++k)
                values[static_cast<std::size_t>(k)] = static_cast<T>(Gain.value * (wide ? q(j, i) : q(i, j)));
    }
};

}  // namespace strata::inline STRATA_ABI
