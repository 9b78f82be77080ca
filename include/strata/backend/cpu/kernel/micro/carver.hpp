// A worker's scratch memory, taken part by part. A kernel writes its parts down once, in a function of a Carver: run
// without memory it counts what they need, at compile time; run with it, it hands them out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../../../../core/config.hpp"

namespace strata::inline STRATA_ABI::detail {

class Carver {
public:
    static constexpr std::ptrdiff_t line = 64;  ///< parts begin on a cache line: vectors that cross one cost twice

    /// Counts.
    constexpr Carver() = default;
    /// Hands out the memory, which begins anywhere and is as large as one without memory has counted.
    explicit Carver(void* memory)
        : first_(reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(memory) + line - 1) / line * line)) {}

    /// The next part, of `count` numbers; null where it counts.
    template <class T>
    constexpr T* take(std::ptrdiff_t count) {
        std::ptrdiff_t const from = bytes_;
        bytes_ += (count * static_cast<std::ptrdiff_t>(sizeof(T)) + line - 1) / line * line;
        if (first_ == nullptr) return nullptr;
        return reinterpret_cast<T*>(first_ + from);
    }
    /// How many numbers of type T all parts together need, with what aligns them.
    template <class T>
    [[nodiscard]] constexpr int numbers() const {
        return static_cast<int>((bytes_ + line) / static_cast<std::ptrdiff_t>(sizeof(T)));
    }

private:
    std::byte* first_ = nullptr;
    std::ptrdiff_t bytes_ = 0;
};

/// Numbers of type T that the parts of `plan`, taken in its function carve(), need.
template <class T, class Plan>
constexpr int carved_numbers(Plan const& plan) {
    Carver counting;
    plan.carve(counting);
    return counting.numbers<T>();
}

}  // namespace strata::inline STRATA_ABI::detail
