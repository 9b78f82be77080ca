// The first of the exceptions that several threads throw while they work on one thing.
#pragma once

#include <atomic>
#include <exception>
#include <utility>

#include "../../../core/config.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Threads keep() what they caught; who has waited for all of them calls rethrow().
class FirstException {
public:
    FirstException() = default;
    FirstException(FirstException&&) noexcept {}  // between two jobs: there is nothing to move
    FirstException& operator=(FirstException&&) noexcept { return *this; }

    /// Keeps the exception being handled, unless another one came first.
    STRATA_COLD void keep() noexcept {
        if (!taken_.exchange(true, std::memory_order_relaxed)) exception_ = std::current_exception();
    }
    /// Does some work, such as the user's layers and losses between two barriers, and keeps what it throws. Where anybody
    /// has thrown, nothing more is done, for its numbers are missing; but all threads go on to the last barrier.
    template <class F>
    STRATA_INLINE void attempt(F const& work) {
        if (is_there()) return;
        try {
            work();
        } catch (...) { keep(); }
    }
    /// True where a thread has thrown. Who has met the thread at a barrier since then sees it.
    [[nodiscard]] bool is_there() const noexcept { return taken_.load(std::memory_order_relaxed); }
    /// Throws what was kept and forgets it; does nothing where nothing was thrown.
    void rethrow() {
        if (is_there()) throw_it();
    }

private:
    [[noreturn]] STRATA_COLD void throw_it() {
        taken_.store(false, std::memory_order_relaxed);
        std::rethrow_exception(std::exchange(exception_, nullptr));
    }

    std::atomic<bool> taken_{false};
    std::exception_ptr exception_;
};

}  // namespace strata::inline STRATA_ABI::detail
