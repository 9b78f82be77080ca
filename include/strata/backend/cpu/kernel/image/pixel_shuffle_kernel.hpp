// PixelShuffle on the CPU: a row of x is every so manieth column of a row of y.
#pragma once

#include "../../../../layer/pixel_shuffle.hpp"
#include "../generic.hpp"
#include "../micro/strided_columns.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Row `item` of x, its channels and rows counted through, lies in y from this number on.
inline std::ptrdiff_t shuffled_row(int item, int factor, int height, std::ptrdiff_t row, int S) {
    int const h = item % height, channel = item / height, i = channel / factor % factor, j = channel % factor,
              plane = channel / (factor * factor);
    return (static_cast<std::ptrdiff_t>(plane) * height * factor + h * factor + i) * row * factor +
           static_cast<std::ptrdiff_t>(j) * S;
}

}  // namespace detail

// Items are rows of y, which have `factor` rows of x each.
template <class Op, class Precision>
struct PixelShuffleForward;
template <class X, int Factor, class Precision>
struct PixelShuffleForward<PixelShuffling<X, Factor>, Precision> {
    static constexpr KernelNote note{"rows", "columns of rows, moved"};
    using Op = PixelShuffling<X, Factor>;
    static constexpr Items items{Op::Output::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        std::ptrdiff_t const row = std::ptrdiff_t{Op::width} * a.stride;
        for (int item = begin; item < end; ++item) {
            int const out = item % (Op::height * Factor), first = item / (Op::height * Factor) * Factor * Factor;
            for (int j = 0; j < Factor; ++j) {
                int const channel = first + out % Factor * Factor + j;
                detail::move_columns<false>(
                    a.x + (static_cast<std::ptrdiff_t>(channel) * Op::height + out / Factor) * row, a.stride,
                    a.y + item * row * Factor + j * a.stride, Factor * a.stride, Op::width, a.stride);
            }
        }
    }
};
// Short types cannot be added as they lie: they are left to the generic kernel.
template <class Op, class Precision>
struct PixelShuffleInputGradient;
template <class X, int Factor, class Precision>
requires detail::UniformPrecision<Precision>
struct PixelShuffleInputGradient<PixelShuffling<X, Factor>, Precision> {
    static constexpr KernelNote note{"rows", "columns of rows, moved"};
    using Op = PixelShuffling<X, Factor>;
    static constexpr Items items{X::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        std::ptrdiff_t const row = std::ptrdiff_t{Op::width} * a.stride;
        using T = typename Precision::storage;
        auto const move =
            a.write == GradientWrite::add ? &detail::move_columns<true, T> : &detail::move_columns<false, T>;
        for (int item = begin; item < end; ++item)
            move(a.dy + detail::shuffled_row(item, Factor, Op::height, row, a.stride), Factor * a.stride,
                 a.dx + item * row, a.stride, Op::width, a.stride, {});
    }
};

}  // namespace strata::inline STRATA_ABI
