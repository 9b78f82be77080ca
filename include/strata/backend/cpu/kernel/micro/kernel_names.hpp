// The names by which programs and people know the kernels that run.
#pragma once

#include "../../../../core/identity.hpp"

namespace strata::inline STRATA_ABI {

/// What people are told of a kernel (describe_kernels).
struct KernelNote {
    char const* name;
    char const* reason;  ///< why it is taken, in a line
};

/// The operation whose kernels serve an operation: itself, or one that computes the same of the same memory.
template <class Op>
struct ServedAs {
    using type = Op;
};

/// The kernels that run: the first of their lists (choice.hpp).
template <class Op, class Precision>
struct ForwardKernel;
template <class Op, class Precision>
struct InputGradientKernel;
template <class Op, class Precision>
struct ParameterGradientKernel;

}  // namespace strata::inline STRATA_ABI
