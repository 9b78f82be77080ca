// ZeroPad2d on the CPU: rows are copied, whatever they hold.
#pragma once

#include "../../../../core/for_lanes.hpp"
#include "../../../../layer/zero_pad2d.hpp"
#include "../generic.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Where an image lies in a larger one.
struct PaddedImage {
    int height, width, top, left, out_height, out_width;
};

/// Rows [begin, end) of (channel, row) of y.
template <class T>
STRATA_ONE_COPY void zero_pad(PaddedImage const& g, T const* x, T* y, int S, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(g.width) * S,
                         out_row = static_cast<std::ptrdiff_t>(g.out_width) * S;
    for (int item = begin; item < end; ++item) {
        int const h = item % g.out_height - g.top;
        T *const to = y + item * out_row, *const image = to + static_cast<std::ptrdiff_t>(g.left) * S;
        if (h < 0 || h >= g.height) {
            std::fill_n(to, out_row, T(0));
            continue;
        }
        std::fill(to, image, T(0));
        std::copy_n(x + (static_cast<std::ptrdiff_t>(item / g.out_height) * g.height + h) * row, row, image);
        std::fill(image + row, to + out_row, T(0));
    }
}

/// Rows [begin, end) of (channel, row) of dx, set or added.
template <class L, class T>
STRATA_ONE_COPY void zero_pad_gradient(PaddedImage const& g, T const* dy, T* dx, int S, bool add, int begin, int end) {
    std::ptrdiff_t const row = static_cast<std::ptrdiff_t>(g.width) * S;
    for (int item = begin; item < end; ++item) {
        T const* const from =
            dy +
            ((static_cast<std::ptrdiff_t>(item / g.height) * g.out_height + item % g.height + g.top) * g.out_width +
             g.left) *
                S;
        T* const to = dx + item * row;
        if (!add) {
            std::copy_n(from, row, to);
            continue;
        }
        for_lanes<scalar_of<L>>(0, row, [&]<class V>(std::ptrdiff_t k) {
            store_lane(to + k, load_lane<V>(to + k) + load_lane<V>(from + k));
        });
    }
}

template <class Op>
inline constexpr PaddedImage padded_image = {.height = Op::height,
                                             .width = Op::width,
                                             .top = Op::top,
                                             .left = Op::left,
                                             .out_height = Op::Output::template extent<1>,
                                             .out_width = Op::Output::template extent<2>};

}  // namespace detail

template <class Op, class Precision>
struct ZeroPadForward;
template <class X, int... Sides, class Precision>
struct ZeroPadForward<ZeroPadding<X, Sides...>, Precision> {
    static constexpr KernelNote note{"rows", "rows, copied"};
    using Op = ZeroPadding<X, Sides...>;
    static constexpr Items items{Op::Output::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::zero_pad(detail::padded_image<Op>, a.x, a.y, a.stride, begin, end);
    }
};
template <class Op, class Precision>
struct ZeroPadInputGradient;
template <class X, int... Sides, class Precision>
struct ZeroPadInputGradient<ZeroPadding<X, Sides...>, Precision> {
    static constexpr KernelNote note{"rows", "rows, copied"};
    using Op = ZeroPadding<X, Sides...>;
    static constexpr Items items{X::rows};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::zero_pad_gradient<widest_lane<typename Precision::compute>>(
            detail::padded_image<Op>, a.dy, a.dx, a.stride, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI
