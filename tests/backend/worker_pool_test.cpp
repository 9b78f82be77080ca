// labels: threads
// The pool of worker threads and the barriers between them.
#include "strata/backend/cpu/threads/worker_pool.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "strata/core/random.hpp"

using namespace strata;
using detail::Barrier;
using detail::WorkerPool;

namespace {
/// Runs a job and returns how often each of `size` workers was called; all must have been told the same number.
std::vector<int> calls(WorkerPool& pool, int wanted, int size, int& workers) {
    std::vector<int> count(static_cast<std::size_t>(size)), told(static_cast<std::size_t>(size));
    pool.run(wanted, [&](int worker, int all) {
        ++count[static_cast<std::size_t>(worker)];
        told[static_cast<std::size_t>(worker)] = all;
    });
    workers = told[0];
    for (int k = 0; k < size; ++k)
        CHECK(told[static_cast<std::size_t>(k)] == (count[static_cast<std::size_t>(k)] ? workers : 0));
    return count;
}
}  // namespace

TEST_CASE("every worker is called once, as many as wanted or as there are") {
    WorkerPool pool(3);
    int workers = 0;
    for (int const wanted : {1, 2, 3, 2, 5, 1, 3}) {
        int const expected = wanted < 3 ? wanted : 3;
        auto const count = calls(pool, wanted, 3, workers);
        CHECK(workers == expected);
        for (int k = 0; k < 3; ++k) CHECK(count[static_cast<std::size_t>(k)] == (k < expected ? 1 : 0));
    }
}

TEST_CASE("a pool of one runs on the caller, a pool never used ends") {
    WorkerPool pool(1), unused(4);
    std::vector<int> order;
    pool.run(8, [&](int worker, int workers) { order.assign({worker, workers}); });
    CHECK(order == std::vector{0, 1});
}

TEST_CASE("what one worker writes before a barrier, all see after it, and the caller after the job") {
    constexpr int size = 4, rounds = 2000;
    WorkerPool pool(size);
    Barrier barrier;
    long total = 0;
    for (int round = 0; round < rounds; ++round) {
        int const wanted = 2 + round % (size - 1);
        long written[size] = {}, seen[size] = {};
        pool.run(wanted, [&](int worker, int workers) {
            written[worker] = worker + round;
            barrier.wait(workers, pool.looks());
            for (int k = 0; k < workers; ++k) seen[worker] += written[k];
        });
        long const expected = static_cast<long>(wanted) * round + wanted * (wanted - 1) / 2;
        for (int k = 0; k < wanted; ++k) total += seen[k] == expected ? 1 : 0;
    }
    long expected = 0;
    for (int round = 0; round < rounds; ++round) expected += 2 + round % (size - 1);
    CHECK(total == expected);
}

TEST_CASE("threads that fell asleep between or inside jobs are woken") {
    // Long enough work on one side (a millisecond and more) for the other to have given up looking.
    auto const work = [](int seed) {
        Random random(static_cast<std::uint64_t>(seed), Purpose::shuffle, 0);
        std::uint32_t sum = 0;
        for (int k = 0; k < 200'000; ++k) sum += random.below(1000);
        return sum;
    };
    WorkerPool pool(2);
    Barrier barrier;
    std::uint32_t sums[2] = {}, expected = work(0);
    for (int slow = 0; slow < 2; ++slow) {
        work(1);  // the pool's thread waits for its job
        pool.run(2, [&](int worker, int workers) {
            if (worker == slow) sums[worker] = work(0);
            barrier.wait(workers, pool.looks());  // the other one here
            if (worker != slow) sums[worker] = work(0);
        });  // and here
        CHECK(sums[0] == expected);
        CHECK(sums[1] == expected);
        sums[0] = sums[1] = 0;
    }
}

TEST_CASE("the first exception of a job reaches the caller, and the pool works on") {
    WorkerPool pool(4);
    Barrier barrier;
    for (unsigned throwing = 1; throwing < 16; ++throwing)
        for (int const wanted : {2, 4}) {
            int caught = -1, met[4] = {};
            try {
                pool.run(wanted, [&](int worker, int workers) {
                    barrier.wait(workers, pool.looks());
                    met[worker] = workers;
                    if (throwing >> worker & 1u) throw worker;
                });
            } catch (int worker) { caught = worker; }
            unsigned const thrown = throwing & (wanted == 2 ? 3u : 15u);
            CHECK((thrown == 0 ? caught == -1 : (thrown >> caught & 1u) == 1));
            for (int k = 0; k < 4; ++k) CHECK(met[k] == (k < wanted ? wanted : 0));  // nobody was left behind
            int workers = 0;
            CHECK(calls(pool, 4, 4, workers) == std::vector(4, 1));
        }
}

TEST_CASE("a pool moves with its threads") {
    WorkerPool first(3), second(1);
    second = std::move(first);
    WorkerPool third(std::move(second));
    int workers = 0;
    CHECK(calls(third, 3, 3, workers) == std::vector{1, 1, 1});
    CHECK(calls(first, 3, 3, workers) == std::vector{1, 0, 0});  // without any
}

// ThreadSanitizer ends the child of a process with threads.
#if !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
#if !__has_feature(thread_sanitizer)
TEST_CASE("the child of a fork works alone, and ends without its parent's threads") {
    WorkerPool pool(2);
    pool.run(2, [](int, int) {});
    pid_t const child = fork();
    if (child == 0) {
        int seen = 0;
        pool.run(2, [&](int worker, int workers) { seen += 10 * workers + worker; });
        WorkerPool moved(std::move(pool));
        _exit(seen == 10 ? 0 : 1);
    }
    REQUIRE(child > 0);
    int status = 1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
#endif
#endif

TEST_CASE("several pools at once, made and ended again and again") {
    int sum = 0;
    for (int round = 0; round < 20; ++round) {
        WorkerPool first(2), second(3);
        int parts[3] = {};
        first.run(2, [&](int worker, int) { parts[worker] += 1; });
        second.run(3, [&](int worker, int) { parts[worker] += 10; });
        sum += parts[0] + parts[1] + parts[2];
    }
    CHECK(sum == 20 * 32);
}
