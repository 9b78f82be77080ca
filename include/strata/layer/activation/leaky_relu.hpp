// LeakyReLU: y = x where x > 0, else Slope x; dx = dy where x > 0, else Slope dy, as torch.nn.LeakyReLU.
// Keeps y, whose sign is that of x, or x where Slope is negative.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// `LeakyReLU<Slope>`; PyTorch's 0.01 by default.
template <Real Slope = 0.01>
struct LeakyReLU {
    static constexpr bool from_output = Slope.value >= 0;
    static constexpr Keep keep = from_output ? Keep::output : Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr std::string_view type = "LeakyReLU";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return select(x > L(0), x, x * static_cast<scalar_of<L>>(Slope.value));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L x, L y, L dy) {
        return select((from_output ? y : x) > L(0), dy, dy * static_cast<scalar_of<L>>(Slope.value));
    }
};

}  // namespace strata::inline STRATA_ABI
