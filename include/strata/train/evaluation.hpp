// evaluate, and what it measures.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "../backend/ranks.hpp"
#include "../data/loader.hpp"
#include "input_check.hpp"
#include "metrics.hpp"
#include "non_finite_place.hpp"

namespace strata::inline STRATA_ABI {

/// The result of evaluate.
struct Evaluation {
    double loss = std::numeric_limits<double>::quiet_NaN();      ///< mean over the samples, or as the loss weighs them
    double accuracy = std::numeric_limits<double>::quiet_NaN();  ///< of the counted labels
    std::int64_t correct = 0, samples = 0;
    std::int64_t counted = 0;                          ///< labels that the loss does not ignore
    std::vector<std::int32_t> predictions;             ///< [samples][labels of a sample]; empty for regression
    std::vector<std::int32_t> labels;                  ///< the same
    std::int64_t ignore_index = InputCheck::no_label;  ///< the label that is not counted
    LossParts losses;                                  ///< of a network's heads; `loss` is their sum
    bool several_classify = false;  ///< heads: a sample's labels are theirs, one head after the other

    /// Of the counted labels. Throws Error when nothing was classified, or by several heads.
    [[nodiscard]] ConfusionMatrix confusion(int classes) const {
        if (several_classify)
            fail("confusion: several heads classify: fill a ConfusionMatrix with one head's labels and predictions");
        ConfusionMatrix matrix(classes);
        for (std::size_t i = 0; i < predictions.size(); ++i)
            if (labels[i] != ignore_index) matrix.add(labels[i], predictions[i]);
        return matrix;
    }
};

namespace detail {

/// The samples of batches that an executor's rank looks at, as a Loader takes it: empty where there is one rank.
template <class Executor>
Function<SampleRange(int size)> part_of_batches(Executor const& executor) {
    if constexpr (RanksOf<Executor>::type::several)
        return [deal = executor.ranks().deal(), leaves = executor.most_leaves()](int size) {
            return Executor::own_samples(deal, size, leaves);
        };
    return {};
}
/// Whether each of an executor's ranks looks at all samples of an evaluation.
template <class Executor>
inline constexpr bool evaluates_alone = requires { RanksOf<Executor>::type::evaluates_alone; };

/// Calls f(batch) for a dataset in its order.
template <class Executor, class F>
STRATA_COLD void for_each_batch(Executor const& executor, Dataset const& data, int batch_size, std::uint64_t seed,
                                F const& f) {
    LoaderOptions options{.batch_size = batch_size, .shuffle = false, .seed = seed, .threads = 0};
    if constexpr (!evaluates_alone<Executor>) options.part = part_of_batches(executor);
    Loader loader(data, options);
    loader.begin_epoch(0);
    while (Batch const* batch = loader.next()) f(*batch);
}

/// Evaluates a model that the executor has loaded. Throws Error as Trainer::evaluate; without `strict` a loss that is not
/// finite is a result like others.
template <class Executor, class Model>
STRATA_COLD Evaluation evaluate_on(Executor& executor, Model const& model, InputCheck const& input, Dataset const& data,
                                   int batch_size, std::uint64_t seed, bool strict = true) {
    input.check(data, "evaluate");
    Evaluation all;
    all.several_classify = input.heads > 1;
    std::size_t const each = input.classifies ? static_cast<std::size_t>(data.labels_per_sample()) : 1;
    if (data.classes() > 0) all.predictions = all.labels = std::vector<std::int32_t>(data.answers() * each);
    double loss = 0, weight = 0;
    std::size_t answers = 0;
    for_each_batch(executor, data, batch_size, seed, [&](Batch const& batch) {
        std::size_t const first = answers * each, here = static_cast<std::size_t>(batch.answers());
        std::int32_t* const at = all.predictions.empty() ? nullptr : all.predictions.data() + first;
        // What the network saw: transforms may have changed the dataset's labels.
        if (!all.labels.empty())
            std::copy_n(batch.labels, here * each, all.labels.begin() + static_cast<std::ptrdiff_t>(first));
        StepResult const result = executor.evaluate(model, batch, at, nullptr);
        if (strict && !result.finite) {
            auto const place = non_finite_place(model, batch, executor.first_non_finite(model, batch), input.targets());
            fail("evaluate: ", place.empty() ? "the loss is not finite" : place);
        }
        loss += result.loss * result.weight();
        weight += result.weight();
        if (!result.losses.empty()) all.losses.add(result.losses);
        all.correct += result.correct;
        all.counted += result.counted();
        all.samples += batch.size;
        answers += here;
    });
    all.loss = !all.losses.empty() ? all.losses.total() : weight > 0 ? loss / weight : 0;
    all.ignore_index = input.ignore_index;
    if (data.classes() > 0 && all.counted > 0)
        all.accuracy = static_cast<double>(all.correct) / static_cast<double>(all.counted);
    return all;
}

}  // namespace detail

}  // namespace strata::inline STRATA_ABI
