// The last step of a forward pass: loss, hits, predictions and outputs of a tile, and the gradient of its outputs.
#pragma once

#include "../../../core/partial_lane.hpp"
#include "program_step.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// Scalars of storage that finish_tile needs: the gradient of a vector of samples in compute, where storage is too short
/// for it.
template <int outputs, class Precision>
inline constexpr int loss_scratch =
    std::is_same_v<typename Precision::storage, typename Precision::compute>
        ? 0
        : outputs * width_of<widest_lane<typename Precision::compute>> *
              static_cast<int>(sizeof(typename Precision::compute) / sizeof(typename Precision::storage));

/// Loss, hits, predictions and outputs of a tile, and the gradient of the outputs where `gradient` is given. A tile of
/// fewer samples than a vector has places is a vector of which a part is there: not worth another copy of the losses.
template <class OutputShape, class Precision, class Loss>
STRATA_COLD void finish_tile(TileContext<Precision, Loss> const& c, typename Precision::storage* values,
                             typename Precision::storage* gradient, typename Precision::compute* targets) {
    int const S = c.stride;
    using Storage = typename Precision::storage;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    constexpr int outputs = OutputShape::size, N = width_of<L>;
    if (c.outputs)
        for (int s = 0; s < c.samples; ++s)
            for (int k = 0; k < outputs; ++k)
                c.outputs[static_cast<std::ptrdiff_t>(c.first + s) * outputs + k] = static_cast<T>(values[k * S + s]);
    if (!c.loss && !c.predictions && !c.batch->labels) return;
    if (targets && c.batch->targets) fill_targets(targets, *c.batch, outputs, c.first, c.samples, S);
    for (int first = 0; first < c.samples || (gradient && first < S); first += N) {
        int const real = std::clamp(c.samples - first, 0, N), there = (std::min)(S, N);
        T label[N] = {}, loss[N] = {}, best[N] = {};
        if (c.batch->labels)
            for (int s = 0; s < real; ++s) label[s] = static_cast<T>(c.batch->labels[c.first + first + s]);
        auto const left_out = [&](int s) { return c.loss && ignores(*c.loss, c.batch->labels[c.first + first + s]); };
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
            L const scale = select(first_lanes<L>(real), L(static_cast<T>(c.mean.factor() * c.loss_scale)), L(T(0)));
            LossInput<X, DX, Target> const io{x, dx, target, load_lane<L>(label), scale};
            store_lane(loss, L(c.loss->template operator()<outputs>(io)));
            // Written, not multiplied by 0: what is left out may be no number.
            if constexpr (IgnoresLabels<Loss>)
                for (int s = 0; c.mean.ignored > 0 && dx.data && s < real; ++s)
                    for (int k = 0; left_out(s) && k < outputs; ++k)
                        dx.data[static_cast<std::ptrdiff_t>(k) * dx.stride + s] = T(0);
            if constexpr (!direct)
                for (int k = 0; gradient && k < outputs; ++k) store_first(gradient + k * S + first, dx[k], there);
        }
        for (int s = 0; s < real; ++s) {
            if (c.predictions) c.predictions[c.first + first + s] = static_cast<std::int32_t>(best[s]);
            if (c.mean.ignored > 0 && left_out(s)) continue;
            if (c.loss) c.result->loss += static_cast<double>(loss[s]);
            if (c.batch->labels && best[s] == label[s]) ++c.result->correct;
        }
    }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
