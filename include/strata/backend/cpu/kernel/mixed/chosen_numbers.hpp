// Mixed<bfloat16>: gradients that only choose among numbers, or put 0 in their place, work on their bits, a vector's
// worth of short ones at a time: ReLU's, and that of MaxPool2d without padding or overlap.
#pragma once

#include "../../../../layer/relu.hpp"
#include "../pooling/pooling_kernel.hpp"
#include "short_numbers.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Short numbers in a vector: those of a tile of 16 samples, or what a register takes.
inline constexpr int chosen_at_once = vector_bytes >= 32 ? 16 : 8;
using ShortBits = lane_detail::Of<std::int16_t, chosen_at_once>;
STRATA_INLINE ShortBits::type bits_at(bfloat16 const* from) {
    return *reinterpret_cast<ShortBits::unaligned const*>(from);
}
STRATA_INLINE void put_bits(bfloat16* to, ShortBits::type bits) { *reinterpret_cast<ShortBits::unaligned*>(to) = bits; }

/// dx = dy where y is above 0 or NaN, of numbers [from, end): in whole vectors. Returns the first one left.
STRATA_ONE_COPY inline std::ptrdiff_t relu_gradient_bits(bfloat16 const* y, bfloat16 const* dy, bfloat16* dx,
                                                         std::ptrdiff_t from, std::ptrdiff_t end) {
    constexpr std::int16_t minus_infinity = -0x80;  // behind it come the negative ones of NaN
    for (; from + chosen_at_once <= end; from += chosen_at_once) {
        ShortBits::type const bits = bits_at(y + from);
        put_bits(dx + from, bits_at(dy + from) & (bits > minus_infinity) & (bits != 0));
    }
    return from;
}

/// max_pool_input_gradient, set, on tiles of whole vectors of short numbers.
template <int KH, int KW>
STRATA_ONE_COPY void max_pool_gradient_bits(PoolImage const& g, bfloat16 const* dy, bfloat16 const* argmax,
                                            bfloat16* dx, int S, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(g.width) * S;
    int const blocks = (g.height + KH - 1) / KH, covered = g.out_width * KW * S;
    for (int item = begin; item < end; ++item) {
        int const i = item % blocks, channel = item / blocks;
        bfloat16* const top = dx + (static_cast<std::ptrdiff_t>(channel) * g.height + i * KH) * row;
        if (i == g.out_height) {
            std::fill_n(top, (g.height - i * KH) * row, bfloat16(0));
            continue;
        }
        std::ptrdiff_t from = (static_cast<std::ptrdiff_t>(channel) * g.out_height + i) * g.out_width * S;
        bfloat16* corner = top;
        for (int j = 0; j < g.out_width; ++j, corner += (KW - 1) * S)
            for (int s = 0; s < S; s += chosen_at_once, from += chosen_at_once, corner += chosen_at_once) {
                ShortBits::type const gradient = bits_at(dy + from), winner = bits_at(argmax + from);
                STRATA_UNROLL
                for (int tap = 0; tap < KH * KW; ++tap)
                    put_bits(corner + (tap / KW * row + tap % KW * S),
                             gradient & (winner == static_cast<std::int16_t>(bfloat16(tap).bits)));
            }
        for (int p = 0; p < KH; ++p) std::fill(top + p * row + covered, top + (p + 1) * row, bfloat16(0));
    }
}

}  // namespace detail

template <class Op, class Precision>
struct ChosenInputGradient;
template <class X, class Precision>
requires std::same_as<typename Precision::storage, bfloat16>
struct ChosenInputGradient<ElementwiseOperation<ReLU, X>, Precision>
    : GenericInputGradient<ElementwiseOperation<ReLU, X>, Precision> {
    using Generic = GenericInputGradient<ElementwiseOperation<ReLU, X>, Precision>;
    static constexpr KernelNote note{"chosen bits", "bfloat16 is passed on or not, and never computed with"};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (a.write == GradientWrite::add) return Generic::run(a, begin, end);
        constexpr int N = width_of<widest_lane<typename Precision::compute>>;
        std::ptrdiff_t const numbers = std::ptrdiff_t{X::size} * a.stride,
                             stop = (std::min)(std::ptrdiff_t{end} * N, numbers);
        auto const from = detail::relu_gradient_bits(a.y, a.dy, a.dx, std::ptrdiff_t{begin} * N, stop);
        for (auto k = from; k < stop; ++k) a.dx[k] = static_cast<float>(a.y[k]) <= 0 ? bfloat16(0) : a.dy[k];
    }
};
template <class Win, class Precision>
requires(std::same_as<typename Precision::storage, bfloat16>) &&
        requires { sizeof(MaxPoolInputGradient<MaxPooling<Win>, Precision>); }
struct ChosenInputGradient<MaxPooling<Win>, Precision> : MaxPoolInputGradient<MaxPooling<Win>, Precision> {
    using Computed = MaxPoolInputGradient<MaxPooling<Win>, Precision>;
    static constexpr KernelNote note{"maximum", "windows without padding or overlap; bits of bfloat16"};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (a.write == GradientWrite::add || a.stride % detail::chosen_at_once != 0)
            return Computed::run(a, begin, end);
        detail::max_pool_gradient_bits<Win::kernel_height, Win::kernel_width>(detail::pool_image<Win>, a.dy, a.extra,
                                                                              a.dx, a.stride, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI
