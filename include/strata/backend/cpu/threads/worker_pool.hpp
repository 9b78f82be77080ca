// Threads that wait for work, and barriers between them.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#ifdef __linux__
#include <sched.h>
#endif

#include "../../../core/config.hpp"
#include "../../../core/fixed_array.hpp"
#include "../../../core/thread.hpp"
#include "event_count.hpp"
#include "first_exception.hpp"

namespace strata::inline STRATA_ABI {

/// Whose threads the workers of the CPU are: our own pool's, or the program's OpenMP team (strata/openmp.hpp).
enum class Team : unsigned char { pool, openmp };

}  // namespace strata::inline STRATA_ABI

namespace strata::inline STRATA_ABI::detail {

/// What strata/openmp.hpp brings; the core itself is compiled without OpenMP.
struct OpenmpTeam {
    /// Threads that a parallel region would have now.
    int (*threads)();
    /// Calls call(body, worker, workers) for every worker of a team of `wanted` threads, or fewer; inside of another
    /// parallel region of one, the caller.
    void (*run)(int wanted, void (*call)(void const* body, int worker, int workers), void const* body);
};
inline OpenmpTeam const* openmp_team = nullptr;

/// Processors that this process may use.
STRATA_COLD inline int processors() {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return static_cast<int>((std::max)(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

/// A barrier for any number of threads, which all must give the same `members`.
class alignas(64) Barrier {
public:
    /// Who waits looks `looks` times before it sleeps.
    void wait(int members, int looks) {
        if (members == 1) return;
        unsigned const ended = ends_.now();
        if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
            waiting_.store(0, std::memory_order_relaxed);
            ends_.advance();
        } else {
            ends_.wait(ended, looks);
        }
    }

private:
    std::atomic<int> waiting_{0};
    EventCount ends_;
};

/// `size` workers, of which the caller is one; the others are threads, fewer where the system gives no more. To be used
/// by one thread at a time. The child of a fork has no threads: its workers are one.
class WorkerPool {
public:
    explicit WorkerPool(int size) : threads_(size > 1 ? new Threads(size) : nullptr) {}
    /// Workers of an OpenMP team instead, at most `size`, and where `follows` at most as many as its parallel regions
    /// have at the time.
    WorkerPool(int size, OpenmpTeam const* team, bool follows)
        : threads_(nullptr), team_(size > 1 ? team : nullptr), size_(size), follows_(follows) {}
    WorkerPool(WorkerPool&& other) noexcept : WorkerPool(1) { *this = std::move(other); }
    WorkerPool& operator=(WorkerPool&& other) noexcept {
        std::swap(threads_, other.threads_);
        std::swap(team_, other.team_);
        std::swap(size_, other.size_);
        std::swap(follows_, other.follows_);
        std::swap(process_, other.process_);
        return *this;
    }
    ~WorkerPool() {
        if (threads_ && threads_->are_here()) delete threads_;  // a child cannot end its parent's threads
    }

    /// How often a worker looks before it sleeps: for some 25 microseconds, several times what it takes to wake a
    /// thread; not at all where workers have to share processors.
    [[nodiscard]] int looks() const { return threads_ ? threads_->looks : team_ ? looks_of(size_) : 0; }

    /// Calls body(worker, workers) for every worker < workers, all at once; `workers` is `wanted`, or less where there
    /// are fewer. When all are done, what the first of them threw is thrown again here. Workers that meet at a barrier
    /// must not throw before it: the others would wait for ever.
    template <class Body>
    void run(int wanted, Body const& body) {
        run(Job{call<Body>, &body, wanted});
    }

private:
    struct Job {
        void (*call)(void const* body, int worker, int workers) = nullptr;  // null: the thread ends
        void const* body = nullptr;
        int workers = 0;
    };
    /// The only copy of what a job does, however its workers are called.
    template <class Body>
    STRATA_ONE_COPY static void call(void const* body, int worker, int workers) {
        (*static_cast<Body const*>(body))(worker, workers);
    }
    STRATA_ONE_COPY void run(Job job) {
        if (team_) job.workers = (std::min)(job.workers, follows_ ? (std::min)(size_, team_->threads()) : size_);
        bool const alone = job.workers <= 1 || (team_ ? getpid() != process_ : !threads_ || !threads_->are_here());
        if (alone) return job.call(job.body, 0, 1);
        if (team_) return team_->run(job.workers, job.call, job.body);
        threads_->run(job);
    }
    static int looks_of(int size) { return size <= processors() ? 1000 : 0; }

    struct Threads;
    struct alignas(64) Thread {
        EventCount jobs;  // counts each job that it is given
        Threads* team = nullptr;
        int worker = 0;
        detail::Thread thread;
    };
    struct Threads {
        STRATA_COLD explicit Threads(int size) : looks(looks_of(size)), threads(static_cast<std::size_t>(size) - 1) {
            try {
                for (auto& thread : threads) {
                    thread.team = this;
                    thread.worker = started + 1;
                    thread.thread = detail::Thread(
                        [](void* argument) -> void* {
                            auto& self = *static_cast<Thread*>(argument);
                            self.team->work(self);
                            return nullptr;
                        },
                        &thread);
                    ++started;
                }
            } catch (...) {}  // with those there are
        }
        Threads(Threads const&) = delete;
        Threads& operator=(Threads const&) = delete;
        STRATA_COLD ~Threads() {
            job = {};
            for (int k = 0; k < started; ++k) threads[static_cast<std::size_t>(k)].jobs.advance();
            for (int k = 0; k < started; ++k) threads[static_cast<std::size_t>(k)].thread.join();
        }
        [[nodiscard]] bool are_here() const { return getpid() == process; }

        STRATA_ONE_COPY void run(Job wanted) {
            wanted.workers = (std::min)(wanted.workers, started + 1);
            job = wanted;
            for (int k = 0; k + 1 < job.workers; ++k) threads[static_cast<std::size_t>(k)].jobs.advance();
            take_part(wanted, 0);
            thrown.rethrow();
        }
        /// A worker's part of a job, to its end.
        void take_part(Job const& now, int worker) {
            try {
                now.call(now.body, worker, now.workers);
            } catch (...) { thrown.keep(); }
            end.wait(now.workers, looks);
        }
        void work(Thread& self) {
            for (unsigned done = 0;; ++done) {
                self.jobs.wait(done, looks);
                Job const now = job;  // not touched again before all its workers are at the end
                if (!now.call) return;
                take_part(now, self.worker);
            }
        }

        pid_t const process = getpid();
        int const looks;
        int started = 0;
        Job job;
        Barrier end;
        FirstException thrown;
        FixedArray<Thread> threads;
    };

    Threads* threads_;
    OpenmpTeam const* team_ = nullptr;
    int size_ = 1;
    bool follows_ = false;
    pid_t process_ = getpid();
};

}  // namespace strata::inline STRATA_ABI::detail
