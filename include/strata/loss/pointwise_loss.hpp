// PointwiseLoss: a loss that is a mean of one function of a number and its target, and how its gradient follows from it.
#pragma once

#include "../core/dual.hpp"
#include "../core/long_sum.hpp"
#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// A loss that says what one number costs, forward(x, target), instead of what a row does.
template <class T>
concept PointwiseLoss = requires(T const& loss, float x) {
    { loss.forward(x, x) } -> std::convertible_to<float>;
};

namespace detail {
/// The loss of a row of K outputs, and where io.dx is not null its gradient.
template <int K, class Loss, class Io>
requires(!PointwiseLoss<Loss>)
STRATA_HD STRATA_INLINE auto loss_of_row(Loss const& loss, Io const& io) -> decltype(loss.template operator()<K>(io)) {
    return loss.template operator()<K>(io);
}
/// mean_k forward(x(k), target(k)); the gradient is forward's derivative by its first argument (core/dual.hpp), or what
/// the loss's own backward says.
template <int K, class Loss, class Io>
requires PointwiseLoss<Loss>
STRATA_HD STRATA_INLINE auto loss_of_row(Loss const& loss, Io const& io) {
    using L = typename Io::L;
    using T = scalar_of<L>;
    L const share(T(1) / static_cast<T>(K));
    LongSum<L, K> total;
    STRATA_ROLLED
    for (int k = 0; k < K; ++k) {
        L const x = io.x[k], target = io.target[k];
        total.add(loss.forward(x, target));
        if (!io.dx.data) continue;
        if constexpr (requires { loss.backward(x, target); })
            io.dx.set(k, L(loss.backward(x, target)) * share * io.scale);
        else
            io.dx.set(k, loss.forward(Dual<L>(x, L(T(1))), Dual<L>(target)).slope * share * io.scale);
    }
    return total.value() * share;
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
