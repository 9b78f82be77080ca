// Products of Eigen in one thread, so that their bits do not depend on how many OpenMP has.
#pragma once

#include <Eigen/Core>

#include "../core/identity.hpp"

namespace strata::inline STRATA_ABI::detail {

/// While one lives, Eigen's products run in the calling thread alone. Compiled with OpenMP they would share large
/// products out, in blocks that depend on the number of threads, and so would the order of their sums. The number set
/// here is the calling thread's own, so that others are not disturbed. Who calls Eigen::setNbThreads overrules it.
class OneThread {
public:
    OneThread(OneThread const&) = delete;
    OneThread& operator=(OneThread const&) = delete;
#ifdef EIGEN_HAS_OPENMP
    OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
    ~OneThread() { omp_set_num_threads(before_); }

private:
    int before_;
#else
    OneThread() {}  // not defaulted: an object that only lives is no unused variable then
    ~OneThread() {}
#endif
};

}  // namespace strata::inline STRATA_ABI::detail
