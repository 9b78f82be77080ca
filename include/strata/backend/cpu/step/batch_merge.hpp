// Passes over the batch on the CPU: how the parts that tiles gathered become what later bodies read.
#pragma once

#include "../../../network/model.hpp"
#include "../../batch_wide.hpp"
#include "../threads/workers.hpp"
#include "program_step.hpp"

namespace strata::inline STRATA_ABI::detail {

/// What a merge reads and writes. Of the whole network, until merge_batch makes it the operation's.
template <class Precision>
struct BatchMerge {
    double const* parts;  ///< [tiles][row]
    int row;
    double* merged;
    int tiles, tile_samples, batch;
    typename Precision::master const* buffers;  ///< before this step
    typename Precision::master* next_buffers;   ///< and after it
    /// Of the first leaf: sums over the whole batch are added once. Null on a rank that does not have it.
    typename Precision::accumulation* gradient;
    Share share;
    std::ptrdiff_t first_gradient = 0;  ///< the network's number that `gradient` begins with
};

/// A share of a pass's elements, from the tiles in order, in double: means, or the moments by Chan, Golub and LeVeque's
/// pairwise update.
template <class Op, class P, class Precision>
void merge_pass(BatchMerge<Precision> const& m) {
    constexpr int left = left_by<P>();
    for (int e = m.share.begin(P::Extents::size); e < m.share.end(P::Extents::size); ++e) {
        double const* part = m.parts + e * left;
        gathered_by<P> all{};
        for (int t = 0; t < m.tiles; ++t, part += m.row) {
            if constexpr (P::gathers == Gather::moments) {
                double const n =
                    static_cast<double>((std::min)(m.tile_samples, m.batch - t * m.tile_samples)) * P::terms;
                double const delta = part[0] - all.mean, total = all.count + n;
                all.mean += delta * n / total;
                all.squares += part[1] + delta * delta * all.count * n / total;
                all.count = total;
            } else {
                for (std::size_t k = 0; k < static_cast<std::size_t>(left); ++k) all.sum[k] += part[k];
            }
        }
        if constexpr (P::gathers == Gather::mean) all.count = static_cast<double>(m.batch) * P::terms;
        finish_pass<Op, P>(e, all, m.merged + e * left, m.gradient, m.buffers, m.next_buffers);
    }
}

/// Merges what a step has gathered.
template <class Precision, class Loss>
void merge_batch(ProgramStep<Precision, Loss> const& step, BatchMerge<Precision> m) {
    m.parts += step.reduction.at;
    m.merged += step.reduction.at;
    m.buffers += step.reduction.buffers;
    m.next_buffers += step.reduction.buffers;
    if (m.gradient) m.gradient += step.offsets.parameters - m.first_gradient;
    step.merge(m);
}

/// What takes the place of passes over the batch in evaluation, of layers that are Frozen alone or of all.
template <class Net, bool Frozen = false, class T>
void evaluation_statistics(T const* all_buffers, double* statistics) {
    for_evaluated_passes<Net, Frozen>(all_buffers, statistics, []<class Op, class P>(T const* buffers, double* to) {
        for (int e = 0; e < P::Extents::size; ++e) leave_evaluation<Op, P>(e, buffers, to + e * left_by<P>());
    });
}
/// Those of layers that are Frozen, for training.
template <class Net, class T>
void frozen_statistics(T const* buffers, double* statistics) {
    if constexpr (Net::has_frozen_statistics) evaluation_statistics<Net, true>(buffers, statistics);
}

}  // namespace strata::inline STRATA_ABI::detail
