// One network in code that is compiled for this machine and in a library that is compiled for all: plain data go from
// one to the other.
#pragma once

#include <cstdint>
#include <span>

struct Weights {
    std::span<float const> parameters, buffers;
};

/// Part of the images that the network recognises.
using Accuracy = double(Weights weights, std::span<float const> images, std::span<std::int32_t const> labels);
Accuracy accuracy_in_library;

/// 0 when the library's accuracy is that of the code that trained the network.
int train_and_compare(Accuracy* accuracy_there);
