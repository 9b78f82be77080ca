// AvgPool1d: the mean of each window, as torch.nn.AvgPool1d: AvgPool2d of lines one pixel high.
//
// Shapes: x [C][L], y [C][(L + 2 P - K) / s + 1]. Keeps nothing.
#pragma once

#include "avg_pool2d.hpp"
#include "line_window.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct NamedAvgPool1d {
    static constexpr std::string_view type = "AvgPool1d";
};
}  // namespace detail

/// `AvgPool1d<kernel, options…>`; options: Stride (default: the kernel), Padding (at most half the kernel), ExcludePadding.
template <int Kernel, class... Options>
struct AvgPool1d {
    template <class X>
    using On = Line<AveragePooling<LineWindow<X, Kernel, Options...>, option_or<CountPadding, Options...>::value>,
                    detail::NamedAvgPool1d>;

    template <class Where, class Got>
    struct Check {
        using Fit = LineWindowFits<typename Got::type, Kernel, Options...>;
        static constexpr bool options =
            OptionKinds<StrideKind, PaddingKind, CountPaddingKind>::template accept<Options...> &&
            detail::have_one_number<Options...>;
        static constexpr bool ok = options && Fit::line && Fit::padding && Fit::fits;
        struct Message {
            static_assert(options,
                          "AvgPool1d: an option is unknown, given twice or has two numbers; it takes Stride, Padding, "
                          "ExcludePadding");
            static_assert(Fit::line, "AvgPool1d needs lines [C][L]: Network<Input<C, L>, ...>");
            static_assert(Fit::padding, "AvgPool1d: Padding must be at most half the kernel, as in PyTorch");
            static_assert(Fit::fits, "AvgPool1d: the kernel is larger than the padded input");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
