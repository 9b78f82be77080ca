// AdaptiveAvgPool2d: means of windows that give an output of a wanted size, as torch.nn.AdaptiveAvgPool2d.
//
//   y(c, i, j) = mean of x(c, h, w) over floor(i H / H') <= h < ceil((i + 1) H / H') and the same columns
//   dx(c, h, w) = sum over the windows that see (h, w) of dy(c, i, j) / their pixels
//
// Windows are all alike, those of AvgPool2d, where H' divides H and W' divides W. Shapes: x [C][H][W], y [C][H'][W'].
// Keeps nothing.
#pragma once

#include "adaptive_windows.hpp"
#include "avg_pool2d.hpp"
#include "global_avg_pool2d.hpp"

namespace strata::inline STRATA_ABI {

/// AdaptiveAvgPool2d bound to its input.
template <class X, int Height, int Width>
struct AdaptiveAveragePooling : AdaptiveWindows<X, Height, Width> {
    using Windows = AdaptiveWindows<X, Height, Width>;
    using Rows = typename Windows::Rows;
    using Columns = typename Windows::Columns;
    using Output = typename Windows::Output;
    static constexpr std::string_view type = "AdaptiveAvgPool2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, i, j] = at;
        LongSum<L, Rows::longest * Columns::longest> sum;
        for (int h = Rows::begin(i); h < Rows::end(i); ++h)
            for (int w = Columns::begin(j); w < Columns::end(j); ++w) sum.add(io.x(c, h, w));
        return sum.value() * L(weight<scalar_of<L>>(i, j));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L sum = L(0);
        for (int i = Rows::first(h); i < Rows::last(h); ++i)
            for (int j = Columns::first(w); j < Columns::last(w); ++j)
                sum = multiply_add(L(weight<scalar_of<L>>(i, j)), io.dy(c, i, j), sum);
        return sum;
    }

private:
    template <class T>
    static constexpr T weight(int i, int j) {
        return T(1) / static_cast<T>(Rows::length(i) * Columns::length(j));
    }
};

/// The same where all windows are alike.
template <class Win>
struct EvenAveragePooling : AveragePooling<Win, true> {
    static constexpr std::string_view type = "AdaptiveAvgPool2d";
};
/// The same of one window, which is the whole image.
template <class X>
struct WholeAveragePooling : GlobalAveragePooling<X> {
    using Output = Shape<channels_of<X>, 1, 1>;
    static constexpr std::string_view type = "AdaptiveAvgPool2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        return GlobalAveragePooling<X>::forward(Position<1>{at[0]}, io);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        return io.dy[at[0]] * L(scalar_of<L>(1) / scalar_of<L>(pixels_of<X>));
    }
};

namespace detail {
template <class X, int Height, int Width>
consteval auto adaptive_pooling() {
    using Windows = AdaptiveWindows<X, Height, Width>;
    if constexpr (Height == 1 && Width == 1)
        return std::type_identity<WholeAveragePooling<X>>{};
    else if constexpr (Windows::even)
        return std::type_identity<EvenAveragePooling<typename Windows::Even>>{};
    else
        return std::type_identity<AdaptiveAveragePooling<X, Height, Width>>{};
}
}  // namespace detail

/// `AdaptiveAvgPool2d<side>` or `AdaptiveAvgPool2d<height, width>`.
template <int Height, int Width = Height>
struct AdaptiveAvgPool2d {
    template <class X>
    using On = typename decltype(detail::adaptive_pooling<X, Height, Width>())::type;

    template <class Where, class Got>
    struct Check {
        static constexpr bool image = Got::type::rank == 3;
        static constexpr bool positive = Height > 0 && Width > 0;
        static constexpr bool ok = image && positive;
        struct Message {
            static_assert(image, "AdaptiveAvgPool2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(positive, "AdaptiveAvgPool2d: the output's height and width must be positive");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
