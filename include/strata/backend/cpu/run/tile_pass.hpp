// A pass over the tiles of a batch: what its workers share, and how they take a leaf through some steps.
#pragma once

#include "../../../core/fixed_array.hpp"
#include "../cpu.hpp"
#include "../step/non_finite_watch.hpp"
#include "../threads/first_exception.hpp"
#include "../threads/worker_pool.hpp"
#include "pass_memory.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Net, class Precision, class Loss>
struct TilePass {
    using Layout = BatchLayout<Net, Precision, Loss>;
    using Context = TileContext<Precision, Loss>;
    using Step = ProgramStep<Precision, Loss>;
    using Result = typename ResultOf<Loss>::type;
    /// Of tiles that all workers of a team have one workspace for.
    static constexpr int not_kept = -1;

    STRATA_COLD TilePass(Cpu cpu, int most_leaves)
        : workers(worker_count(cpu)),
          pool(workers_of(cpu)),
          barriers(static_cast<std::size_t>(workers) + 1),
          results(static_cast<std::size_t>(most_leaves)) {}

    /// Cuts a batch into tiles. Returns the columns of a tile.
    int cut(Batch const& batch) {
        if constexpr (Net::has_sequences) {
            sequences.cut(batch, usual_tile_columns<Net, Precision>(), Net::longest_sequence);
            return sequences.stride;
        } else {
            return Layout::samples(batch.size);
        }
    }
    /// Those tiles, in at most so many leaves.
    [[nodiscard]] Tiling tiling(Batch const& batch, int most_leaves) const {
        if constexpr (Net::has_sequences)
            return Tiling(sequences.tiles * sequences.stride, sequences.stride, most_leaves);
        else
            return Layout::tiling(batch.size, most_leaves);
    }
    /// One number for each shape of tiles, after `cut`: what was prepared for one may not do for another.
    [[nodiscard]] int shape_of_tiles(int S) const {
        if constexpr (Net::has_sequences) return sequences.sequence_stride << 16 | S;
        return S;
    }
    /// Which columns of the batch a tile holds.
    void place(Context& c, int tile, int S) const {
        c.stride = S;
        if constexpr (Net::has_sequences) {
            c.sequences = sequences.of(tile);
            c.first = c.sequences.starts[0];
            c.samples = c.sequences.starts[c.sequences.count] - c.first;
            c.sequence_workspace = c.workspace + memory.columns_size();
        } else {
            c.first = tile * S;
            c.samples = (std::min)(S, c.batch->size - c.first);
        }
    }

    /// Room for a pass that holds so many tiles at a time.
    template <bool Training>
    void begin(int tiles, int samples, int leaves, typename MeanOf<Loss>::type const& of_losses,
               int* first_non_finite) {
        mean = of_losses;
        watch = first_non_finite;
        if constexpr (Net::has_sequences) {  // for the longest sequences, so that none is longer than those before
            constexpr int most = most_tile_columns<Net, Precision>();
            memory.template make_room<Training>(workers, workers, most, most);
        } else {
            memory.template make_room<Training>(workers, tiles, samples, 0);
        }
        std::fill_n(results.begin(), leaves, Result{});
    }
    /// Room for the gradients of a batch's samples, where the network wants them.
    void begin_input_gradients(int batch) {
        input_size = Layout::input_gradients(batch);
        grow(input_gradients, input_size);
    }
    [[nodiscard]] std::span<typename Precision::compute const> gradients_of_samples() const {
        return {input_gradients.data(), input_size};
    }
    /// Bytes held.
    [[nodiscard]] std::size_t bytes() const {
        return memory.bytes() + parts.size() * sizeof(double) +
               input_gradients.size() * sizeof(typename Precision::compute);
    }
    /// What a worker needs to know of the pass.
    Context context_of(Batch const& batch, RandomKey random, int worker) {
        Context c;
        c.batch = &batch;
        c.random = random;
        c.scratch = memory.scratch(worker);
        c.prepared = memory.prepared();
        c.input_gradients = input_gradients.data();
        return c;
    }
    /// Workers of a pass over some leaves.
    [[nodiscard]] int members(LeafRange own, bool teams) const {
        return watch ? 1 : teams ? workers : std::clamp(own.size(), 1, workers);
    }
    /// Messages of these ranks move on after each chain of a worker whose context polls.
    template <class Ranks>
    void poll_in_between(Ranks& ranks) {
        poll = [](void* its) { static_cast<Ranks*>(its)->poll(); };
        polled = &ranks;
    }

    /// Waits at a barrier until as many members are there.
    void meet(int barrier, int members) { barriers[static_cast<std::size_t>(barrier)].wait(members, pool.looks()); }
    /// The same for all workers.
    void meet(Share share) { meet(workers, share.size); }
    /// One worker does something that may throw, the others wait for it.
    template <class F>
    void alone(Share share, F const& f) {
        meet(share);
        if (share.rank == 0) thrown.attempt(f);
        meet(share);
    }

    /// What the kernels of a phase make of the parameters, once for all tiles. The steps of a single tile do it one by
    /// one instead, in the same memory, which stays in the cache.
    template <bool Training>
    void prepare(std::span<Step const> steps, Context& context, Tiling const& tiling, int S, Share share) {
        if constexpr (Layout::template program<Training>.prepared > 0) {
            context.stride = S;
            context.sequences.stride = sequence_columns();
            context.each_step_prepares = !context.cached && tiling.tiles == 1;
            if (context.each_step_prepares) return;
            thrown.attempt([&] { prepare_parameters(steps, context, share); });
            meet(share);
        }
    }

    /// Takes the tiles of a leaf through some steps. Tiles have a workspace each where the batch is kept, from
    /// `first_kept` on, else (not_kept) one a team.
    STRATA_ONE_COPY void run_leaf(Context& c, Tiling const& tiling, int leaf, Share team, int slot,
                                  std::span<Step const> steps, int S, int first_kept) {
        meet(slot, team.size);
        c.share = team;
        c.result = &results[static_cast<std::size_t>(leaf)];
        c.mean = mean;
        for (int tile = leaf * tiling.leaf_tiles; tile < (std::min)((leaf + 1) * tiling.leaf_tiles, tiling.tiles);
             ++tile) {
            c.set_gradient = tile == leaf * tiling.leaf_tiles;
            bool const kept = first_kept != not_kept;
            c.workspace = memory.workspace(kept ? tile - first_kept : slot);
            place(c, tile, S);
            if (kept) c.partial = parts.data() + static_cast<std::ptrdiff_t>(tile) * Net::statistic_count;
            for (std::size_t at = 0, length = 1; at < steps.size(); at += length) {
                auto const rest = steps.subspan(at);
                if (c.each_step_prepares && rest[0].preparation.run) {
                    thrown.attempt([&] { prepare_parameters(rest.first(1), c, team); });
                    meet(slot, team.size);
                }
                length = watch ? 1 : static_cast<std::size_t>(chain_length(rest, S));
                if constexpr (Net::has_sequences) length = chain_of_alike(rest, length);
                thrown.attempt([&] {
                    if (length > 1)
                        run_chain(rest.first(length), c);
                    else if (watch)
                        *watch = run_and_watch<Net>(rest[0], c, *watch);
                    else
                        run_step(rest[0], c, Net::InputShape::size);
                });
                if (c.polls) thrown.attempt([&] { poll(polled); });
                meet(slot, team.size);
            }
        }
    }

    [[nodiscard]] int sequence_columns() const {
        if constexpr (Net::has_sequences) return sequences.sequence_stride;
        return 1;
    }

    int workers;
    WorkerPool pool;
    FixedArray<Barrier> barriers;  ///< one a team, the last for everybody
    FirstException thrown;         ///< by a worker in a batch
    PassMemory<Layout> memory;
    [[no_unique_address]] std::conditional_t<Net::has_sequences, SequenceTiles, NoSequenceTiles> sequences;
    FixedArray<double> parts;  ///< of passes over the batch, by tile
    FixedArray<Result> results;
    typename MeanOf<Loss>::type mean;                         ///< of the batch's losses
    FixedArray<typename Precision::compute> input_gradients;  ///< [batch][inputs]
    std::size_t input_size = 0;                               ///< of them, in this pass
    void (*poll)(void*) = nullptr;
    void* polled = nullptr;
    int* watch = nullptr;  ///< of this pass: the first operation whose output is not finite
};

}  // namespace strata::inline STRATA_ABI::detail
