// The sliding window shared by the pooling layers: which outputs see an input pixel, and which pixels an output sees.
#pragma once

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// A pooling window over [C][H][W]; outputs as in PyTorch with ceil_mode off: (H + 2 P - K) / s + 1.
template <int C, int Height, int Width, int KH, int KW, int SH, int SW, int PH, int PW>
struct Window {
    using Input = Shape<C, Height, Width>;
    static constexpr int kernel_height = KH, kernel_width = KW, stride_height = SH, stride_width = SW, pad_height = PH,
                         pad_width = PW, height = Height, width = Width;
    static constexpr int out_height = (Height + 2 * PH - KH) / SH + 1, out_width = (Width + 2 * PW - KW) / SW + 1;
    using Output = Shape<C, out_height, out_width>;

    /// Calls f(h, w, tap) for the pixels inside the image that output (i, j) sees, taps in row-major order.
    template <class F>
    STRATA_HD static STRATA_INLINE void for_pixels(int i, int j, F f) {
        for (int p = 0; p < KH; ++p) {
            int const h = i * SH + p - PH;
            if (h < 0 || h >= Height) continue;
            for (int q = 0; q < KW; ++q) {
                int const w = j * SW + q - PW;
                if (w >= 0 && w < Width) f(h, w, p * KW + q);
            }
        }
    }
    /// Calls f(i, j, tap) for the outputs that see pixel (h, w) under that tap.
    template <class F>
    STRATA_HD static STRATA_INLINE void for_outputs(int h, int w, F f) {
        for (int p = 0; p < KH; ++p) {
            int const row = h + PH - p;
            if (row < 0 || row % SH != 0 || row / SH >= out_height) continue;
            for (int q = 0; q < KW; ++q) {
                int const column = w + PW - q;
                if (column < 0 || column % SW != 0 || column / SW >= out_width) continue;
                f(row / SH, column / SW, p * KW + q);
            }
        }
    }
};

/// The window of a pooling layer on an input; the stride is the kernel's size unless Stride is given, as in PyTorch.
template <class X, Size Kernel, class S, class P>
using window_with = Window<X::template extent<0>, X::template extent<1>, X::template extent<2>, Kernel.height,
                           Kernel.width, S::size.height, S::size.width, P::size.height, P::size.width>;
template <class X, Size Kernel, class... Options>
using window_on = window_with<X, Kernel, option_or<Stride<Kernel.height, Kernel.width>, Options...>,
                              option_or<Padding<0>, Options...>>;

/// What every pooling layer asks of its input.
template <class X, Size Kernel, class... Options>
struct WindowFits {
    using P = option_or<Padding<0>, Options...>;
    static constexpr bool image = X::rank == 3;
    static constexpr bool padding =
        P::size.height >= 0 && 2 * P::size.height <= Kernel.height && 2 * P::size.width <= Kernel.width;
    static constexpr bool fits = [] {
        if constexpr (image)
            return X::template extent<1> + 2 * P::size.height >= Kernel.height &&
                   X::template extent<2> + 2 * P::size.width >= Kernel.width;
        else
            return true;
    }();
};

}  // namespace strata::inline STRATA_ABI
