// ConvTranspose2d of mixed precision: forward pass and input gradient through float (mixed_kernel.hpp). The weight gradient
// is its mirror's.
#pragma once

#include "../convolution/transposed_convolution.hpp"
#include "mixed_kernel.hpp"

namespace strata::inline STRATA_ABI {

template <class G, bool HasBias, class Scheme, class Short>
struct MixedForward<TransposedConvolution<G, HasBias, Scheme>, Mixed<Short>> {
    static constexpr KernelNote note{"through float", "short storage: converted, in float, rounded"};
    using Op = TransposedConvolution<G, HasBias, Scheme>;
    static constexpr bool applies_relu = true;
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int S) {
        return detail::float_scratch<Op, Short>(
            S, detail::input_gradient_scratch<float>(detail::forward_correlation<G>, S));
    }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        detail::FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        float const* const x = copies.copy(a.x, Op::Input::size * a.stride);
        float* const y = copies.take(Op::Output::size * a.stride);
        detail::direct_input_gradient<G>(x, a.parameters, y, a.stride, copies.next, false, begin, end,
                                         {detail::transposed_bias<Op>(a.parameters), a.relu});
        detail::store_rows(y, a.y, G::group_channels, G::height, G::width * a.stride, false, begin, end);
    }
};
template <class G, bool HasBias, class Scheme, class Short>
struct MixedInputGradient<TransposedConvolution<G, HasBias, Scheme>, Mixed<Short>> {
    static constexpr KernelNote note{"through float", "short storage: converted, in float, rounded"};
    using Op = TransposedConvolution<G, HasBias, Scheme>;
    static constexpr Items items{G::groups * G::out_height};
    static constexpr int scratch(int S) {
        return detail::float_scratch<Op, Short>(S,
                                                detail::correlation_scratch<float>(detail::forward_correlation<G>, S));
    }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        detail::FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        float const* const dy = copies.copy(a.dy, Op::Output::size * a.stride);
        float* const dx = copies.take(Op::Input::size * a.stride);
        detail::transposed_input_gradient<G>(dy, a.parameters, dx, a.stride, copies.next, false, begin, end);
        detail::store_rows(dx, a.dx, G::group_out_channels, G::out_height, G::out_width * a.stride,
                           a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI
