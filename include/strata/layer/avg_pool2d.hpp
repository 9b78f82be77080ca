// AvgPool2d: the mean of each window, as torch.nn.AvgPool2d; padded zeros count in the divisor unless ExcludePadding.
//
//   y(c, i, j) = sum over the window / n,   dx(c, h, w) = sum over the windows that see (h, w) of dy(c, i, j) / n
//
// Shapes: x [C][H][W], y [C][(H + 2 P - K) / s + 1][…]. Keeps nothing.
#pragma once

#include "../core/long_sum.hpp"
#include "window.hpp"

namespace strata::inline STRATA_ABI {

/// AvgPool2d bound to its input.
template <class Win, bool CountsPadding>
struct AveragePooling {
    using Input = typename Win::Input;
    using Output = typename Win::Output;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = static_cast<double>(Output::size) * Win::kernel_height * Win::kernel_width;
    static constexpr std::string_view type = "AvgPool2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, i, j] = at;
        LongSum<L, Win::kernel_height * Win::kernel_width> sum;
        Win::for_pixels(i, j, [&, c = c](int h, int w, int) { sum.add(io.x(c, h, w)); });
        return sum.value() * L(weight<scalar_of<L>>(i, j));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L sum = L(0);
        Win::for_outputs(h, w, [&, c = c](int i, int j, int) {
            sum = multiply_add(L(weight<scalar_of<L>>(i, j)), io.dy(c, i, j), sum);
        });
        return sum;
    }

private:
    /// 1 / (number of pixels that output (i, j) divides by).
    template <class T>
    static constexpr T weight(int i, int j) {
        int rows = Win::kernel_height, columns = Win::kernel_width;
        if constexpr (!CountsPadding) {
            rows = inside(i * Win::stride_height - Win::pad_height, Win::kernel_height, Win::height);
            columns = inside(j * Win::stride_width - Win::pad_width, Win::kernel_width, Win::width);
        }
        return T(1) / static_cast<T>(rows * columns);
    }
    static constexpr int inside(int from, int length, int extent) {
        int const end = from + length < extent ? from + length : extent;
        return end - (from > 0 ? from : 0);
    }
};

/// `AvgPool2d<kernel, options…>`; options: Stride (default: the kernel's size), Padding, ExcludePadding.
template <Size Kernel, class... Options>
struct AvgPool2d {
    template <class X>
    using On = AveragePooling<window_on<X, Kernel, Options...>, option_or<CountPadding, Options...>::value>;

    template <class Where, class Got>
    struct Check {
        using Fit = WindowFits<typename Got::type, Kernel, Options...>;
        static constexpr bool options =
            OptionKinds<StrideKind, PaddingKind, CountPaddingKind>::template accept<Options...>;
        static constexpr bool ok = options && Fit::image && Fit::padding && Fit::fits;
        struct Message {
            static_assert(options,
                          "AvgPool2d: an option is unknown or given twice; it takes Stride, Padding, ExcludePadding");
            static_assert(Fit::image, "AvgPool2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(Fit::padding, "AvgPool2d: Padding must be at most half the kernel, as in PyTorch");
            static_assert(Fit::fits, "AvgPool2d: the kernel is larger than the padded input");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
