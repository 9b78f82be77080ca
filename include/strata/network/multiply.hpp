// Multiply: the product of two branches.
#pragma once

#include "../layer/product.hpp"
#include "composite.hpp"

namespace strata::inline STRATA_ABI {

/// y = a(x) * b(x), element by element; behind an image b may end in a number for each channel, [C] or [C][1][1]. A block
/// of squeeze and excitation is `Multiply<Branch<>, Branch<GlobalAvgPool2d, Linear<C / 16>, ReLU, Linear<C>, Sigmoid>>`.
template <class A, class B>
using Multiply = Join<Product, A, B>;

}  // namespace strata::inline STRATA_ABI
