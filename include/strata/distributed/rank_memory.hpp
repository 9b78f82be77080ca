// What a rank of a training keeps in memory: constants of a network, known before anything runs.
#pragma once

#include "../loss/cross_entropy.hpp"
#include "data_parallel.hpp"

namespace strata::inline STRATA_ABI {

/// Bytes of one rank while it trains, without the optimizer's state (a number of them for each parameter that it owns, see
/// Sharded) and the buffers that Wire says.
struct RankMemory {
    std::size_t parameters = 0;   ///< the model's, the part that is kept apart, and what is gathered of others
    std::size_t gradients = 0;    ///< sums of leaves, and the part of the batch's that is kept
    std::size_t activations = 0;  ///< workspaces of tiles and kernels, statistics
    [[nodiscard]] constexpr std::size_t total() const { return parameters + gradients + activations; }
};

/// The memory of a rank that trains batches of so many samples, with Cpu::threads workers (0 stands for one here). `ways`
/// are what stands behind DataParallel's communicator. Throws Error where a number makes no sense.
///
///     static_assert(memory_of<Net>(256, 8, 0, Cpu{}, Sharded<3>{}).parameters < 1'000'000);
template <class Net, class Precision = Float32, class... Ways>
constexpr RankMemory memory_of(int batch, int ranks, int rank = 0, Cpu cpu = {}, Ways const&... ways) {
    using Layout = detail::BatchLayout<Net, Precision, CrossEntropy>;
    using Scalar = typename Precision::master;
    using Gradient = typename Precision::accumulation;
    using Storage = typename Precision::storage;
    using Groups = ParameterGroups<Net>;
    constexpr int level = (detail::shard_level<Ways> + ... + 0);
    detail::check_ranks("memory_of", batch, ranks, rank, ways...);
    int const workers = cpu.threads > 0 ? cpu.threads : 1, leaves = Layout::most_leaves(cpu);
    detail::Tiling const tiling = Layout::tiling(batch, leaves);
    int shards = 0;
    if constexpr ((detail::is_compression<Ways> || ... || false)) shards = detail::compression_among(ways...).shards;
    LeafRange const own = detail::LeafDeal{rank, ranks, shards}.leaves(tiling.leaves);
    int const samples = Layout::samples(batch), tiles = detail::tiles_of_leaves(own, tiling).size();
    OwnedParts const parts(rank, ranks, detail::ranges_of_level<Net, level>);
    auto const all = static_cast<std::size_t>(Net::parameter_count);

    RankMemory memory;
    std::size_t numbers = all;  // of an arena
    if constexpr (level < 2) {
        memory.parameters = all * sizeof(Scalar);
    } else {
        numbers = Groups::largest_window;
        std::size_t largest = 0;
        for (int g = 0; g < Groups::count; ++g) largest = (std::max)(largest, Groups::parameters(g).size());
        memory.parameters = (parts.size() + (level == 3 ? 2 * largest : all)) * sizeof(Scalar);
        memory.gradients = parts.size() * sizeof(Gradient);
    }
    int const groups = detail::groups_of(leaves, workers, numbers * sizeof(Gradient));
    int const members = std::clamp(own.size(), 1, workers);
    int arenas = detail::arenas_of(own, tiling.leaves, {own.size(), members, true, false, (std::min)(groups, members)},
                                   (std::max)(shards, 1));
    if (own.size() == tiling.leaves) arenas = (std::max)(arenas, detail::most_arenas(leaves, workers, groups));
    memory.gradients += static_cast<std::size_t>(arenas) * numbers * sizeof(Gradient);
    auto const held = static_cast<std::size_t>(Net::is_batch_wide || level >= 2 ? tiles : (std::min)(workers, tiles));
    memory.activations =
        sizeof(Storage) *
            (held * static_cast<std::size_t>(Layout::template program<true>.size) * static_cast<std::size_t>(samples) +
             static_cast<std::size_t>(workers) * Layout::template scratch_size<true>() +
             Layout::template prepared_size<true>()) +
        (level == 3 ? 0 : sizeof(Scalar) * Layout::cached_parameters) +
        sizeof(typename Precision::compute) * Layout::input_gradients(batch) +
        sizeof(double) * (Layout::parts_size(tiling.tiles) + static_cast<std::size_t>(Net::statistic_count) + 1);
    return memory;
}

}  // namespace strata::inline STRATA_ABI
