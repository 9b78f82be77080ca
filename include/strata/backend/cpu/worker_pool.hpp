// Threads that wait for work, and barriers between them. Who waits looks again and again at first, which answers within
// a fraction of a microsecond, and soon sleeps: where other programs want the processors, a thread that went on looking
// would keep one from the very thread it waits for.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>

#include "../../core/config.hpp"
#include "../../core/fixed_array.hpp"

namespace strata::detail {

/// Waits while `value` is `old`; whoever changes it calls its notify_all.
inline void wait_while(std::atomic<unsigned> const& value, unsigned old) {
    // Some 25 microseconds: several times what it takes to wake a thread.
    for (int looks = 0; looks < 1000; ++looks) {
        if (value.load(std::memory_order_acquire) != old) return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("isb");
#endif
    }
    value.wait(old, std::memory_order_acquire);
}

/// A barrier for any number of threads, which all must give the same `members`.
class alignas(64) Barrier {
public:
    void wait(int members) {
        if (members == 1) return;
        unsigned const generation = generation_.load(std::memory_order_relaxed);
        if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
            waiting_.store(0, std::memory_order_relaxed);
            generation_.store(generation + 1, std::memory_order_release);
            generation_.notify_all();
            return;
        }
        wait_while(generation_, generation);
    }

private:
    std::atomic<int> waiting_{0};
    std::atomic<unsigned> generation_{0};
};

/// `size` workers, of which the caller is one; the others are threads, fewer where the system gives no more. To be used
/// by one thread at a time.
class WorkerPool {
public:
    STRATA_COLD explicit WorkerPool(int size) : threads_(static_cast<std::size_t>(size) - 1) {
        try {
            for (auto& thread : threads_) {
                thread.thread = std::thread([this, k = started_] { work(k); });
                ++started_;
            }
        } catch (...) {}  // with those there are
    }
    WorkerPool(WorkerPool const&) = delete;
    WorkerPool& operator=(WorkerPool const&) = delete;
    STRATA_COLD ~WorkerPool() {
        job_ = {};
        for (int k = 0; k < started_; ++k) begin(threads_[static_cast<std::size_t>(k)]);
        for (int k = 0; k < started_; ++k) threads_[static_cast<std::size_t>(k)].thread.join();
    }

    /// Calls body(worker, workers) for every worker < workers, all at once; `workers` is `wanted`, or less where there
    /// are fewer. What a body of several workers throws ends the program.
    template <class Body>
    void run(int wanted, Body const& body) {
        if (wanted <= 1) return body(0, 1);
        run(Job{
            [](void const* b, int worker, int workers) noexcept { (*static_cast<Body const*>(b))(worker, workers); },
            &body, wanted});
    }

private:
    struct Job {
        void (*call)(void const* body, int worker, int workers) noexcept = nullptr;  // null: the thread ends
        void const* body = nullptr;
        int workers = 0;
    };
    struct alignas(64) Thread {
        std::atomic<unsigned> jobs{0};  // given to it so far
        std::thread thread;
    };

    STRATA_ONE_COPY void run(Job job) {
        job.workers = std::min(job.workers, started_ + 1);
        job_ = job;
        for (int k = 0; k + 1 < job.workers; ++k) begin(threads_[static_cast<std::size_t>(k)]);
        job.call(job.body, 0, job.workers);
        end_.wait(job.workers);
    }
    static void begin(Thread& thread) {
        thread.jobs.fetch_add(1, std::memory_order_release);
        thread.jobs.notify_all();
    }
    void work(int k) {
        for (unsigned done = 0;; ++done) {
            wait_while(threads_[static_cast<std::size_t>(k)].jobs, done);
            Job const job = job_;  // not touched again before all its workers are at the end
            if (!job.call) return;
            job.call(job.body, k + 1, job.workers);
            end_.wait(job.workers);
        }
    }

    FixedArray<Thread> threads_;
    int started_ = 0;
    Job job_;
    Barrier end_;
};

}  // namespace strata::detail
