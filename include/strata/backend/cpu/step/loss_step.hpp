// The last step of a forward pass: loss, hits, predictions and outputs of a tile, and the gradient of its outputs.
#pragma once

#include "../../../core/partial_lane.hpp"
#include "program_step.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Scalars of storage that finish_tile needs: the gradient of a vector of rows in compute, where storage is too short
/// for it.
template <int outputs, class Precision>
inline constexpr int loss_scratch =
    std::is_same_v<typename Precision::storage, typename Precision::compute>
        ? 0
        : outputs * width_of<widest_lane<typename Precision::compute>> *
              static_cast<int>(sizeof(typename Precision::compute) / sizeof(typename Precision::storage));

/// What finish_tile does with outputs that have a label at each of several places: the scores of a place's classes are a
/// row. A tile [classes][places][samples] is one of `places * samples` columns, so that vectors are full in tiles of
/// one sample, too.
template <class Row, int places, class Precision, class Loss>
STRATA_ONE_COPY void finish_places(TileContext<Precision, Loss> const& c, typename Precision::storage const* values,
                                   typename Precision::storage* gradient) {
    using Storage = typename Precision::storage;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    constexpr int K = Row::size, N = width_of<L>;
    constexpr bool direct = std::is_same_v<Storage, T>;
    int const S = c.stride, columns = places * S;
    int const each = c.labels > 0 ? c.labels : places;
    std::int32_t const* const labels = c.batch->labels_per_sample == each ? c.batch->labels : nullptr;
    double loss_sums[N] = {};
    int hits[N] = {};
    for (int first = 0, place = 0, sample = 0; first < columns; first += N) {
        int const there = (std::min)(columns - first, N);
        // What counts of a column: its sample's weight; 0 in empty lanes and where the label is left out.
        T label[N] = {}, counts[N] = {}, known[N] = {}, loss[N] = {}, best[N] = {};
        std::ptrdiff_t at[N] = {};
        for (int i = 0; i < there; ++i) {
            at[i] = -1;
            if (sample < c.samples) {
                at[i] = static_cast<std::ptrdiff_t>(c.first + sample) * each + c.first_label + place;
                if (labels && !(c.loss && ignores(*c.loss, labels[at[i]]))) {
                    label[i] = static_cast<T>(labels[at[i]]);
                    known[i] = T(1);
                    counts[i] = c.batch->weights ? static_cast<T>(c.batch->weights[c.first + sample]) : T(1);
                }
            }
            if (++sample == S) sample = 0, ++place;
        }
        using X = PartialTileView<Row, L, Storage const>;
        X const x{values + first, columns, there};
        store_lane(best, predicted_class<K>(x));
        if (c.loss) {
            using DX = PartialTileView<Row, L, T>;
            DX dx{nullptr, direct ? columns : N, direct ? there : N};
            if constexpr (direct)
                dx.data = gradient ? gradient + first : nullptr;
            else
                dx.data = gradient ? reinterpret_cast<T*>(c.scratch) : nullptr;
            L const part = load_lane<L>(static_cast<T const*>(counts));
            auto const out = part == L(T(0));
            L const scale = L(static_cast<T>(c.mean.factor() * c.loss_scale)) * part;
            LossInput<X, DX, NoTarget> const io{x, dx, {}, load_lane<L>(static_cast<T const*>(label)), scale};
            // Chosen, not multiplied by 0: what is left out may be no number.
            store_lane(loss, select(out, L(T(0)), L(loss_of_row<K>(*c.loss, io)) * part));
            for (int k = 0; gradient && k < K; ++k) {
                L const its = select(out, L(T(0)), dx[k]);
                if constexpr (direct)
                    dx.set(k, its);
                else
                    store_first(gradient + static_cast<std::ptrdiff_t>(k) * columns + first, its, there);
            }
        }
        for (int i = 0; i < N; ++i) {
            loss_sums[i] += static_cast<double>(loss[i]);
            hits[i] += known[i] != T(0) && best[i] == label[i] ? 1 : 0;
        }
        for (int i = 0; c.predictions && i < there; ++i)
            if (at[i] >= 0) c.predictions[at[i]] = static_cast<std::int32_t>(best[i]);
    }
    for (int i = 0; i < N; ++i) {
        c.result->loss += loss_sums[i];
        c.result->correct += hits[i];
    }
}

/// What finish_tile does with outputs that are a row each. A tile of fewer samples than a vector has places is a vector of
/// which a part is there: not worth another copy of the losses.
template <class OutputShape, class Precision, class Loss>
STRATA_COLD void finish_rows(TileContext<Precision, Loss> const& c, typename Precision::storage* values,
                             typename Precision::storage* gradient, typename Precision::compute* targets) {
    int const S = c.stride;
    using Storage = typename Precision::storage;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    constexpr int outputs = OutputShape::size, N = width_of<L>;
    float const* const weights = c.batch->weights;
    bool const some_out = c.mean.ignored > 0 || weights;
    auto const label_at = [&](int s) {
        return c.labels > 0 ? static_cast<std::ptrdiff_t>(c.first + s) * c.labels + c.first_label
                            : std::ptrdiff_t{c.first + s};
    };
    for (int first = 0; first < c.samples || (gradient && first < S); first += N) {
        int const real = std::clamp(c.samples - first, 0, N), there = (std::min)(S, N);
        T label[N] = {}, loss[N] = {}, best[N] = {}, weight[N] = {};
        if (c.batch->labels)
            for (int s = 0; s < real; ++s) label[s] = static_cast<T>(c.batch->labels[label_at(first + s)]);
        auto const left_out = [&](int s) {
            return c.mean.ignored > 0 && c.loss && ignores(*c.loss, c.batch->labels[label_at(first + s)]);
        };
        auto const weighs_nothing = [&](int s) { return weights && weights[c.first + first + s] == 0; };
        using X = PartialTileView<OutputShape, L, Storage const>;
        X const x{values + first, S, there};
        store_lane(best, predicted_class<outputs>(x));
        if (c.loss) {
            using DX = PartialTileView<OutputShape, L, T>;
            using Target = std::conditional_t<static_cast<bool>(Loss::classifies), NoTarget,
                                              PartialTileView<OutputShape, L, T const>>;
            constexpr bool direct = std::is_same_v<Storage, T>;
            // Losses work in the gradient before it is rounded to storage.
            DX dx{nullptr, direct ? S : N, direct ? there : N};
            if constexpr (direct)
                dx.data = gradient ? gradient + first : nullptr;
            else
                dx.data = gradient ? reinterpret_cast<T*>(c.scratch) : nullptr;
            Target target{};
            if constexpr (!Loss::classifies) target = {targets ? targets + first : nullptr, S, there};
            L scale = select(first_lanes<L>(real), L(static_cast<T>(c.mean.factor() * c.loss_scale)), L(T(0)));
            if (weights) {
                for (int s = 0; s < real; ++s) weight[s] = static_cast<T>(weights[c.first + first + s]);
                scale = scale * load_lane<L>(static_cast<T const*>(weight));
            }
            LossInput<X, DX, Target> const io{x, dx, target, load_lane<L>(label), scale};
            store_lane(loss, L(loss_of_row<outputs>(*c.loss, io)));
            // Written, not multiplied by 0: what is left out may be no number.
            for (int s = 0; some_out && dx.data && s < real; ++s)
                for (int k = 0; (left_out(s) || weighs_nothing(s)) && k < outputs; ++k)
                    dx.data[static_cast<std::ptrdiff_t>(k) * dx.stride + s] = T(0);
            if constexpr (!direct)
                for (int k = 0; gradient && k < outputs; ++k) store_first(gradient + k * S + first, dx[k], there);
        }
        for (int s = 0; s < real; ++s) {
            if (c.predictions) c.predictions[label_at(first + s)] = static_cast<std::int32_t>(best[s]);
            if (left_out(s)) continue;
            if (c.loss && !weights) c.result->loss += static_cast<double>(loss[s]);
            if (c.loss && weights && !weighs_nothing(s))
                c.result->loss += static_cast<double>(loss[s]) * static_cast<double>(weight[s]);
            if (c.batch->labels && best[s] == label[s]) ++c.result->correct;
        }
    }
}

/// What finish_tile does with outputs of one loss.
template <class OutputShape, class Precision, class Loss>
STRATA_INLINE void finish_outputs(TileContext<Precision, Loss> const& c, typename Precision::storage* values,
                                  typename Precision::storage* gradient, typename Precision::compute* targets) {
    constexpr int places = places_of<Loss, OutputShape>;
    if constexpr (places > 1)
        finish_places<row_shape<Loss, OutputShape>, places>(c, values, gradient);
    else
        finish_rows<OutputShape>(c, values, gradient, targets);
}
/// The same with a loss for each head: its outputs, labels and targets are parts of the tile's.
template <class OutputShape, class Precision, class Op, class... L>
STRATA_COLD void finish_outputs(TileContext<Precision, HeadLosses<Op, L...>> const& c,
                                typename Precision::storage* values, typename Precision::storage* gradient,
                                typename Precision::compute* targets) {
    using All = HeadLosses<Op, L...>;
    All::for_each_head([&]<int Index>() {
        using One = typename All::template LossOf<Index>;
        Batch its = *c.batch;
        if (!One::classifies) its.labels = nullptr;
        BatchResult result;
        TileContext<Precision, One> part;
        part.scratch = c.scratch;
        part.batch = &its;
        part.first = c.first, part.samples = c.samples, part.stride = c.stride;
        part.mean = c.mean.heads[Index];
        part.result = &result;
        part.first_label = All::labels_before(Index);
        part.labels = All::labels;
        if (One::classifies) part.predictions = c.predictions;
        if (c.loss) {
            part.loss = &c.loss->template at<Index>().loss;
            part.loss_scale = c.loss_scale * c.loss->template at<Index>().weight;
        }
        auto const from = static_cast<std::ptrdiff_t>(Op::offset(Index)) * c.stride;
        finish_outputs<typename All::template ShapeOf<Index>>(
            part, values + from, gradient ? gradient + from : nullptr,
            targets ? targets + static_cast<std::ptrdiff_t>(All::targets_before(Index)) * c.stride : nullptr);
        c.result->heads[Index].loss += result.loss;
        c.result->heads[Index].correct += result.correct;
    });
}

/// Loss, hits, predictions and outputs of a tile, and the gradient of the outputs where `gradient` is given.
template <class Net, class Precision, class Loss>
STRATA_COLD void finish_tile(TileContext<Precision, Loss> const& c, typename Precision::storage* values,
                             typename Precision::storage* gradient, typename Precision::compute* targets) {
    using T = typename Precision::compute;
    using OutputShape = typename Net::OutputShape;
    constexpr int outputs = OutputShape::size, numbers = targets_in<Loss, Net>;
    int const S = c.stride;
    if (c.outputs)
        for (int s = 0; s < c.samples; ++s)
            for (int k = 0; k < outputs; ++k)
                c.outputs[static_cast<std::ptrdiff_t>(c.first + s) * outputs + k] = static_cast<T>(values[k * S + s]);
    if (!c.loss && !c.predictions && !c.batch->labels) return;
    if (targets && c.batch->targets) fill_targets(targets, *c.batch, numbers, c.first, c.samples, S);
    finish_outputs<OutputShape>(c, values, gradient, targets);
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
