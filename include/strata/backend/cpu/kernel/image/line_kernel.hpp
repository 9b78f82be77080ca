// One-dimensional layers on the CPU: the kernels of images one pixel high, as they are.
#pragma once

#include "../../../../layer/line.hpp"
#include "../generic.hpp"

namespace strata::inline STRATA_ABI {

template <class Plane, class Name, class Precision>
struct ForwardKernel<Line<Plane, Name>, Precision> : ForwardKernel<Plane, Precision> {};
template <class Plane, class Name, class Precision>
struct InputGradientKernel<Line<Plane, Name>, Precision> : InputGradientKernel<Plane, Precision> {};
template <class Plane, class Name, class Precision>
struct ParameterGradientKernel<Line<Plane, Name>, Precision> : ParameterGradientKernel<Plane, Precision> {};

}  // namespace strata::inline STRATA_ABI
