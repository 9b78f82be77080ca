// GlobalAvgPool2d: the mean of each channel, flat: torch.nn.AdaptiveAvgPool2d(1) followed by
// Flatten, or x.mean({2, 3}).
//
//   y(c) = mean_{h, w} x(c, h, w),   dx(c, h, w) = dy(c) / (H W)
//
// Shapes: x [C][H][W], y [C]. Keeps nothing.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// GlobalAvgPool2d bound to its input.
template <class X>
struct GlobalAveragePooling {
    using Input = X;
    using Output = Shape<channels_of<X>>;
    using Parameters = NoParameters;
    static constexpr int pixels = pixels_of<X>;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "GlobalAvgPool2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<1> at, Io const& io) {
        using L = typename Io::L;
        // Runs of pixels, then pairs of equally long sums: what is lost grows with the logarithm of the pixels.
        constexpr int run = 16;
        L waiting[32];  // for as many pixels more
        int sums = 0;
        for (int from = 0, runs = 0; from < pixels; from += run, ++runs) {
            L sum = L(0);
            for (int i = from; i < (from + run < pixels ? from + run : pixels); ++i)
                sum = sum + io.x[at[0] * pixels + i];
            for (int pairs = runs; pairs % 2 == 1; pairs /= 2) sum = waiting[--sums] + sum;
            waiting[sums++] = sum;
        }
        for (; sums > 1; --sums) waiting[sums - 2] = waiting[sums - 2] + waiting[sums - 1];
        return waiting[0] * L(scalar_of<L>(1) / scalar_of<L>(pixels));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        return io.dy(at[0]) * L(scalar_of<L>(1) / scalar_of<L>(pixels));
    }
};

struct GlobalAvgPool2d {
    template <class X>
    using On = GlobalAveragePooling<X>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool ok = Got::type::rank == 3;
        struct Message {
            static_assert(ok, "GlobalAvgPool2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
