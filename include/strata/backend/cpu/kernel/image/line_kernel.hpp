// One-dimensional layers on the CPU: the kernels of images one pixel high, as they are.
#pragma once

#include "../../../../layer/line.hpp"
#include "../generic.hpp"

namespace strata::inline STRATA_ABI {

template <class Plane, class Name>
struct ServedAs<Line<Plane, Name>> {
    using type = Plane;
};

}  // namespace strata::inline STRATA_ABI
