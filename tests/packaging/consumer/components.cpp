// A program that asks for the components has their libraries; of strata::files, functions that it has no body of.
#include <omp.h>

#include <Eigen/Core>
#ifdef STRATA_FILES
#include <strata/network/summary.hpp>
#endif

int main() {
#ifdef STRATA_FILES
    if (strata::format_count(62006) != "62,006") return 1;
#endif
    Eigen::Vector2f const one(0, omp_get_max_threads() >= 1 ? 1 : 0);
    return one.sum() == 1 ? 0 : 1;
}
