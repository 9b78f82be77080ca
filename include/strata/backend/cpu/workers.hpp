// The CPU backend's policy, and how its workers share the leaves of a batch.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "../../core/error.hpp"
#include "../backend.hpp"
#include "../ranks.hpp"
#include "worker_pool.hpp"

namespace strata::inline STRATA_ABI {

template <class Net, class Precision, class Loss, class Ranks = detail::Alone>
class CpuExecutor;

/// The CPU backend: SIMD lanes on every core.
struct Cpu {
    using policy = BackendPolicy;
    template <class Net, class Precision, class Loss>
    using Executor = CpuExecutor<Net, Precision, Loss>;
    /// Worker threads, the calling one included; 0: as many as OMP_NUM_THREADS says, like most numerical libraries, or
    /// one for every processor that the process may use.
    int threads = 0;
    /// Whose threads they are. Team::openmp runs on the program's OpenMP team, with the same bits: with `threads` 0 as
    /// many as omp_set_num_threads or OMP_NUM_THREADS say when a step begins, but no more than they said when the trainer
    /// or workspace was made, and inside of a parallel region one. It needs strata/openmp.hpp.
    Team team = Team::pool;
    /// FLOPs of a step on a tile (their mean) from which threads without a leaf of their own help with those of others:
    /// half of a step has to take longer than the barrier behind it, a quarter of a microsecond between two cores.
    double team_flops = 5e4;
    /// True: inference gives a sample the same bits alone and in any batch, at any place in it, with any number of
    /// threads. Each layer has one algorithm and one order of additions for all tile sizes, that of large batches;
    /// otherwise it has the fastest for each. Training does not change.
    bool batch_invariant = false;
};

namespace detail {

/// Worker threads that a Cpu policy asks for.
inline int worker_count(Cpu cpu) {
    if (cpu.threads < 0 || cpu.threads > 1024) fail("Cpu: threads is ", cpu.threads, ", expected 0 (all) to 1024");
    if (!(cpu.team_flops >= 0)) fail("Cpu: team_flops is ", cpu.team_flops, ", expected at least 0");
    if (cpu.team == Team::openmp && !openmp_team)
        fail("Cpu: Team::openmp needs #include <strata/openmp.hpp> and -fopenmp (CMake: strata::openmp)");
    if (cpu.threads > 0) return cpu.threads;
    if (cpu.team == Team::openmp) return (std::min)(1024, openmp_team->threads());
    char const* const wanted = std::getenv("OMP_NUM_THREADS");
    int const threads = wanted ? std::atoi(wanted) : 0;
    return threads > 0 && threads <= 1024 ? threads : processors();
}

/// The workers that a Cpu policy asks for.
inline WorkerPool workers_of(Cpu cpu) {
    int const count = worker_count(cpu);
    if (cpu.team == Team::openmp) return WorkerPool(count, openmp_team, cpu.threads == 0);
    return WorkerPool(count);
}

/// The part of [0, items) that falls to member `rank` of `size`.
struct Share {
    int rank = 0, size = 1;
    [[nodiscard]] int begin(int items) const { return static_cast<int>(static_cast<long>(items) * rank / size); }
    [[nodiscard]] int end(int items) const { return static_cast<int>(static_cast<long>(items) * (rank + 1) / size); }
};

/// How `workers` share `items` work items: full rounds of one item each, then teams for the rest,
/// ⌈workers / items⌉ strong, or, without `teams`, one worker for each of the rest. The assignment never changes a
/// result, only who computes it.
struct Assignment {
    int items, workers;
    bool teams = true;
    bool backwards = false;  ///< each worker begins with its last item: its memory may still be in the cache
    /// Calls f(item, share of the team, index of the team's barrier and memory) for every item of this worker. Indices
    /// are below min(items, workers). A team must meet at its barrier before it touches its memory: a member may still
    /// be using it for an item of its own.
    template <class F>
    void for_each(int worker, F&& f) const {
        int const rounds = items / workers, steps = items % workers > 0 ? rounds + 1 : rounds;
        for (int step = 0; step < steps; ++step) {
            Work const work = work_of(worker, backwards ? steps - 1 - step : step, rounds);
            if (work.item >= 0) f(work.item, work.share, work.slot);
        }
    }

private:
    struct Work {
        int item;  ///< -1: none
        Share share;
        int slot;
    };
    [[nodiscard]] Work work_of(int worker, int round, int rounds) const {
        int const rest = items % workers, single = round * workers + worker;
        if (round < rounds) return {single, {}, worker};
        if (!teams) return {worker < rest ? single : -1, {}, worker};
        auto const team_of = [&](int w) { return static_cast<int>(static_cast<long>(w) * rest / workers); };
        int const team = team_of(worker);
        int first = worker, last = worker;
        while (first > 0 && team_of(first - 1) == team) --first;
        while (last + 1 < workers && team_of(last + 1) == team) ++last;
        return {rounds * workers + team, {worker - first, last - first + 1}, rounds == 0 ? team : first};
    }
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
