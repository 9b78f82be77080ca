// Mixed<bfloat16> by products of pairs, where they pay (machine.hpp): the kernels of floats on half as many numbers, each of
// them a pair of terms. Pairs are two channels of a convolution or two inputs of a Linear, in the gradients of their inputs
// two outputs, and in those of their parameters two samples, which are neighbours as they lie. Weights are rounded and
// paired once for all tiles; results are floats, rounded to storage.
#pragma once

#include "../linear/linear_kernel.hpp"
#include "../micro/machine.hpp"
#include "../winograd/winograd_kernel.hpp"
#include "pair_lane.hpp"
#include "through_float.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

constexpr int pairs_of(int terms) { return (terms + 1) / 2; }
/// Memory for so many pairs.
constexpr int numbers_of(int pairs) { return 2 * pairs; }
inline float* as_pairs(bfloat16* numbers) { return reinterpret_cast<float*>(numbers); }
inline float const* as_pairs(bfloat16 const* numbers) { return reinterpret_cast<float const*>(numbers); }

/// Planes of `rows` channels each as pairs of neighbouring ones.
inline void pair_planes(bfloat16 const* from, float* to, int groups, int rows, int plane) {
    for (std::ptrdiff_t k = 0; k < groups; ++k)
        pair_rows(from + k * rows * plane, to + k * pairs_of(rows) * plane, rows, plane);
}

template <class Op>
struct PairForward;
template <class Op>
struct PairInputGradient;
template <class Op>
struct PairParameterGradient;

template <class G, class Scheme>
struct PairForward<Convolution<G, Scheme>> {
    using Op = Convolution<G, Scheme>;
    static constexpr bool applies_relu = true;
    static constexpr int taps = G::kernel_height * G::kernel_width, pairs = pairs_of(G::group_channels);
    static constexpr Correlation g = [] {
        Correlation c = forward_correlation<G>;
        c.in_channels = pairs;
        c.out_weights = pairs * taps;
        c.group_weights = c.out_channels * c.out_weights;
        return c;
    }();
    static constexpr Items items{G::groups * G::out_height};
    static constexpr int numbers(int S) { return G::groups * pairs * G::height * G::width * S; }
    static constexpr int scratch(int S) {
        return carved_numbers<bfloat16, FloatCopies>(numbers(S), Op::Output::size * S,
                                                     carved_numbers<float, CorrelationScratch<float>>(g, S));
    }
    static constexpr int prepare_items = G::out_channels;
    static constexpr int prepared(int) { return numbers_of(G::out_channels * pairs * taps); }
    static void prepare(KernelData<Mixed<bfloat16>> const& a, bfloat16* to, int begin, int end) {
        for (int o = begin; o < end; ++o)
            pair_rows(a.parameters + o * G::group_channels * taps, as_pairs(to) + o * pairs * taps, G::group_channels,
                      taps);
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (begin >= end) return;
        int const S = a.stride, count = Op::Output::size * S;
        FloatCopies const copies(a.scratch, numbers(S), count);
        pair_planes(a.x, copies.first, G::groups, G::group_channels, G::height * G::width * S);
        round_results(copies.second, a.y, count, begin == 0 && end == items.count, false, [&](float* y) {
            direct_forward<G, widest_pairs>(copies.first, as_pairs(a.prepared),
                                            G::bias ? a.parameters + bias_of<G> : nullptr, y, S, copies.kernel, false,
                                            begin, end, a.relu, g);
        });
    }
};

template <class G, class Scheme>
struct PairInputGradient<Convolution<G, Scheme>> {
    using Op = Convolution<G, Scheme>;
    static constexpr int row = G::group_channels * G::kernel_height * G::kernel_width,
                         pairs = pairs_of(G::group_out_channels);
    /// The forward pass of which it is the input gradient, its output channels being pairs.
    struct Forward {
        static constexpr Correlation of = [] {
            Correlation c = forward_correlation<G>;
            c.out_channels = pairs;
            c.group_weights = pairs * c.out_weights;
            return c;
        }();
    };
    static constexpr Items items{G::groups * G::height};
    static constexpr int numbers(int S) { return G::groups * pairs * G::out_height * G::out_width * S; }
    static constexpr int scratch(int S) {
        return carved_numbers<bfloat16, FloatCopies>(numbers(S), Op::Input::size * S,
                                                     input_gradient_scratch<float>(Forward::of, S));
    }
    static constexpr int prepare_items = G::groups * pairs;
    static constexpr int prepared(int) { return numbers_of(prepare_items * row); }
    static void prepare(KernelData<Mixed<bfloat16>> const& a, bfloat16* to, int begin, int end) {
        for (int item = begin; item < end; ++item) {
            int const o = item % pairs * 2;
            pair_rows(a.parameters + (item / pairs * G::group_out_channels + o) * row, as_pairs(to) + item * row,
                      (std::min)(2, G::group_out_channels - o), row);
        }
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (begin >= end) return;
        int const S = a.stride, count = Op::Input::size * S;
        FloatCopies const copies(a.scratch, numbers(S), count);
        pair_planes(a.dy, copies.first, G::groups, G::group_out_channels, G::out_height * G::out_width * S);
        round_results(copies.second, a.dx, count, begin == 0 && end == items.count, a.write == GradientWrite::add,
                      [&](float* dx) {
                          direct_input_gradient<G, widest_pairs, Forward>(copies.first, as_pairs(a.prepared), dx, S,
                                                                          copies.kernel, false, begin, end);
                      });
    }
};

/// The gradients of parameters by pairs of samples, those of a tile of one sample in float.
template <class Op, class Float>
struct PairsOfSamples {
    using Alone = ThroughFloatParameterGradient<Op, Mixed<bfloat16>, Float>;
    static constexpr Items items = Alone::items;
};
template <class G, class Scheme>
struct PairParameterGradient<Convolution<G, Scheme>>
    : PairsOfSamples<Convolution<G, Scheme>, DirectConvolutionParameterGradient<Convolution<G, Scheme>, Float32>> {
    using Direct = DirectConvolutionParameterGradient<Convolution<G, Scheme>, Float32>;
    using Base = PairsOfSamples<Convolution<G, Scheme>, Direct>;
    static constexpr Correlation g = forward_correlation<G>;
    static constexpr int scratch(int S) {
        return S % 2 == 0 ? carved_numbers<bfloat16, WeightGradientScratch<float>>(g, S / 2) : Base::Alone::scratch(S);
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (a.stride % 2 != 0) return Base::Alone::run(a, begin, end);
        weight_gradient<widest_pairs>(g, as_pairs(a.x), as_pairs(a.dy), a.gradient, a.stride / 2, a.scratch, begin,
                                      (std::min)(end, Direct::blocks), column_gather<G::stride_width, float>());
        if (begin < end && end == Direct::items.count) add_bias_gradient<G>(a);
    }
};

/// Small tiles do not pay for rounded weights, but where their bits may not depend on the tile.
inline bool takes_pairs(KernelData<Mixed<bfloat16>> const& a) { return a.invariant || a.stride >= 4; }

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct PairForward<AffineMap<Inputs, Outputs, HasBias, Scheme>> {
    using Op = AffineMap<Inputs, Outputs, HasBias, Scheme>;
    using Float = ThroughFloatForward<Op, Mixed<bfloat16>, LinearForward<Op, Float32>>;
    /// Whole vectors of pairs, zeros behind the inputs: dot products along them have no rest.
    static constexpr int N = width_of<widest_pairs>, pairs = (pairs_of(Inputs) + N - 1) / N * N;
    static constexpr bool applies_relu = true;
    static constexpr Items items{Outputs};
    static constexpr int scratch(int S) {
        return (std::max)(Float::scratch(S), carved_numbers<bfloat16, FloatCopies>(pairs * S, Outputs * S,
                                                                                   affine_scratch<float>(pairs, S)));
    }
    static constexpr int prepare_items = Outputs;
    static constexpr int prepared(int) { return numbers_of(Outputs * pairs); }
    static void prepare(KernelData<Mixed<bfloat16>> const& a, bfloat16* to, int begin, int end) {
        for (int o = begin; o < end && takes_pairs(a); ++o) {
            bfloat16* const row = to + std::ptrdiff_t{o} * 2 * pairs;
            convert_numbers(a.parameters + std::ptrdiff_t{o} * Inputs, row, Inputs);
            std::fill(row + Inputs, row + 2 * pairs, bfloat16(0));
        }
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (!takes_pairs(a)) return Float::run(a, begin, end);
        if (begin >= end) return;
        int const S = a.stride;
        auto const [x, y, memory] = FloatCopies(a.scratch, pairs * S, Outputs * S);
        pair_rows(a.x, x, Inputs, S);
        std::fill(x + pairs_of(Inputs) * S, x + pairs * S, 0.0f);
        affine_forward<widest_pairs>(as_pairs(a.prepared),
                                     HasBias ? a.parameters + std::ptrdiff_t{Inputs} * Outputs : nullptr, x, y, pairs,
                                     S, memory, begin, end, a.relu, a.invariant);
        convert_numbers(y + begin * S, a.y + begin * S, std::ptrdiff_t{end - begin} * S);
    }
};

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct PairInputGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>> {
    using Op = AffineMap<Inputs, Outputs, HasBias, Scheme>;
    using Kernel = LinearInputGradient<Op, Float32>;
    using Float = ThroughFloatInputGradient<Op, Mixed<bfloat16>, Kernel>;
    static constexpr int pairs = pairs_of(Outputs);
    static constexpr Items items = Kernel::items;
    static constexpr int scratch(int S) {
        return (std::max)(Float::scratch(S),
                          carved_numbers<bfloat16, FloatCopies>(pairs * S, Inputs * S, Kernel::scratch(S)));
    }
    static constexpr int prepare_items = pairs;
    static constexpr int prepared(int) { return numbers_of(pairs * Inputs); }
    static void prepare(KernelData<Mixed<bfloat16>> const& a, bfloat16* to, int begin, int end) {
        for (int k = begin; k < end && takes_pairs(a); ++k)
            pair_rows(a.parameters + std::ptrdiff_t{2 * k} * Inputs, as_pairs(to) + std::ptrdiff_t{k} * Inputs,
                      (std::min)(2, Outputs - 2 * k), Inputs);
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (!takes_pairs(a)) return Float::run(a, begin, end);
        if (begin >= end) return;
        int const S = a.stride, from = begin * Kernel::block, to = (std::min)(end * Kernel::block, Inputs);
        auto const [dy, dx, memory] = FloatCopies(a.scratch, pairs * S, Inputs * S);
        pair_rows(a.dy, dy, Outputs, S);
        affine_input_gradient<widest_pairs>(as_pairs(a.prepared), dy, dx, Inputs, pairs, S, memory, false, from, to);
        convert_numbers(dx + from * S, a.dx + from * S, std::ptrdiff_t{to - from} * S, a.write == GradientWrite::add);
    }
};

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct PairParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>>
    : PairsOfSamples<AffineMap<Inputs, Outputs, HasBias, Scheme>,
                     LinearParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Float32>>,
      SetsGradient {
    using Kernel = LinearParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Float32>;
    using Base = PairsOfSamples<AffineMap<Inputs, Outputs, HasBias, Scheme>, Kernel>;
    static constexpr int scratch(int S) { return S % 2 == 0 ? 0 : Base::Alone::scratch(S); }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (a.stride % 2 != 0) return Base::Alone::run(a, begin, end);
        outer_product_over_samples<widest_pairs>(as_pairs(a.x), as_pairs(a.dy), a.gradient, Inputs, Outputs,
                                                 a.stride / 2, begin, (std::min)(end, Kernel::blocks), a.set_gradient);
        if (HasBias && begin < end && end == Kernel::items.count)
            bias_gradient<widest_lane<float>>(a.dy, a.gradient + std::ptrdiff_t{Inputs} * Outputs, Outputs, a.stride,
                                              a.set_gradient);
    }
};

/// Whether an operation is faster by pairs: not where Winograd is faster still.
template <class Op>
inline constexpr bool pairs_are_faster = pairs_pay;
template <class G, class Scheme>
requires WinogradGeometry<G, Float32>
inline constexpr bool pairs_are_faster<Convolution<G, Scheme>> =
    pairs_pay && winograd_tiles<widest_lane<float>>(forward_correlation<G>, 1 / pair_speed).of(invariant_choice) == 0;

inline constexpr KernelNote pair_note{"pairs of bfloat16",
                                      "products of pairs, twice as fast as those of floats on this processor"};

}  // namespace detail

template <class Op, class Precision>
struct Bfloat16Forward;
template <class Op>
requires(detail::pairs_are_faster<Op> && requires { detail::PairForward<Op>::items; })
struct Bfloat16Forward<Op, Mixed<bfloat16>> : detail::PairForward<Op> {
    static constexpr KernelNote note = detail::pair_note;
};
template <class Op, class Precision>
struct Bfloat16InputGradient;
template <class Op>
requires(detail::pairs_are_faster<Op> && requires { detail::PairInputGradient<Op>::items; })
struct Bfloat16InputGradient<Op, Mixed<bfloat16>> : detail::PairInputGradient<Op> {
    static constexpr KernelNote note = detail::pair_note;
};
template <class Op, class Precision>
struct Bfloat16ParameterGradient;
template <class Op>
requires(detail::pairs_are_faster<Op> && requires { detail::PairParameterGradient<Op>::items; })
struct Bfloat16ParameterGradient<Op, Mixed<bfloat16>> : detail::PairParameterGradient<Op> {
    static constexpr KernelNote note = detail::pair_note;
};

}  // namespace strata::inline STRATA_ABI
