#include "accuracy.hpp"

double accuracy_in_library(Weights weights, std::span<float const> images, std::span<std::int32_t const> labels) {
    return accuracy(weights, images, labels);
}
