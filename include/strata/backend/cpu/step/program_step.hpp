// One step of a tile's program: what it works on, and how it runs, alone or in a chain with its neighbours.
#pragma once

#include "../../../loss/losses.hpp"
#include "../../../network/model.hpp"
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
/// How the parts of a pass over the batch are merged, after the step that gathers them: it ends a phase.
template <class Precision>
struct BatchReduction {
    void (*merge)(BatchMerge<Precision> const&) = nullptr;  ///< null where there is nothing to merge
    int at = 0, numbers = 0;                                ///< the pass's, among those of the network
    std::ptrdiff_t buffers = 0;                             ///< where the operation's begin
    explicit constexpr operator bool() const { return numbers > 0; }
};

/// One tile's work: where its data lies and which part of each step falls to this worker.
template <class Precision, class Loss>
struct TileContext {
    using Storage = typename Precision::storage;
    typename Precision::master const* parameters = nullptr;
    Storage* workspace = nullptr;
    typename Precision::accumulation* gradient = nullptr;
    typename Precision::master const* frozen = nullptr;  ///< the model's buffers: where parameters are that are Frozen
    std::ptrdiff_t first_parameter = 0, first_gradient = 0;  ///< what those begin with, of the network's
    double const* statistics = nullptr;                      ///< what passes over the batch left, of the whole network
    double* partial = nullptr;                               ///< this tile's parts of them
    Storage* scratch = nullptr;                              ///< this worker's, as much as the program says
    Storage* prepared = nullptr;                             ///< everybody's, as much as the program says
    bool set_gradient = false;                               ///< the leaf's first tile
    bool each_step_prepares = false;  ///< all of `prepared` is one step's at a time, else of all steps of a phase
    bool cached = false;              ///< it stays from batch to batch, and is there already
    Batch const* batch = nullptr;
    int first = 0, samples = 0;  ///< the tile's samples in the batch
    int stride = 1;              ///< samples that the tile holds, empty lanes included
    bool polls = false;          ///< messages are under way while this worker computes
    bool invariant = false;      ///< a sample's bits may not depend on the tile
    RandomKey random{};
    Share share{};
    Loss const* loss = nullptr;  ///< null: outputs only
    typename ResultOf<Loss>::type* result = nullptr;
    std::int32_t* predictions = nullptr;                     ///< [batch], null when not wanted
    typename Precision::compute* outputs = nullptr;          ///< [batch][outputs], null when not wanted
    typename Precision::compute* input_gradients = nullptr;  ///< [batch][inputs], null when not wanted
    typename MeanOf<Loss>::type mean;                        ///< of the batch
    double loss_scale = 1;                                   ///< factor of the loss's gradient
    int first_label = 0;                                     ///< of a head, among the labels of a sample
    int labels = 0;                                          ///< of a sample; 0: those of the loss alone
    TileSequences sequences{};              ///< where samples are sequences: `first` and `samples` are columns then
    Storage* sequence_workspace = nullptr;  ///< of values with a column a sequence

    /// What steps work on that see a sample a column, or, of a tile of sequences, a sequence a column.
    [[nodiscard]] TileContext with_columns_of(bool are_sequences) const {
        TileContext c = *this;
        if (!are_sequences) return c;
        c.workspace = sequence_workspace;
        c.first = sequences.first, c.samples = sequences.count, c.stride = sequences.stride;
        return c;
    }
    [[nodiscard]] int stride_of(bool are_sequences) const { return are_sequences ? sequences.stride : stride; }
};

/// Where an operation's data lies: offsets in the plan (scalars of one sample, -1 for none), in the
/// parameters and in what passes over the batch leave.
struct OperationOffsets {
    std::ptrdiff_t x = -1, y = -1, dy = -1, extra = -1, parameters = 0;
    int statistics = 0;
    int inputs = 1;                                 ///< all of them
    std::ptrdiff_t more[ValueList::most - 1] = {};  ///< those behind the first
    std::ptrdiff_t forward_passes = -1, backward_passes = -1;
    std::ptrdiff_t state = 0;  ///< among the numbers that operations keep of a token
};

/// One step of a program.
template <class Precision, class Loss>
struct ProgramStep {
    using Context = TileContext<Precision, Loss>;
    void (*kernel)(KernelData<Precision> const&, int begin, int end) = nullptr;
    void (*finish)(Context const&) = nullptr;  ///< the loss step, and that of the input's gradients
    bool fill = false;                         ///< the step that brings in the samples
    Items items{};
    OperationOffsets offsets{};
    std::ptrdiff_t dx = -1;  ///< where the input gradient goes
    GradientWrite write = GradientWrite::none;
    BatchReduction<Precision> reduction{};
    bool relu = false;  ///< the ReLU that follows the operation is a part of the step
    int operation = -1;
    bool backward = false;
    std::ptrdiff_t gradients = 0;   ///< parameters whose gradients the step makes in the arena of a leaf
    std::ptrdiff_t cleared = 0;     ///< parameters whose gradients must begin at zero: not where the kernel sets them
    bool adds = false;              ///< to a gradient that an earlier step of the tile has begun
    std::ptrdiff_t parameters = 0;  ///< of the operation, for forward kernels
    bool frozen = false;            ///< they are among the buffers
    bool reads_sequences = false, makes_sequences = false;  ///< inputs, or the output, have a column a sequence
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

/// A step's parameters.
template <class Precision, class Loss>
typename Precision::master const* parameters_of(ProgramStep<Precision, Loss> const& step,
                                                TileContext<Precision, Loss> const& c) {
    return step.frozen ? c.frozen + step.offsets.parameters
                       : c.parameters + (step.offsets.parameters - c.first_parameter);
}

/// What a step's kernel works on in one tile.
template <class Precision, class Loss>
STRATA_ONE_COPY KernelData<Precision> kernel_data(ProgramStep<Precision, Loss> const& step,
                                                  TileContext<Precision, Loss> const& c) {
    int const stride = c.stride_of(step.reads_sequences);
    auto* const workspace = step.reads_sequences ? c.sequence_workspace : c.workspace;
    auto const at = [&](std::ptrdiff_t offset) { return offset < 0 ? nullptr : workspace + offset * stride; };
    auto const made_at = [&](std::ptrdiff_t offset) {
        return step.reads_sequences == step.makes_sequences ? at(offset)
               : offset < 0                                 ? nullptr
                                                            : c.sequence_workspace + offset * c.sequences.stride;
    };
    OperationOffsets const& offsets = step.offsets;
    KernelData<Precision> a;
    a.x = at(offsets.x);
    a.y = made_at(offsets.y);
    a.dy = made_at(offsets.dy);
    a.extra = at(offsets.extra);
    a.dx = at(step.dx);
    a.write = step.write;
    a.parameters = parameters_of(step, c);
    if (c.gradient && !step.frozen) a.gradient = c.gradient + (offsets.parameters - c.first_gradient);
    a.set_gradient = c.set_gradient && !step.adds;
    if (c.statistics) a.statistics = c.statistics + offsets.statistics;
    if (c.partial) a.partial = c.partial + offsets.statistics;
    a.scratch = c.scratch;
    if (c.prepared) a.prepared = c.prepared + (c.each_step_prepares ? 0 : step.prepared);
    a.cached = c.cached;
    a.random = c.random;
    a.random.operation = static_cast<std::uint32_t>(step.operation);
    a.sample = step.reads_sequences ? c.sequences.first : c.first;
    a.samples = step.reads_sequences ? c.sequences.count : c.samples;
    a.stride = stride;
    a.sequences = &c.sequences;
    a.state = offsets.state;
    a.invariant = c.invariant;
    a.relu = step.relu;
    STRATA_ROLLED
    for (int k = 0; k + 1 < offsets.inputs; ++k) a.more[static_cast<std::size_t>(k)] = at(offsets.more[k]);
    using Compute = typename Precision::compute;
    a.forward_passes = reinterpret_cast<Compute*>(at(offsets.forward_passes));
    a.backward_passes = reinterpret_cast<Compute*>(at(offsets.backward_passes));
    return a;
}

/// What the steps' kernels make of the parameters before any tile of c.stride samples comes: a share of it.
template <class Precision, class Loss>
STRATA_ONE_COPY void prepare_parameters(std::span<ProgramStep<Precision, Loss> const> steps,
                                        TileContext<Precision, Loss> const& c, Share share) {
    for (auto const& step : steps)
        if (auto const& all = step.preparation; all.run) {
            KernelData<Precision> a;
            a.parameters = parameters_of(step, c);
            a.stride = c.stride_of(step.reads_sequences);
            a.invariant = c.invariant;
            a.cached = c.cached;
            all.run(a, c.prepared + (c.each_step_prepares ? 0 : step.prepared), share.begin(all.items),
                    share.end(all.items));
        }
}

/// Clears the gradients that the kernels add to, in an arena that begins with the network's number `first`: a share of
/// them.
template <class Precision, class Loss>
STRATA_ONE_COPY void clear_gradients(std::span<ProgramStep<Precision, Loss> const> steps,
                                     typename Precision::accumulation* gradient, std::ptrdiff_t first, Share share) {
    for (auto const& step : steps)
        if (step.cleared > 0) {
            auto* const its = gradient + (step.offsets.parameters - first);
            std::fill(its + share.begin(step.cleared), its + share.end(step.cleared),
                      typename Precision::accumulation(0));
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
            add(step.offsets.x), add(step.offsets.y), add(step.offsets.dy), add(step.dx);
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
