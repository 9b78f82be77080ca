// LongSum: sums of many numbers that lose little.
//
// Added one after another, n equal numbers lose up to n / 2 units in the last place: a mean of a million pixels has
// three digits. Runs of 16 and pairs of equally long sums lose about as many units as the logarithm of n.
// Source: Higham, "The accuracy of floating point summation", 1993, pairwise summation.
#pragma once

#include "lane.hpp"

namespace strata::inline STRATA_ABI {

/// The sum of lanes, `Most` of them at most. Up to 1024 are added in their order, which is faster and loses less than
/// 1e-4 of float32 numbers of one sign, mostly 1e-6.
template <class L, int Most>
class LongSum {
public:
    static constexpr bool is_long = Most > 1024;

    STRATA_HD STRATA_INLINE void add(L value) {
        sum_ = sum_ + value;
        if constexpr (is_long)
            if (++count_ % run == 0) end_run();
    }
    /// The sum of a * b and what was added before.
    STRATA_HD STRATA_INLINE void add_product(L a, L b) {
        sum_ = multiply_add(a, b, sum_);
        if constexpr (is_long)
            if (++count_ % run == 0) end_run();
    }
    STRATA_HD STRATA_INLINE L value() const {
        L total = sum_;
        if constexpr (is_long)
            for (int k = waiting_ - 1; k >= 0; --k) total = sums_[k] + total;
        return total;
    }

private:
    static constexpr int run = 16;

    STRATA_HD STRATA_INLINE void end_run() {
        L sum = sum_;
        sum_ = L(0);
        for (int pairs = count_ / run - 1; pairs % 2 == 1; pairs /= 2) sum = sums_[--waiting_] + sum;
        sums_[waiting_++] = sum;
    }

    L sum_ = L(0);
    int count_ = 0, waiting_ = 0;
    L sums_[is_long ? 32 : 1];  // each waits for as many numbers more
};

}  // namespace strata::inline STRATA_ABI
