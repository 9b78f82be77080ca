// ZeroPad2d: a border of zeros, as torch.nn.ZeroPad2d.
//
//   y(c, i, j) = x(c, i - top, j - left) where that exists, else 0,   dx(c, h, w) = dy(c, h + top, w + left)
//
// Shapes: x [C][H][W], y [C][top + H + bottom][left + W + right]. Keeps nothing.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// ZeroPad2d bound to its input.
template <class X, int Left, int Right, int Top, int Bottom>
struct ZeroPadding {
    using Input = X;
    static constexpr int left = Left, top = Top, height = X::template extent<1>, width = X::template extent<2>;
    using Output = Shape<X::template extent<0>, Top + height + Bottom, Left + width + Right>;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "ZeroPad2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        int const h = at[1] - Top, w = at[2] - Left;
        if (h < 0 || h >= height || w < 0 || w >= width) return L(0);
        return L(io.x(at[0], h, w));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        return io.dy(at[0], at[1] + Top, at[2] + Left);
    }
};

/// `ZeroPad2d<all>` or `ZeroPad2d<left, right, top, bottom>`.
template <int... Sides>
struct ZeroPad2d {
    static constexpr int side(int k) {
        int const sides[] = {Sides..., 0, 0, 0, 0};  // as many as are read where some are missing
        return sizeof...(Sides) == 1 ? sides[0] : sides[k];
    }

    template <class X>
    using On = ZeroPadding<X, side(0), side(1), side(2), side(3)>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool sides = sizeof...(Sides) == 1 || sizeof...(Sides) == 4;
        static constexpr bool image = Got::type::rank == 3;
        static constexpr bool positive = ((Sides >= 0) && ...);
        static constexpr bool ok = sides && image && positive;
        struct Message {
            static_assert(sides, "ZeroPad2d takes one width, or four: left, right, top, bottom");
            static_assert(image, "ZeroPad2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(positive, "ZeroPad2d: widths must not be negative");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
