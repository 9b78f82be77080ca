// The direct kernels of convolutions in front of the house's faster ones, for their own tests.
#pragma once

#include "strata/backend/cpu/kernel/choice.hpp"

namespace strata::inline STRATA_ABI {

template <class G, class Scheme>
struct OwnKernels<Convolution<G, Scheme>, KernelPass::forward> : KernelList<DirectForward> {};
template <class G, class Scheme>
struct OwnKernels<Convolution<G, Scheme>, KernelPass::input_gradient> : KernelList<DirectInputGradient> {};
template <class G, class Scheme>
struct OwnKernels<Convolution<G, Scheme>, KernelPass::parameter_gradient> : KernelList<DirectParameterGradient> {};

}  // namespace strata::inline STRATA_ABI
