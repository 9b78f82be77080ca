// What a step does besides the operations: batches become tiles, rows of outputs become losses and hits.
#pragma once

#include <cstdint>

#include "../../loss/loss_mean.hpp"
#include "body.hpp"

namespace strata::inline STRATA_ABI::detail {

/// x[element][sample] = scale[channel] value + shift[channel] from samples [sample][element]; a
/// thread an element and sample.
template <class T, class From>
struct FillBody {
    T* x;
    From const* values;
    double const* scale;  ///< null: values as they are
    double const* shift;
    int elements, pixels, samples;

    [[nodiscard]] long threads() const { return static_cast<long>(elements) * samples; }
    STRATA_HD void operator()(long thread) const {
        int const element = static_cast<int>(thread / samples), sample = static_cast<int>(thread % samples);
        auto const value = static_cast<T>(values[static_cast<long>(sample) * elements + element]);
        x[thread] =
            scale ? value * static_cast<T>(scale[element / pixels]) + static_cast<T>(shift[element / pixels]) : value;
    }
};

/// A tile [element][sample] becomes rows [sample][element]: outputs for the user.
template <class T>
struct TransposeBody {
    T const* x;
    T* rows;
    int elements, samples;

    [[nodiscard]] long threads() const { return static_cast<long>(elements) * samples; }
    STRATA_HD void operator()(long thread) const {
        long const sample = thread / elements, element = thread % elements;
        rows[thread] = x[element * samples + sample];
    }
};

/// Loss, hit, prediction and output gradient of one label a thread: a sample, or a place of one, whose classes' scores are a
/// row of a tile [classes][places][samples].
template <class OutputShape, class Precision, class Loss>
struct LossBody {
    using Storage = typename Precision::storage;
    using Compute = typename Precision::compute;
    Loss loss;
    Storage const* x;
    Storage* dx;                 ///< null: only the value
    Storage const* targets;      ///< [output][sample], null for classification
    std::int32_t const* labels;  ///< [sample][place], null when there are none
    float const* weights;        ///< [sample], null: all are 1
    double* losses;              ///< [place][sample], null when there is nothing to compare with
    double* hits;                ///< [place][sample]
    std::int32_t* predictions;   ///< [sample][place]
    double factor;               ///< of the gradient
    int samples;

    using Row = row_shape<Loss, OutputShape>;
    static constexpr int places = places_of<Loss, OutputShape>;

    [[nodiscard]] long threads() const { return static_cast<long>(samples) * places; }
    STRATA_DEVICE void operator()(long thread) const {
        using X = SampleView<Row, Precision, Storage const>;
        using DX = SampleView<Row, Precision, Storage>;
        long sample = thread, at = thread;
        if constexpr (places > 1) sample = thread % samples, at = sample * places + thread / samples;
        int const columns = samples * places;
        X const row{x + thread, columns};
        Compute const best = predicted_class<Row::size>(row);
        Compute const label = labels ? static_cast<Compute>(labels[at]) : Compute(-1);
        predictions[at] = static_cast<std::int32_t>(best);
        bool const counts = !labels || !ignores(loss, labels[at]);
        Compute const weight = weights ? static_cast<Compute>(weights[sample]) : Compute(1);
        hits[thread] = counts && best == label ? 1 : 0;
        if (!losses) return;
        LossInput<X, DX, target_view<Loss, OutputShape, Compute, Storage>> const io{
            row,
            {dx ? dx + thread : nullptr, columns},
            view_targets<Loss, OutputShape, Compute>(targets ? targets + thread : nullptr, samples),
            label,
            static_cast<Compute>(factor) * weight};
        // A loss's own function is called from here, where nvcc sees whether it may be.
        if constexpr (requires { loss.template operator()<Row::size>(io); })
            losses[thread] = static_cast<double>(loss.template operator()<Row::size>(io));
        else
            losses[thread] = static_cast<double>(loss_of_row<Row::size>(loss, io));
        losses[thread] *= static_cast<double>(weight);
        if (counts && weight != Compute(0)) return;
        losses[thread] = 0;
        for (int k = 0; dx && k < Row::size; ++k) io.dx.set(k, Compute(0));
    }
};

/// Sums an array of doubles in one block.
struct SumBody {
    using Value = double;
    double const* values;
    double* total;
    int count;

    static constexpr long blocks() { return 1; }
    STRATA_DEVICE Value part(long, int thread) const {
        return sum_samples<Value>(thread, count, [&](int i) { return values[i]; });
    }
    STRATA_HD Value combine(Value a, Value b) const { return a + b; }
    STRATA_HD void finish(long, Value sum) const { *total = sum; }
};

}  // namespace strata::inline STRATA_ABI::detail
