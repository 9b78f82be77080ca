// MaxPool2d: the largest pixel of each window, as torch.nn.MaxPool2d (padding counts as minus infinity; of equal pixels
// the first in row-major order wins; NaN wins over everything).
//
//   y(c, i, j)  = max over the window,   dx(c, h, w) = sum of dy(c, i, j) over the windows that (h, w) won
//
// Shapes: x [C][H][W], y [C][(H + 2 P - K) / s + 1][…]. Keeps the winner's place in the window, one value an output.
#pragma once

#include "window.hpp"

namespace strata::inline STRATA_ABI {

/// The largest pixel of a window so far, and its place: of equal ones the first, and NaN whatever there was.
template <class L>
struct LargestPixel {
    L value = L(0), place = L(-1);
    STRATA_HD STRATA_INLINE void see(L x, L at) {
        auto const wins = (x > value) | is_nan(x) | (place < L(0));
        place = select(wins, at, place);
        value = select(wins, x, value);
    }
};

/// MaxPool2d bound to its input.
template <class Win>
struct MaxPooling {
    using Input = typename Win::Input;
    using Output = typename Win::Output;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool keeps_extra = true;
    static constexpr bool same_in_every_lane = true;
    /// Places are numbers of the storage type, which must know them all: bfloat16 counts to 256.
    template <class Storage>
    static constexpr bool counts = sizeof(Storage) > 2 || Win::kernel_height* Win::kernel_width <= 256;
    static constexpr double flops = static_cast<double>(Output::size) * Win::kernel_height * Win::kernel_width;
    static constexpr std::string_view type = "MaxPool2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        static_assert(counts<std::remove_pointer_t<decltype(io.extra.data)>>,
                      "MaxPool2d: a window of more than 256 pixels needs Float32");
        auto const [c, i, j] = at;
        LargestPixel<L> largest;
        Win::for_pixels(i, j, [&, c = c](int h, int w, int tap) { largest.see(io.x(c, h, w), L(tap)); });
        io.extra.set(Output::index(c, i, j), largest.place);
        return largest.value;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L sum = L(0);
        Win::for_outputs(h, w, [&, c = c](int i, int j, int tap) {
            sum = sum + select(io.extra(c, i, j) == L(tap), io.dy(c, i, j), L(0));
        });
        return sum;
    }
};

/// `MaxPool2d<kernel, options…>`; options: Stride (default: the kernel's size), Padding (at most half the kernel).
template <Size Kernel, class... Options>
struct MaxPool2d {
    template <class X>
    using On = MaxPooling<window_on<X, Kernel, Options...>>;

    template <class Where, class Got>
    struct Check {
        using Fit = WindowFits<typename Got::type, Kernel, Options...>;
        static constexpr bool options = OptionKinds<StrideKind, PaddingKind>::template accept<Options...>;
        static constexpr bool ok = options && Fit::image && Fit::padding && Fit::fits;
        struct Message {
            static_assert(options, "MaxPool2d: an option is unknown or given twice; it takes Stride, Padding");
            static_assert(Fit::image, "MaxPool2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(Fit::padding, "MaxPool2d: Padding must be at most half the kernel, as in PyTorch");
            static_assert(Fit::fits, "MaxPool2d: the kernel is larger than the padded input");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
