// What every backend does for batch-wide layers.
#pragma once

#include <algorithm>

#include "../core/error.hpp"
#include "../network/network.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Throws Error where a channel has one value only in a training batch: there is no variance then.
template <class Net>
void check_batch_for_statistics(int batch) {
    Net::for_each_operation([&]<int Index>() {
        using Op = typename Net::template OperationAt<Index>;
        if constexpr (is_batch_wide<Op>()) {  // nvcc 13 needs these braces
            if (Op::pixels == 1 && batch == 1)
                fail("layer ", Net::layer_table[Index].name, " (", type_of<Op>(),
                     "): one value a channel has no variance, expected at least 2 samples in a training batch "
                     "(drop_last leaves a smaller last batch out)");
        }
    });
}

/// Counts a batch whose running statistics become the model's.
template <class Net, class Model>
void count_batch(Model& model) {
    Net::for_each_operation([&]<int Index>() {
        if constexpr (is_batch_wide<typename Net::template OperationAt<Index>>()) ++model.batches_tracked()[Index];
    });
}

/// The running statistics of a batch become the model's.
template <class Net, class Model, class Buffers>
void take_statistics(Model& model, Buffers const& fresh) {
    std::copy(fresh.begin(), fresh.end(), model.buffers().begin());
    count_batch<Net>(model);
}

}  // namespace strata::inline STRATA_ABI::detail
