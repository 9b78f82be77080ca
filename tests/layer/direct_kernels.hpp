// The direct kernels of convolutions in front of the house's faster ones, for their own tests.
#pragma once

#include "strata/backend/cpu/kernel/choice.hpp"

namespace strata::inline STRATA_ABI {

template <class G, class Scheme>
struct OwnKernels<Convolution<G, Scheme>, KernelPass::forward> : KernelList<DirectConvolutionForward> {};
template <class G, class Scheme>
struct OwnKernels<Convolution<G, Scheme>, KernelPass::input_gradient> : KernelList<DirectConvolutionInputGradient> {};
template <class G, class Scheme>
struct OwnKernels<Convolution<G, Scheme>, KernelPass::parameter_gradient>
    : KernelList<DirectConvolutionParameterGradient> {};

}  // namespace strata::inline STRATA_ABI
