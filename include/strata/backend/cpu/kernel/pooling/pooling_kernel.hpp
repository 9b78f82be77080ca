// MaxPool2d without padding on the CPU: the window is a constant, the image a run-time value, so that all pools of
// one window are one copy of the code. Tiles of one sample have neighbouring windows in the lanes where the
// windows are two columns wide.
#pragma once

#include "../../../../layer/max_pool2d.hpp"
#include "../generic.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// The image a pool works on; items below are (channel, output row).
struct PoolImage {
    int height, width, out_height, out_width;
};
template <class Win>
inline constexpr PoolImage pool_image = {Win::height, Win::width, Win::out_height, Win::out_width};

/// Where whole vectors of outputs of a single sample may be worked on: rows [begin, safe) of [begin, end), because what
/// their last vectors read and write behind a row are rows of ours that come later.
inline int whole_vector_rows(PoolImage const& g, int N, int begin, int end) {
    return (std::max)(begin, end - (g.out_width + N - 1) / g.out_width);
}

/// max_pool_forward of a single sample and windows two columns wide and apart, for the rows of [begin, end) that are
/// whole_vector_rows. Returns the first row left.
template <int KH, int SH, class L, class T>
STRATA_ONE_COPY int max_pool_forward_pairs(PoolImage const& g, T const* x, T* y, T* argmax, int begin, int end) {
    constexpr int N = width_of<L>;
    int const safe = whole_vector_rows(g, N, begin, end);
    for (int item = begin; item < safe; ++item) {
        T const* const corner =
            x + (static_cast<std::ptrdiff_t>(item / g.out_height) * g.height + item % g.out_height * SH) * g.width;
        std::ptrdiff_t const out = static_cast<std::ptrdiff_t>(item) * g.out_width;
        for (int j = 0; j < g.out_width; j += N) {
            L best(0), winner(0);
            STRATA_UNROLL
            for (int p = 0; p < KH; ++p) {
                T const* const row = corner + p * g.width + 2 * j;
                L value[2];
                deinterleave(load_lane<L>(row), load_lane<L>(row + N), value[0], value[1]);
                if (p == 0) best = value[0];
                STRATA_UNROLL
                for (int q = p == 0 ? 1 : 0; q < 2; ++q) {
                    auto const wins = (value[q] > best) | (value[q] != value[q]);
                    best = select(wins, value[q], best);
                    winner = select(wins, L(p * 2 + q), winner);
                }
            }
            store_lane(y + out + j, best);
            if (argmax) store_lane(argmax + out + j, winner);
        }
    }
    return safe;
}

/// The largest pixel of each window and its tap (`argmax` null: not wanted).
template <int KH, int KW, int SH, int SW, class L, class T>
STRATA_ONE_COPY void max_pool_forward(PoolImage const& g, T const* x, T* y, T* argmax, int S, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(g.width) * S;
    if constexpr (KW == 2 && SW == 2 && width_of<L> == 1)
        if (S == 1) begin = max_pool_forward_pairs<KH, SH, widest_lane<scalar_of<L>>>(g, x, y, argmax, begin, end);
    for (int item = begin; item < end; ++item) {
        T const* corner =
            x + (static_cast<std::ptrdiff_t>(item / g.out_height) * g.height + item % g.out_height * SH) * row;
        std::ptrdiff_t out = static_cast<std::ptrdiff_t>(item) * g.out_width * S;
        for (int j = 0; j < g.out_width; ++j, corner += (SW - 1) * S)
            for (int s = 0; s < S; s += width_of<L>, out += width_of<L>, corner += width_of<L>) {
                if constexpr (width_of<L> == 1) STRATA_SCALAR;  // few samples are not worth vectors of other shapes
                L best = load_lane<L>(corner), winner(0);
                STRATA_UNROLL
                for (int tap = 1; tap < KH * KW; ++tap) {
                    L const value = load_lane<L>(corner + (tap / KW * row + tap % KW * S));
                    auto const wins = (value > best) | is_nan(value);
                    best = select(wins, value, best);
                    winner = select(wins, L(tap), winner);
                }
                store_lane(y + out, best);
                if (argmax) store_lane(argmax + out, winner);
            }
    }
}

/// max_pool_input_gradient, set, of a single sample and windows two columns wide and apart that leave no row, for the
/// rows of [begin, end) that are whole_vector_rows. Returns the first row left.
template <int KH, class L, class T>
STRATA_ONE_COPY int max_pool_input_gradient_pairs(PoolImage const& g, T const* dy, T const* argmax, T* dx, int begin,
                                                  int end) {
    constexpr int N = width_of<L>;
    int const safe = whole_vector_rows(g, N, begin, end);
    for (int item = begin; item < safe; ++item) {
        std::ptrdiff_t const from = static_cast<std::ptrdiff_t>(item) * g.out_width;
        T* row = dx + static_cast<std::ptrdiff_t>(item) * KH * g.width;
        STRATA_ROLLED
        for (int p = 0; p < KH; ++p, row += g.width) {  // what is written behind a row is written again by the next one
            for (int j = 0; j < g.out_width; j += N) {
                L const gradient = load_lane<L>(dy + from + j), winner = load_lane<L>(argmax + from + j);
                L first, second;
                interleave(select(winner == L(2 * p), gradient, L(0)), select(winner == L(2 * p + 1), gradient, L(0)),
                           first, second);
                store_lane(row + 2 * j, first);
                store_lane(row + 2 * j + N, second);
            }
            std::fill(row + 2 * g.out_width, row + g.width, T(0));
        }
    }
    return safe;
}

/// dx, set or added, where windows do not overlap: each output hands its dy to one pixel of its window. Items are
/// (channel, output row), and one more where rows are left below the last window.
template <int KH, int KW, class L, class T>
STRATA_ONE_COPY void max_pool_input_gradient(PoolImage const& g, T const* dy, T const* argmax, T* dx, int S, bool add,
                                             int begin, int end) {
    int const row = g.width * S, blocks = (g.height + KH - 1) / KH;
    if constexpr (KW == 2 && width_of<L> == 1)
        if (S == 1 && !add && blocks == g.out_height)
            begin = max_pool_input_gradient_pairs<KH, widest_lane<scalar_of<L>>>(g, dy, argmax, dx, begin, end);
    for (int item = begin; item < end; ++item) {
        int const i = item % blocks, channel = item / blocks;
        T* const top = dx + (static_cast<std::ptrdiff_t>(channel) * g.height + i * KH) * row;
        if (i == g.out_height) {
            if (!add) std::fill_n(top, (g.height - i * KH) * row, T(0));
            continue;
        }
        std::ptrdiff_t from = (static_cast<std::ptrdiff_t>(channel) * g.out_height + i) * g.out_width * S;
        T* corner = top;
        for (int j = 0; j < g.out_width; ++j, corner += (KW - 1) * S)
            for (int s = 0; s < S; s += width_of<L>, from += width_of<L>, corner += width_of<L>) {
                if constexpr (width_of<L> == 1) STRATA_SCALAR;
                L const gradient = load_lane<L>(dy + from), winner = load_lane<L>(argmax + from);
                STRATA_UNROLL
                for (int tap = 0; tap < KH * KW; ++tap) {
                    T* const to = corner + (tap / KW * row + tap % KW * S);
                    L const value = select(winner == L(tap), gradient, L(0));
                    store_lane(to, add ? load_lane<L>(to) + value : value);
                }
            }
        int const covered = g.out_width * KW * S;
        for (int p = 0; p < KH && !add; ++p) std::fill(top + p * row + covered, top + (p + 1) * row, T(0));
    }
}

}  // namespace detail

template <class Op, class Precision>
struct MaxPoolForward;
template <class Win, class Precision>
requires(Win::pad_height == 0 && Win::pad_width == 0)
struct MaxPoolForward<MaxPooling<Win>, Precision> {
    static constexpr KernelNote note{"maximum", "windows without padding"};
    static_assert(MaxPooling<Win>::template counts<typename Precision::storage>,
                  "MaxPool2d: a window of more than 256 pixels needs Float32");
    static constexpr Items items{Win::Output::template extent<0> * Win::out_height};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        with_lane<typename Precision::compute>(a.stride, [&]<class L>() {
            detail::max_pool_forward<Win::kernel_height, Win::kernel_width, Win::stride_height, Win::stride_width, L>(
                detail::pool_image<Win>, a.x, a.y, a.extra, a.stride, begin, end);
        });
    }
};

template <class Op, class Precision>
struct MaxPoolInputGradient;
template <class Win, class Precision>
requires(Win::pad_height == 0 && Win::pad_width == 0 && Win::stride_height == Win::kernel_height &&
         Win::stride_width == Win::kernel_width)
struct MaxPoolInputGradient<MaxPooling<Win>, Precision> {
    static constexpr KernelNote note{"maximum", "windows without padding or overlap"};
    static constexpr Items items{Win::Output::template extent<0> *
                                 ((Win::height + Win::kernel_height - 1) / Win::kernel_height)};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        typename Precision::storage const* const argmax = a.extra;
        with_lane<typename Precision::compute>(a.stride, [&]<class L>() {
            detail::max_pool_input_gradient<Win::kernel_height, Win::kernel_width, L>(
                detail::pool_image<Win>, a.dy, argmax, a.dx, a.stride, a.write == GradientWrite::add, begin, end);
        });
    }
};

}  // namespace strata::inline STRATA_ABI
