// How a batch is cut into leaves, and what memory it takes: constants of a network.
#pragma once

#include "../../../network/parameter_groups.hpp"
#include "../../../program/phase.hpp"
#include "../cpu.hpp"
#include "../step/leaf_gradients.hpp"
#include "../step/program.hpp"
#include "preparation_cache.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Net, class Precision, class Loss>
struct BatchLayout {
    using Storage = typename Precision::storage;
    using Scalar = typename Precision::master;
    using Gradient = typename Precision::accumulation;

    template <bool Training>
    static constexpr Program<Precision, Loss> program = program_of<Net, Precision, Loss, Training>();

    static constexpr auto inference_steps(bool by_layer) {
        return by_layer ? program<false>.by_layer : program<false>.steps;
    }

    /// Leaves of a batch at most, where Cpu::leaves says nothing: a constant of the network. A single team can sum as
    /// many in 256 MiB.
    static constexpr int default_leaves = [] {
        if (weights_dominate<Net>) return 1;
        int leaves = 32, heights = 6;
        constexpr std::size_t bytes = sizeof(Gradient) * static_cast<std::size_t>(Net::parameter_count + 1);
        for (; leaves > 2 && static_cast<std::size_t>(heights) * bytes > std::size_t{256} << 20; --heights) leaves /= 2;
        return leaves;
    }();
    static constexpr int most_leaves(Cpu cpu) { return cpu.leaves > 0 ? cpu.leaves : default_leaves; }

    /// The group of parameters that a step belongs to.
    static constexpr int group_of(ProgramStep<Precision, Loss> const& step) {
        return step.operation >= 0 ? ParameterGroups<Net>::of(step.operation)
               : step.fill         ? 0
                                   : ParameterGroups<Net>::count - 1;
    }
    /// Where the phase that begins with a step ends: where a pass over the batch is merged, or another group of parameters
    /// begins, for ranks that work on one at a time.
    template <bool Training, class Ranks>
    static constexpr std::size_t phase_end(std::size_t end) {
        return strata::detail::phase_end(program<Training>.by_layer, end, [](auto const& step) {
            if constexpr (Ranks::by_groups)
                return group_of(step);
            else
                return 0;
        });
    }
    /// The parameters of the first other group after a phase that ends there, of the forward pass unless those of the
    /// backward pass are gathered, too; none at the end.
    template <bool Training, class Ranks>
    static constexpr OwnedRange next_parameters(std::size_t end) {
        auto const steps = program<Training>.by_layer;
        for (std::size_t k = end; k < steps.size() && (Ranks::gathers_parameters || !steps[k].backward); ++k)
            if (int const group = group_of(steps[k]); group != group_of(steps[end - 1]))
                return ParameterGroups<Net>::parameters(group);
        return {0, 0};
    }
    /// Numbers of an arena of gradients.
    template <class Ranks>
    static constexpr std::ptrdiff_t arena_numbers =
        Ranks::by_groups ? static_cast<std::ptrdiff_t>(ParameterGroups<Net>::largest_window) : Net::parameter_count;
    /// True where a phase of training that ends there has made the last gradients of its group.
    static constexpr bool finishes_group(std::size_t end) {
        auto const steps = program<true>.steps;
        return steps[end - 1].backward && (end == steps.size() || group_of(steps[end]) != group_of(steps[end - 1]));
    }

    /// Samples in a tile.
    static constexpr int samples(int batch) { return tile_samples<Net, Precision>(batch); }
    static constexpr Tiling tiling(int batch, int most_leaves) { return Tiling(batch, samples(batch), most_leaves); }
    /// The samples of some leaves.
    static constexpr SampleRange samples_of(LeafRange leaves, int batch, int most_leaves) {
        int const leaf_samples = tiling(batch, most_leaves).leaf_tiles * samples(batch);
        return {(std::min)(leaves.begin * leaf_samples, batch), (std::min)(leaves.end * leaf_samples, batch)};
    }

    /// True where a team is faster than one worker on tiles of that many samples.
    template <bool Training>
    static bool teams_pay(int samples, double team_flops) {
        return (Training ? Net::training_flops : Net::flops) * samples >=
               team_flops * static_cast<double>(program<Training>.steps.size());
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
    /// Doubles of the tiles' parts of passes over the batch. A batch below 16 may have two tiles, one of 16 has a single
    /// one.
    static constexpr std::size_t parts_size(int tiles) {
        return static_cast<std::size_t>(Net::statistic_count) * static_cast<std::size_t>((std::max)(tiles, 2));
    }

    /// Numbers of the samples' gradients, where the network wants them.
    static constexpr std::size_t input_gradients(int batch) {
        return Net::has_input_gradient
                   ? static_cast<std::size_t>(Net::InputShape::size) * static_cast<std::size_t>(batch)
                   : 0;
    }
    /// Bytes that training a batch takes on one rank; of sequences the same for all batches. A streaming network's do not
    /// depend on the batch once it fills tiles of the most samples for every worker.
    static constexpr std::size_t training_memory_bytes(int workers, int batch, int most_leaves) {
        int const tiles = Net::has_sequences ? workers : tiling(batch, most_leaves).tiles;
        std::size_t const arena = sizeof(Gradient) * static_cast<std::size_t>(Net::parameter_count);
        int const arenas = most_arenas(most_leaves, workers, groups_of(most_leaves, workers, arena));
        // Of sequences as long as they may be, and of as many.
        int const columns = Net::has_sequences ? 2 * most_tile_columns<Net, Precision>() : samples(batch);
        auto const tile = static_cast<std::size_t>(program<true>.size) * static_cast<std::size_t>(columns);
        auto const statistics = static_cast<std::size_t>(Net::statistic_count);
        return sizeof(Storage) * tile *
                   static_cast<std::size_t>(Net::is_batch_wide ? tiles : (std::min)(workers, tiles)) +
               sizeof(Storage) * (static_cast<std::size_t>(workers) * scratch_size<true>() + prepared_size<true>()) +
               sizeof(typename Precision::compute) * input_gradients(batch) + sizeof(Scalar) * cached_parameters +
               static_cast<std::size_t>(arenas) * arena + sizeof(double) * (parts_size(tiles) + statistics + 1);
    }
};

}  // namespace strata::inline STRATA_ABI::detail
