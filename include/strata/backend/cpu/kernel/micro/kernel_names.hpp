// The names by which programs and people know the kernels that run.
#pragma once

#include "../../../../core/identity.hpp"

namespace strata::inline STRATA_ABI {

/// What people are told of a kernel (describe_kernels).
struct KernelNote {
    char const* name;
    char const* reason;  ///< why it is taken, in a line
};

/// The kernels that run: the first of their lists (choice.hpp).
template <class Op, class Precision>
struct ForwardKernel;
template <class Op, class Precision>
struct InputGradientKernel;
template <class Op, class Precision>
struct ParameterGradientKernel;

}  // namespace strata::inline STRATA_ABI
