// A number that counts up, and threads that wait for it. Who waits looks again and again at first, which answers within
// a fraction of a microsecond, and soon sleeps: where other programs want the processors, a thread that went on looking
// would keep one from the very thread it waits for.
#pragma once

#include <atomic>
#include <climits>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "../../../core/identity.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Threads wait until the count has moved on (an eventcount).
class EventCount {
public:
    [[nodiscard]] unsigned now() const { return count_.load(std::memory_order_relaxed); }

    /// Counts up: what was written before it is seen by all who waited for it.
    void advance() {
        count_.fetch_add(1);  // sequentially consistent, as what follows: who goes to sleep either sees it or is seen
#ifdef __linux__
        if (sleepers_.load() > 0) futex(FUTEX_WAKE_PRIVATE, INT_MAX);
#else
        count_.notify_all();
#endif
    }

    /// Waits while the count is `count`: looks so many times, then sleeps.
    void wait(unsigned count, int looks) {
        for (;; --looks) {
            if (count_.load(std::memory_order_acquire) != count) return;
            if (looks <= 0) break;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            asm volatile("isb");
#endif
        }
#ifdef __linux__
        // Not std::atomic's wait: GCC's gives the processor to other programs first, which may
        // keep it for milliseconds.
        sleepers_.fetch_add(1);
        while (count_.load() == count) futex(FUTEX_WAIT_PRIVATE, count);
        sleepers_.fetch_sub(1);
#else
        count_.wait(count, std::memory_order_acquire);
#endif
    }

private:
#ifdef __linux__
    void futex(int operation, unsigned value) {
        static_assert(sizeof count_ == 4);
        syscall(SYS_futex, &count_, operation, value, nullptr, nullptr, 0);
    }
    std::atomic<int> sleepers_{0};
#endif
    std::atomic<unsigned> count_{0};
};

}  // namespace strata::inline STRATA_ABI::detail
