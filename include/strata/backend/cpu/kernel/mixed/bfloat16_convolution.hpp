// Direct convolution of Mixed<bfloat16> by products of pairs (AVX512-BF16). Rows of fewer than 16 numbers go through
// float, and so do strided input gradients of tiles of fewer samples.
#pragma once

#include "bfloat16_correlation.hpp"
#include "bfloat16_weight_gradient.hpp"

#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

namespace strata::inline STRATA_ABI {

namespace detail {

/// Whether correlate_pairs knows a correlation, and whether its rows hold a vector of pairs.
constexpr bool fits_pairs(Correlation const& g) { return g.taps_width <= 64; }
constexpr bool fills_pairs(Correlation const& g, int S) { return g.out_width * S >= 16 && fits_pairs(g); }

/// How much faster pairs are than Float32's direct kernels, measured.
inline constexpr double pair_speed = 1.8;

template <class G, class Scheme>
struct PairForward {
    static constexpr double speed = pair_speed;
    using Float = ThroughFloatForward<Convolution<G, Scheme>, bfloat16>;
    static constexpr Items items = Float::items;
    static constexpr int scratch(int S) {
        constexpr auto const& g = forward_correlation<G>;
        return (std::max)(invariant ? 2 * PairLayout(g, S).scratch(g) : 0, fills_pairs(g, S) ? 0 : Float::scratch(S));
    }
    /// Where a sample's bits may not depend on the tile, rows that do not fill a vector are taken too.
    static constexpr bool invariant = fits_pairs(forward_correlation<G>);
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        constexpr auto const& g = forward_correlation<G>;
        if (!(a.invariant ? invariant : fills_pairs(g, a.stride))) return Float::run(a, begin, end);
        float const* const bias =
            G::bias ? a.parameters + Convolution<G, Scheme>::Parameters::size - G::out_channels : nullptr;
        correlate_pairs(g, a.x, a.parameters, bias, a.y, a.stride, a.scratch, false, begin, end,
                        G::out_height * G::out_width * a.stride, G::out_width * a.stride, 1, a.relu);
    }
};

template <class G, class Scheme>
struct PairInputGradient {
    static constexpr double speed = pair_speed;
    using Float = ThroughFloatInputGradient<Convolution<G, Scheme>, bfloat16>;
    static constexpr bool strided = G::stride_height != 1 || G::stride_width != 1;
    static constexpr Items items = Float::items;
    static constexpr bool by_pairs(int S) { return strided ? S % 16 == 0 && G::kernel_width <= 64 : fills_pairs(g, S); }
    static constexpr int scratch(int S) {
        return by_pairs(S) ? pair_input_gradient_scratch(forward_correlation<G>, S) : Float::scratch(S);
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (!by_pairs(a.stride)) return Float::run(a, begin, end);
        bool const add = a.write == GradientWrite::add;
        if constexpr (!strided) {
            correlate_pairs(g, a.dy, a.parameters, nullptr, a.dx, a.stride, a.scratch, add, begin, end,
                            G::height * G::width * a.stride, G::width * a.stride);
        } else {
            for (int item = begin, count = 0; item < end; item += count) {
                int const group = item / G::height, h = item % G::height;
                count = (std::min)(G::height - h, end - item);
                pair_input_gradient_rows(forward_correlation<G>, a.dy, a.parameters, a.dx, a.stride, a.scratch, add,
                                         group, h, h + count);
            }
        }
    }

private:
    static constexpr Correlation g = backward_phase(forward_correlation<G>, 0, 0).correlation;
};

template <class G, class Scheme>
struct PairParameterGradient {
    static constexpr double speed = pair_speed;
    static constexpr int blocks = G::groups * pair_tap_blocks(forward_correlation<G>);
    static constexpr Items items{blocks + 1};  // the last one is the bias
    static constexpr int scratch(int S) {
        constexpr auto const& g = forward_correlation<G>;
        return PairGradientLayout(g, S).scratch(g, S);
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        pair_weight_gradient(forward_correlation<G>, a.x, a.dy, a.gradient, a.stride, a.scratch, begin,
                             (std::min)(end, blocks));
        if (G::bias && begin < end && end == items.count)
            bias_gradient<widest_lane<float>>(a.dy,
                                              a.gradient + Convolution<G, Scheme>::Parameters::size - G::out_channels,
                                              G::out_channels, G::out_height * G::out_width * a.stride);
    }
};

}  // namespace detail

template <class G, class Scheme>
struct Bfloat16Forward<Convolution<G, Scheme>, Mixed<bfloat16>>
    : detail::DirectOrWinogradForward<detail::PairForward<G, Scheme>, G, bfloat16> {
    static constexpr KernelNote note{"pairs of bfloat16",
                                     "pairs of bfloat16 on tiles that fill vectors; 3 x 3 by Winograd where faster"};
};
template <class G, class Scheme>
struct Bfloat16InputGradient<Convolution<G, Scheme>, Mixed<bfloat16>>
    : detail::DirectOrWinogradInputGradient<detail::PairInputGradient<G, Scheme>, G, bfloat16> {
    static constexpr KernelNote note{"pairs of bfloat16",
                                     "pairs of bfloat16 on tiles that fill vectors; 3 x 3 by Winograd where faster"};
};
template <class G, class Scheme>
struct Bfloat16ParameterGradient<Convolution<G, Scheme>, Mixed<bfloat16>>
    : detail::DirectOrWinogradParameterGradient<detail::PairParameterGradient<G, Scheme>, G, bfloat16> {
    static constexpr KernelNote note{"pairs of bfloat16",
                                     "pairs of bfloat16 on tiles that fill vectors; 3 x 3 by Winograd where faster"};
};

}  // namespace strata::inline STRATA_ABI
#endif
