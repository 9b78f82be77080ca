// Winograd's kernels of 3x3 taps read and write short numbers themselves: no copies. What they leave to direct convolution
// goes through float.
#pragma once

#include "../winograd/winograd_kernel.hpp"
#include "through_float.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Direct convolution's gradient of the weights in float, and how many of its items are blocks of taps.
template <class G, class Scheme, class Precision,
          class Direct = DirectConvolutionParameterGradient<Convolution<G, Scheme>, float_of<Precision>>>
struct DirectGradientInFloat : ThroughFloatParameterGradient<Convolution<G, Scheme>, Precision, Direct> {
    static constexpr int blocks = Direct::blocks;
};
template <class G, class Precision>
concept MixedWinograd = MixedPrecision<Precision> && WinogradGeometry<G, Precision>;

}  // namespace detail

template <class G, class Scheme, class Precision>
requires(detail::MixedWinograd<G, Precision>)
struct MixedForward<Convolution<G, Scheme>, Precision>
    : detail::WinogradSquarePass<
          detail::ThroughFloatForward<Convolution<G, Scheme>, Precision,
                                      DirectConvolutionForward<Convolution<G, Scheme>, detail::float_of<Precision>>>,
          G, Precision, true> {};
template <class G, class Scheme, class Precision>
requires(detail::MixedWinograd<G, Precision>)
struct MixedInputGradient<Convolution<G, Scheme>, Precision>
    : detail::WinogradSquarePass<
          detail::ThroughFloatInputGradient<
              Convolution<G, Scheme>, Precision,
              DirectConvolutionInputGradient<Convolution<G, Scheme>, detail::float_of<Precision>>>,
          G, Precision, false> {};
template <class G, class Scheme, class Precision>
requires(detail::MixedWinograd<G, Precision>)
struct MixedParameterGradient<Convolution<G, Scheme>, Precision>
    : detail::WinogradSquareGradient<detail::DirectGradientInFloat<G, Scheme, Precision>, G, Precision> {};

}  // namespace strata::inline STRATA_ABI
