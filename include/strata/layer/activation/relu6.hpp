// ReLU6: y = min(max(x, 0), 6), dx = dy where 0 < x < 6, else 0, as torch.nn.ReLU6: HardTanh of 0 and 6. Keeps y.
#pragma once

#include "hard_tanh.hpp"

namespace strata::inline STRATA_ABI {

struct ReLU6 : HardTanh<0, 6> {
    static constexpr std::string_view type = "ReLU6";
};

}  // namespace strata::inline STRATA_ABI
