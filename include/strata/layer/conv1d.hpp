// Conv1d: one-dimensional cross-correlation, as torch.nn.Conv1d: Conv2d (which has the formulas) of lines one pixel high.
//
// Shapes: x [C][L], y [O][(L + 2 P - d (K - 1) - 1) / s + 1], weight [O][C / groups][K], bias [O]. Keeps x.
#pragma once

#include "conv2d.hpp"
#include "line.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
struct NamedConv1d {
    static constexpr std::string_view type = "Conv1d";
};
}  // namespace detail

/// `Conv1d<out_channels, kernel, options…>`; options as of Conv2d, with one number.
template <int OutChannels, int Kernel, class... Options>
struct Conv1d {
    static constexpr int stride = option_or<Stride<1>, Options...>::size.width,
                         dilation = option_or<Dilation<1>, Options...>::size.width,
                         padding = option_or<Padding<0>, Options...>::size.width;
    static constexpr int groups = option_or<Groups<1>, Options...>::value;
    static constexpr bool bias = option_or<WithBias, Options...>::value;
    using Scheme = typename option_or<Initialize<KaimingUniform>, Options...>::type;
    static constexpr bool same = padding < 0;
    static constexpr int reach = dilation * (Kernel - 1), left = same ? reach / 2 : padding,
                         right = same ? reach - left : padding;

    template <class X>
    using On = Line<Convolution<ConvolutionGeometry<X::template extent<0>, 1, X::template extent<1>, OutChannels, 1,
                                                    Kernel, 1, stride, 0, left, 0, right, 1, dilation, groups, bias>,
                                Scheme>,
                    detail::NamedConv1d>;

    template <class Where, class Got>
    struct Check {
        using X = typename Got::type;
        static constexpr bool options = OptionKinds<StrideKind, PaddingKind, DilationKind, GroupsKind, BiasKind,
                                                    InitializationKind>::template accept<Options...> &&
                                        detail::have_one_number<Options...>;
        static constexpr bool line = X::rank == 2;
        static constexpr bool divides = [] {
            if constexpr (line)
                return X::template extent<0> % groups == 0 && OutChannels % groups == 0;
            else
                return true;
        }();
        static constexpr bool fits = [] {
            if constexpr (line)
                return X::template extent<1> + left + right > reach;
            else
                return true;
        }();
        static constexpr bool same_stride = !same || stride == 1;
        static constexpr bool positive = OutChannels > 0 && Kernel > 0;
        static constexpr bool ok = options && line && divides && fits && same_stride && positive;
        struct Message {
            static_assert(options,
                          "Conv1d: an option is unknown, given twice or has two numbers; it takes Stride, Padding or "
                          "SamePadding, Dilation, Groups, NoBias, Initialize");
            static_assert(line, "Conv1d needs lines [C][L]: Network<Input<C, L>, ...>");
            static_assert(divides, "Conv1d: Groups must divide the input channels and the output channels");
            static_assert(fits,
                          "Conv1d: the kernel is larger than the padded input: use a smaller kernel or more Padding");
            static_assert(same_stride, "Conv1d: SamePadding needs Stride<1>, as in PyTorch");
            static_assert(positive, "Conv1d: output channels and kernel size must be positive");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
