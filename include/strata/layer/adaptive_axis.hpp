// The windows of adaptive pooling along one axis: output i sees floor(i In / Out) <= k < ceil((i + 1) In / Out).
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "../core/config.hpp"

namespace strata::inline STRATA_ABI {

/// Windows of In numbers that give Out, neighbours or with a number in common.
template <int In, int Out>
struct AdaptiveAxis {
    static constexpr bool divides = In % Out == 0;
    static constexpr int longest = divides ? In / Out : (In - 1) / Out + 2;
    static constexpr int begin(int output) { return static_cast<int>(Product{output} * In / Out); }
    static constexpr int end(int output) { return static_cast<int>((Product{output} * In + In + Out - 1) / Out); }
    /// The outputs that see input k.
    static constexpr int first(int k) { return static_cast<int>(Product{k} * Out / In); }
    static constexpr int last(int k) { return static_cast<int>((Product{k} * Out + Out + In - 1) / In); }
    static constexpr int length(int output) { return end(output) - begin(output); }

private:
    static constexpr bool fits_int = std::int64_t{In} * Out + In + Out <= (std::numeric_limits<int>::max)();
    using Product = std::conditional_t<fits_int, int, std::int64_t>;
};

}  // namespace strata::inline STRATA_ABI
