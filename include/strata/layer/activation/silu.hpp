// SiLU: y = x / (1 + e^-x), as torch.nn.SiLU; also called Swish. Its gradient follows from forward. Keeps x.
// Sources: Elfwing et al., arXiv:1702.03118; Ramachandran et al., arXiv:1710.05941.
#pragma once

#include "../../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct SiLU {
    static constexpr bool same_in_every_lane = STRATA_FINITE_MATH == 0;
    static constexpr std::string_view type = "SiLU";

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return x * sigmoid(x);
    }
};

}  // namespace strata::inline STRATA_ABI
