// How a batch is cut into leaves, and what memory it takes: constants of a network.
#pragma once

#include "preparation_cache.hpp"
#include "program.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Net, class Precision, class Loss>
struct BatchLayout {
    using Storage = typename Precision::storage;
    using Scalar = typename Precision::master;
    using Gradient = typename Precision::accumulation;

    template <bool Training>
    static constexpr Program<Precision, Loss> program = program_of<Net, Precision, Loss, Training>();

    /// Leaves at most, and arenas for their gradients always: a constant of the network, bounded by 256 MiB. With fewer
    /// leaves than workers, teams share a leaf.
    static constexpr int max_leaves = [] {
        if (weights_dominate<Net>) return 1;
        std::size_t const fit =
            (std::size_t{256} << 20) / (sizeof(Gradient) * static_cast<std::size_t>(Net::parameter_count + 1));
        return fit > 32 ? 32 : fit < 2 ? 2 : static_cast<int>(fit);
    }();
    static constexpr std::size_t gradient_size =
        static_cast<std::size_t>(max_leaves) * static_cast<std::size_t>(Net::parameter_count);

    /// Samples in a tile.
    static constexpr int samples(int batch) { return tile_samples<Net, Precision>(batch); }
    static constexpr Tiling tiling(int batch) { return Tiling(batch, samples(batch), max_leaves); }
    /// The samples of some leaves.
    static constexpr SampleRange samples_of(LeafRange leaves, int batch) {
        int const leaf_samples = tiling(batch).leaf_tiles * samples(batch);
        return {(std::min)(leaves.begin * leaf_samples, batch), (std::min)(leaves.end * leaf_samples, batch)};
    }

    /// Scratch memory of a worker, in whole cache lines.
    template <bool Training>
    static constexpr std::size_t scratch_size() {
        constexpr std::size_t line = 64 / sizeof(Storage);
        return (static_cast<std::size_t>(program<Training>.scratch) + line - 1) / line * line;
    }
    template <bool Training>
    static constexpr std::size_t prepared_size() {
        return static_cast<std::size_t>(program<Training>.prepared);
    }
    /// Inference keeps what its kernels make of the parameters where that is little; more of it is made anew for every
    /// batch, in memory that stays in the cache.
    static constexpr bool caches_prepared = program<false>.prepared > 0 &&
                                            program<false>.prepared * sizeof(Storage) <= std::size_t{1} << 18;
    static constexpr std::size_t cached_parameters =
        caches_prepared ? PreparationCache<Precision, Loss>::size_of(program<false>.steps) : 0;
    /// Doubles of the tiles' parts of batch-wide statistics. A batch below 16 may have two tiles, one of 16 has a single
    /// one.
    static constexpr std::size_t parts_size(int tiles) {
        return static_cast<std::size_t>(Net::statistic_count) * static_cast<std::size_t>((std::max)(tiles, 2));
    }

    /// Bytes that training a batch takes on one rank. A streaming network's do not depend on the batch once it fills
    /// tiles of the most samples for every worker.
    static constexpr std::size_t training_memory_bytes(int workers, int batch) {
        int const tiles = tiling(batch).tiles;
        auto const tile = static_cast<std::size_t>(program<true>.size) * static_cast<std::size_t>(samples(batch));
        auto const statistics = static_cast<std::size_t>(Net::statistic_count);
        return sizeof(Storage) * tile *
                   static_cast<std::size_t>(Net::is_batch_wide ? tiles : (std::min)(workers, tiles)) +
               sizeof(Storage) * (static_cast<std::size_t>(workers) * scratch_size<true>() + prepared_size<true>()) +
               sizeof(Scalar) * cached_parameters + sizeof(Gradient) * gradient_size +
               sizeof(double) * (parts_size(tiles) + statistics + 1);
    }
};

}  // namespace strata::inline STRATA_ABI::detail
