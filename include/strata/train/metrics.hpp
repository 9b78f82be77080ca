// What a training measures: the confusion matrix of a classifier, and the record of each epoch.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/exact_text.hpp"
#include "../core/finite.hpp"
#include "../core/read_number.hpp"

namespace strata::inline STRATA_ABI {

/// Counts of predictions, [truth][predicted]. The counts are integers, so merging partial matrices in any order gives
/// the same result. Precision, recall and F1 are 0 where they would be 0 / 0, as in scikit-learn.
class ConfusionMatrix {
public:
    /// Throws Error unless classes is positive.
    explicit ConfusionMatrix(int classes);

    /// Counts one sample. Throws Error if a class is not in [0, classes).
    void add(int truth, int predicted) { ++counts_[index(truth, predicted)]; }

    /// Adds the counts of another matrix. Throws Error if it has another number of classes.
    void merge(ConfusionMatrix const& other);

    [[nodiscard]] int classes() const { return classes_; }
    /// Samples of class `truth` that were taken for `predicted`.
    [[nodiscard]] std::int64_t count(int truth, int predicted) const { return counts_[index(truth, predicted)]; }
    /// Samples of one class.
    [[nodiscard]] std::int64_t support(int truth) const;
    /// Samples that were taken for one class.
    [[nodiscard]] std::int64_t predictions(int predicted) const;
    /// All samples.
    [[nodiscard]] std::int64_t total() const;
    /// Samples predicted right.
    [[nodiscard]] std::int64_t correct() const;

    /// Share of samples predicted right, in [0, 1].
    [[nodiscard]] double accuracy() const { return ratio(correct(), total()); }
    /// Share of the samples taken for class c that are of class c.
    [[nodiscard]] double precision(int c) const { return ratio(count(c, c), predictions(c)); }
    /// Share of the samples of class c that were taken for it.
    [[nodiscard]] double recall(int c) const { return ratio(count(c, c), support(c)); }
    /// Intersection over union (Jaccard index): share of right ones among what is of class c or was taken for it.
    [[nodiscard]] double iou(int c) const { return ratio(count(c, c), support(c) + predictions(c) - count(c, c)); }
    /// Harmonic mean of precision and recall.
    [[nodiscard]] double f1(int c) const { return ratio(2 * count(c, c), support(c) + predictions(c)); }

    /// The per-class table as text, one class a line, then the means over classes. Without names classes are numbers.
    /// Throws Error unless there are no names or one for each class.
    [[nodiscard]] std::string table(std::vector<std::string> const& names = {}) const;

    friend bool operator==(ConfusionMatrix const&, ConfusionMatrix const&) = default;

private:
    [[nodiscard]] std::size_t index(int truth, int predicted) const;
    static double ratio(std::int64_t part, std::int64_t whole);
    static std::string line(std::string text, std::size_t width, std::string_view cells);
    static std::string numbers(double precision, double recall, double f1, std::int64_t support);

    int classes_;
    std::vector<std::int64_t> counts_;
};

/// What an epoch's record says of the loss of one head.
struct HeadRecord {
    std::string name;
    double train_loss = std::numeric_limits<double>::quiet_NaN();
    double train_accuracy = std::numeric_limits<double>::quiet_NaN();  ///< in [0, 1]; NaN where it does not classify
    double test_loss = std::numeric_limits<double>::quiet_NaN();
    double test_accuracy = std::numeric_limits<double>::quiet_NaN();
};

/// One finished epoch. What was not measured (no test set, no classes) is NaN.
struct EpochRecord {
    static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

    std::int64_t epoch = 0;           ///< epochs done, this one included
    std::int64_t step = 0;            ///< optimizer steps done since the start of training
    double learning_rate = unknown;   ///< of the epoch's last step
    double train_loss = unknown;      ///< mean over the epoch's samples, while they were trained on
    double train_accuracy = unknown;  ///< in [0, 1]
    double test_loss = unknown;
    double test_accuracy = unknown;      ///< in [0, 1]
    double seconds = unknown;            ///< of training, without evaluation
    double images_per_second = unknown;  ///< of training, without evaluation; of samples, or of tokens
    std::vector<HeadRecord> heads = {};  ///< of a network that ends in Heads; the losses above are sums then

    /// That of a head. Throws Error where no head is called so.
    [[nodiscard]] HeadRecord const& head(std::string_view name) const;
};

/// The epochs of a training, in order.
using History = std::vector<EpochRecord>;

/// The history as text for a checkpoint: one epoch a line, numbers exact.
std::string to_text(History const& history);

/// The history that to_text wrote. Throws Error naming the line for any other text.
History history_from_text(std::string_view text);

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "metrics.ipp"
#endif
