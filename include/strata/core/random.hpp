// Counter-based random numbers: every number is a pure function of (seed, purpose, position), so results do not depend
// on threads, order or resume.
//
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "config.hpp"

namespace strata::inline STRATA_ABI {

/// What a random number is for; streams of different purposes never overlap.
enum class Purpose : std::uint32_t { initialization = 1, shuffle = 2, augmentation = 3, dropout = 4, user = 5 };

/// Four random 32-bit words for one 128-bit counter and a 64-bit key (Philox4x32-10).
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
    auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
    std::uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; ++round) {
        std::uint64_t const a = std::uint64_t{0xD2511F53u} * c0, b = std::uint64_t{0xCD9E8D57u} * c2;
        c0 = static_cast<std::uint32_t>(b >> 32) ^ c1 ^ k0;
        c1 = static_cast<std::uint32_t>(b);
        c2 = static_cast<std::uint32_t>(a >> 32) ^ c3 ^ k1;
        c3 = static_cast<std::uint32_t>(a);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
}

/// A uniform number in [0, 1) with 24 random bits, exact in float.
constexpr float uniform_float(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

/// A stream of random numbers keyed by (seed, purpose, a, b), for example (seed, augmentation, epoch, sample).
/// All four words of each Philox block are used.
class Random {
public:
    Random(std::uint64_t seed, Purpose purpose, std::uint32_t a = 0, std::uint32_t b = 0)
        : key_(seed), counter_{0, static_cast<std::uint32_t>(purpose), a, b} {}

    /// The next 32 random bits.
    std::uint32_t operator()() {
        if (next_ == 4) refill();
        return block_[next_++];
    }
    /// Uniform in [0, 1) with 53 random bits.
    double uniform() {
        std::uint64_t const high = (*this)();
        return static_cast<double>(((high << 32) | (*this)()) >> 11) * 0x1p-53;
    }
    /// Uniform in [low, high).
    double uniform(double low, double high) { return low + (high - low) * uniform(); }
    /// Uniform integer in [0, n), without modulo bias (Lemire's rejection). n must be positive.
    std::uint32_t below(std::uint32_t n) {
        std::uint64_t product = std::uint64_t{(*this)()} * n;
        for (std::uint32_t const threshold = (0u - n) % n; static_cast<std::uint32_t>(product) < threshold;)
            product = std::uint64_t{(*this)()} * n;
        return static_cast<std::uint32_t>(product >> 32);
    }
    /// Standard normal (Box-Muller, one of the pair).
    double normal() {
        double const u = 1.0 - uniform(), v = uniform();
        return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
    }

private:
    /// Out of line: ten rounds at every place that draws a number would be slow to compile.
    [[gnu::noinline]] void refill() {
        block_ = philox(counter_, key_);
        ++counter_[0];
        next_ = 0;
    }

    std::uint64_t key_;
    std::array<std::uint32_t, 4> counter_;
    std::array<std::uint32_t, 4> block_{};
    unsigned next_ = 4;
};

}  // namespace strata::inline STRATA_ABI
