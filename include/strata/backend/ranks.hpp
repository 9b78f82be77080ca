// The ranks of a training, as an executor sees them.
#pragma once

#include <span>
#include <type_traits>
#include <utility>

#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// Tag of the policies that say which ranks train together (strata/distributed.hpp).
struct RanksPolicy {};

/// A rank is gone or cannot be reached. It comes out of whatever the other ranks wait for, on each of them: what they
/// have received is not to be used. They may agree, shrink and begin the exchange anew.
class RankLost : public Error {
public:
    using Error::Error;
};

namespace detail {

/// Leaves [begin, end) of a batch.
struct LeafRange {
    int begin, end;
    [[nodiscard]] constexpr int size() const { return end - begin; }
    friend bool operator==(LeafRange const&, LeafRange const&) = default;
};

/// A training of one rank. What several ones do besides is in distributed/data_parallel.hpp.
struct Alone {
    static constexpr bool several = false;
    static constexpr bool by_groups = false;           ///< gradients are reduced one group of parameters at a time
    static constexpr bool gathers_parameters = false;  ///< they are not all here
    [[nodiscard]] static constexpr LeafRange leaves(int all) { return {0, all}; }
    [[nodiscard]] static constexpr int shards() { return 1; }
    template <class F>
    static auto together(F const& f) {
        return f();
    }
    [[nodiscard]] static constexpr double largest(double magnitude) { return magnitude; }
    static constexpr void add_to_each(std::span<double>) {}
};

/// What an executor's ranks are: Alone for those who know none.
template <class Executor>
struct RanksOf {
    using type = Alone;
};
template <class Executor>
requires requires(Executor& executor) { executor.ranks(); }
struct RanksOf<Executor> {
    using type = std::remove_cvref_t<decltype(std::declval<Executor&>().ranks())>;
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
