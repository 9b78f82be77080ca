// The program of a tile: the op list as a flat table of steps. A step is data, a kernel and what it works on; one small
// function runs any of them. So a network costs a table and the kernels it needs, each of them once.
//
// Training is fill, forward, loss, backward. A layer that needs the whole batch cuts the table into phases: a step that
// gathers the tile's part of the statistics ends a phase, the executor merges the parts of all tiles, and the next
// phase goes on.
#pragma once

#include "../../layer/relu.hpp"
#include "../../loss/loss.hpp"
#include "../../network/model.hpp"
#include "batch_norm_kernel.hpp"
#include "tile.hpp"
#include "workers.hpp"

namespace strata::detail {

/// Loss and hits of some samples; sums in double in a fixed order.
struct BatchResult {
    double loss = 0;
    std::int64_t correct = 0;
};

/// What ends the phase after a step.
enum class Reduction : std::uint8_t { none, forward, backward };

/// One tile's work: where its data lies and which part of each step falls to this worker.
template <class Precision, class Loss>
struct TileContext {
    using Storage = typename Precision::storage;
    typename Precision::master const* parameters = nullptr;
    Storage* workspace = nullptr;
    typename Precision::accumulation* gradient = nullptr;
    double const* statistics = nullptr;  ///< merged, of the whole network
    double* partial = nullptr;           ///< this tile's parts of the statistics
    Storage* scratch = nullptr;          ///< this worker's, as much as the program says
    Storage* prepared = nullptr;         ///< everybody's, as much as the program says
    bool set_gradient = false;           ///< the leaf's first tile
    bool each_step_prepares = false;     ///< all of `prepared` is one step's at a time, else of all steps of a phase
    Batch const* batch = nullptr;
    int first = 0, samples = 0;  ///< the tile's samples in the batch
    int stride = 1;              ///< samples that the tile holds, empty lanes included
    RandomKey random{};
    Share share{};
    Loss const* loss = nullptr;  ///< null: outputs only
    BatchResult* result = nullptr;
    std::int32_t* predictions = nullptr;             ///< [batch], null when not wanted
    typename Precision::compute* outputs = nullptr;  ///< [batch][outputs], null when not wanted
    double loss_scale = 1;                           ///< factor of the loss's gradient
};

/// Where an operation's data lies: offsets in the plan (scalars of one sample, -1 for none), in the parameters and
/// statistics.
struct OperationPlace {
    int x = -1, other = -1, y = -1, dy = -1, extra = -1, parameters = 0, statistics = 0;
};

/// One step of a program.
template <class Precision, class Loss>
struct ProgramStep {
    using Context = TileContext<Precision, Loss>;
    void (*kernel)(KernelData<Precision> const&, int begin, int end) = nullptr;
    void (*finish)(Context const&) = nullptr;  ///< the loss step
    bool fill = false;                         ///< the step that brings in the samples
    Items items{};
    OperationPlace place{};
    int dx = -1;  ///< where the input gradient goes
    GradientWrite write = GradientWrite::none;
    Reduction reduction = Reduction::none;
    bool relu = false;  ///< the ReLU that follows the operation is a part of the step
    int operation = -1;
    bool backward = false;
    int cleared = 0;  ///< parameters whose gradients must begin at zero: not where the kernel sets them
    Preparation<Precision> preparation{};
    int prepared = 0;  ///< where the prepared parameters lie, of all that the phase's steps have
};

/// A program as the executor sees it: tables and sizes.
template <class Precision, class Loss>
struct Program {
    using Step = ProgramStep<Precision, Loss>;
    std::span<Step const> steps;
    int size;      ///< scalars of one sample's workspace
    int scratch;   ///< scalars a worker needs besides, whatever the tile
    int prepared;  ///< scalars that the kernels of a phase make of the parameters, for all workers together
};

/// What a step's kernel works on in one tile.
template <class Precision, class Loss>
KernelData<Precision> kernel_data(ProgramStep<Precision, Loss> const& step, TileContext<Precision, Loss> const& c) {
    auto const at = [&](int offset) {
        return offset < 0 ? nullptr : c.workspace + static_cast<std::ptrdiff_t>(offset) * c.stride;
    };
    OperationPlace const& place = step.place;
    KernelData<Precision> a;
    a.x = at(place.x);
    a.other = at(place.other);
    a.y = at(place.y);
    a.dy = at(place.dy);
    a.extra = at(place.extra);
    a.dx = at(step.dx);
    a.write = step.write;
    a.parameters = c.parameters + place.parameters;
    if (c.gradient) a.gradient = c.gradient + place.parameters;
    a.set_gradient = c.set_gradient;
    if (c.statistics) a.statistics = c.statistics + place.statistics;
    if (c.partial) a.partial = c.partial + place.statistics;
    a.scratch = c.scratch;
    if (c.prepared) a.prepared = c.prepared + (c.each_step_prepares ? 0 : step.prepared);
    a.random = c.random;
    a.random.operation = static_cast<std::uint32_t>(step.operation);
    a.sample = c.first;
    a.samples = c.samples;
    a.stride = c.stride;
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
            a.parameters = c.parameters + step.place.parameters;
            a.stride = c.stride;
            all.run(a, c.prepared + (c.each_step_prepares ? 0 : step.prepared), share.begin(all.items),
                    share.end(all.items));
        }
}

/// Clears the gradients that the kernels add to: a share of them.
template <class Precision, class Loss>
STRATA_ONE_COPY void clear_gradients(std::span<ProgramStep<Precision, Loss> const> steps,
                                     typename Precision::accumulation* gradient, Share share) {
    for (auto const& step : steps)
        std::fill(gradient + step.place.parameters + share.begin(step.cleared),
                  gradient + step.place.parameters + share.end(step.cleared), typename Precision::accumulation(0));
}

/// Runs one step on one tile; `input_size` is the number of elements of a sample.
template <class Precision, class Loss>
void run_step(ProgramStep<Precision, Loss> const& step, TileContext<Precision, Loss> const& c, int input_size) {
    if (step.fill)
        return fill_tile(c.workspace, *c.batch, c.first, c.samples, c.stride, c.share.begin(input_size),
                         c.share.end(input_size));
    if (step.finish) {
        if (c.share.rank == 0) step.finish(c);
        return;
    }
    int const items = step.items.of_tile(c.stride, width_of<widest_lane<typename Precision::compute>>);
    step.kernel(kernel_data(step, c), c.share.begin(items), c.share.end(items));
}

/// True where two steps of `numbers` scalars a sample work on the same memory or on different memory, but not on parts
/// of each other's: then a piece of one needs no other piece of the other.
template <class Precision, class Loss>
bool pieces_match(ProgramStep<Precision, Loss> const& a, ProgramStep<Precision, Loss> const& b, int numbers) {
    int const places[] = {a.place.x, a.place.other, a.place.y, a.place.dy, a.dx},
              others[] = {b.place.x, b.place.other, b.place.y, b.place.dy, b.dx};
    for (int const p : places)
        for (int const q : others)
            if (p >= 0 && q >= 0 && p != q && p - q < numbers && q - p < numbers) return false;
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
            int const stop = std::min(at + piece, end);
            if (steps[k].items.by == Items::By::channel)
                steps[k].kernel(data[k], at / piece, stop / piece);
            else
                steps[k].kernel(data[k], at, stop);
        }
}

/// Loss, hits, predictions and outputs of a tile, and the gradient of the outputs where `gradient` is given.
template <class OutputShape, class L, class Precision, class Loss>
[[gnu::cold, gnu::noinline]] void finish_tile(TileContext<Precision, Loss> const& c,
                                              typename Precision::storage* values,
                                              typename Precision::storage* gradient,
                                              typename Precision::compute* targets) {
    int const S = c.stride;
    using Storage = typename Precision::storage;
    using T = typename Precision::compute;
    constexpr int outputs = OutputShape::size, N = width_of<L>;
    if (c.outputs)
        for (int s = 0; s < c.samples; ++s)
            for (int k = 0; k < outputs; ++k)
                c.outputs[static_cast<std::ptrdiff_t>(c.first + s) * outputs + k] = static_cast<T>(values[k * S + s]);
    if (targets && c.batch->targets) fill_targets(targets, *c.batch, outputs, c.first, c.samples, S);
    for (int first = 0; first < c.samples || (gradient && first < S); first += N) {
        int const real = std::clamp(c.samples - first, 0, N);
        T label[N] = {}, loss[N] = {}, best[N] = {};
        if (c.batch->labels)
            for (int s = 0; s < real; ++s) label[s] = static_cast<T>(c.batch->labels[c.first + first + s]);
        TileView<OutputShape, L, Storage const> const x{values + first, S};
        store_lane(best, predicted_class<outputs>(x));
        if (c.loss) {
            using DX = TileView<OutputShape, L, T>;
            constexpr bool direct = std::is_same_v<Storage, T>;
            // Losses work in the gradient before it is rounded to storage.
            T* const own = direct ? nullptr : reinterpret_cast<T*>(c.scratch);
            DX dx{nullptr, direct ? S : N};
            if constexpr (direct)
                dx.data = gradient ? gradient + first : nullptr;
            else
                dx.data = gradient ? own : nullptr;
            L const scale =
                select(first_lanes<L>(real), L(static_cast<T>(1.0 / c.batch->size * c.loss_scale)), L(T(0)));
            LossInput<TileView<OutputShape, L, Storage const>, DX, TileView<OutputShape, L, T const>> const io{
                x, dx, {targets ? targets + first : nullptr, S}, load_lane<L>(label), scale};
            store_lane(loss, L(c.loss->template operator()<outputs>(io)));
            if constexpr (!direct)
                for (int k = 0; gradient && k < outputs; ++k) store_lane(gradient + k * S + first, dx[k]);
        }
        for (int s = 0; s < real; ++s) {
            if (c.loss) c.result->loss += static_cast<double>(loss[s]);
            if (c.batch->labels && best[s] == label[s]) ++c.result->correct;
            if (c.predictions) c.predictions[c.first + first + s] = static_cast<std::int32_t>(best[s]);
        }
    }
}

/// The steps of a network, whatever the tile.
template <class Net, class Precision, class Loss>
class TileProgram {
public:
    using Context = TileContext<Precision, Loss>;
    using Step = ProgramStep<Precision, Loss>;
    static constexpr int outputs = Net::OutputShape::size;

private:
    /// Targets are kept as compute scalars behind the plan, so that rounding does not move them.
    static constexpr int target_scalars =
        static_cast<int>(sizeof(typename Precision::compute) / sizeof(typename Precision::storage));
    static constexpr int target_offset(int plan_size) {
        return Loss::classifies ? plan_size : (plan_size + target_scalars - 1) / target_scalars * target_scalars;
    }
    static constexpr int target_size = Loss::classifies ? 0 : outputs * target_scalars;

public:
    /// Scalars of one sample's workspace: the plan and, for regression, the targets.
    static constexpr int training_size = target_offset(Net::training_plan.size) + target_size;
    static constexpr int inference_size = target_offset(Net::inference_plan.size) + target_size;

private:
    template <int I>
    using Op = typename Net::template OperationAt<I>;
    static constexpr int n = Net::operation_count;

    /// Scratch of the loss step: a vector's gradient where storage is too short for it.
    static constexpr int loss_scratch =
        std::is_same_v<typename Precision::storage, typename Precision::compute>
            ? 0
            : outputs * width_of<widest_lane<typename Precision::compute>> * target_scalars;

    template <int I, bool Training>
    static constexpr OperationPlace place() {
        constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
        using Node = typename Net::template NodeAt<I>;
        OperationPlace at;
        at.x = p.value[Node::input];
        if constexpr (Node::other >= 0) at.other = p.value[Node::other];
        at.y = p.value[I + 1];
        at.dy = p.gradient[I + 1];
        at.extra = p.extra[I];
        at.parameters = Net::parameter_offset[I];
        at.statistics = Net::statistic_offset[I];
        return at;
    }

    /// The loss step. `value` and `gradient` are the outputs' offsets, -1 for no gradient; `size` is the workspace's.
    static void finish(Context const& c, int value, int gradient_at, int size) {
        auto const at = [&](int offset) {
            return offset < 0 ? nullptr : c.workspace + static_cast<std::ptrdiff_t>(offset) * c.stride;
        };
        using T = typename Precision::compute;
        using L = widest_lane<T>;
        auto* const targets = reinterpret_cast<T*>(at(Loss::classifies ? -1 : target_offset(size)));
        if (c.stride % width_of<L> == 0)
            finish_tile<typename Net::OutputShape, L>(c, at(value), at(gradient_at), targets);
        else if constexpr (width_of<L> > 1)  // small tiles: not worth a third copy of the code
            finish_tile<typename Net::OutputShape, T>(c, at(value), at(gradient_at), targets);
    }
    template <bool Training>
    static void finish(Context const& c) {
        constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
        finish(c, p.value[n], Training ? p.gradient[n] : -1, p.size);  // -1: nothing to train below the loss
    }

    /// Appends steps to a table, or only counts them.
    struct Writer {
        Step* table;
        int count = 0;
        int scratch = 0;
        int with_gradient = 0;                 ///< parameters
        int prepared = 0, phase_prepared = 0;  ///< the most of any phase, and this one's so far
        bool backward = false;
        constexpr void operator()(Step const& step) {
            if (table) table[count] = step;
            ++count;
        }
        template <class K>
        constexpr void kernel(Step step) {
            for (int S = 1; S <= tile_samples<Net>(1 << 20); S *= 2) scratch = std::max(scratch, scratch_of<K>(S));
            step.kernel = &K::run;
            step.items = K::items;
            step.backward = backward;
            with_gradient += step.cleared;
            if (sets_gradient<K>()) step.cleared = 0;
            step.preparation = preparation_of<K, Precision>(tile_samples<Net>(1 << 20));
            step.prepared = phase_prepared;
            phase_prepared += step.preparation.size;
            prepared = std::max(prepared, phase_prepared);
            if (step.reduction != Reduction::none) phase_prepared = 0;
            (*this)(step);
        }
    };

    /// True where operation I's kernel applies operation I + 1 too: a ReLU in the place of I's output.
    template <int I, bool Training>
    static constexpr bool takes_relu() {
        if constexpr (I >= 0 && I + 1 < n) {
            constexpr auto const& p = Training ? Net::training_plan : Net::inference_plan;
            if constexpr (std::is_same_v<Op<I + 1>, ElementwiseOperation<ReLU, typename Op<I>::Output>> &&
                          requires { ForwardKernel<Op<I>, Precision>::applies_relu; })
                return Net::template NodeAt<I + 1>::input == I + 1 && p.in_place[I + 1];
        }
        return false;
    }
    template <int I, bool Training>
    static constexpr void write_forward(Writer& write) {
        if constexpr (Training && is_batch_wide<Op<I>>())
            write.template kernel<GatherForward<Op<I>, Precision>>(
                {.place = place<I, true>(), .reduction = Reduction::forward, .operation = I});
        if constexpr (!is_view<Op<I>>() && !takes_relu<I - 1, Training>() &&
                      (Training || !requires { typename Op<I>::IsTrainingOnly; })) {
            write.template kernel<ForwardKernel<Op<I>, Precision>>(
                {.place = place<I, Training>(), .relu = takes_relu<I, Training>(), .operation = I});
        }
    }
    template <int I>
    static constexpr void write_backward(Writer& write) {
        constexpr auto const& p = Net::training_plan;
        using Node = typename Net::template NodeAt<I>;
        if constexpr (!is_view<Op<I>>() && p.gradient[I + 1] >= 0) {  // else no parameter at or below it
            if constexpr (is_batch_wide<Op<I>>())
                write.template kernel<GatherBackward<Op<I>, Precision>>({.place = place<I, true>(),
                                                                         .reduction = Reduction::backward,
                                                                         .operation = I,
                                                                         .cleared = Op<I>::Parameters::size});
            else if constexpr (Op<I>::Parameters::size > 0)
                write.template kernel<ParameterGradientKernel<Op<I>, Precision>>(
                    {.place = place<I, true>(), .operation = I, .cleared = Op<I>::Parameters::size});
            // In place, dx takes dy's memory; a Sum in place has nothing to do for its first input.
            constexpr bool own = p.in_place[I] && Node::other < 0 && p.gradient[Node::input] >= 0;
            constexpr auto first = own ? GradientWrite::overwrite : p.write[I];
            if constexpr (first != GradientWrite::none) write_input_gradient<I>(write, Node::input, first);
            if constexpr (p.write_other[I] != GradientWrite::none)
                write_input_gradient<I>(write, Node::other, p.write_other[I]);
        }
    }
    template <int I>
    static constexpr void write_input_gradient(Writer& write, int value, GradientWrite how) {
        write.template kernel<InputGradientKernel<Op<I>, Precision>>(
            {.place = place<I, true>(),
             .dx = Net::training_plan.gradient[static_cast<std::size_t>(value)],
             .write = how,
             .operation = I});
    }

    template <bool Training>
    static constexpr Writer write_all(Step* table) {
        Writer write{table};
        write({.fill = true});
        Net::for_each_operation([&]<int I>() { write_forward<I, Training>(write); });
        write({.finish = &finish<Training>});
        write.scratch = std::max(write.scratch, loss_scratch);
        write.backward = true;
        if constexpr (Training) Net::for_each_operation([&]<int J>() { write_backward<n - 1 - J>(write); });
        return write;
    }
    template <bool Training>
    static constexpr auto table() {
        std::array<Step, static_cast<std::size_t>(write_all<Training>(nullptr).count)> steps{};
        write_all<Training>(steps.data());
        return steps;
    }
    static_assert(Net::training_plan.value[0] == 0 && Net::inference_plan.value[0] == 0, "plans place the input first");
    static_assert(write_all<true>(nullptr).with_gradient == Net::parameter_count, "a gradient that no step makes");

public:
    static constexpr auto training = table<true>();
    static constexpr auto inference = table<false>();
    static constexpr int training_scratch = write_all<true>(nullptr).scratch,
                         inference_scratch = write_all<false>(nullptr).scratch,
                         training_prepared = write_all<true>(nullptr).prepared,
                         inference_prepared = write_all<false>(nullptr).prepared;
};

/// The program of a network for training or inference: the other one's kernels are not compiled.
template <class Net, class Precision, class Loss, bool Training>
constexpr Program<Precision, Loss> program_of() {
    using P = TileProgram<Net, Precision, Loss>;
    if constexpr (Training)
        return {P::training, P::training_size, P::training_scratch, P::training_prepared};
    else
        return {P::inference, P::inference_size, P::inference_scratch, P::inference_prepared};
}

}  // namespace strata::detail
