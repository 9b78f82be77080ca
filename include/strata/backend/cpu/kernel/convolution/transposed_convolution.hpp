// ConvTranspose2d on the CPU, by the kernels of its mirror (layer/conv_transpose2d.hpp): the forward pass is direct
// convolution's input gradient, phase by phase of the stride, with bias and ReLU; the input gradient a correlation; the
// weight gradient the mirror's own with x and dy exchanged.
#pragma once

#include "../../../../layer/conv_transpose2d.hpp"
#include "direct_convolution.hpp"

namespace strata::inline STRATA_ABI {

template <class Op, class Precision>
struct TransposedForward;
template <class G, bool HasBias, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct TransposedForward<TransposedConvolution<G, HasBias, Scheme>, Precision> {
    static constexpr KernelNote note{"transposed", "the input gradient of its mirror, direct"};
    using Op = TransposedConvolution<G, HasBias, Scheme>;
    using Direct = DirectConvolutionInputGradient<Convolution<G, Scheme>, Precision>;
    static constexpr bool applies_relu = true;
    static constexpr Items items = Direct::items;
    static constexpr int scratch(int S) { return Direct::scratch(S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::direct_input_gradient<G, widest_lane<typename Precision::compute>>(
            a.x, a.parameters, a.y, a.stride, a.scratch, false, begin, end,
            {HasBias ? a.parameters + Op::Weight::Extents::size : nullptr, a.relu});
    }
};
template <class Op, class Precision>
struct TransposedInputGradient;
template <class G, bool HasBias, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct TransposedInputGradient<TransposedConvolution<G, HasBias, Scheme>, Precision> {
    static constexpr KernelNote note{"transposed", "its mirror, direct"};
    using Direct = DirectConvolutionForward<Convolution<G, Scheme>, Precision>;
    static constexpr Items items = Direct::items;
    static constexpr int scratch(int S) { return Direct::scratch(S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        typename Direct::T const* const no_bias = nullptr;
        detail::direct_forward<G, widest_lane<typename Direct::T>>(
            a.dy, a.parameters, no_bias, a.dx, a.stride, a.scratch, a.write == GradientWrite::add, begin, end, false);
    }
};

// Items are the mirror's, whose bias is none, and one more for ours.
template <class Op, class Precision>
struct TransposedParameterGradient;
template <class G, bool HasBias, class Scheme, class Precision>
struct TransposedParameterGradient<TransposedConvolution<G, HasBias, Scheme>, Precision> {
    static constexpr KernelNote note{"transposed", "the weight gradient of its mirror, x and dy exchanged"};
    using Op = TransposedConvolution<G, HasBias, Scheme>;
    using Mirror = ParameterGradientKernel<Convolution<G, Scheme>, Precision>;
    static_assert(!detail::sets_gradient<Mirror>());
    static constexpr Items items{Mirror::items.count + 1};
    static constexpr int scratch(int S) { return detail::scratch_of<Mirror>(S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        KernelData<Precision> mirrored = a;
        mirrored.x = a.dy;
        mirrored.dy = a.x;
        int const to = (std::min)(end, Mirror::items.count);
        if (begin < to) Mirror::run(mirrored, begin, to);
        if (HasBias && begin < end && end == items.count)
            detail::bias_gradient<widest_lane<typename Precision::compute>>(
                a.dy, a.gradient + Op::Weight::Extents::size, G::channels, G::height * G::width * a.stride);
    }
};

}  // namespace strata::inline STRATA_ABI
