// The inputs of the reference values: deterministic pseudo-random numbers that the generator and the tests both
// compute, so that only results are stored. Every value is a multiple of 1/2048 and therefore exact in float64, float32
// and float16: a difference between a test and a reference value never comes from rounding the inputs.
#pragma once

#include <cstdint>

namespace strata {

/// 32 well-mixed bits for element `index` of tensor `seed` (the finaliser of MurmurHash3, Appleby, over both words).
constexpr std::uint32_t reference_bits(std::uint32_t seed, std::uint32_t index) {
    std::uint32_t bits = index * 0x9E3779B9u + seed * 0x85EBCA6Bu + 0x27D4EB2Fu;
    for (int round = 0; round < 2; ++round) {
        bits ^= bits >> 16;
        bits *= 0x85EBCA6Bu;
        bits ^= bits >> 13;
        bits *= 0xC2B2AE35u;
        bits ^= bits >> 16;
        bits += seed;
    }
    return bits;
}

/// Element `index` (row-major) of the tensor with this seed: a multiple of 1/2048 in [-1, 1).
constexpr double reference_value(std::uint32_t seed, std::uint32_t index) {
    return (static_cast<double>(reference_bits(seed, index) >> 20) - 2048.0) / 2048.0;
}

/// The same on a coarse grid: -1, -0.75, ..., 0.75. Ties in pooling windows and exact zeros are frequent.
constexpr double reference_coarse_value(std::uint32_t seed, std::uint32_t index) {
    return (static_cast<double>(reference_bits(seed, index) >> 29) - 4.0) / 4.0;
}

/// Class of sample `index`, in [0, classes).
constexpr int reference_label(std::uint32_t seed, std::uint32_t index, int classes) {
    return static_cast<int>(reference_bits(seed, index) >> 8) % classes;
}

}  // namespace strata
