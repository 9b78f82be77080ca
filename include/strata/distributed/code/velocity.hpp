// Momentum before a code rather than behind it.
#pragma once

#include "blocks.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Calls encode(gradient), which returns whether that is finite, with what momentum makes of a chunk's gradient, and keeps
/// the velocity then. As SGD: velocity = momentum · velocity + gradient; with Nesterov's momentum what moves is
/// gradient + momentum · velocity.
///
/// An optimizer's momentum behind a code repeats what a code is wrong by, and makes up for late, ten times at 0.9; in front
/// of it only gradients are (Zheng et al. 2019, arXiv:1905.10936, algorithm 2; Lin et al. 2018, section 3).
template <class T, class F>
STRATA_INLINE void encode_moved(double momentum, bool nesterov, std::span<T const> gradient, T* velocity,
                                F const& encode) {
    if (momentum == 0) {
        encode(gradient);
        return;
    }
    T const m = static_cast<T>(momentum);
    std::size_t const count = gradient.size();
    T moved[code_chunk], sent[code_chunk];
    for (std::size_t i = 0; i < count; ++i) moved[i] = multiply_add(m, velocity[i], gradient[i]);
    if (nesterov)
        for (std::size_t i = 0; i < count; ++i) sent[i] = multiply_add(m, moved[i], gradient[i]);
    if (encode(std::span<T const>(nesterov ? sent : moved, count))) std::memcpy(velocity, moved, count * sizeof(T));
}

STRATA_COLD inline void check_momentum(char const* name, double momentum, bool nesterov, std::int64_t warm_up_steps) {
    if (!is_finite(momentum) || !(momentum >= 0 && momentum < 1))
        fail(name, ": momentum is ", momentum, ", expected a number of at least 0 and below 1");
    if (nesterov && momentum == 0) fail(name, ": nesterov is true without momentum");
    if (warm_up_steps < 0) fail(name, ": warm_up_steps is ", warm_up_steps, ", expected at least 0");
}
STRATA_COLD inline std::string momentum_text(double momentum, bool nesterov, std::int64_t warm_up_steps) {
    return concatenate(", momentum ", exact_text(momentum), nesterov ? ", nesterov" : "", ", warm_up_steps ",
                       warm_up_steps);
}

}  // namespace strata::inline STRATA_ABI::detail
