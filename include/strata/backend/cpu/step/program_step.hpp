// One step of a tile's program: what it works on, and how it runs, alone or in a chain with its neighbours.
#pragma once

#include "../../../loss/losses.hpp"
#include "../../../network/model.hpp"
#include "../../../program/arenas.hpp"
#include "../../backend.hpp"
#include "../kernel/generic.hpp"
#include "../threads/workers.hpp"
#include "tile.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Loss and hits of some samples; sums in double in a fixed order.
struct BatchResult {
    double loss = 0;
    std::int64_t correct = 0;
};

/// The same of several losses.
template <int Heads>
struct HeadResults : BatchResult {
    BatchResult heads[static_cast<std::size_t>(Heads)];
};
template <class Loss>
struct ResultOf {
    using type = BatchResult;
};
template <class Op, class... L>
struct ResultOf<HeadLosses<Op, L...>> {
    using type = HeadResults<Op::heads>;
};

/// The result of a batch from those of its leaves, which are merged in one binary tree; `gradient` is the gradient's
/// largest magnitude.
STRATA_COLD inline StepResult merged_result(BatchResult* results, LossMean const& mean, int batch, int leaves,
                                            double gradient) {
    for (int distance = 1; distance < leaves; distance *= 2)
        for (int leaf = 0; leaf + distance < leaves; leaf += 2 * distance) {
            results[leaf].loss += results[leaf + distance].loss;
            results[leaf].correct += results[leaf + distance].correct;
        }
    StepResult result;
    result.samples = batch;
    result.ignored = mean.ignored;
    result.places = mean.places;
    result.label_weight = mean.label_weight;
    result.loss = mean.of(results[0].loss);
    result.correct = results[0].correct;
    result.finite = is_finite(result.loss) && is_finite(gradient);
    return result;
}

/// The same of several losses, whose names and weights `losses` knows.
template <class Losses>
STRATA_COLD StepResult merged_result(Losses const& losses, HeadResults<Losses::heads>* results,
                                     HeadMeans<Losses::heads> const& means, int batch, int leaves, double gradient) {
    for (int distance = 1; distance < leaves; distance *= 2)
        for (int leaf = 0; leaf + distance < leaves; leaf += 2 * distance)
            for (int h = 0; h < Losses::heads; ++h) {
                results[leaf].heads[h].loss += results[leaf + distance].heads[h].loss;
                results[leaf].heads[h].correct += results[leaf + distance].heads[h].correct;
            }
    StepResult result;
    result.samples = batch;
    result.losses.count = Losses::heads;
    Losses::for_each_head([&]<int Index>() {
        auto const& head = losses.template at<Index>();
        LossMean const& mean = means.heads[Index];
        LossPart& part = result.losses.parts[Index];
        part.name = head.name;
        part.loss = mean.of(results[0].heads[Index].loss);
        part.weight = mean.divisor;
        part.factor = head.weight;
        part.classifies = Losses::template LossOf<Index>::classifies;
        if (!part.classifies) return;
        part.correct = results[0].heads[Index].correct;
        part.counted = std::int64_t{batch} * mean.places - mean.ignored;
        if (Index != Losses::judged) return;
        result.correct = part.correct;
        result.places = mean.places;
        result.ignored = mean.ignored;
    });
    result.loss = result.losses.total();
    result.finite = is_finite(result.loss) && is_finite(gradient);
    return result;
}
template <class Loss>
StepResult merged_result(Loss const&, BatchResult* results, LossMean const& mean, int batch, int leaves,
                         double gradient) {
    return merged_result(results, mean, batch, leaves, gradient);
}

template <class Precision>
struct BatchMerge;

/// One tile's work: where its data lies, which samples they are, and which part of each step falls to this worker.
template <class Precision, class Loss>
struct TileContext : Arenas<Precision>, Tile, Worker<Precision> {
    using Storage = typename Precision::storage;
    bool set_gradient = false;        ///< the leaf's first tile
    bool each_step_prepares = false;  ///< all of `prepared` is one step's at a time, else of all steps of a phase
    bool polls = false;               ///< messages are under way while this worker computes
    Batch const* batch = nullptr;
    Loss const* loss = nullptr;  ///< null: outputs only
    typename ResultOf<Loss>::type* result = nullptr;
    std::int32_t* predictions = nullptr;                     ///< [batch], null when not wanted
    typename Precision::compute* outputs = nullptr;          ///< [batch][outputs], null when not wanted
    typename Precision::compute* input_gradients = nullptr;  ///< [batch][inputs], null when not wanted
    typename MeanOf<Loss>::type mean;                        ///< of the batch
    double loss_scale = 1;                                   ///< factor of the loss's gradient
    int first_label = 0;                                     ///< of a head, among the labels of a sample
    int labels = 0;                                          ///< of a sample; 0: those of the loss alone

    /// What steps work on that see a sample a column, or, of a tile of sequences, a sequence a column.
    [[nodiscard]] TileContext with_columns_of(bool are_sequences) const {
        TileContext c = *this;
        if (!are_sequences) return c;
        c.workspace = this->sequence_workspace;
        c.first = sequences.first, c.samples = sequences.count, c.stride = sequences.stride;
        return c;
    }
    [[nodiscard]] int stride_of(bool are_sequences) const { return are_sequences ? sequences.stride : stride; }
    /// Where what a step's kernel has made of the parameters lies.
    [[nodiscard]] Storage* prepared_at(std::ptrdiff_t place) const {
        return this->prepared + (each_step_prepares ? 0 : place);
    }
};

/// One step of a program, and how it runs: a kernel, or what begins or finishes a tile.
template <class Precision, class Loss>
struct ProgramStep : Step {
    using Context = TileContext<Precision, Loss>;
    void (*kernel)(KernelData<Precision> const&, int begin, int end) = nullptr;
    Items items{};
    void (*finish)(Context const&) = nullptr;               ///< the loss step, and that of the input's gradients
    bool fill = false;                                      ///< the step that brings in the samples
    void (*merge)(BatchMerge<Precision> const&) = nullptr;  ///< what the tiles have gathered for `reduction`
    Preparation<Precision> preparation{};
    std::ptrdiff_t prepared = 0;  ///< where the prepared parameters lie, of all that the phase's steps have
};

/// A program as the executor sees it: tables and sizes.
template <class Precision, class Loss>
struct Program {
    using Step = ProgramStep<Precision, Loss>;
    std::span<Step const> steps;
    std::span<Step const> by_layer;  ///< a step for each operation: in inference, `steps` may make two in one
    std::ptrdiff_t size;             ///< scalars of one sample's workspace
    int scratch;                     ///< scalars a worker needs besides, whatever the tile
    std::ptrdiff_t prepared;  ///< scalars that the kernels of a phase make of the parameters, for all workers together
};

/// What a step's kernel works on in one tile.
template <class Precision, class Loss>
STRATA_ONE_COPY KernelData<Precision> kernel_data(ProgramStep<Precision, Loss> const& step,
                                                  TileContext<Precision, Loss> const& c) {
    KernelData<Precision> a;
    c.place(a, step, c);
    static_cast<Tile&>(a) = c;
    if (step.reads_sequences) a.first = c.sequences.first, a.samples = c.sequences.count, a.stride = c.sequences.stride;
    a.random.operation = static_cast<std::uint32_t>(step.operation);
    static_cast<Worker<Precision>&>(a) = c;
    if (c.prepared) a.prepared = c.prepared_at(step.prepared);
    a.set_gradient = c.set_gradient && !step.parameters.adds;
    a.relu = step.relu;
    return a;
}

/// What the steps' kernels make of the parameters before any tile of c.stride samples comes: a share of it.
template <class Precision, class Loss>
STRATA_ONE_COPY void prepare_parameters(std::span<ProgramStep<Precision, Loss> const> steps,
                                        TileContext<Precision, Loss> const& c, Share share) {
    for (auto const& step : steps)
        if (auto const& all = step.preparation; all.run) {
            KernelData<Precision> a;
            a.parameters = c.parameters_of(step);
            a.stride = c.stride_of(step.reads_sequences);
            a.invariant = c.invariant;
            a.cached = c.cached;
            all.run(a, c.prepared_at(step.prepared), share.begin(all.items), share.end(all.items));
        }
}

/// Clears the gradients that the kernels add to, in an arena that begins with the network's number `first`: a share of
/// them.
template <class Precision, class Loss>
STRATA_ONE_COPY void clear_gradients(std::span<ProgramStep<Precision, Loss> const> steps,
                                     typename Precision::accumulation* gradient, std::ptrdiff_t first, Share share) {
    for (auto const& step : steps)
        if (auto const cleared = step.parameters.cleared; cleared > 0) {
            auto* const its = gradient + (step.offsets.parameters - first);
            std::fill(its + share.begin(cleared), its + share.end(cleared), typename Precision::accumulation(0));
        }
}

/// Runs one step on one tile; `input_size` is the number of elements of a sample.
template <class Precision, class Loss>
STRATA_ONE_COPY void run_step(ProgramStep<Precision, Loss> const& step, TileContext<Precision, Loss> const& c,
                              int input_size) {
    if (step.fill)
        return fill_tile(c.workspace, *c.batch, c.first, c.samples, c.stride, c.share.begin(input_size),
                         c.share.end(input_size));
    if (step.finish) {
        if (c.share.rank == 0) step.finish(c);
        return;
    }
    int const items =
        step.items.of_tile(c.stride_of(step.reads_sequences), width_of<widest_lane<typename Precision::compute>>);
    step.kernel(kernel_data(step, c), c.share.begin(items), c.share.end(items));
}

/// True where two steps of `numbers` scalars a sample work on the same memory or on different memory, but not on parts
/// of each other's: then a piece of one needs no other piece of the other.
template <class Precision, class Loss>
bool pieces_match(ProgramStep<Precision, Loss> const& a, ProgramStep<Precision, Loss> const& b, int numbers) {
    struct Places {
        int count = 0;
        std::ptrdiff_t at[4 + ValueList::most];
        explicit Places(ProgramStep<Precision, Loss> const& step) {
            add(step.offsets.x), add(step.offsets.y), add(step.offsets.dy), add(step.offsets.dx);
            for (int k = 0; k + 1 < step.offsets.inputs; ++k) add(step.offsets.more[k]);
        }
        void add(std::ptrdiff_t place) {
            if (place >= 0) at[count++] = place;
        }
    };
    Places const one(a), other(b);
    STRATA_ROLLED
    for (int i = 0; i < one.count; ++i) {
        STRATA_ROLLED
        for (int k = 0; k < other.count; ++k)
            if (std::ptrdiff_t const apart = one.at[i] - other.at[k]; apart != 0 && apart < numbers && -apart < numbers)
                return false;
    }
    return true;
}

/// Length of the chain of steps that begins at the first one: steps that do pointwise work on the same numbers, one
/// after another, run piece by piece while the piece is in the cache.
template <class Precision, class Loss>
STRATA_ONE_COPY int chain_length(std::span<ProgramStep<Precision, Loss> const> steps, int S) {
    constexpr int N = width_of<widest_lane<typename Precision::compute>>;
    int const numbers = steps[0].items.pointwise();
    std::size_t length = 1;
    while (numbers > 0 && length < 8 && length < steps.size() && steps[length].items.pointwise() == numbers) {
        Items const& items = steps[length].items;
        if (items.by == Items::By::channel && numbers / items.count * S % N != 0) break;
        bool apart = true;
        for (std::size_t k = 0; k < length; ++k) apart = apart && pieces_match(steps[k], steps[length], numbers);
        if (!apart) break;
        ++length;
    }
    Items const& first = steps[0].items;
    return first.by == Items::By::channel && numbers / first.count * S % N != 0 ? 1 : static_cast<int>(length);
}

/// The part of a chain that works on the same columns.
template <class Precision, class Loss>
std::size_t chain_of_alike(std::span<ProgramStep<Precision, Loss> const> steps, std::size_t length) {
    std::size_t alike = 1;
    while (alike < length && !steps[0].reads_sequences && !steps[alike].reads_sequences) ++alike;
    return alike;
}

/// Runs a chain on one tile: piece by piece, a channel where a step works on channels, else about 8 KB.
template <class Precision, class Loss>
void run_chain(std::span<ProgramStep<Precision, Loss> const> steps, TileContext<Precision, Loss> const& c) {
    constexpr int N = width_of<widest_lane<typename Precision::compute>>;
    KernelData<Precision> data[8];
    int channels = 0;
    for (std::size_t k = 0; k < steps.size(); ++k) {
        data[k] = kernel_data(steps[k], c);
        if (steps[k].items.by == Items::By::channel) channels = steps[k].items.count;
    }
    int const vectors = Items{steps[0].items.pointwise(), Items::By::number}.of_tile(c.stride, N);
    int const piece = channels > 0 ? vectors / channels : 128;
    int const begin = channels > 0 ? c.share.begin(channels) * piece : c.share.begin(vectors);
    int const end = channels > 0 ? c.share.end(channels) * piece : c.share.end(vectors);
    for (int at = begin; at < end; at += piece)
        for (std::size_t k = 0; k < steps.size(); ++k) {
            int const stop = (std::min)(at + piece, end);
            if (steps[k].items.by == Items::By::channel)
                steps[k].kernel(data[k], at / piece, stop / piece);
            else
                steps[k].kernel(data[k], at, stop);
        }
}

}  // namespace strata::inline STRATA_ABI::detail
