// How the workers of a parameter server wait for one another: Bsp, Ssp, Asp.
#pragma once

#include "../../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// Bulk synchronous parallel: a batch is shared by all workers, and everybody works on with all of its updates. To the bit a
/// training of one process.
struct Bsp {};
/// Stale synchronous parallel: a batch is shared by all workers, but who is faster goes on with weights that lack updates,
/// at most the last `staleness` ones. Ssp{0} is Bsp.
///
/// Source: Ho et al., More effective distributed ML via a stale synchronous parallel parameter server, NIPS 2013.
struct Ssp {
    int staleness = 1;
};
/// Asynchronous parallel: every worker has batches of its own, each of its gradients is an update when it comes in, and
/// workers come and go.
struct Asp {};

/// One of them.
class Synchronisation {
public:
    constexpr Synchronisation(Bsp = {}) {}                    // NOLINT(google-explicit-constructor): `.mode = Bsp{}`
    Synchronisation(Ssp mode) : staleness_(mode.staleness) {  // NOLINT(google-explicit-constructor)
        if (staleness_ < 0 || staleness_ > most_stale)
            fail("Ssp: staleness is ", staleness_, ", expected 0 to ", most_stale);
    }
    constexpr Synchronisation(Asp) : staleness_(-1) {}  // NOLINT(google-explicit-constructor)

    /// Updates that a worker may lack; -1 for Asp.
    [[nodiscard]] constexpr int staleness() const { return staleness_; }
    [[nodiscard]] constexpr bool is_asynchronous() const { return staleness_ < 0; }
    [[nodiscard]] constexpr bool is_exact() const { return staleness_ == 0; }

    /// "Bsp", "Ssp{3}" or "Asp".
    [[nodiscard]] STRATA_COLD static std::string text(int staleness) {
        return staleness < 0 ? "Asp" : staleness == 0 ? "Bsp" : concatenate("Ssp{", staleness, "}");
    }

    static constexpr int most_stale = 1000;  ///< a server keeps as many gradients of a worker

private:
    int staleness_ = 0;
};

}  // namespace strata::inline STRATA_ABI
