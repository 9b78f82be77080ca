// Workers of the program's OpenMP team, for Cpu{.team = Team::openmp}.
#pragma once

#ifndef _OPENMP
#error "strata/openmp.hpp needs OpenMP: compile with -fopenmp (CMake: link strata::openmp)"
#endif

#include <omp.h>

#include "first_exception.hpp"
#include "worker_pool.hpp"

namespace strata::inline STRATA_ABI::detail {

inline int openmp_threads() { return omp_in_parallel() ? 1 : omp_get_max_threads(); }

/// What the first of the workers threw is thrown again when all are done: an exception must not leave a region.
STRATA_ONE_COPY inline void run_openmp_team(int wanted, void (*call)(void const* body, int worker, int workers),
                                            void const* body) {
    if (omp_in_parallel()) return call(body, 0, 1);
    FirstException thrown;
#pragma omp parallel num_threads(wanted) default(none) shared(thrown) firstprivate(call, body)
    {
        try {
            call(body, omp_get_thread_num(), omp_get_num_threads());
        } catch (...) { thrown.keep(); }
    }
    thrown.rethrow();
}

inline constexpr OpenmpTeam openmp_team_of_program{openmp_threads, run_openmp_team};
inline bool const openmp_team_is_here = (openmp_team = &openmp_team_of_program, true);

}  // namespace strata::inline STRATA_ABI::detail
