// HardTanh: y = min(max(x, Lowest), Highest), dx = dy where Lowest < x < Highest, else 0, as torch.nn.Hardtanh; NaN stays
// NaN. Keeps y.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// `HardTanh<Lowest, Highest>`; PyTorch's -1 and 1 by default.
template <Real Lowest = -1, Real Highest = 1>
struct HardTanh {
    static_assert(Lowest.value < Highest.value, "HardTanh: the lowest number must be less than the highest");
    static constexpr Keep keep = Keep::output;
    static constexpr bool same_in_every_lane = true;
    static constexpr std::string_view type = "HardTanh";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return select(x < lowest<L>(), lowest<L>(), select(x > highest<L>(), highest<L>(), x));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L y, L dy) {
        L const low = lowest<L>(), high = highest<L>();
        return select((y > low) & (y < high), dy, L(0));
    }

private:
    template <class L>
    STRATA_HD static STRATA_INLINE L lowest() {
        return L(static_cast<scalar_of<L>>(Lowest.value));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L highest() {
        return L(static_cast<scalar_of<L>>(Highest.value));
    }
};

}  // namespace strata::inline STRATA_ABI
