// The program of a tile: the op list as a flat table of steps, each a function that runs one kernel on one tile.
//
// Training is fill, forward, loss, backward. A layer that needs the whole batch cuts the table into phases: a step that gathers
// the tile's part of the statistics ends a phase, the executor merges the parts of all tiles, and the next phase goes on.
#pragma once

#include "../../loss/loss.hpp"
#include "../../network/model.hpp"
#include "generic_kernel.hpp"
#include "tile.hpp"
#include "workers.hpp"

namespace strata::detail {

/// Loss and hits of some samples; sums in double in a fixed order.
struct BatchResult {
    double loss = 0;
    std::int64_t correct = 0;
};

/// One tile's work: where its data lies and which part of each step falls to this worker.
template <class Precision, class Loss>
struct TileContext {
    using Storage = typename Precision::storage;
    typename Precision::master const* parameters = nullptr;
    Storage* workspace = nullptr;
    typename Precision::accumulation* gradient = nullptr;
    double const* statistics = nullptr;  ///< merged, of the whole network
    double* partial = nullptr;           ///< this tile's parts of the statistics
    Batch const* batch = nullptr;
    int first = 0, samples = 0;  ///< the tile's samples in the batch
    RandomKey random{};
    Share share{};
    Loss const* loss = nullptr;
    BatchResult* result = nullptr;
    std::int32_t* predictions = nullptr;  ///< [batch], null when not wanted
    Storage* outputs = nullptr;           ///< [batch][outputs], null when not wanted
};

/// What ends the phase after a step.
enum class Reduction : std::uint8_t { none, forward, backward };

template <class Context>
struct ProgramStep {
    void (*run)(Context const&) = nullptr;  ///< null: nothing to do (views)
    Reduction reduction = Reduction::none;
    int operation = -1;  ///< for messages and reductions
};

/// The steps of a network for tiles of S samples.
template <class Net, class Precision, class Loss, int S>
class TileProgram {
public:
    using Context = TileContext<Precision, Loss>;
    using Storage = typename Precision::storage;
    using L = lane_for<typename Precision::compute, S>;
    using Step = ProgramStep<Context>;
    static constexpr int outputs = Net::OutputShape::size;

    /// Scalars of one sample's workspace: the plan and, for regression, the targets.
    static constexpr int training_size = Net::training_plan.size + (Loss::classifies ? 0 : outputs);
    static constexpr int inference_size = Net::inference_plan.size + (Loss::classifies ? 0 : outputs);

private:
    template <int I>
    using Op = typename Net::template OperationAt<I>;
    template <bool Training>
    static constexpr auto const& plan = Training ? Net::training_plan : Net::inference_plan;

    template <int I, bool Training>
    static KernelData<Precision> data(Context const& c) {
        constexpr auto const& p = plan<Training>;
        using Node = typename Net::template NodeAt<I>;
        auto const at = [&](int offset) { return offset < 0 ? nullptr : c.workspace + static_cast<std::ptrdiff_t>(offset) * S; };
        KernelData<Precision> a;
        a.x = at(p.value[Node::input]);
        if constexpr (Node::other >= 0) a.other = at(p.value[Node::other]);
        a.y = at(p.value[I + 1]);
        a.dy = at(p.gradient[I + 1]);
        a.extra = at(p.extra[I]);
        a.parameters = c.parameters + Net::parameter_offset[I];
        a.statistics = c.statistics + Net::statistic_offset[I];
        a.random = c.random;
        a.random.operation = I;
        a.sample = c.first;
        a.samples = c.samples;
        return a;
    }

    template <class K>
    static void run_share(KernelData<Precision> const& a, Share share) {
        K::run(a, share.begin(K::items), share.end(K::items));
    }

    static void fill(Context const& c) {
        fill_tile(c.workspace + static_cast<std::ptrdiff_t>(Net::training_plan.value[0]) * S, *c.batch, c.first, c.samples, S,
                  c.share.begin(Net::InputShape::size), c.share.end(Net::InputShape::size));
    }

    template <int I, bool Training>
    static void forward(Context const& c) {
        run_share<ForwardKernel<Op<I>, Precision, S>>(data<I, Training>(c), c.share);
    }
    template <int I, bool Training>
    static constexpr Step forward_step() {
        if constexpr (is_view<Op<I>>() || (!Training && requires { typename Op<I>::IsTrainingOnly; }))
            return {nullptr, Reduction::none, I};
        else
            return {&forward<I, Training>, Reduction::none, I};
    }

    template <int I>
    static void backward(Context const& c) {
        constexpr auto const& p = Net::training_plan;
        using Node = typename Net::template NodeAt<I>;
        auto a = data<I, true>(c);
        if constexpr (Op<I>::Parameters::size > 0) {
            a.gradient = c.gradient + Net::parameter_offset[I];
            if constexpr (!is_batch_wide<Op<I>>()) run_share<ParameterGradientKernel<Op<I>, Precision, S>>(a, c.share);
        }
        auto const into = [&](int value, GradientWrite write) {
            a.dx = c.workspace + static_cast<std::ptrdiff_t>(p.gradient[static_cast<std::size_t>(value)]) * S;
            a.write = write;
            run_share<InputGradientKernel<Op<I>, Precision, S>>(a, c.share);
        };
        // In place, dx takes dy's memory; a Sum in place has nothing to do for its first input.
        if constexpr (p.in_place[I] && Node::other < 0 && p.gradient[Node::input] >= 0)
            into(Node::input, GradientWrite::overwrite);
        else if constexpr (p.write[I] != GradientWrite::none)
            into(Node::input, p.write[I]);
        if constexpr (p.write_other[I] != GradientWrite::none) into(Node::other, p.write_other[I]);
    }
    template <int I>
    static constexpr Step backward_step() {
        constexpr bool idle = Net::training_plan.gradient[I + 1] < 0;  // no parameter at or below it
        if constexpr (is_view<Op<I>>() || idle)
            return {nullptr, Reduction::none, I};
        else
            return {&backward<I>, Reduction::none, I};
    }

    /// Adds up a body over the lanes of a tile, empty lanes left out, in double.
    template <int I, class F>
    static double sum_lanes(KernelData<Precision> const& a, F body) {
        double total = 0;
        for (int v = 0; v < S / width_of<L>; ++v) {
            L const part = body(body_input<Op<I>, Precision, L>(a, S, v * width_of<L>));
            total += static_cast<double>(sum(select(first_lanes<L>(a.samples - v * width_of<L>), part, L(0))));
        }
        return total;
    }
    template <int I>
    static void gather_forward(Context const& c) {
        using O = Op<I>;
        auto const a = data<I, true>(c);
        for (int channel = c.share.begin(O::channels); channel < c.share.end(O::channels); ++channel) {
            double* const part = c.partial + Net::statistic_offset[I] + channel * O::statistics_per_channel;
            double const mean = sum_lanes<I>(a, [&](auto const& io) { return O::sum_x(channel, io); }) / (a.samples * O::pixels);
            auto const center = static_cast<typename Precision::compute>(mean);
            double const squares = sum_lanes<I>(a, [&](auto const& io) { return O::sum_squares(channel, center, io); });
            // The squares were taken around the rounded mean.
            double const off = mean - static_cast<double>(center);
            part[0] = mean;
            part[1] = squares - a.samples * O::pixels * off * off;
        }
    }
    template <int I>
    static void gather_backward(Context const& c) {
        using O = Op<I>;
        auto const a = data<I, true>(c);
        for (int channel = c.share.begin(O::channels); channel < c.share.end(O::channels); ++channel) {
            double* const part = c.partial + Net::statistic_offset[I] + channel * O::statistics_per_channel;
            part[2] = sum_lanes<I>(a, [&](auto const& io) { return O::sum_dy(channel, io); });
            part[3] = sum_lanes<I>(a, [&](auto const& io) { return O::sum_dy_xhat(channel, io); });
        }
    }

    /// Loss, hits, predictions and outputs of a tile, and the gradient of the outputs in training. One worker does it.
    template <bool Training>
    static void finish(Context const& c) {
        if (c.share.rank != 0) return;
        Storage* const values = c.workspace + static_cast<std::ptrdiff_t>(plan<Training>.value[Net::operation_count]) * S;
        if (c.outputs)
            for (int s = 0; s < c.samples; ++s)
                for (int k = 0; k < outputs; ++k)
                    c.outputs[static_cast<std::ptrdiff_t>(c.first + s) * outputs + k] = values[k * S + s];
        Storage* gradient = nullptr;
        if constexpr (Training)
            gradient = c.workspace + static_cast<std::ptrdiff_t>(Net::training_plan.gradient[Net::operation_count]) * S;
        Storage* targets = nullptr;
        if constexpr (!Loss::classifies) {
            targets = c.workspace + static_cast<std::ptrdiff_t>(plan<Training>.size) * S;
            if (c.batch->targets) fill_targets(targets, *c.batch, outputs, c.first, c.samples, S);
        }
        typename Precision::compute label[S] = {}, loss[S] = {}, best[S] = {};
        if (c.batch->labels)
            for (int s = 0; s < c.samples; ++s) label[s] = static_cast<typename Precision::compute>(c.batch->labels[c.first + s]);
        for (int v = 0; v < S / width_of<L>; ++v) {
            int const lane = v * width_of<L>;
            using X = TileView<typename Net::OutputShape, L, Storage const>;
            using DX = TileView<typename Net::OutputShape, L, Storage>;
            X const x{values + lane, S};
            store_lane(best + lane, predicted_class<outputs>(x));
            if (!c.loss) continue;
            L const scale = select(first_lanes<L>(c.samples - lane), L(static_cast<scalar_of<L>>(1.0 / c.batch->size)), L(0));
            LossInput<X, DX, X> const io{x,
                                         DX{gradient ? gradient + lane : nullptr, S},
                                         X{targets ? targets + lane : nullptr, S},
                                         load_lane<L>(label + lane),
                                         scale};
            store_lane(loss + lane, L(c.loss->template operator()<outputs>(io)));
        }
        for (int s = 0; s < c.samples; ++s) {
            if (c.loss) c.result->loss += static_cast<double>(loss[s]);
            if (c.batch->labels && best[s] == label[s]) ++c.result->correct;
            if (c.predictions) c.predictions[c.first + s] = static_cast<std::int32_t>(best[s]);
        }
    }

    static constexpr int batch_wide_count = [] {
        int count = 0;
        Net::for_each_operation([&]<int I>() { count += is_batch_wide<Op<I>>() ? 1 : 0; });
        return count;
    }();
    static constexpr int n = Net::operation_count;

public:
    static constexpr auto training = [] {
        std::array<Step, static_cast<std::size_t>(2 * n + 2 + 2 * batch_wide_count)> steps{};
        std::size_t at = 0;
        steps[at++] = {&fill, Reduction::none, -1};
        Net::for_each_operation([&]<int I>() {
            if constexpr (is_batch_wide<Op<I>>()) steps[at++] = {&gather_forward<I>, Reduction::forward, I};
            steps[at++] = forward_step<I, true>();
        });
        steps[at++] = {&finish<true>, Reduction::none, -1};
        Net::for_each_operation([&]<int J>() {
            constexpr int I = n - 1 - J;
            if constexpr (is_batch_wide<Op<I>>()) steps[at++] = {&gather_backward<I>, Reduction::backward, I};
            steps[at++] = backward_step<I>();
        });
        return steps;
    }();

    static constexpr auto inference = [] {
        std::array<Step, static_cast<std::size_t>(n + 2)> steps{};
        std::size_t at = 0;
        steps[at++] = {&fill, Reduction::none, -1};
        Net::for_each_operation([&]<int I>() { steps[at++] = forward_step<I, false>(); });
        steps[at++] = {&finish<false>, Reduction::none, -1};
        return steps;
    }();
    static_assert(Net::training_plan.value[0] == Net::inference_plan.value[0], "both plans place the input first");
};

/// Calls f.template operator()<S>() for the tile size of a batch.
template <class F>
void with_tile_samples(int batch, F&& f) {
    switch (tile_samples(batch)) {
        case 16: return f.template operator()<16>();
        case 8: return f.template operator()<8>();
        case 4: return f.template operator()<4>();
        case 2: return f.template operator()<2>();
        default: return f.template operator()<1>();
    }
}

}  // namespace strata::detail
