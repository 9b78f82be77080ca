// Mixed precision: activations and their gradients are stored in a short type, arithmetic, parameter gradients,
// parameters and optimizer state are float.
//
// `Mixed<bfloat16>` needs no loss scaling, for bfloat16 has float's range. Weights are rounded to bfloat16 where a
// kernel multiplies in that type (AMD's cores with AVX512-BF16); products are exact and sums are float everywhere.
// Source: Micikevicius et al., arXiv:1710.03740; Kalamkar et al., arXiv:1905.12322.
#pragma once

#include "../core/bfloat16.hpp"
#include "precision.hpp"

namespace strata::inline STRATA_ABI {

/// `train<Net>(Mixed<bfloat16>{}, …)`, and for inference `Model<Net, Mixed<bfloat16>>` with `Workspace<Net,
/// Mixed<bfloat16>>`. Files and checkpoints hold the float weights, so they are exchanged freely with Float32. Products
/// are those of bfloat16 where the processor has faster ones (AMD's cores with AVX512-BF16), else floats'
/// (`describe_kernels` says which); activations take half the memory everywhere, which is what speeds up large tiles.
template <class Short>
struct Mixed {
    using policy = PrecisionPolicy;
    using storage = Short;
    using compute = float;
    using accumulation = float;
    using master = float;
};

}  // namespace strata::inline STRATA_ABI
