// The last step of a forward pass: loss, hits, predictions and outputs of a tile, and the gradient of its outputs.
#pragma once

#include "../../core/partial_lane.hpp"
#include "program_step.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Scalars of storage that finish_tile needs: for a vector of samples their gradient in compute, their targets and their
/// outputs.
template <int outputs, class Precision, class Loss>
inline constexpr int loss_scratch =
    outputs * width_of<widest_lane<typename Precision::compute>> *
    ((Loss::classifies ? 1 : 2) *
         static_cast<int>(sizeof(typename Precision::compute) / sizeof(typename Precision::storage)) +
     1);

/// Loss, hits, predictions and outputs of a tile, and the gradient of the outputs where `gradient` is given. A tile of
/// fewer samples than a vector has places is copied into one: not worth another copy of the losses' code.
template <class OutputShape, class Precision, class Loss>
STRATA_COLD void finish_tile(TileContext<Precision, Loss> const& c, typename Precision::storage* values,
                             typename Precision::storage* gradient, typename Precision::compute* targets) {
    using Storage = typename Precision::storage;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    constexpr int outputs = OutputShape::size, N = width_of<L>;
    T* const own_gradient = reinterpret_cast<T*>(c.scratch);
    T* const own_targets = own_gradient + outputs * N;
    if (c.outputs)
        for (int s = 0; s < c.samples; ++s)
            for (int k = 0; k < outputs; ++k)
                c.outputs[static_cast<std::ptrdiff_t>(c.first + s) * outputs + k] =
                    static_cast<T>(values[k * c.stride + s]);
    if (!c.loss && !c.predictions && !c.batch->labels) return;
    bool const is_small = c.stride < N;
    if (is_small) {
        auto* const own_values = reinterpret_cast<Storage*>(own_targets + (Loss::classifies ? 0 : outputs * N));
        for (int k = 0; k < outputs; ++k)
            for (int s = 0; s < N; ++s) own_values[k * N + s] = s < c.stride ? values[k * c.stride + s] : Storage(T(0));
        values = own_values;
        if (targets) targets = own_targets;
    }
    int const S = (std::max)(c.stride, N);
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
            // Losses work in the gradient before it is rounded to storage.
            bool direct = false;
            DX dx{gradient ? own_gradient : nullptr, N};
            if constexpr (std::is_same_v<Storage, T>)
                if (gradient && !is_small) {
                    direct = true;
                    dx = {gradient + first, S};
                }
            L const scale =
                select(first_lanes<L>(real), L(static_cast<T>(1.0 / c.batch->size * c.loss_scale)), L(T(0)));
            LossInput<TileView<OutputShape, L, Storage const>, DX, target_view<Loss, OutputShape, L, T>> const io{
                x, dx, view_targets<Loss, OutputShape, L, T>(targets ? targets + first : nullptr, S),
                load_lane<L>(label), scale};
            store_lane(loss, L(c.loss->template operator()<outputs>(io)));
            for (int k = 0; gradient && !direct && k < outputs; ++k)
                store_first(gradient + k * c.stride + first, dx[k], c.stride);
        }
        for (int s = 0; s < real; ++s) {
            if (c.loss) c.result->loss += static_cast<double>(loss[s]);
            if (c.batch->labels && best[s] == label[s]) ++c.result->correct;
            if (c.predictions) c.predictions[c.first + first + s] = static_cast<std::int32_t>(best[s]);
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
