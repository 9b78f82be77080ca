// HardTanh: y = min(max(x, Lowest), Highest), dx = dy where Lowest < x < Highest, else 0, as torch.nn.Hardtanh; NaN stays
// NaN. Keeps y, or x where bfloat16 would round a limit, and y could not be told from what lies between them.
#pragma once

#include "../../core/bfloat16.hpp"
#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// `HardTanh<Lowest, Highest>`; PyTorch's -1 and 1 by default.
template <Real Lowest = -1, Real Highest = 1>
struct HardTanh {
    static_assert(Lowest.value < Highest.value, "HardTanh: the lowest number must be less than the highest");
    static constexpr bool from_output =
        static_cast<double>(static_cast<float>(bfloat16(Lowest.value))) == Lowest.value &&
        static_cast<double>(static_cast<float>(bfloat16(Highest.value))) == Highest.value;
    static constexpr Keep keep = from_output ? Keep::output : Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr std::string_view type = "HardTanh";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return select(x < lowest<L>(), lowest<L>(), select(x > highest<L>(), highest<L>(), x));
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L x, L y, L dy) {
        L const low = lowest<L>(), high = highest<L>(), kept = from_output ? y : x;
        return select((kept > low) & (kept < high), dy, L(0));
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
