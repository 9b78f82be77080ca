// The names by which programs and people know the kernels that run.
#pragma once

#include "../../../../core/identity.hpp"

namespace strata::inline STRATA_ABI {

/// What people are told of a kernel (describe_kernels).
struct KernelNote {
    char const* name;
    char const* reason;  ///< why it is taken, in a line
};
namespace detail {
template <class Kernel>
constexpr KernelNote note_of() {
    if constexpr (requires { Kernel::note; })
        return Kernel::note;
    else
        return {"own", "a kernel of the program's own that says no more"};
}
}  // namespace detail

/// The operation whose kernels serve an operation: itself, or one that computes the same of the same memory.
template <class Op>
struct ServedAs {
    using type = Op;
};

/// An operation and the one that alone reads what it makes, as one operation of inference: their kernel makes a band of
/// rows of the first and takes it through the second while it is in the cache. `relu`: through a ReLU in between, too.
/// The second one's parameters follow the first one's.
template <class First, bool relu, class Second>
struct InBands;

/// The kernels that run: the first of their lists (choice.hpp).
template <class Op, class Precision>
struct ForwardKernel;
template <class Op, class Precision>
struct InputGradientKernel;
template <class Op, class Precision>
struct ParameterGradientKernel;

}  // namespace strata::inline STRATA_ABI
