// What Trainer::evaluate measures.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "metrics.hpp"

namespace strata {

/// What evaluate measures.
struct Evaluation {
    double loss = std::numeric_limits<double>::quiet_NaN();  ///< mean over the samples
    double accuracy = std::numeric_limits<double>::quiet_NaN();
    std::int64_t correct = 0, samples = 0;
    std::vector<std::int32_t> predictions;  ///< [samples]; empty for regression
    std::vector<std::int32_t> labels;       ///< [samples]

    /// Throws Error when nothing was classified.
    [[nodiscard]] ConfusionMatrix confusion(int classes) const {
        ConfusionMatrix matrix(classes);
        for (std::size_t i = 0; i < predictions.size(); ++i) matrix.add(labels[i], predictions[i]);
        return matrix;
    }
};

}  // namespace strata
