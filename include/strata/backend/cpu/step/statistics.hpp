// Batch-wide statistics on the CPU: how the parts that tiles gathered become one mean, variance
// and gradient sum a channel.
#pragma once

#include <cmath>

#include "../../../network/model.hpp"
#include "../../batch_wide.hpp"
#include "../threads/workers.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What a merge reads and writes; parts are [tiles][Net::statistic_count], merged is [Net::statistic_count].
template <class Precision>
struct StatisticsMerge {
    double const* parts;
    double* merged;
    int tiles, tile_samples, batch;
    typename Precision::master const* buffers;  ///< running statistics before this step
    typename Precision::master* next_buffers;   ///< and after it
    /// Of the first leaf: sums over the whole batch are added once. Null on a rank that does not have it.
    typename Precision::accumulation* gradient;
    Share share;
    std::ptrdiff_t first_gradient = 0;  ///< the network's number that `gradient` begins with
};

/// Forward: Chan, Golub and LeVeque's pairwise update over the tiles in order, in double.
template <class Net, int Index, class Precision>
void merge_forward(StatisticsMerge<Precision> const& m) {
    using Op = typename Net::template OperationAt<Index>;
    for (int c = m.share.begin(Op::channels); c < m.share.end(Op::channels); ++c) {
        int const at = Net::statistic_offset[Index] + c * Op::statistics_per_channel;
        double count = 0, mean = 0, squares = 0;
        for (int t = 0; t < m.tiles; ++t) {
            double const* const part = m.parts + static_cast<std::ptrdiff_t>(t) * Net::statistic_count + at;
            double const n = static_cast<double>((std::min)(m.tile_samples, m.batch - t * m.tile_samples)) * Op::pixels;
            double const delta = part[0] - mean, total = count + n;
            mean += delta * n / total;
            squares += part[1] + delta * delta * count * n / total;
            count = total;
        }
        m.merged[at + Op::mean] = mean;
        m.merged[at + Op::inverse_deviation] = 1 / std::sqrt(squares / count + Op::epsilon);
        std::ptrdiff_t const running_mean = Net::buffer_offset[Index] + c,
                             running_variance = running_mean + Op::channels;
        m.next_buffers[running_mean] = Op::moved(m.buffers[running_mean], mean);
        m.next_buffers[running_variance] = Op::moved(m.buffers[running_variance], squares / (count - 1));
    }
}

/// Backward: the sums of dy and dy xhat, which are also the gradients of bias and weight.
template <class Net, int Index, class Precision>
void merge_backward(StatisticsMerge<Precision> const& m) {
    using Op = typename Net::template OperationAt<Index>;
    using T = typename Precision::accumulation;
    for (int c = m.share.begin(Op::channels); c < m.share.end(Op::channels); ++c) {
        int const at = Net::statistic_offset[Index] + c * Op::statistics_per_channel;
        double dy = 0, dy_xhat = 0;
        for (int t = 0; t < m.tiles; ++t) {
            double const* const part = m.parts + static_cast<std::ptrdiff_t>(t) * Net::statistic_count + at;
            dy += part[Op::mean_dy];
            dy_xhat += part[Op::mean_dy_xhat];
        }
        if (Op::affine && m.gradient) {
            T* const gradient = m.gradient + (Net::parameter_offset[Index] - m.first_gradient);
            gradient[c] += static_cast<T>(dy_xhat);
            gradient[Op::channels + c] += static_cast<T>(dy);
        }
        double const count = static_cast<double>(m.batch) * Op::pixels;
        m.merged[at + Op::mean_dy] = dy / count;
        m.merged[at + Op::mean_dy_xhat] = dy_xhat / count;
    }
}

/// The statistics of evaluation, the running ones, of layers that are Frozen alone or of all. Their gradients' are 0: what
/// does not depend on the batch has no part in its means.
template <class Net, bool Frozen = false, class T>
void evaluation_statistics(T const* buffers, double* statistics) {
    Net::for_each_operation([&]<int Index>() {
        using Op = typename Net::template OperationAt<Index>;
        if constexpr (reads_statistics<Op>() && !(Frozen && is_batch_wide<Op>())) {  // nvcc 13 needs these braces
            T const* const running = buffers + Net::buffers_at(Index) + statistics_in_buffers<Op>;
            for (int c = 0; c < Op::channels; ++c) {
                double* const s = statistics + Net::statistic_offset[Index] + c * Op::statistics_per_channel;
                s[Op::mean] = static_cast<double>(running[c]);
                s[Op::inverse_deviation] = 1 / std::sqrt(static_cast<double>(running[Op::channels + c]) + Op::epsilon);
                s[Op::mean_dy] = s[Op::mean_dy_xhat] = 0;
            }
        }
    });
}
/// Those of layers that are Frozen, for training.
template <class Net, class T>
void frozen_statistics(T const* buffers, double* statistics) {
    if constexpr (Net::has_frozen_statistics) evaluation_statistics<Net, true>(buffers, statistics);
}

/// Runtime tables of the merges, by operation.
template <class Net, class Precision>
struct StatisticsTable {
    using Merge = void (*)(StatisticsMerge<Precision> const&);
    struct Entry {
        Merge forward = nullptr, backward = nullptr;
    };
    static constexpr auto entries = [] {
        std::array<Entry, static_cast<std::size_t>(Net::operation_count)> table{};
        Net::for_each_operation([&]<int Index>() {
            using Op = typename Net::template OperationAt<Index>;
            if constexpr (is_batch_wide<Op>())
                table[Index] = {&merge_forward<Net, Index, Precision>, &merge_backward<Net, Index, Precision>};
        });
        return table;
    }();
};

}  // namespace strata::inline STRATA_ABI::detail
