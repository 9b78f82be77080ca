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

/// The wire of a step of DataParallel on `rank` of `ranks`, behind another one, with a batch of so many samples:
/// gradients there and back, the leaves' results, what passes over the batch (BatchNorm's) have gathered. `ways` are
/// what stands behind DataParallel's communicator; what ranks agree on under WhenLost::go_on is the engine's own and
/// does not count. Codes of steps in which OneBit or TopK warm up are longer: at(step) says them. Throws Error where a
/// number makes no sense.
///
///     static_assert(wire_of<LeNet>(64, 2).bytes == 248'056);
///     wire_of<LeNet>(256, 8, 3, Cpu{.leaves = 8}, Sharded<2>{}, Compressed<Int8>{}).messages;
template <class Net, class Precision = Float32, class... Ways>
constexpr Wire wire_of(int batch, int ranks, int rank = 0, Cpu cpu = {}, Ways const&... ways) {
    using Gradient = typename Precision::accumulation;
    using Layout = detail::BatchLayout<Net, Precision, CrossEntropy>;
    detail::check_ranks("wire_of", batch, ranks, rank, ways...);
    detail::Tiling const tiling = Layout::tiling(batch, Layout::most_leaves(cpu));
    auto const compression = detail::compression_among(ways...);
    constexpr bool compressed = (detail::is_compression<Ways> || ... || false);
    int shards = 0;
    if constexpr (compressed) shards = compression.shards;
    detail::LeafRange const own = detail::LeafDeal{rank, ranks, shards}.leaves(tiling.leaves);
    Wire wire;
    constexpr int level = (detail::shard_level<Ways> + ... + 0);
    constexpr bool sharded = level > 0;
    OwnedParts const parts(rank, ranks, detail::ranges_of_level<Net, level>);
    for (int k = 0; k < parts.ranges(); ++k) {
        OwnedRange const range = parts.range(k), mine = parts.part(k);
        ExchangeRounds const rounds(rank, ranks, tiling.leaves, range.size(), level >= 2);
        Traffic there = rounds.reduce_traffic(), back = rounds.gather_traffic();
        std::size_t buffer = rounds.buffer() * sizeof(Gradient);
        if constexpr (level >= 2)  // what leaves while the next group is computed
            buffer += static_cast<std::size_t>(rounds.nodes_of(rank).count()) * range.size() * sizeof(Gradient);
        if constexpr (compressed) {
            auto const bytes = [&](OwnedRange numbers) {
                return encoded_bytes<Gradient>(compression.code, numbers.size());
            };
            detail::LeafRange const its = leaves_of(rank, ranks, shards);
            std::size_t sums = 0, others = 0, codes = 0;
            for (int shard = 0; shard < shards; ++shard) {
                bool const any = leaves_of(shard, shards, tiling.leaves).size() > 0;
                codes += any ? 1 : 0;
                sums += any && shard >= its.begin && shard < its.end ? 1 : 0;
            }
            for (int peer = 0; peer < ranks; ++peer)
                others += peer != rank && parts.part_of(peer, k).size() > 0 ? 1 : 0;
            there = {0, sums * others};
            wire.bytes += sums * (bytes(range) - bytes(mine));
            if constexpr (!sharded) {
                auto const peers = static_cast<std::size_t>(mine.size() > 0 ? ranks - 1 : 0);
                wire.bytes += peers * encoded_bytes<Gradient>(compression.back(compression.code), mine.size());
                back = {0, peers};
            }
            std::size_t const to_send = sums * bytes(range),
                              to_gather =
                                  sharded ? 0
                                          : encoded_bytes<Gradient>(compression.back(compression.code), range.size());
            buffer = (std::max)(to_send, to_gather) + (codes - sums) * bytes(mine);
        }
        if constexpr (level >= 2) back = {};
        wire.bytes += there.numbers * sizeof(Gradient) +
                      back.numbers * (sharded ? sizeof(typename Precision::master) : sizeof(Gradient));
        wire.messages += there.messages + back.messages;
        wire.buffer_bytes = (std::max)(wire.buffer_bytes, buffer);
    }
    if constexpr (level >= 2) {  // parameters come forward, and of level 3, but for the last group's, backward
        using Groups = ParameterGroups<Net>;
        auto const peers = static_cast<std::size_t>(ranks - 1);
        for (int k = 0; k < (level == 3 ? 2 * Groups::count - 1 : Groups::count); ++k)
            parts.for_each_piece(Groups::parameters(k < Groups::count ? k : 2 * Groups::count - 2 - k),
                                 [&](int owner, int, OwnedRange piece) {
                                     if (owner != rank) return;
                                     wire.bytes += peers * piece.size() * sizeof(typename Precision::master);
                                     wire.messages += peers;
                                 });
    }
    // What is gathered in rows goes to every other rank, where there is something.
    auto const gather = [&](int rows, std::size_t row_bytes) {
        if (rows == 0 || row_bytes == 0) return;
        auto const others = static_cast<std::size_t>(ranks - 1);
        wire.bytes += others * static_cast<std::size_t>(rows) * row_bytes;
        wire.messages += others;
    };
    gather(own.size(), sizeof(detail::BatchResult));
    SampleRange const samples = Layout::samples_of(own, batch, Layout::most_leaves(cpu));
    gather(samples.end - samples.begin, sizeof(typename Precision::compute) * Layout::input_gradients(1));
    std::size_t widest = 0;
    int const tiles = detail::tiles_of_leaves(own, tiling).size();
    detail::for_batch_passes<Net>([&](int numbers) {
        std::size_t const row = static_cast<std::size_t>(numbers) * sizeof(double);
        gather(tiles, row);
        widest = (std::max)(widest, row);
    });
    if constexpr (sharded) {
        gather(1, sizeof(double));            // the part's largest gradient
        gather(1, 3 * sizeof(std::int64_t));  // and what is not finite in it
    }
    wire.buffer_bytes += static_cast<std::size_t>(tiling.tiles) * widest;
    return wire;
}

}  // namespace strata::inline STRATA_ABI
