// One network in a program that is compiled for this machine and in a library that is compiled for all: plain data go
// from one to the other.
#pragma once

#include <cstdint>
#include <span>

struct Weights {
    std::span<float const> parameters, buffers;
};

/// Part of the images that the network recognises; the library's.
double accuracy_in_library(Weights weights, std::span<float const> images, std::span<std::int32_t const> labels);
