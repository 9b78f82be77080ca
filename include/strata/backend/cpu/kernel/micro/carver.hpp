// A worker's scratch memory, taken part by part. A kernel writes its parts down once, as a struct that a Carver fills: run
// without memory it counts what they need, at compile time; run with it, it hands them out.
#pragma once

#include <cstddef>
#include <limits>

#include "../../../../core/error.hpp"

namespace strata::inline STRATA_ABI::detail {

class Carver {
public:
    static constexpr std::ptrdiff_t line = 64;  ///< parts begin on a cache line: vectors that cross one cost twice

    /// Counts.
    constexpr Carver() = default;
    /// Hands out the memory, which begins on a cache line and is as large as one without memory has counted.
    Carver(void* memory) : first_(static_cast<std::byte*>(memory)) {}

    /// The next part, of `count` numbers; null where it counts.
    template <class T>
    constexpr T* take(std::ptrdiff_t count) {
        std::ptrdiff_t const from = (bytes_ + line - 1) / line * line;
        bytes_ = from + count * static_cast<std::ptrdiff_t>(sizeof(T));
        if (first_ == nullptr) return nullptr;
        return reinterpret_cast<T*>(first_ + from);
    }
    /// How many numbers of type T all parts together need; where programs ask, while they are compiled, too many are an
    /// error of the compiler that shows this line.
    template <class T>
    [[nodiscard]] constexpr int numbers() const {
        constexpr std::ptrdiff_t size = sizeof(T);
        std::ptrdiff_t const count = (bytes_ + size - 1) / size;
        if (count > (std::numeric_limits<int>::max)())
            throw Error(
                "a kernel's scratch memory on a tile has more than 2^31 - 1 numbers: fewer samples, tile_samples");
        return static_cast<int>(count);
    }

private:
    std::byte* first_ = nullptr;
    std::ptrdiff_t bytes_ = 0;
};

/// Numbers of type T that the struct Parts needs, made of a Carver and `of`.
template <class T, class Parts, class... Of>
constexpr int carved_numbers(Of const&... of) {
    Carver counting;
    Parts(counting, of...);
    return counting.numbers<T>();
}

}  // namespace strata::inline STRATA_ABI::detail
