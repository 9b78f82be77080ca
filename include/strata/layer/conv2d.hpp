// Conv2d: two-dimensional cross-correlation, as torch.nn.Conv2d.
//
//   y(o, i, j)      = bias(o) + sum_{c in group(o), p, q} weight(o, c, p, q) x(c, i s + p d - P, j s + q d - P)
//   dx(c, h, w)     = sum_{o, p, q : i s + p d - P = h, j s + q d - P = w} weight(o, c, p, q) dy(o, i, j)
//   dweight(o,c,p,q)= sum_{i, j} dy(o, i, j) x(c, i s + p d - P, j s + q d - P)
//   dbias(o)        = sum_{i, j} dy(o, i, j)
//
// Shapes: x [C][H][W], y [O][(H + 2 P - d (K - 1) - 1) / s + 1][…], weight [O][C / groups][KH][KW], bias [O].
// Keeps x. Source: LeCun et al. 1998; Dumoulin and Visin, "A guide to convolution arithmetic", 2016.
#pragma once

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// A convolution's numbers, all of them; kernels are instantiated per geometry, whatever layer it came from.
template <int C, int Height, int Width, int O, int KH, int KW, int SH, int SW, int PT, int PL, int PB, int PR, int DH,
          int DW, int G, bool HasBias>
struct ConvolutionGeometry {
    static constexpr int channels = C, height = Height, width = Width, out_channels = O, kernel_height = KH,
                         kernel_width = KW, stride_height = SH, stride_width = SW, pad_top = PT, pad_left = PL,
                         dilation_height = DH, dilation_width = DW, groups = G, group_channels = C / G,
                         group_out_channels = O / G;
    static constexpr bool bias = HasBias;
    static constexpr int out_height = (Height + PT + PB - DH * (KH - 1) - 1) / SH + 1,
                         out_width = (Width + PL + PR - DW * (KW - 1) - 1) / SW + 1;
};

/// Conv2d bound to its input.
template <class G, class Scheme>
struct Convolution {
    using Geometry = G;
    using Input = Shape<G::channels, G::height, G::width>;
    using Output = Shape<G::out_channels, G::out_height, G::out_width>;
    static constexpr int fan_in = G::group_channels * G::kernel_height * G::kernel_width,
                         fan_out = G::out_channels * G::kernel_height * G::kernel_width;
    struct Weight : Parameter<"weight", Shape<G::out_channels, G::group_channels, G::kernel_height, G::kernel_width>,
                              Scheme, fan_in, fan_out> {};
    struct Bias : Parameter<"bias", Shape<G::out_channels>, KaimingUniform, fan_in, fan_out> {};
    using Parameters = std::conditional_t<G::bias, ParameterList<Weight, Bias>, ParameterList<Weight>>;
    static constexpr Keep keep = Keep::input;
    static constexpr double flops = 2.0 * Output::size * fan_in;
    /// Inference may make the rows of the first as the second needs them.
    static constexpr bool is_depthwise = G::groups == G::channels && G::groups > 1,
                          is_pointwise = G::kernel_height == 1 && G::kernel_width == 1 && G::groups == 1;
    static constexpr std::string_view type = "Conv2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [o, i, j] = at;
        auto const weight = io.p(Weight{});
        int const first = o / G::group_out_channels * G::group_channels;
        L sum = L(0);
        if constexpr (G::bias) sum = L(io.p(Bias{})(o));
        for (int c = 0; c < G::group_channels; ++c)
            for (int p = 0; p < G::kernel_height; ++p) {
                int const h = i * G::stride_height + p * G::dilation_height - G::pad_top;
                if (h < 0 || h >= G::height) continue;
                for (int q = 0; q < G::kernel_width; ++q) {
                    int const w = j * G::stride_width + q * G::dilation_width - G::pad_left;
                    if (w < 0 || w >= G::width) continue;
                    sum = multiply_add(L(weight(o, c, p, q)), io.x(first + c, h, w), sum);
                }
            }
        return sum;
    }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [channel, h, w] = at;
        auto const weight = io.p(Weight{});
        int const group = channel / G::group_channels, c = channel % G::group_channels;
        L sum = L(0);
        for (int k = 0; k < G::group_out_channels; ++k) {
            int const o = group * G::group_out_channels + k;
            for (int p = 0; p < G::kernel_height; ++p) {
                int const i = output_of<G::stride_height, G::out_height>(h + G::pad_top - p * G::dilation_height);
                if (i < 0) continue;
                for (int q = 0; q < G::kernel_width; ++q) {
                    int const j = output_of<G::stride_width, G::out_width>(w + G::pad_left - q * G::dilation_width);
                    if (j < 0) continue;
                    sum = multiply_add(L(weight(o, c, p, q)), io.dy(o, i, j), sum);
                }
            }
        }
        return sum;
    }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Weight, Position<4> at, Io const& io) {
        using L = typename Io::L;
        auto const [o, c, p, q] = at;
        int const channel = o / G::group_out_channels * G::group_channels + c;
        int const dh = p * G::dilation_height - G::pad_top, dw = q * G::dilation_width - G::pad_left;
        // The outputs whose window holds an input pixel under tap (p, q): no test inside the loops.
        int const i0 = first_output(dh, G::stride_height),
                  i1 = last_output(dh, G::stride_height, G::height, G::out_height);
        int const j0 = first_output(dw, G::stride_width), j1 = last_output(dw, G::stride_width, G::width, G::out_width);
        L sum = L(0);
        for (int i = i0; i < i1; ++i)
            for (int j = j0; j < j1; ++j)
                sum = multiply_add(io.dy(o, i, j), io.x(channel, i * G::stride_height + dh, j * G::stride_width + dw),
                                   sum);
        return sum;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Bias, Position<1> at, Io const& io) {
        using L = typename Io::L;
        L sum = L(0);
        for (int i = 0; i < G::out_height; ++i)
            for (int j = 0; j < G::out_width; ++j) sum = sum + io.dy(at[0], i, j);
        return sum;
    }

    /// The output index that a tap offset `from` reaches, -1 where there is none.
    template <int StrideLength, int Outputs>
    static constexpr int output_of(int from) {
        if (from < 0 || from % StrideLength != 0) return -1;
        return from / StrideLength < Outputs ? from / StrideLength : -1;
    }
    /// Smallest i with i * stride + offset >= 0.
    static constexpr int first_output(int offset, int stride) {
        return offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    }
    /// One past the largest i < outputs with i * stride + offset < extent.
    static constexpr int last_output(int offset, int stride, int extent, int outputs) {
        int const end = extent - offset <= 0 ? 0 : (extent - offset - 1) / stride + 1;
        return end < outputs ? end : outputs;
    }
};

/// `Conv2d<out_channels, kernel, options…>`; options: Stride, Padding or SamePadding, Dilation,
/// Groups, NoBias, Initialize.
template <int OutChannels, Size Kernel, class... Options>
struct Conv2d {
    using S = option_or<Stride<1>, Options...>;
    using P = option_or<Padding<0>, Options...>;
    using D = option_or<Dilation<1>, Options...>;
    static constexpr int groups = option_or<Groups<1>, Options...>::value;
    static constexpr bool bias = option_or<WithBias, Options...>::value;
    using Scheme = typename option_or<Initialize<KaimingUniform>, Options...>::type;
    static constexpr bool same = P::size.height < 0;
    static constexpr int reach_height = D::size.height * (Kernel.height - 1),
                         reach_width = D::size.width * (Kernel.width - 1);
    static constexpr int top = same ? reach_height / 2 : P::size.height, left = same ? reach_width / 2 : P::size.width;
    static constexpr int bottom = same ? reach_height - top : top, right = same ? reach_width - left : left;

    template <class X>
    using On = Convolution<ConvolutionGeometry<X::template extent<0>, X::template extent<1>, X::template extent<2>,
                                               OutChannels, Kernel.height, Kernel.width, S::size.height, S::size.width,
                                               top, left, bottom, right, D::size.height, D::size.width, groups, bias>,
                           Scheme>;

    template <class Where, class Got>
    struct Check {
        using X = typename Got::type;
        static constexpr bool options = OptionKinds<StrideKind, PaddingKind, DilationKind, GroupsKind, BiasKind,
                                                    InitializationKind>::template accept<Options...>;
        static constexpr bool image = X::rank == 3;
        static constexpr bool divides = [] {
            if constexpr (image)
                return X::template extent<0> % groups == 0 && OutChannels % groups == 0;
            else
                return true;
        }();
        static constexpr bool fits = [] {
            if constexpr (image)
                return X::template extent<1> + top + bottom > reach_height &&
                       X::template extent<2> + left + right > reach_width;
            else
                return true;
        }();
        static constexpr bool same_stride = !same || (S::size.height == 1 && S::size.width == 1);
        static constexpr bool positive = OutChannels > 0 && Kernel.height > 0 && Kernel.width > 0;
        static constexpr bool ok = options && image && divides && fits && same_stride && positive;
        struct Message {
            static_assert(options,
                          "Conv2d: an option is unknown or given twice; it takes Stride, Padding or SamePadding, "
                          "Dilation, Groups, NoBias, Initialize");
            static_assert(image, "Conv2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(divides, "Conv2d: Groups must divide the input channels and the output channels");
            static_assert(fits,
                          "Conv2d: the kernel is larger than the padded input: use a smaller kernel or more Padding");
            static_assert(same_stride, "Conv2d: SamePadding needs Stride<1>, as in PyTorch");
            static_assert(positive, "Conv2d: output channels and kernel size must be positive");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
