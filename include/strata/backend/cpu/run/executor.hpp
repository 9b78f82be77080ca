// The CPU executor: runs the program of a network over the tiles of a batch, with the same bits for any number of workers.
// A worker takes a tile through the whole program, unless passes over the batch cut it into phases.
#pragma once

#include "../../../loss/loss.hpp"
#include "../../../optimizer/optimizer.hpp"
#include "../../batch_wide.hpp"
#include "../../gradient_norm.hpp"
#include "../step/batch_merge.hpp"
#include "../step/matrix_update.hpp"
#include "../step/update.hpp"
#include "batch_layout.hpp"
#include "tile_pass.hpp"

namespace strata::inline STRATA_ABI {

template <class Net, class Precision, class Loss, class Ranks>
class CpuExecutor {
    static_assert(!Net::has_sequences || !Ranks::several,
                  "Sequence: networks of sequences are trained on one rank: leave DataParallel or ParameterServer out");
    using Context = detail::TileContext<Precision, Loss>;
    using Tiling = detail::Tiling;
    using Layout = detail::BatchLayout<Net, Precision, Loss>;
    using Groups = ParameterGroups<Net>;
    using Gradient = typename Precision::accumulation;
    using Value = typename Precision::compute;
    using Piece = detail::GradientPiece<Gradient>;

public:
    using ModelType = Model<Net, Precision>;
    using Scalar = typename Precision::master;
    static constexpr bool takes_parts = true;  ///< a Batch may be a part of a `whole` one

    STRATA_COLD CpuExecutor(Cpu cpu, Loss loss, Ranks ranks = {})
        : ranks_(std::move(ranks)),
          team_flops_(cpu.team_flops),
          batch_invariant_(cpu.batch_invariant),
          most_leaves_(Layout::most_leaves(cpu)),
          loss_(loss),
          pass_(cpu, most_leaves_),
          cache_(Ranks::gathers_parameters ? 0 : Layout::cached_parameters),
          gradients_(Layout::template arena_numbers<Ranks>, most_leaves_, pass_.workers),
          statistics_(static_cast<std::size_t>(Net::statistic_count) + 1),
          chunk_numbers_(static_cast<std::size_t>(detail::parameter_chunks(Net::parameter_count))),
          next_buffers_(static_cast<std::size_t>(Net::moving_buffer_count)) {
        static_assert(strata::Executor<CpuExecutor> && ScalesLoss<CpuExecutor> && KnowsGradientNorm<CpuExecutor> &&
                      GivesInputGradients<CpuExecutor> && TakesParts<CpuExecutor>);
    }

    [[nodiscard]] int workers() const { return pass_.workers; }
    [[nodiscard]] Ranks const& ranks() const { return ranks_; }
    [[nodiscard]] Ranks& ranks() { return ranks_; }
    [[nodiscard]] Loss const& loss() const { return loss_; }  // what ranks compare
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
    /// Its Euclidean norm.
    [[nodiscard]] double gradient_norm() { return norm_of(std::array{Piece{0, gradients_.gradient()}}); }
    /// [batch][inputs] of the last training pass, for networks that want it.
    [[nodiscard]] std::span<Value const> input_gradients() const { return pass_.gradients_of_samples(); }
    /// Bytes held: workspaces, gradients of the leaves, statistics.
    [[nodiscard]] std::size_t memory_bytes() const {
        return pass_.bytes() + cache_.size() * sizeof(Scalar) + gradients_.memory_bytes() +
               statistics_.size() * sizeof(double);
    }
    /// Bytes that training a batch takes, known beforehand.
    static constexpr std::size_t training_memory_bytes(int workers, int batch, int leaves = Layout::default_leaves) {
        return Layout::training_memory_bytes(workers, batch, leaves);
    }

    /// Forward, loss (whose gradient is multiplied by `loss_scale`), backward and merge: leaves the gradient of the batch
    /// in gradient(). The model is not changed.
    StepResult gradients(ModelType const& model, Batch const& batch, RandomKey random, double loss_scale = 1) {
        check_batch(batch.size);
        loss_scale_ = loss_scale;
        return ranks_.together([&] { return train_tiles(model, batch, random); });
    }

    /// Throws Error where the variance of one value would be taken in a training batch of this size.
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
            fault = detail::update_matrices<Net>(pass_.pool, pass_.workers, optimizer, model.parameters(),
                                                 gradient_data(), state, step, before_update_);
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
        if constexpr (Net::is_batch_wide) detail::take_statistics<Net>(model, next_buffers_);
    }

    /// Loss and hits of a batch in evaluation mode; predictions [batch] and outputs [batch][outputs] where not null.
    StepResult evaluate(ModelType const& model, Batch const& batch, std::int32_t* predictions, Value* outputs) {
        return ranks_.together([&] { return evaluate_tiles(model, batch, predictions, outputs); });
    }

    /// For messages: the first operation whose output is not finite, in a training pass or, without `random`, in evaluation
    /// mode; -1 if there is none.
    template <class... Random>
    STRATA_COLD int first_non_finite(ModelType const& model, Batch const& batch, Random... random) {
        int found = Net::operation_count;
        ranks_.together([&] {
            if constexpr (sizeof...(Random) > 0)
                return train_tiles(model, batch, random..., &found);
            else
                return evaluate_tiles(model, batch, nullptr, nullptr, &found);
        });
        return found == Net::operation_count ? -1 : found;
    }

protected:
    /// The norm of the batch's gradient, of which these pieces are here.
    [[nodiscard]] double norm_of(std::span<Piece const> pieces) {
        return detail::norm_of_pieces(
            pieces, std::span(chunk_numbers_.data(), chunk_numbers_.size()), ranks_,
            [&](std::ptrdiff_t count, auto const& f) { detail::for_parts(pass_.pool, pass_.workers, count, f); });
    }
    /// The update of `count` parameters alone; agree(fault) says what was found, the same for all who update a part.
    template <class Optimizer, class Agree>
    UpdateFault update_part(Optimizer const& optimizer, OptimizerStep const& step, Scalar* parameters,
                            Gradient const* gradient, Scalar* state, std::ptrdiff_t count, Agree const& agree) {
        return detail::update_part<detail::states_of<Optimizer>()>(pass_.pool, pass_.workers, range_,
                                                                   optimizer.template prepare<Scalar>(step), parameters,
                                                                   gradient, largest_gradient_, state, count, agree);
    }

private:
    [[nodiscard]] Gradient* gradient_data() { return gradients_.gradient().data(); }

    STRATA_COLD StepResult train_tiles(ModelType const& model, Batch const& batch, RandomKey random,
                                       int* watch = nullptr) {
        constexpr auto steps = Layout::template program<true>.steps;
        constexpr bool keeps_batch = Net::is_batch_wide || Ranks::by_groups;
        int const S = pass_.cut(batch);
        Tiling const tiling = pass_.tiling(batch, most_leaves_);
        detail::LeafRange const own = ranks_.leaves(tiling.leaves);
        detail::TileRange const tiles = detail::tiles_of_leaves(own, tiling);
        pass_.template begin<true>(keeps_batch ? tiles.size() : (std::min)(pass_.workers, tiles.size()), S,
                                   tiling.leaves, detail::loss_mean(loss_, batch), watch);
        if constexpr (Ranks::by_groups) pass_.template poll_in_between<Ranks>(ranks_);
        cache_.forget();
        detail::grow(pass_.parts, Layout::parts_size(tiling.tiles));
        pass_.begin_input_gradients(batch.columns());
        detail::frozen_statistics<Net>(model.buffers().data(), statistics_.data());

        bool const teams = Layout::template teams_pay<true>(S, team_flops_);
        bool begun = false, gathers = false;
        if constexpr (Ranks::by_groups) gathers = ranks_.gathers_now();
        pass_.pool.run(pass_.members(own, teams), [&](int worker, int workers) STRATA_COLD {
            detail::Share const share{worker, workers};  // how many they are is known here alone
            detail::Assignment runs{own.size(), workers, teams, false, (std::min)(gradients_.groups(), workers)};
            if (worker == 0)
                pass_.thrown.attempt([&] {
                    gradients_.begin(own, tiling.leaves, runs, ranks_.shards());
                    begun = true;
                });
            pass_.meet(share);
            if (!begun) return;
            Context context = context_of(model, batch, random, worker);
            for (std::size_t begin = 0, end = 0; begin < steps.size(); begin = end) {
                end = Layout::template phase_end<true, Ranks>(begin);
                auto const phase = steps.subspan(begin, end - begin);
                auto const& last = steps[end - 1];
                if constexpr (Ranks::by_groups)
                    work_on<true>(end, gathers && (Ranks::gathers_parameters || !phase[0].backward), context, share);
                pass_.template prepare<true>(phase, context, tiling, S, share);
                runs.for_each(worker, [&](int run, detail::Share team, int slot) {
                    gradients_.sum_run(
                        run, runs.backwards,
                        [&](int leaf, Gradient* arena) {
                            context.gradient = arena;
                            // By those who add to it next: it is in their cache then.
                            detail::clear_gradients(phase, arena, context.first_gradient, team);
                            pass_.run_leaf(context, tiling, leaf, team, slot, phase, S,
                                           keeps_batch ? tiles.begin : pass_.not_kept);
                        },
                        [&](Gradient* into, Gradient const* other) {
                            detail::add_gradients_of(phase, into, other, context.first_gradient, team);
                            pass_.meet(slot, team.size);
                        });
                });
                if constexpr (Net::is_batch_wide)
                    if (last.reduction) merge(last, model, tiling, S, batch.size, context.first_gradient, share);
                if constexpr (Ranks::by_groups)
                    if (Layout::finishes_group(end)) sum_group(Layout::group_of(last), tiling.leaves, share);
                runs.backwards = !runs.backwards;
            }
            if constexpr (!Ranks::by_groups) {
                pass_.meet(share);
                gradients_.merge_runs(share, Net::parameter_count);
            }
            if constexpr (!Ranks::several)
                detail::unscale(gradient_data(), Net::parameter_count, loss_scale_, share, 0, Net::parameter_count,
                                chunk_numbers_.data());
        });
        end_pass();
        if constexpr (Ranks::several) {
            if constexpr (!Ranks::by_groups) detail::sum_over_ranks(ranks_, gradients_, tiling.leaves);
            detail::unscale_own(ranks_, gradients_.gradient(), pass_.pool, pass_.workers, loss_scale_,
                                chunk_numbers_.data());
            share_results(tiling.leaves);
            if constexpr (Net::has_input_gradient)
                share_samples(pass_.input_gradients.data(), Net::InputShape::size, batch.size, tiling);
        }
        largest_gradient_ = detail::largest_magnitude(chunk_numbers_.begin(), chunk_numbers_.end());
        if constexpr (Ranks::several) largest_gradient_ = ranks_.largest(largest_gradient_);
        return detail::merged_result(loss_, pass_.results.data(), pass_.mean, batch.answers(), tiling.leaves,
                                     largest_gradient_);
    }

    STRATA_COLD StepResult evaluate_tiles(ModelType const& model, Batch const& batch, std::int32_t* predictions,
                                          Value* outputs, int* watch = nullptr) {
        auto const steps = Layout::inference_steps(Ranks::gathers_parameters || watch);
        int const S = pass_.cut(batch);
        Tiling const tiling = pass_.tiling(batch, most_leaves_);
        detail::LeafRange const own = ranks_.leaves(tiling.leaves);
        detail::TileRange const tiles = detail::tiles_of_leaves(own, tiling);
        pass_.template begin<false>(Ranks::gathers_parameters ? tiles.size() : (std::min)(pass_.workers, tiling.tiles),
                                    S, tiling.leaves, detail::loss_mean(loss_, batch), watch);
        if constexpr (Ranks::gathers_parameters) pass_.template poll_in_between<Ranks>(ranks_);
        detail::evaluation_statistics<Net>(model.buffers().data(), statistics_.data());
        bool const teams = Layout::template teams_pay<false>(S, team_flops_);
        bool ready = false;
        if constexpr (Layout::caches_prepared && !Ranks::gathers_parameters)
            ready = cache_.is_ready(steps, model.parameters().data(), model.buffers().data(),
                                    batch_invariant_ ? 1 : pass_.shape_of_tiles(S));
        pass_.pool.run(pass_.members(own, teams), [&](int worker, int workers) {
            detail::Share const share{worker, workers};
            Context context = context_of(model, batch, {}, worker);
            if (!detail::answers_all<Loss>(batch)) context.loss = nullptr;
            context.predictions = predictions;
            context.outputs = outputs;
            context.invariant = batch_invariant_;
            context.cached = Layout::caches_prepared;
            for (std::size_t begin = 0, end = steps.size(); begin < steps.size(); begin = end) {
                if constexpr (Ranks::gathers_parameters) {
                    end = Layout::template phase_end<false, Ranks>(begin);
                    work_on<false>(end, true, context, share);
                }
                auto const phase = steps.subspan(begin, end - begin);
                if (!ready) pass_.template prepare<false>(phase, context, tiling, S, share);
                detail::Assignment const assignment{own.size(), workers, teams};
                assignment.for_each(worker, [&](int run, detail::Share team, int slot) {
                    detail::LeafRange const leaves = assignment.run(run);
                    for (int leaf = leaves.begin; leaf < leaves.end; ++leaf)
                        pass_.run_leaf(context, tiling, own.begin + leaf, team, slot, phase, S,
                                       Ranks::gathers_parameters ? tiles.begin : pass_.not_kept);
                });
            }
        });
        if (pass_.thrown.is_there()) cache_.forget();
        end_pass();
        if constexpr (Ranks::several) {
            share_results(tiling.leaves);
            if (predictions) share_samples(predictions, detail::places_in<Loss, Net>, batch.size, tiling);
            if (outputs) share_samples(outputs, Net::OutputShape::size, batch.size, tiling);
        }
        return detail::merged_result(loss_, pass_.results.data(), pass_.mean, batch.answers(), tiling.leaves, 0);
    }

    /// Throws what a worker has thrown.
    void end_pass() {
        if constexpr (!Ranks::by_groups) {
            pass_.thrown.rethrow();
        } else {
            pass_.thrown.attempt([&] { ranks_.settle(); });
            try {
                pass_.thrown.rethrow();
            } catch (...) {
                ranks_.give_up();
                throw;
            }
        }
    }
    /// Ranks that work on one group of parameters at a time: the phase that ends there is about one.
    template <bool Training>
    void work_on(std::size_t end, bool gathers, Context& context, detail::Share share) {
        constexpr auto steps = Layout::template program<Training>.by_layer;
        auto const own = Groups::parameters(Layout::group_of(steps[end - 1]));
        context.first_gradient = static_cast<std::ptrdiff_t>(own.begin);
        context.polls = share.rank == 0;
        if (gathers) {
            pass_.alone(share,
                        [&] { ranks_.open_parameters(own, Layout::template next_parameters<Training, Ranks>(end)); });
            context.parameters = ranks_.opened_parameters();
            context.first_parameter = context.first_gradient;
        }
    }
    /// This rank has all its gradients of a group.
    void sum_group(int group, int leaves, detail::Share share) {
        auto const own = Groups::parameters(group);
        pass_.meet(share);
        gradients_.merge_runs(share, static_cast<std::ptrdiff_t>(own.size()));
        pass_.alone(share, [&] {
            Gradient* sums[64];
            auto const nodes = std::span<Gradient* const>(sums, static_cast<std::size_t>(gradients_.sums(sums)));
            ranks_.settle();  // what had a phase to arrive
            ranks_.post_group(nodes, group, own.begin, leaves);
            if (group == 0) return;
            // The rest of a chunk waits for the group before.
            auto const waiting = Groups::window(group - 1).end - own.begin, to = Groups::parameters(group - 1).size();
            for (Gradient* const sum : nodes) std::memmove(sum + to, sum, waiting * sizeof(Gradient));
        });
    }

    /// Loss, hits and the watched operation of all ranks on each of them.
    STRATA_COLD void share_results(int leaves) {
        ranks_.gather(pass_.results.data(), 1, [&](int rank) { return ranks_.leaves_of(rank, leaves); });
        if (pass_.watch) *pass_.watch = ranks_.smallest(*pass_.watch);
    }

    /// Numbers of all samples, so many each, on all ranks.
    template <class T>
    void share_samples(T* numbers, int each, int batch, Tiling const& tiling) {
        ranks_.gather(numbers, each, [&](int rank) {
            return Layout::samples_of(ranks_.leaves_of(rank, tiling.leaves), batch, most_leaves_);
        });
    }

    Context context_of(ModelType const& model, Batch const& batch, RandomKey random, int worker) {
        Context c = pass_.context_of(batch, random, worker);
        c.parameters = model.parameters().data();
        c.frozen = model.buffers().data();
        c.statistics = statistics_.data();
        c.loss = &loss_;
        c.loss_scale = loss_scale_;
        return c;
    }

    void merge(detail::ProgramStep<Precision, Loss> const& step, ModelType const& model, Tiling const& tiling,
               int samples, int batch, std::ptrdiff_t first_gradient, detail::Share share) {
        bool has_first_leaf = true;
        if constexpr (!Ranks::several) {
            pass_.meet(share);
        } else {
            int const begin = step.reduction.at, end = begin + step.reduction.numbers;
            pass_.alone(share,
                        [&] { ranks_.share_parts(pass_.parts.data(), Net::statistic_count, begin, end, tiling); });
            auto const own = ranks_.leaves(tiling.leaves);
            has_first_leaf = own.begin == 0 && own.end > 0;
        }
        detail::merge_batch(step, {pass_.parts.data(), Net::statistic_count, statistics_.data(), tiling.tiles, samples,
                                   batch, model.buffers().data(), next_buffers_.data(),
                                   has_first_leaf ? gradient_data() : nullptr, share, first_gradient});
        pass_.meet(share);
    }

    [[no_unique_address]] Ranks ranks_;
    double team_flops_;
    bool batch_invariant_;
    int most_leaves_;
    Loss loss_;
    detail::TilePass<Net, Precision, Loss> pass_;
    detail::PreparationCache<Precision, Loss> cache_;  // of inference's prepared parameters, in its memory
    detail::LeafGradients<Gradient> gradients_;
    FixedArray<double> statistics_;
    FixedArray<double> chunk_numbers_;  // of the gradient's chunks: their largest magnitudes, or sums of squares
    AlignedVector<Scalar> next_buffers_, before_update_;  // the latter by a matrix optimizer
    detail::UpdateRange range_;
    double largest_gradient_ = 0, loss_scale_ = 1;
};

}  // namespace strata::inline STRATA_ABI
