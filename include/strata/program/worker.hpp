// Who works on a step.
#pragma once

#include <cstddef>

#include "../core/identity.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// The part of [0, items) that falls to member `rank` of `size`.
struct Share {
    int rank = 0, size = 1;
    [[nodiscard]] std::ptrdiff_t begin(std::ptrdiff_t items) const { return items * rank / size; }
    [[nodiscard]] std::ptrdiff_t end(std::ptrdiff_t items) const { return items * (rank + 1) / size; }
    [[nodiscard]] int begin(int items) const { return static_cast<int>(static_cast<long>(items) * rank / size); }
    [[nodiscard]] int end(int items) const { return static_cast<int>(static_cast<long>(items) * (rank + 1) / size); }
};
}  // namespace detail

/// A worker of a team: its part of the work, its memory, and what the team made before.
template <class Precision>
struct Worker {
    using Storage = typename Precision::storage;
    detail::Share share{};        ///< of each step's items
    Storage* scratch = nullptr;   ///< memory of its own, as much as the kernels say
    Storage* prepared = nullptr;  ///< everybody's: what kernels' `prepare` made of the parameters, on a cache line
    bool cached = false;          ///< it is kept while the parameters stay the same, not made for every batch
};

}  // namespace strata::inline STRATA_ABI
