// MaxPool1d: the largest number of each window, as torch.nn.MaxPool1d: MaxPool2d of lines one pixel high.
//
// Shapes: x [C][L], y [C][(L + 2 P - K) / s + 1]. Keeps the winner's place in the window.
#pragma once

#include "line_window.hpp"
#include "max_pool2d.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct NamedMaxPool1d {
    static constexpr std::string_view type = "MaxPool1d";
};
}  // namespace detail

/// `MaxPool1d<kernel, options…>`; options: Stride (default: the kernel), Padding (at most half the kernel).
template <int Kernel, class... Options>
struct MaxPool1d {
    template <class X>
    using On = Line<MaxPooling<LineWindow<X, Kernel, Options...>>, detail::NamedMaxPool1d>;

    template <class Where, class Got>
    struct Check {
        using Fit = LineWindowFits<typename Got::type, Kernel, Options...>;
        static constexpr bool options =
            OptionKinds<StrideKind, PaddingKind>::template accept<Options...> && detail::have_one_number<Options...>;
        static constexpr bool ok = options && Fit::line && Fit::padding && Fit::fits;
        struct Message {
            static_assert(options,
                          "MaxPool1d: an option is unknown, given twice or has two numbers; it takes Stride, Padding");
            static_assert(Fit::line, "MaxPool1d needs lines [C][L]: Network<Input<C, L>, ...>");
            static_assert(Fit::padding, "MaxPool1d: Padding must be at most half the kernel, as in PyTorch");
            static_assert(Fit::fits, "MaxPool1d: the kernel is larger than the padded input");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
