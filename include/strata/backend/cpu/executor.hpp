// The CPU executor: runs the program of a network over the tiles of a batch with any number of workers, and gives the
// same bits for each of them.
//
// Tiles are grouped into leaves of consecutive tiles; a leaf's gradient is summed tile by tile, and the leaves are
// merged in one binary tree over the leaf index (leaf_gradients.hpp). How many leaves a batch has depends on the network and the batch
// alone. Networks without batch-wide layers stream: a worker takes a tile through the whole program, and memory does
// not grow with the batch.
#pragma once

#include "../../core/fixed_array.hpp"
#include "../../loss/loss.hpp"
#include "../../optimizer/optimizer.hpp"
#include "batch_layout.hpp"
#include "bfloat16_convolution.hpp"
#include "bfloat16_linear.hpp"
#include "depthwise_convolution.hpp"
#include "direct_convolution.hpp"
#include "global_average_kernel.hpp"
#include "linear_kernel.hpp"
#include "matrix_update.hpp"
#include "non_finite_watch.hpp"
#include "padded_pooling_kernel.hpp"
#include "pass_memory.hpp"
#include "pointwise_convolution.hpp"
#include "pooling_kernel.hpp"
#include "statistics.hpp"
#include "update.hpp"
#include "winograd_row_gradient_kernel.hpp"
#include "winograd_row_kernel.hpp"
#include "worker_pool.hpp"

namespace strata::inline STRATA_ABI {

template <class Net, class Precision, class Loss, class Ranks>
class CpuExecutor {
    using Program = detail::Program<Precision, Loss>;
    using Context = detail::TileContext<Precision, Loss>;
    using Step = detail::ProgramStep<Precision, Loss>;
    using Tiling = detail::Tiling;
    using Layout = detail::BatchLayout<Net, Precision, Loss>;
    using Gradient = typename Precision::accumulation;
    using Value = typename Precision::compute;

public:
    using ModelType = Model<Net, Precision>;
    using Scalar = typename Precision::master;

    STRATA_COLD CpuExecutor(Cpu cpu, Loss loss, Ranks ranks = {})
        : ranks_(std::move(ranks)),
          workers_(detail::worker_count(cpu)),
          pool_(detail::workers_of(cpu)),
          team_flops_(cpu.team_flops),
          batch_invariant_(cpu.batch_invariant),
          most_leaves_(Layout::most_leaves(cpu)),
          loss_(loss),
          barriers_(static_cast<std::size_t>(workers_) + 1),
          cache_(Layout::cached_parameters),
          gradients_(Net::parameter_count, most_leaves_, workers_),
          statistics_(static_cast<std::size_t>(Net::statistic_count) + 1),
          chunk_largest_(static_cast<std::size_t>(detail::parameter_chunks(Net::parameter_count))),
          results_(static_cast<std::size_t>(most_leaves_)),
          next_buffers_(static_cast<std::size_t>(Net::buffer_count)) {}

    [[nodiscard]] int workers() const { return workers_; }
    [[nodiscard]] Ranks const& ranks() const { return ranks_; }
    [[nodiscard]] Ranks& ranks() { return ranks_; }
    /// Leaves of a batch at most.
    [[nodiscard]] int most_leaves() const { return most_leaves_; }
    /// The samples of a batch of at most so many leaves that a rank looks at.
    template <class Deal>
    static SampleRange own_samples(Deal const& deal, int batch, int most_leaves) {
        return Layout::samples_of(deal.leaves(Layout::tiling(batch, most_leaves).leaves), batch, most_leaves);
    }
    /// The model is used where it lies; load says that others have changed it or the optimizer's state.
    void load(ModelType const&, std::span<Scalar const>) { range_.forget(); }
    void store(ModelType&, std::span<Scalar>) {}
    /// Gradient of the last training pass, in the order of Model::parameters(); empty before the first.
    [[nodiscard]] std::span<Gradient const> gradient() const { return gradients_.gradient(); }
    [[nodiscard]] std::span<Gradient> gradient() {  // what is written to it, update() takes
        largest_gradient_ = detail::unknown_magnitude;
        return gradients_.gradient();
    }
    /// Bytes held: workspaces, gradients of the leaves, statistics.
    [[nodiscard]] std::size_t memory_bytes() const {
        return memory_.bytes() + cache_.size() * sizeof(Scalar) + gradients_.memory_bytes() +
               (parts_.size() + statistics_.size()) * sizeof(double);
    }
    /// Bytes that training a batch takes, known beforehand.
    static constexpr std::size_t training_memory_bytes(int workers, int batch,
                                                       int most_leaves = Layout::default_leaves) {
        return Layout::training_memory_bytes(workers, batch, most_leaves);
    }

    /// Forward, loss, backward and merge: leaves the gradient of the batch in gradient(). The model is not changed.
    /// Throws Error where a BatchNorm would see one value a channel.
    /// The loss's gradient is multiplied by `loss_scale`, and the gradient of the batch divided by it.
    StepResult gradients(ModelType const& model, Batch const& batch, RandomKey random, double loss_scale = 1) {
        check_batch(batch.size);
        loss_scale_ = loss_scale;
        return ranks_.together([&] { return train_tiles(model, batch, random); });
    }

    /// Throws Error where a BatchNorm would see one value a channel in a training batch of this size.
    static void check_batch(int size) {
        if constexpr (Net::is_batch_wide) detail::check_batch_for_statistics<Net>(size);
    }

    /// One optimizer update with gradient(), and the running statistics of the batch. Nothing is written where a number
    /// would not be finite: says which, then.
    template <class Optimizer>
    UpdateFault update(ModelType& model, Optimizer const& optimizer, std::span<Scalar> state,
                       OptimizerStep const& step) {
        auto fault = statistics_fault(model);
        if (fault) return fault;
        if constexpr (MatrixOptimizer<Optimizer>)
            fault = detail::update_matrices<Net>(pool_, workers_, optimizer, model.parameters(), gradient_data(), state,
                                                 step, before_update_);
        else
            fault = update_part(optimizer, step, model.parameters().data(), gradient_data(), state.data(),
                                Net::parameter_count, [](auto const& found) { return found; });
        if (!fault) update_statistics(model);
        return fault;
    }
    /// The first running statistic that the last training pass would not leave finite.
    [[nodiscard]] UpdateFault statistics_fault(ModelType const& model) const {
        return detail::buffer_fault(model.buffers().data(), next_buffers_.data(), next_buffers_.size());
    }
    /// The running statistics of the last training pass become the model's.
    void update_statistics(ModelType& model) {
        if constexpr (Net::is_batch_wide) {
            std::copy(next_buffers_.begin(), next_buffers_.end(), model.buffers().begin());
            detail::count_batch<Net>(model);
        }
    }

    /// Loss and hits of a batch in evaluation mode; predictions [batch] and outputs [batch][outputs] where not null.
    StepResult evaluate(ModelType const& model, Batch const& batch, std::int32_t* predictions, Value* outputs) {
        return ranks_.together([&] { return evaluate_tiles(model, batch, predictions, outputs); });
    }

    /// For messages: the first operation whose output in a training pass is not finite, -1 if there is none.
    STRATA_COLD int first_non_finite(ModelType const& model, Batch const& batch, RandomKey random) {
        int found = Net::operation_count;
        ranks_.together([&] { return train_tiles(model, batch, random, &found); });
        return found == Net::operation_count ? -1 : found;
    }
    /// The same in evaluation mode.
    STRATA_COLD int first_non_finite(ModelType const& model, Batch const& batch) {
        int found = Net::operation_count;
        ranks_.together([&] { return evaluate_tiles(model, batch, nullptr, nullptr, &found); });
        return found == Net::operation_count ? -1 : found;
    }

protected:
    /// The update of `count` parameters alone; agree(fault) says what was found, the same for all who update a part.
    template <class Optimizer, class Agree>
    UpdateFault update_part(Optimizer const& optimizer, OptimizerStep const& step, Scalar* parameters,
                            Gradient const* gradient, Scalar* state, std::ptrdiff_t count, Agree const& agree) {
        return detail::update_part<detail::states_of<Optimizer>()>(pool_, workers_, range_,
                                                                   optimizer.template prepare<Scalar>(step), parameters,
                                                                   gradient, largest_gradient_, state, count, agree);
    }

private:
    [[nodiscard]] Gradient* gradient_data() { return gradients_.gradient().data(); }
    template <bool Training>
    static constexpr Program program = Layout::template program<Training>;
    /// Waits at a barrier until as many workers are there.
    void meet(int barrier, int workers) { barriers_[static_cast<std::size_t>(barrier)].wait(workers, pool_.looks()); }

    /// What the kernels of a phase make of the parameters, once for all tiles. The steps of a single tile do it one by
    /// one instead, in the same memory, which stays in the cache.
    template <bool Training>
    void prepare(std::span<Step const> steps, Context& context, Tiling const& tiling, int S, detail::Share share) {
        if constexpr (program<Training>.prepared > 0) {
            context.stride = S;
            context.cached = !Training && Layout::caches_prepared;
            context.each_step_prepares = !context.cached && tiling.tiles == 1;
            if (context.each_step_prepares) return;
            thrown_.attempt([&] { detail::prepare_parameters(steps, context, share); });
            meet(workers_, share.size);
        }
    }
    STRATA_COLD StepResult train_tiles(ModelType const& model, Batch const& batch, RandomKey random,
                                       int* watch = nullptr) {
        watch_ = watch;
        int const S = Layout::samples(batch.size);
        Tiling const tiling = Layout::tiling(batch.size, most_leaves_);
        detail::LeafRange const own = ranks_.leaves(tiling.leaves);
        detail::TileRange const tiles = detail::tiles_of_leaves(own, tiling);
        memory_.template make_room<true>(workers_,
                                         Net::is_batch_wide ? tiles.size() : (std::min)(workers_, tiles.size()), S);
        cache_.forget();
        detail::grow(parts_, Layout::parts_size(tiling.tiles));
        std::fill_n(results_.begin(), tiling.leaves, detail::BatchResult{});

        bool const teams = Layout::template teams_pay<true>(S, team_flops_);
        int const most = watch_ ? 1 : teams ? workers_ : std::clamp(own.size(), 1, workers_);
        bool begun = false;
        pool_.run(most, [&](int worker, int workers) {
            // How many they are is known here alone.
            detail::Assignment runs{own.size(), workers, teams, false, (std::min)(gradients_.groups(), workers)};
            if (worker == 0)
                thrown_.attempt([&] {
                    gradients_.begin(own, tiling.leaves, runs, ranks_.shards());
                    begun = true;
                });
            meet(workers_, workers);
            if (!begun) return;
            Context context = context_of(model, batch, random, worker);
            auto const steps = program<true>.steps;
            for (std::size_t begin = 0, end = 0; begin < steps.size(); begin = end) {
                while (end < steps.size() && steps[end++].reduction == detail::Reduction::none) {}
                auto const phase = steps.subspan(begin, end - begin);
                prepare<true>(phase, context, tiling, S, {worker, workers});
                runs.for_each(worker, [&](int run, detail::Share team, int slot) {
                    gradients_.sum_run(
                        run, runs.backwards,
                        [&](int leaf, Gradient* arena) {
                            context.gradient = arena;
                            // By those who add to it next: it is in their cache then.
                            detail::clear_gradients(phase, arena, team);
                            run_leaf(context, tiling, leaf, team, slot, phase, S,
                                     Net::is_batch_wide ? tiles.begin : -1);
                        },
                        [&](Gradient* into, Gradient const* other) {
                            detail::add_gradients_of(phase, into, other, team);
                            meet(slot, team.size);
                        });
                });
                auto const& last = steps[end - 1];
                if constexpr (Net::is_batch_wide)
                    if (last.reduction != detail::Reduction::none)
                        merge_statistics(model, last.reduction, last.operation, tiling, S, batch.size,
                                         {worker, workers});
                runs.backwards = !runs.backwards;
            }
            meet(workers_, workers);
            gradients_.merge_runs({worker, workers});
            if constexpr (!Ranks::several)
                gradients_.unscale(loss_scale_, {worker, workers}, 0, Net::parameter_count, chunk_largest_.data());
        });
        thrown_.rethrow();
        if constexpr (Ranks::several) {
            detail::sum_over_ranks(ranks_, gradients_, pool_, workers_, tiling.leaves, loss_scale_,
                                   chunk_largest_.data());
            share_results(tiling.leaves);
        }
        largest_gradient_ = detail::largest_magnitude(chunk_largest_.begin(), chunk_largest_.end());
        if constexpr (Ranks::several) largest_gradient_ = ranks_.largest(largest_gradient_);
        return detail::merged_result(results_.data(), batch.size, tiling.leaves, largest_gradient_);
    }

    /// Takes the tiles of a leaf through some steps. Tiles have a workspace each where the batch is kept, from
    /// `first_kept` on, else (-1) one a team.
    STRATA_ONE_COPY void run_leaf(Context& c, Tiling const& tiling, int leaf, detail::Share team, int slot,
                                  std::span<Step const> steps, int S, int first_kept) {
        meet(slot, team.size);
        c.share = team;
        c.result = &results_[static_cast<std::size_t>(leaf)];
        for (int tile = leaf * tiling.leaf_tiles; tile < (std::min)((leaf + 1) * tiling.leaf_tiles, tiling.tiles);
             ++tile) {
            c.first = tile * S;
            c.samples = (std::min)(S, c.batch->size - c.first);
            c.set_gradient = tile == leaf * tiling.leaf_tiles;
            c.stride = S;
            bool const kept = first_kept >= 0;
            c.workspace = memory_.workspace(kept ? tile - first_kept : slot);
            if (kept) c.partial = parts_.data() + static_cast<std::ptrdiff_t>(tile) * Net::statistic_count;
            for (std::size_t at = 0, length = 1; at < steps.size(); at += length) {
                auto const rest = steps.subspan(at);
                if (c.each_step_prepares && rest[0].preparation.run) {
                    thrown_.attempt([&] { detail::prepare_parameters(rest.first(1), c, team); });
                    meet(slot, team.size);
                }
                length = watch_ ? 1 : static_cast<std::size_t>(detail::chain_length(rest, S));
                thrown_.attempt([&] {
                    if (length > 1)
                        detail::run_chain(rest.first(length), c);
                    else if (watch_)
                        *watch_ = detail::run_and_watch<Net>(rest[0], c, *watch_);
                    else
                        detail::run_step(rest[0], c, Net::InputShape::size);
                });
                meet(slot, team.size);
            }
        }
    }

    STRATA_COLD StepResult evaluate_tiles(ModelType const& model, Batch const& batch, std::int32_t* predictions,
                                          Value* outputs, int* watch = nullptr) {
        watch_ = watch;
        int const S = Layout::samples(batch.size);
        Tiling const tiling = Layout::tiling(batch.size, most_leaves_);
        detail::LeafRange const own = ranks_.leaves(tiling.leaves);
        memory_.template make_room<false>(workers_, (std::min)(workers_, tiling.tiles), S);
        std::fill_n(results_.begin(), tiling.leaves, detail::BatchResult{});
        detail::evaluation_statistics<Net>(model.buffers().data(), statistics_.data());
        bool const teams = Layout::template teams_pay<false>(S, team_flops_);
        bool ready = false;
        if constexpr (Layout::caches_prepared)
            ready = cache_.is_ready(program<false>.steps, model.parameters().data(), batch_invariant_ ? 1 : S);
        int const most = watch_ ? 1 : teams ? workers_ : std::clamp(own.size(), 1, workers_);
        pool_.run(most, [&](int worker, int workers) {
            Context context = context_of(model, batch, {}, worker);
            if (Loss::classifies ? !batch.labels : !batch.targets) context.loss = nullptr;
            context.predictions = predictions;
            context.outputs = outputs;
            context.invariant = batch_invariant_;
            if (ready)
                context.cached = true;
            else
                prepare<false>(program<false>.steps, context, tiling, S, {worker, workers});
            detail::Assignment const assignment{own.size(), workers, teams};
            assignment.for_each(worker, [&](int run, detail::Share team, int slot) {
                detail::LeafRange const leaves = assignment.run(run);
                for (int leaf = leaves.begin; leaf < leaves.end; ++leaf)
                    run_leaf(context, tiling, own.begin + leaf, team, slot, program<false>.steps, S, -1);
            });
        });
        if (thrown_.is_there()) cache_.forget();
        thrown_.rethrow();
        if constexpr (Ranks::several) {
            share_results(tiling.leaves);
            auto const samples = [&](int rank) {
                return Layout::samples_of(ranks_.leaves_of(rank, tiling.leaves), batch.size, most_leaves_);
            };
            if (predictions) ranks_.gather(predictions, 1, samples);
            if (outputs) ranks_.gather(outputs, Net::OutputShape::size, samples);
        }
        return detail::merged_result(results_.data(), batch.size, tiling.leaves, 0);
    }

    /// Loss, hits and the watched operation of all ranks on each of them.
    STRATA_COLD void share_results(int leaves) {
        ranks_.gather(results_.data(), 1, [&](int rank) { return ranks_.leaves_of(rank, leaves); });
        if (watch_) *watch_ = ranks_.smallest(*watch_);
    }

    Context context_of(ModelType const& model, Batch const& batch, RandomKey random, int worker) {
        Context c;
        c.parameters = model.parameters().data();
        c.statistics = statistics_.data();
        c.batch = &batch;
        c.random = random;
        c.loss = &loss_;
        c.loss_scale = loss_scale_;
        c.scratch = memory_.scratch(worker);
        c.prepared = memory_.prepared();
        return c;
    }

    void merge_statistics(ModelType const& model, detail::Reduction kind, int operation, Tiling const& tiling,
                          int samples, int batch, detail::Share share) {
        meet(workers_, share.size);
        bool has_first_leaf = true;
        if constexpr (Ranks::several) {
            auto const at = static_cast<std::size_t>(operation);
            if (share.rank == 0)
                thrown_.attempt([&] {
                    ranks_.share_parts(parts_.data(), Net::statistic_count, Net::statistic_offset[at],
                                       Net::statistic_offset[at + 1], tiling);
                });
            meet(workers_, share.size);
            auto const own = ranks_.leaves(tiling.leaves);
            has_first_leaf = own.begin == 0 && own.end > 0;
        }
        detail::StatisticsMerge<Precision> const merge{
            parts_.data(), statistics_.data(),     tiling.tiles,         samples,
            batch,         model.buffers().data(), next_buffers_.data(), has_first_leaf ? gradient_data() : nullptr,
            share};
        auto const& entry = detail::StatisticsTable<Net, Precision>::entries[static_cast<std::size_t>(operation)];
        (kind == detail::Reduction::forward ? entry.forward : entry.backward)(merge);
        meet(workers_, share.size);
    }

    [[no_unique_address]] Ranks ranks_;
    int workers_;
    detail::WorkerPool pool_;
    double team_flops_;
    bool batch_invariant_;
    int most_leaves_;
    Loss loss_;
    FixedArray<detail::Barrier> barriers_;  // one a team, the last for everybody
    detail::FirstException thrown_;         // by a worker in a batch
    detail::PassMemory<Layout> memory_;
    detail::PreparationCache<Precision, Loss> cache_;  // of inference's prepared parameters, in that memory
    detail::LeafGradients<Gradient> gradients_;
    FixedArray<double> parts_, statistics_, chunk_largest_;
    FixedArray<detail::BatchResult> results_;
    AlignedVector<Scalar> next_buffers_;
    AlignedVector<Scalar> before_update_;  // by a matrix optimizer
    detail::UpdateRange range_;
    double largest_gradient_ = 0;
    int* watch_ = nullptr;  // of this pass: the first operation whose output is not finite
    double loss_scale_ = 1;
};

}  // namespace strata::inline STRATA_ABI
