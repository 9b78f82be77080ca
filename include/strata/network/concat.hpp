// Concat: the channels of several branches one behind the other.
#pragma once

#include "../layer/concatenation.hpp"
#include "composite.hpp"

namespace strata::inline STRATA_ABI {

/// y = torch.cat([branch(x) for each branch], dim=1): `Concat<Branch<Conv2d<8, 1>>, Branch<>, Named<"pool", Branch<…>>>`.
/// Heights and widths agree, or all are flat. A branch's last layer writes where the whole lies, so nothing is copied, but
/// for the network's own input and for a value that an earlier Concat has a place for.
template <class... Branches>
using Concat = Join<Concatenation, Branches...>;

}  // namespace strata::inline STRATA_ABI
