// Threads and what they wait with, over POSIX: <thread>, <mutex> and <condition_variable> bring clocks, stop tokens and
// streams, which cost every program that includes Strata a hundredth of its compile time.
#pragma once

#include <pthread.h>

#include <cassert>
#include <cstring>
#include <utility>

#include "error.hpp"

namespace strata::inline STRATA_ABI::detail {

/// A thread, to be joined before this is gone; or none.
class Thread {
public:
    Thread() = default;
    /// Calls run(argument) on a thread of its own. Throws Error where the system gives none.
    STRATA_COLD Thread(void* (*run)(void* argument), void* argument) {
        int const error = pthread_create(&thread_, nullptr, run, argument);
        if (error != 0) fail("cannot start a thread: ", std::strerror(error));
        joinable_ = true;
    }
    Thread(Thread&& other) noexcept { *this = std::move(other); }
    Thread& operator=(Thread&& other) noexcept {
        std::swap(thread_, other.thread_);
        std::swap(joinable_, other.joinable_);
        return *this;
    }

    ~Thread() { assert(!joinable_); }

    [[nodiscard]] bool joinable() const { return joinable_; }
    void join() {
        pthread_join(thread_, nullptr);
        joinable_ = false;
    }

private:
    pthread_t thread_{};
    bool joinable_ = false;
};

/// As std::mutex.
class Mutex {
public:
    Mutex() = default;
    Mutex(Mutex const&) = delete;
    Mutex& operator=(Mutex const&) = delete;
    ~Mutex() { pthread_mutex_destroy(&mutex_); }
    void lock() { pthread_mutex_lock(&mutex_); }
    void unlock() { pthread_mutex_unlock(&mutex_); }

private:
    friend class Condition;
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

/// Locks a mutex, and unlocks it at its end; none where it is null.
class Lock {
public:
    explicit Lock(Mutex* mutex) : mutex_(mutex) {
        if (mutex_) mutex_->lock();
    }
    explicit Lock(Mutex& mutex) : Lock(&mutex) {}
    Lock(Lock const&) = delete;
    Lock& operator=(Lock const&) = delete;
    ~Lock() {
        if (mutex_) mutex_->unlock();
    }

private:
    Mutex* mutex_;
};

/// As std::condition_variable.
class Condition {
public:
    Condition() = default;
    Condition(Condition const&) = delete;
    Condition& operator=(Condition const&) = delete;
    ~Condition() { pthread_cond_destroy(&condition_); }
    void notify_one() { pthread_cond_signal(&condition_); }
    void notify_all() { pthread_cond_broadcast(&condition_); }
    /// Unlocks the mutex, waits for a notification (or for nothing, now and then) and locks it again.
    void wait(Mutex& mutex) { pthread_cond_wait(&condition_, &mutex.mutex_); }

private:
    pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace strata::inline STRATA_ABI::detail
