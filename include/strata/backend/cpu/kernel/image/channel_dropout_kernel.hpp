// Dropout2d on the CPU: a channel's random words once, then a multiplication of all its numbers.
#pragma once

#include "../../../../layer/dropout2d.hpp"
#include "../generic.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// Channels [begin, end) of `to`, set or added, of tiles of S samples.
template <class T, class Storage>
STRATA_ONE_COPY void drop_channels(RandomKey key, int sample, double p, int pixels, Storage const* from, Storage* to,
                                   int S, bool add, int begin, int end) {
    using L = widest_lane<T>;
    constexpr int N = width_of<L>;
    auto const threshold = static_cast<T>(p), scale = static_cast<T>(1.0 / (1.0 - p));
    std::ptrdiff_t const numbers = static_cast<std::ptrdiff_t>(pixels) * S;
    for (int first = 0; first < S; first += N) {
        std::uint32_t words[4][N];
        for (int c = begin, block = -1; c < end; ++c) {
            if (c / 4 != block) {
                block = c / 4;
                philox_words<N>(words, key, static_cast<std::uint32_t>(block), sample + first);
            }
            // Tiles of fewer samples than N: a vector holds the same ones of several pixels.
            T factor[N];
            for (int k = 0; k < N; ++k)
                factor[k] = static_cast<T>(uniform_float(words[c % 4][S < N ? k % S : k])) < threshold ? T(0) : scale;
            L const factors = load_lane<L>(factor);
            Storage const* const x = from + c * numbers + first;
            Storage* const y = to + c * numbers + first;
            std::ptrdiff_t k = 0;
            int const step = S < N ? N : S;
            for (; k + N <= numbers - first; k += step) {
                L const value = select(factors == L(T(0)), L(T(0)), load_lane<L>(x + k) * factors);
                store_lane(y + k, add ? load_lane<L>(y + k) + value : value);
            }
            for (; S < N && k < numbers; ++k) {
                STRATA_SCALAR;
                T const f = factor[k % N], value = f == T(0) ? T(0) : load_lane<T>(x + k) * f;
                store_lane(y + k, add ? load_lane<T>(y + k) + value : value);
            }
        }
    }
}

}  // namespace detail

template <class Op, class Precision>
struct ChannelDropoutForward;
template <class X, Real P, class Precision>
struct ChannelDropoutForward<ChannelDropout<X, P>, Precision> {
    static constexpr KernelNote note{"rows", "one decision a channel and sample"};
    static constexpr Items items{channels_of<X>};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::drop_channels<typename Precision::compute>(a.random, a.first, P.value, pixels_of<X>, a.x, a.y, a.stride,
                                                           false, begin, end);
    }
};
template <class Op, class Precision>
struct ChannelDropoutInputGradient;
template <class X, Real P, class Precision>
struct ChannelDropoutInputGradient<ChannelDropout<X, P>, Precision> {
    static constexpr KernelNote note{"rows", "one decision a channel and sample"};
    static constexpr Items items{channels_of<X>};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::drop_channels<typename Precision::compute>(a.random, a.first, P.value, pixels_of<X>, a.dy, a.dx,
                                                           a.stride, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
