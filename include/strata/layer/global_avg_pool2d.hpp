// GlobalAvgPool2d: the mean of each channel, flat: torch.nn.AdaptiveAvgPool2d(1) followed by
// Flatten, or x.mean({2, 3}).
//
//   y(c) = mean_{h, w} x(c, h, w),   dx(c, h, w) = dy(c) / (H W)
//
// Shapes: x [C][H][W], y [C]. Keeps nothing.
#pragma once

#include "../core/long_sum.hpp"
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
        LongSum<L, pixels> sum;
        for (int i = 0; i < pixels; ++i) sum.add(io.x[at[0] * pixels + i]);
        return sum.value() * L(scalar_of<L>(1) / scalar_of<L>(pixels));
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
