// ConvTranspose2d: transposed convolution, as torch.nn.ConvTranspose2d: the input gradient of a convolution, its
// *mirror*, that leads from y's shape to x's. So its own input gradient is the mirror's forward pass, and in the weight's
// x and dy change places.
//
//   y(o, h, w)       = bias(o) + sum_{c, p, q : i s + p d - P = h, j s + q d - P = w} weight(c, o, p, q) x(c, i, j)
//   dx(c, i, j)      = sum_{o, p, q} weight(c, o, p, q) dy(o, i s + p d - P, j s + q d - P)
//   dweight(c,o,p,q) = sum_{i, j} x(c, i, j) dy(o, i s + p d - P, j s + q d - P)
//   dbias(o)         = sum_{h, w} dy(o, h, w)
//
// Shapes: x [C][H][W], y [O][(H - 1) s - 2 P + d (K - 1) + output padding + 1][…], weight [C][O / groups][KH][KW], bias
// [O]. Keeps x. Source: Zeiler et al. 2010; Dumoulin and Visin, "A guide to convolution arithmetic", 2016, section 4.
#pragma once

#include "conv2d.hpp"

namespace strata::inline STRATA_ABI {

/// ConvTranspose2d bound to its input; G is the mirror's geometry, without bias: its input is our output.
template <class G, bool HasBias, class Scheme>
struct TransposedConvolution {
    using Geometry = G;
    using Mirror = Convolution<G, Scheme>;
    using Input = typename Mirror::Output;
    using Output = typename Mirror::Input;
    using Weight = typename Mirror::Weight;
    // PyTorch counts the fans of a weight [C][O / groups][KH][KW] as if O / groups were the inputs.
    struct Bias : Parameter<"bias", Shape<G::channels>, KaimingUniform, Mirror::fan_in, Mirror::fan_out> {};
    using Parameters = std::conditional_t<HasBias, ParameterList<Weight, Bias>, ParameterList<Weight>>;
    static constexpr bool bias = HasBias;
    static constexpr Keep keep = Keep::input;
    static constexpr double flops = Mirror::flops;
    static constexpr std::string_view type = "ConvTranspose2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        L const sum = Mirror::input_gradient(at, Reflected<Io>{io.x, io.dy, io.p});
        if constexpr (HasBias)
            return sum + L(io.p(Bias{})(at[0]));
        else
            return sum;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        return Mirror::forward(at, Reflected<Io>{io.x, io.dy, io.p});
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Weight, Position<4> at, Io const& io) {
        return Mirror::parameter_gradient(Weight{}, at, Reflected<Io>{io.x, io.dy, io.p});
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Bias, Position<1> at, Io const& io) {
        using L = typename Io::L;
        L sum = L(0);
        for (int i = 0; i < G::height; ++i)
            for (int j = 0; j < G::width; ++j) sum = sum + io.dy(at[0], i, j);
        return sum;
    }

private:
    /// What the mirror's bodies read: our x is its dy, our dy its x.
    template <class Io>
    struct Reflected {
        using L = typename Io::L;
        decltype(Io::x) dy;
        decltype(Io::dy) x;
        decltype(Io::p) p;
    };
};

/// `ConvTranspose2d<out_channels, kernel, options…>`; options: Stride, Padding, OutputPadding, Dilation, Groups, NoBias,
/// Initialize.
template <int OutChannels, Size Kernel, class... Options>
struct ConvTranspose2d {
    using S = option_or<Stride<1>, Options...>;
    using P = option_or<Padding<0>, Options...>;
    using More = option_or<OutputPadding<0>, Options...>;
    using D = option_or<Dilation<1>, Options...>;
    static constexpr int groups = option_or<Groups<1>, Options...>::value;
    static constexpr bool bias = option_or<WithBias, Options...>::value;
    using Scheme = typename option_or<Initialize<KaimingUniform>, Options...>::type;
    /// Rows (columns) of the output of so many of the input.
    static constexpr int out_height(int rows) {
        return (rows - 1) * S::size.height - 2 * P::size.height + D::size.height * (Kernel.height - 1) +
               More::size.height + 1;
    }
    static constexpr int out_width(int columns) {
        return (columns - 1) * S::size.width - 2 * P::size.width + D::size.width * (Kernel.width - 1) +
               More::size.width + 1;
    }

    // The mirror's padding below and on the right is smaller by the output padding, so that it has x's shape.
    template <class X>
    using On = TransposedConvolution<
        ConvolutionGeometry<OutChannels, out_height(X::template extent<1>), out_width(X::template extent<2>),
                            X::template extent<0>, Kernel.height, Kernel.width, S::size.height, S::size.width,
                            P::size.height, P::size.width, P::size.height - More::size.height,
                            P::size.width - More::size.width, D::size.height, D::size.width, groups, false>,
        bias, Scheme>;

    template <class Where, class Got>
    struct Check {
        using X = typename Got::type;
        static constexpr bool options =
            OptionKinds<StrideKind, PaddingKind, OutputPaddingKind, DilationKind, GroupsKind, BiasKind,
                        InitializationKind>::template accept<Options...>;
        static constexpr bool padding = P::size.height >= 0;
        static constexpr bool image = X::rank == 3;
        static constexpr bool divides = [] {
            if constexpr (image)
                return X::template extent<0> % groups == 0 && OutChannels % groups == 0;
            else
                return true;
        }();
        static constexpr bool more = (More::size.height < S::size.height || More::size.height < D::size.height) &&
                                     (More::size.width < S::size.width || More::size.width < D::size.width);
        static constexpr bool fits = [] {
            if constexpr (image)
                return out_height(X::template extent<1>) > 0 && out_width(X::template extent<2>) > 0;
            else
                return true;
        }();
        static constexpr bool positive = OutChannels > 0 && Kernel.height > 0 && Kernel.width > 0;
        static constexpr bool ok = options && padding && image && divides && more && fits && positive;
        struct Message {
            static_assert(options,
                          "ConvTranspose2d: an option is unknown or given twice; it takes Stride, Padding, "
                          "OutputPadding, Dilation, Groups, NoBias, Initialize");
            static_assert(padding, "ConvTranspose2d takes Padding<...>, not SamePadding, as in PyTorch");
            static_assert(image, "ConvTranspose2d needs an image [C][H][W]: it cannot follow Flatten or Linear");
            static_assert(divides, "ConvTranspose2d: Groups must divide the input channels and the output channels");
            static_assert(more,
                          "ConvTranspose2d: OutputPadding must be smaller than Stride or Dilation, as in PyTorch");
            static_assert(fits, "ConvTranspose2d: nothing is left of the output: use less Padding");
            static_assert(positive, "ConvTranspose2d: output channels and kernel size must be positive");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
