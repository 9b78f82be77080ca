// The CPU backend's policy, and the workers it asks for.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "../../core/error.hpp"
#include "../backend.hpp"
#include "../ranks.hpp"
#include "threads/worker_pool.hpp"

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

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
