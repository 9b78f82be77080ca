// PixelShuffle: channels become pixels, as torch.nn.PixelShuffle.
//
//   y(c, h r + i, w r + j) = x(c r^2 + i r + j, h, w);   dx is the same map read backwards
//
// Shapes: x [C r^2][H][W], y [C][H r][W r]. Keeps nothing. Source: Shi et al., "Real-time single image and video
// super-resolution", CVPR 2016.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// PixelShuffle bound to its input.
template <class X, int Factor>
struct PixelShuffling {
    using Input = X;
    static constexpr int factor = Factor, height = X::template extent<1>, width = X::template extent<2>;
    using Output = Shape<channels_of<X> / (Factor * Factor), height * Factor, width * Factor>;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "PixelShuffle";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        return io.x((at[0] * Factor + at[1] % Factor) * Factor + at[2] % Factor, at[1] / Factor, at[2] / Factor);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        int const i = at[0] / Factor % Factor, j = at[0] % Factor;
        return io.dy(at[0] / (Factor * Factor), at[1] * Factor + i, at[2] * Factor + j);
    }
};

/// `PixelShuffle<factor>`.
template <int Factor>
struct PixelShuffle {
    template <class X>
    using On = PixelShuffling<X, Factor>;

    template <class Where, class Got>
    struct Check {
        using X = typename Got::type;
        static constexpr bool image = X::rank == 3;
        static constexpr bool divides = [] {
            if constexpr (image && Factor > 0)
                return channels_of<X> % (Factor * Factor) == 0;
            else
                return Factor > 0;
        }();
        static constexpr bool ok = image && divides;
        struct Message {
            static_assert(image, "PixelShuffle needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(divides, "PixelShuffle: the factor's square must divide the channels");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
