// The windows of adaptive pooling. Along an axis output i sees floor(i In / Out) <= k < ceil((i + 1) In / Out).
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "window.hpp"

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

/// What adaptive poolings of an image share: output [C][Height][Width] of windows along both axes.
template <class X, int Height, int Width>
struct AdaptiveWindows {
    using Rows = AdaptiveAxis<X::template extent<1>, Height>;
    using Columns = AdaptiveAxis<X::template extent<2>, Width>;
    using Input = X;
    using Output = Shape<channels_of<X>, Height, Width>;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = static_cast<double>(Output::size) * Rows::longest * Columns::longest;
    /// Where all windows are alike: those of a pooling that has their size as its stride.
    static constexpr bool even = Rows::divides && Columns::divides;
    using Even = Window<channels_of<X>, X::template extent<1>, X::template extent<2>, Rows::longest, Columns::longest,
                        Rows::longest, Columns::longest, 0, 0>;
};

}  // namespace strata::inline STRATA_ABI
