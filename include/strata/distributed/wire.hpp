// What a training step on several ranks sends: constants of a network, known before anything runs.
#pragma once

#include "../loss/cross_entropy.hpp"
#include "data_parallel.hpp"

namespace strata::inline STRATA_ABI {

/// What one rank sends in one step, and keeps room for.
struct Wire {
    std::size_t bytes = 0, messages = 0;
    std::size_t buffer_bytes = 0;  ///< at most, besides the gradients themselves
    friend constexpr bool operator==(Wire const&, Wire const&) = default;
};

/// The wire of a step of DataParallel on `rank` of `ranks`, with a batch of so many samples: gradients there and back, the
/// leaves' results, BatchNorm's sums. `Ways` are what stands behind DataParallel's communicator; what ranks agree on under
/// WhenLost::go_on is the engine's own and does not count.
///
///     static_assert(wire_of<LeNet>(64, 2).bytes == 248'056);
///     wire_of<LeNet, Float32, Sharded<1>>(256, 8, 3, Cpu{.leaves = 8}).messages;
template <class Net, class Precision = Float32, class... Ways>
constexpr Wire wire_of(int batch, int ranks, int rank = 0, Cpu cpu = {}) {
    using Gradient = typename Precision::accumulation;
    using Layout = detail::BatchLayout<Net, Precision, CrossEntropy>;
    detail::Tiling const tiling = Layout::tiling(batch, Layout::most_leaves(cpu));
    detail::LeafRange const own = leaves_of(rank, ranks, tiling.leaves);
    ExchangeRounds const rounds(rank, ranks, tiling.leaves, static_cast<std::size_t>(Net::parameter_count));
    Wire wire;
    constexpr bool sharded = (detail::shard_level<Ways> + ... + 0) > 0;
    Traffic const there = rounds.reduce_traffic(), back = rounds.gather_traffic();
    wire.bytes = there.numbers * sizeof(Gradient) +
                 back.numbers * (sharded ? sizeof(typename Precision::master) : sizeof(Gradient));
    wire.messages = there.messages + back.messages;
    // What is gathered in rows goes to every other rank, where there is something.
    auto const gather = [&](int rows, std::size_t row_bytes) {
        if (rows == 0 || row_bytes == 0) return;
        auto const others = static_cast<std::size_t>(ranks - 1);
        wire.bytes += others * static_cast<std::size_t>(rows) * row_bytes;
        wire.messages += others;
    };
    gather(own.size(), sizeof(detail::BatchResult));
    std::size_t widest = 0;
    int const tiles = detail::tiles_of_leaves(own, tiling).size();
    for (std::size_t i = 0; i + 1 < Net::statistic_offset.size(); ++i) {
        int const width = Net::statistic_offset[i + 1] - Net::statistic_offset[i];
        std::size_t const row = static_cast<std::size_t>(width) * sizeof(double);
        gather(tiles, row);                                               // forward
        if (Net::training_plan.gradient[i + 1] >= 0) gather(tiles, row);  // and backward
        widest = (std::max)(widest, row);
    }
    if constexpr (sharded) {
        gather(1, sizeof(double));            // the part's largest gradient
        gather(1, 3 * sizeof(std::int64_t));  // and what is not finite in it
    }
    wire.buffer_bytes = rounds.buffer() * sizeof(Gradient) + static_cast<std::size_t>(tiling.tiles) * widest;
    return wire;
}

}  // namespace strata::inline STRATA_ABI
