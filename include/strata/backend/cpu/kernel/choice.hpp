// Which kernel runs. For each operation and pass there is a list of kernels, the most special first. The first one that
// accepts the operation in the precision of the network is taken; where none does, the generic kernel runs the bodies. A
// kernel accepts what its class template is specialised for, under its `requires`.
//
// What depends on the tile is decided inside of a kernel, for a network has one program for all tile sizes: those of
// Winograd leave to the direct ones the tiles on which these are faster.
#pragma once

#include "compiled.hpp"

namespace strata::inline STRATA_ABI {

/// The passes of an operation that have kernels. `gather` is a tile's part of a pass over the batch: of BatchPassOf<Op, P>.
enum class KernelPass : std::uint8_t { forward, input_gradient, parameter_gradient, gather };

/// Kernels in the order in which they are asked: templates of an operation and a precision.
template <template <class Op, class Precision> class... Kernel>
struct KernelList;

namespace detail {
/// Whether a kernel accepts an operation in a precision: whether it is specialised for them.
template <template <class, class> class Kernel, class Op, class Precision>
concept Accepts = requires { sizeof(Kernel<Op, Precision>); };

template <class Kernel>
struct ChosenKernel {
    using type = Kernel;
};
/// A kernel that accepts an operation, as it has to be.
template <class Kernel, class Precision>
struct AcceptedKernel : ChosenKernel<Kernel> {
    static_assert(
        requires(KernelData<Precision> const& data) { Kernel::run(data, 0, Kernel::items.count); },
        "a kernel needs static constexpr Items items and static void run(KernelData<Precision> const&, int begin, int "
        "end)");
};
}  // namespace detail

template <>
struct KernelList<> {
    template <class Op, class Precision, class Else>
    using First = Else;
};
template <template <class, class> class Kernel, template <class, class> class... More>
struct KernelList<Kernel, More...> {
    /// The first kernel that accepts an operation, as ChosenKernel, or Else.
    template <class Op, class Precision, class Else>
    struct First : KernelList<More...>::template First<Op, Precision, Else> {};
    template <class Op, class Precision, class Else>
    requires detail::Accepts<Kernel, Op, Precision>
    struct First<Op, Precision, Else> : detail::AcceptedKernel<Kernel<Op, Precision>, Precision> {};
};

/// A program's own kernels, asked before those of the house. To add one, specialise this for an operation, before a network
/// with it is used (docs/adding_a_kernel.md).
template <class Op, KernelPass pass>
struct OwnKernels : KernelList<> {};

/// The house's kernels.
template <class Op, KernelPass pass>
struct HouseKernels : KernelList<> {};

// ---- the lists -----------------------------------------------------------------------------------------------------

template <class G, class Scheme>
struct HouseKernels<Convolution<G, Scheme>, KernelPass::forward>
    : KernelList<Bfloat16Forward, MixedForward, DepthwiseForward, PointwiseForward, WinogradRowForward, WinogradForward,
                 DirectConvolutionForward> {};
template <class G, class Scheme>
struct HouseKernels<Convolution<G, Scheme>, KernelPass::input_gradient>
    : KernelList<Bfloat16InputGradient, MixedInputGradient, DepthwiseInputGradient, PointwiseInputGradient,
                 WinogradRowInputGradient, WinogradInputGradient, DirectConvolutionInputGradient> {};
template <class G, class Scheme>
struct HouseKernels<Convolution<G, Scheme>, KernelPass::parameter_gradient>
    : KernelList<Bfloat16ParameterGradient, MixedParameterGradient, DepthwiseParameterGradient,
                 PointwiseParameterGradient, WinogradRowParameterGradient, WinogradParameterGradient,
                 DirectConvolutionParameterGradient> {};

// Two in one, in inference.
template <class G, class Scheme, bool relu, class G2, class Scheme2>
struct HouseKernels<InBands<Convolution<G, Scheme>, relu, Convolution<G2, Scheme2>>, KernelPass::forward>
    : KernelList<DepthwisePointwiseForward> {};

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct HouseKernels<AffineMap<Inputs, Outputs, HasBias, Scheme>, KernelPass::forward>
    : KernelList<Bfloat16Forward, MixedForward, LinearForward> {};
template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct HouseKernels<AffineMap<Inputs, Outputs, HasBias, Scheme>, KernelPass::input_gradient>
    : KernelList<Bfloat16InputGradient, MixedInputGradient, LinearInputGradient> {};
template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct HouseKernels<AffineMap<Inputs, Outputs, HasBias, Scheme>, KernelPass::parameter_gradient>
    : KernelList<Bfloat16ParameterGradient, MixedParameterGradient, LinearParameterGradient> {};

template <class Win>
struct HouseKernels<MaxPooling<Win>, KernelPass::forward> : KernelList<MaxPoolForward, PaddedMaxPoolForward> {};
template <class Win>
struct HouseKernels<MaxPooling<Win>, KernelPass::input_gradient>
    : KernelList<ChosenInputGradient, MaxPoolInputGradient, OverlappingMaxPoolInputGradient> {};

template <class X>
struct HouseKernels<ElementwiseOperation<ReLU, X>, KernelPass::input_gradient> : KernelList<ChosenInputGradient> {};

template <class Win, bool CountsPadding>
struct HouseKernels<AveragePooling<Win, CountsPadding>, KernelPass::forward> : KernelList<AveragePoolForward> {};
template <class Win, bool CountsPadding>
struct HouseKernels<AveragePooling<Win, CountsPadding>, KernelPass::input_gradient>
    : KernelList<AveragePoolInputGradient> {};

template <class G, bool HasBias, class Scheme>
struct HouseKernels<TransposedConvolution<G, HasBias, Scheme>, KernelPass::forward>
    : KernelList<MixedForward, TransposedForward> {};
template <class G, bool HasBias, class Scheme>
struct HouseKernels<TransposedConvolution<G, HasBias, Scheme>, KernelPass::input_gradient>
    : KernelList<MixedInputGradient, TransposedInputGradient> {};
template <class G, bool HasBias, class Scheme>
struct HouseKernels<TransposedConvolution<G, HasBias, Scheme>, KernelPass::parameter_gradient>
    : KernelList<TransposedParameterGradient> {};

template <int C, class RowAxis, class ColumnAxis>
struct HouseKernels<Upsampling<C, RowAxis, ColumnAxis>, KernelPass::forward> : KernelList<UpsampleForward> {};
template <int C, class RowAxis, class ColumnAxis>
struct HouseKernels<Upsampling<C, RowAxis, ColumnAxis>, KernelPass::input_gradient>
    : KernelList<UpsampleInputGradient> {};
template <class X, int... Sides>
struct HouseKernels<ZeroPadding<X, Sides...>, KernelPass::forward> : KernelList<ZeroPadForward> {};
template <class X, int... Sides>
struct HouseKernels<ZeroPadding<X, Sides...>, KernelPass::input_gradient> : KernelList<ZeroPadInputGradient> {};
template <class X, int Factor>
struct HouseKernels<PixelShuffling<X, Factor>, KernelPass::forward> : KernelList<PixelShuffleForward> {};
template <class X, int Factor>
struct HouseKernels<PixelShuffling<X, Factor>, KernelPass::input_gradient> : KernelList<PixelShuffleInputGradient> {};
template <class X, Real P>
struct HouseKernels<ChannelDropout<X, P>, KernelPass::forward> : KernelList<ChannelDropoutForward> {};
template <class X, Real P>
struct HouseKernels<ChannelDropout<X, P>, KernelPass::input_gradient> : KernelList<ChannelDropoutInputGradient> {};

template <class X>
struct HouseKernels<GlobalAveragePooling<X>, KernelPass::forward> : KernelList<GlobalAverageForward> {};
template <class X>
struct HouseKernels<GlobalAveragePooling<X>, KernelPass::input_gradient> : KernelList<GlobalAverageInputGradient> {};

template <class X, bool HasAffine, Real M, Real E, int Rank>
struct HouseKernels<BatchNormalization<X, HasAffine, M, E, Rank>, KernelPass::forward> : KernelList<BatchNormForward> {
};
template <class X, bool HasAffine, Real M, Real E, int Rank>
struct HouseKernels<BatchNormalization<X, HasAffine, M, E, Rank>, KernelPass::input_gradient>
    : KernelList<BatchNormInputGradient> {};
template <class X, bool HasAffine, Real M, Real E, int Rank, class P>
struct HouseKernels<BatchPassOf<BatchNormalization<X, HasAffine, M, E, Rank>, P>, KernelPass::gather>
    : KernelList<BatchNormMomentsGather, BatchNormGradientsGather> {};

template <class Geometry, bool Centered, bool HasWeight, bool HasBias, Real Epsilon, class Name>
struct HouseKernels<Normalization<Geometry, Centered, HasWeight, HasBias, Epsilon, Name>, KernelPass::forward>
    : KernelList<NormalizationForward> {};
template <class Geometry, bool Centered, bool HasWeight, bool HasBias, Real Epsilon, class Name>
struct HouseKernels<Normalization<Geometry, Centered, HasWeight, HasBias, Epsilon, Name>, KernelPass::input_gradient>
    : KernelList<NormalizationInputGradient> {};
template <class X>
struct HouseKernels<SoftmaxOperation<X>, KernelPass::forward> : KernelList<SoftmaxForward> {};
template <class X>
struct HouseKernels<SoftmaxOperation<X>, KernelPass::input_gradient> : KernelList<SoftmaxInputGradient> {};
template <class X>
struct HouseKernels<LogSoftmaxOperation<X>, KernelPass::forward> : KernelList<SoftmaxForward> {};
template <class X>
struct HouseKernels<LogSoftmaxOperation<X>, KernelPass::input_gradient> : KernelList<SoftmaxInputGradient> {};

template <class X, int Width, int Padding, class Scheme>
struct HouseKernels<EmbeddingOperation<X, Width, Padding, Scheme>, KernelPass::forward> : KernelList<EmbeddingForward> {
};
template <class X, int Width, int Padding, class Scheme>
struct HouseKernels<EmbeddingOperation<X, Width, Padding, Scheme>, KernelPass::parameter_gradient>
    : KernelList<EmbeddingParameterGradient> {};

// What looks across a sequence.
template <class Op>
requires(detail::sees_sequence<Op>())
struct HouseKernels<Op, KernelPass::forward> : KernelList<SequenceForward> {};
template <class Op>
requires(detail::sees_sequence<Op>())
struct HouseKernels<Op, KernelPass::input_gradient> : KernelList<SequenceInputGradient> {};
template <class Op>
requires(detail::sees_sequence<Op>())
struct HouseKernels<Op, KernelPass::parameter_gradient> : KernelList<SequenceParameterGradient> {};

// ---- what runs -----------------------------------------------------------------------------------------------------

namespace detail {
/// An operation that another's kernels serve may still have kernels of the program's own.
template <class Op, KernelPass pass, class Precision, template <class, class> class Generic>
struct KernelOf
    : OwnKernels<Op, pass>::template First<Op, Precision,
                                           KernelOf<typename ServedAs<Op>::type, pass, Precision, Generic>> {};
template <class Op, KernelPass pass, class Precision, template <class, class> class Generic>
requires std::is_same_v<typename ServedAs<Op>::type, Op>
struct KernelOf<Op, pass, Precision, Generic>
    : OwnKernels<Op, pass>::template First<
          Op, Precision,
          typename HouseKernels<Op, pass>::template First<Op, Precision, ChosenKernel<Generic<Op, Precision>>>> {};
template <class Op, KernelPass pass, class Precision, template <class, class> class Generic>
using kernel_of = typename KernelOf<Op, pass, Precision, Generic>::type;
}  // namespace detail

template <class Op, class Precision>
struct ForwardKernel : detail::kernel_of<Op, KernelPass::forward, Precision, GenericForward> {};
/// Of two operations in one, InBands: `type` is void where no kernel accepts them.
template <class Op, class Precision>
struct BandKernel
    : OwnKernels<Op, KernelPass::forward>::template First<
          Op, Precision,
          typename HouseKernels<Op, KernelPass::forward>::template First<Op, Precision, detail::ChosenKernel<void>>> {};
template <class Op, class Precision>
struct InputGradientKernel : detail::kernel_of<Op, KernelPass::input_gradient, Precision, GenericInputGradient> {};
template <class Op, class Precision>
struct ParameterGradientKernel
    : detail::kernel_of<Op, KernelPass::parameter_gradient, Precision, GenericParameterGradient> {};
/// The kernel of an operation's pass over the batch.
template <class Op, class P, class Precision>
struct GatherKernel : detail::kernel_of<BatchPassOf<Op, P>, KernelPass::gather, Precision, GenericGather> {};

}  // namespace strata::inline STRATA_ABI
