// The CPU backend's policy, and how its workers share the leaves of a batch.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "../../core/error.hpp"
#include "../backend.hpp"
#include "../leaf_tree.hpp"
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
    /// The most parts of a batch whose gradients are summed on their own, in a tree that fixes the order of additions: as
    /// many ranks or threads can share a batch, and bits depend on it. 0: 32, fewer for large networks, and one where
    /// large matrices are most of the network (docs/architecture.md).
    int leaves = 0;
};

namespace detail {

/// Worker threads that a Cpu policy asks for.
STRATA_COLD inline int worker_count(Cpu cpu) {
    if (cpu.threads < 0 || cpu.threads > 1024) fail("Cpu: threads is ", cpu.threads, ", expected 0 (all) to 1024");
    if (cpu.leaves < 0 || cpu.leaves > 4096) fail("Cpu: leaves is ", cpu.leaves, ", expected 0 (automatic) to 4096");
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

/// How `workers` share `items` work items, in runs of neighbours: as many to each worker, then teams for the rest,
/// ⌈workers / items⌉ strong, or, without `teams`, one worker for each of the rest. With fewer `groups` than workers (0: as
/// many as there are), workers form as many teams, with a run each. The assignment never changes a result, only who
/// computes it.
struct Assignment {
    int items, workers;
    bool teams = true;
    bool backwards = false;  ///< each worker begins with its last run: its memory may still be in the cache
    int groups = 0;

    /// The runs, from left to right.
    [[nodiscard]] constexpr int runs() const { return even() ? group_count() : workers + items % workers; }
    [[nodiscard]] constexpr LeafRange run(int index) const {
        if (even()) return leaves_of(index, group_count(), items);
        int const rounds = items / workers, rest = rounds * workers + index - workers;
        return index < workers ? LeafRange{index * rounds, (index + 1) * rounds} : LeafRange{rest, rest + 1};
    }
    /// Calls f(run's index, share of the team, index of the team's barrier and memory) for every run of this worker.
    /// The latter are below min(items, workers). A team must meet at its barrier before it touches its memory: a member
    /// may still be using it for a run of its own.
    template <class F>
    void for_each(int worker, F&& f) const {
        if (even()) {
            if (!teams && group_count() == items) {  // no more groups than items, one worker each
                if (worker < items) f(worker, Share{}, worker);
            } else if (items > 0) {
                auto const [team, share] = team_of(worker, group_count());
                f(team, share, team);
            }
            return;
        }
        int const rest = items % workers;
        for (int turn = 0; turn < 2; ++turn) {
            if ((turn == 0) != backwards) {
                f(worker, Share{}, worker);
            } else if (!teams) {
                if (worker < rest) f(workers + worker, Share{}, worker);
            } else if (rest > 0) {
                auto const [team, share] = team_of(worker, rest);
                f(workers + team, share, worker - share.rank);
            }
        }
    }

private:
    struct Member {
        int team;
        Share share;
    };
    [[nodiscard]] constexpr int group_count() const { return (std::min)(groups > 0 ? groups : workers, items); }
    /// True where teams with a run each do all of it.
    [[nodiscard]] constexpr bool even() const { return group_count() < workers; }
    /// Which of `count` teams of neighbours a worker belongs to.
    [[nodiscard]] Member team_of(int worker, int count) const {
        auto const of = [&](int w) { return static_cast<int>(static_cast<long>(w) * count / workers); };
        int const team = of(worker);
        int first = worker, last = worker;
        while (first > 0 && of(first - 1) == team) --first;
        while (last + 1 < workers && of(last + 1) == team) ++last;
        return {team, {worker - first, last - first + 1}};
    }
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
