// AdaptiveMaxPool2d: the largest pixel of windows that give an output of a wanted size, as torch.nn.AdaptiveMaxPool2d
// (of equal pixels the first in row-major order wins; NaN wins over everything).
//
//   y(c, i, j)  = max of x(c, h, w) over floor(i H / H') <= h < ceil((i + 1) H / H') and the same columns
//   dx(c, h, w) = sum of dy(c, i, j) over the windows that (h, w) won
//
// Windows are all alike, those of MaxPool2d, where H' divides H and W' divides W. Shapes: x [C][H][W], y [C][H'][W']. Keeps
// the winner's place in the window, one value an output.
#pragma once

#include "adaptive_windows.hpp"
#include "max_pool2d.hpp"

namespace strata::inline STRATA_ABI {

/// AdaptiveMaxPool2d bound to its input.
template <class X, int Height, int Width>
struct AdaptiveMaxPooling : AdaptiveWindows<X, Height, Width> {
    using Windows = AdaptiveWindows<X, Height, Width>;
    using Rows = typename Windows::Rows;
    using Columns = typename Windows::Columns;
    using Output = typename Windows::Output;
    static constexpr bool keeps_extra = true;
    /// Places are numbers of the storage type, which must know them all: bfloat16 counts to 256.
    template <class Storage>
    static constexpr bool counts = sizeof(Storage) > 2 || Rows::longest* Columns::longest <= 256;
    static constexpr std::string_view type = "AdaptiveMaxPool2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        static_assert(counts<std::remove_pointer_t<decltype(io.extra.data)>>,
                      "AdaptiveMaxPool2d: a window of more than 256 pixels needs Float32");
        auto const [c, i, j] = at;
        LargestPixel<L> largest;
        for (int h = Rows::begin(i); h < Rows::end(i); ++h)
            for (int w = Columns::begin(j); w < Columns::end(j); ++w)
                largest.see(io.x(c, h, w), place_of<L>(h, w, i, j));
        io.extra.set(Output::index(c, i, j), largest.place);
        return largest.value;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L sum = L(0);
        for (int i = Rows::first(h); i < Rows::last(h); ++i)
            for (int j = Columns::first(w); j < Columns::last(w); ++j)
                sum = sum + select(io.extra(c, i, j) == place_of<L>(h, w, i, j), io.dy(c, i, j), L(0));
        return sum;
    }

private:
    /// A pixel in the window of output (i, j).
    template <class L>
    STRATA_HD static STRATA_INLINE L place_of(int h, int w, int i, int j) {
        return L(static_cast<scalar_of<L>>((h - Rows::begin(i)) * Columns::longest + w - Columns::begin(j)));
    }
};

/// The same where all windows are alike, and small: the kernels of MaxPool2d know their size as a constant.
template <class Win>
struct EvenMaxPooling : MaxPooling<Win> {
    static constexpr std::string_view type = "AdaptiveMaxPool2d";
};

namespace detail {
template <class X, int Height, int Width>
consteval auto adaptive_max_pooling() {
    using Windows = AdaptiveWindows<X, Height, Width>;
    if constexpr (Windows::even && Windows::Rows::longest * Windows::Columns::longest <= 16)
        return std::type_identity<EvenMaxPooling<typename Windows::Even>>{};
    else
        return std::type_identity<AdaptiveMaxPooling<X, Height, Width>>{};
}
}  // namespace detail

/// `AdaptiveMaxPool2d<side>` or `AdaptiveMaxPool2d<height, width>`.
template <int Height, int Width = Height>
struct AdaptiveMaxPool2d {
    template <class X>
    using On = typename decltype(detail::adaptive_max_pooling<X, Height, Width>())::type;

    template <class Where, class Got>
    struct Check {
        static constexpr bool image = Got::type::rank == 3;
        static constexpr bool positive = Height > 0 && Width > 0;
        static constexpr bool ok = image && positive;
        struct Message {
            static_assert(image, "AdaptiveMaxPool2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(positive, "AdaptiveMaxPool2d: the output's height and width must be positive");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
