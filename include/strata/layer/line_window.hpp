// The window of pools on lines [C][L].
#pragma once

#include "line.hpp"
#include "window.hpp"

namespace strata::inline STRATA_ABI {

/// Of an image one pixel high; the stride is the kernel's length unless Stride is given, as in PyTorch.
template <class X, int Kernel, class... Options>
using LineWindow =
    Window<X::template extent<0>, 1, X::template extent<1>, 1, Kernel, 1,
           option_or<Stride<Kernel>, Options...>::size.width, 0, option_or<Padding<0>, Options...>::size.width>;

/// What every pool on lines asks of its input.
template <class X, int Kernel, class... Options>
struct LineWindowFits {
    static constexpr int pad = option_or<Padding<0>, Options...>::size.width;
    static constexpr bool line = X::rank == 2;
    static constexpr bool padding = Kernel > 0 && pad >= 0 && 2 * pad <= Kernel;
    static constexpr bool fits = [] {
        if constexpr (line)
            return X::template extent<1> + 2 * pad >= Kernel;
        else
            return true;
    }();
};

}  // namespace strata::inline STRATA_ABI
