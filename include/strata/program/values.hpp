// What a step works on, on every backend.
#pragma once

#include <array>

#include "../network/plan.hpp"
#include "../precision/precision.hpp"

namespace strata::inline STRATA_ABI {

/// Where an operation's values lie, in one tile or, on a device, of the batch. Pointers an operation does not need are
/// null.
template <class Precision>
struct Values {
    using Storage = typename Precision::storage;
    Storage const* x = nullptr;
    Storage* y = nullptr;
    Storage const* dy = nullptr;
    Storage* dx = nullptr;
    GradientWrite write = GradientWrite::none;  ///< how dx is written
    Storage* extra = nullptr;
    typename Precision::master const* parameters = nullptr;
    typename Precision::accumulation* gradient = nullptr;    ///< parameter gradients, added to
    double const* statistics = nullptr;                      ///< what the operation's passes over the batch have left
    double* partial = nullptr;                               ///< the tile's parts of that; on a device, itself
    std::array<Storage const*, ValueList::most - 1> more{};  ///< the inputs behind the first
    typename Precision::compute *forward_passes = nullptr, *backward_passes = nullptr;  ///< what passes leave
    std::ptrdiff_t state = 0;  ///< where the operation's numbers lie in what is kept, numbers of a token
};

}  // namespace strata::inline STRATA_ABI
