// The last step of a forward pass: loss, hits, predictions and outputs of a tile, and the gradient of its outputs.
#pragma once

#include "program_step.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Loss, hits, predictions and outputs of a tile, and the gradient of the outputs where `gradient` is given.
template <class OutputShape, class L, class Precision, class Loss>
STRATA_COLD void finish_tile(TileContext<Precision, Loss> const& c, typename Precision::storage* values,
                             typename Precision::storage* gradient, typename Precision::compute* targets) {
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
            LossInput<TileView<OutputShape, L, Storage const>, DX, target_view<Loss, OutputShape, L, T>> const io{
                x, dx, view_targets<Loss, OutputShape, L, T>(targets ? targets + first : nullptr, S),
                load_lane<L>(label), scale};
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

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
