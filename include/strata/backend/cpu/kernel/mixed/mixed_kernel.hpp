// Convolution and Linear of mixed precision, on any processor: a tile's numbers are converted to float once, the float
// kernels do the work, and what they give is rounded to storage. So nothing is slower than Float32 by more than two
// passes over the tile. Winograd's kernels read and write storage themselves.
#pragma once

#include "../../../../precision/mixed.hpp"
#include "../linear/linear_kernel.hpp"
#include "../winograd/winograd_kernel.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// to[k] = from[k], rounded where the target is short; or added.
template <class From, class To>
STRATA_ONE_COPY void convert_numbers(From const* from, To* to, std::ptrdiff_t count, bool add = false) {
    using L = widest_lane<float>;
    std::ptrdiff_t k = 0;
    for (; k + width_of<L> <= count; k += width_of<L>) {
        L const value = load_lane<L>(from + k);
        store_lane(to + k, add ? load_lane<L>(to + k) + value : value);
    }
    for (; k < count; ++k) {
        float const value = load_lane<float>(from + k);
        store_lane(to + k, add ? load_lane<float>(to + k) + value : value);
    }
}

/// Rows [begin, end) of (group, row) of channels of `length` numbers: what a kernel's items wrote in float goes to
/// storage. Rows lie [group][channel][row].
template <class Short>
void store_rows(float const* from, Short* to, int channels, int rows, int length, bool add, int begin, int end) {
    for (int item = begin, count = 0; item < end; item += count) {
        int const row = item % rows, group = item / rows;
        count = (std::min)(rows - row, end - item);
        for (int c = 0; c < channels; ++c) {
            std::ptrdiff_t const at =
                (static_cast<std::ptrdiff_t>(group * channels + c) * rows + row) * static_cast<std::ptrdiff_t>(length);
            convert_numbers(from + at, to + at, static_cast<std::ptrdiff_t>(count) * length, add);
        }
    }
}

/// Float copies of a kernel's operands in scratch memory, each beginning on a cache line.
struct FloatCopies {
    float* next;
    static constexpr int floats(int numbers) { return (numbers + 15) / 16 * 16; }
    float* take(int numbers) {
        float* const at = next;
        next += floats(numbers);
        return at;
    }
    template <class Short>
    float const* copy(Short const* from, int numbers) {
        float* const to = take(numbers);
        convert_numbers(from, to, numbers);
        return to;
    }
};
/// Scratch of two operands and of the float kernel, in short numbers.
template <class Op, class Short>
constexpr int float_scratch(int S, int inner) {
    return (FloatCopies::floats(Op::Input::size * S) + FloatCopies::floats(Op::Output::size * S) + inner) *
           static_cast<int>(sizeof(float) / sizeof(Short));
}

/// The passes of an operation through float.
template <class Op, class Short>
struct ThroughFloatForward;
template <class Op, class Short>
struct ThroughFloatInputGradient;
template <class Op, class Short>
struct ThroughFloatParameterGradient;

template <class G, class Scheme, class Short>
struct ThroughFloatForward<Convolution<G, Scheme>, Short> {
    using Op = Convolution<G, Scheme>;
    static constexpr double speed = 1;  ///< beside Float32's direct kernel
    static constexpr Correlation g = forward_correlation<G>;
    static constexpr Items items{G::groups * G::out_height};
    static constexpr int scratch(int S) { return float_scratch<Op, Short>(S, correlation_scratch<float>(g, S)); }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        int const S = a.stride;
        FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        float const* const x = copies.copy(a.x, Op::Input::size * S);
        float* const y = copies.take(Op::Output::size * S);
        float const* const bias = G::bias ? a.parameters + Op::Parameters::size - G::out_channels : nullptr;
        using L = widest_lane<float>;
        correlate<L>(correlation_code<L, G::group_out_channels, G::stride_width>(), g, x, a.parameters, bias, y, S,
                     copies.next, false, begin, end, G::out_height * G::out_width * S, G::out_width * S, 1, a.relu);
        store_rows(y, a.y, G::group_out_channels, G::out_height, G::out_width * S, false, begin, end);
    }
};
template <class G, class Scheme, class Short>
struct ThroughFloatInputGradient<Convolution<G, Scheme>, Short> {
    using Op = Convolution<G, Scheme>;
    static constexpr double speed = 1;  ///< beside Float32's direct kernel
    static constexpr Items items{G::groups * G::height};
    static constexpr int scratch(int S) {
        return float_scratch<Op, Short>(S, input_gradient_scratch<float>(forward_correlation<G>, S));
    }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        int const S = a.stride;
        FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        float const* const dy = copies.copy(a.dy, Op::Output::size * S);
        float* const dx = copies.take(Op::Input::size * S);
        using L = widest_lane<float>;
        constexpr auto code = correlation_code<L, G::group_channels, 1>();
        if constexpr (G::stride_height == 1 && G::stride_width == 1) {
            static constexpr Correlation g = backward_phase(forward_correlation<G>, 0, 0).correlation;
            float const* const none = nullptr;
            correlate<L>(code, g, dy, a.parameters, none, dx, S, copies.next, false, begin, end,
                         G::height * G::width * S, G::width * S);
        } else {
            for (int item = begin, count = 0; item < end; item += count) {
                int const group = item / G::height, h = item % G::height;
                count = (std::min)(G::height - h, end - item);
                input_gradient_rows<L>(code, forward_correlation<G>, dy, a.parameters, dx, S, copies.next, false, group,
                                       h, h + count);
            }
        }
        store_rows(dx, a.dx, G::group_channels, G::height, G::width * S, a.write == GradientWrite::add, begin, end);
    }
};
template <class G, class Scheme, class Short>
struct ThroughFloatParameterGradient<Convolution<G, Scheme>, Short> {
    using Op = Convolution<G, Scheme>;
    static constexpr double speed = 1;  ///< beside Float32's direct kernel
    static constexpr Correlation g = forward_correlation<G>;
    static constexpr int blocks = G::groups * tap_blocks(g);
    static constexpr Items items{blocks + 1};  // the last one is the bias
    static constexpr int scratch(int S) { return float_scratch<Op, Short>(S, weight_gradient_scratch<float>(g, S)); }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        int const S = a.stride;
        using L = widest_lane<float>;
        FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        if (begin < (std::min)(end, blocks)) {
            float const* const x = copies.copy(a.x, Op::Input::size * S);
            float const* const dy = copies.copy(a.dy, Op::Output::size * S);
            weight_gradient<L>(g, x, dy, a.gradient, S, copies.next, begin, (std::min)(end, blocks),
                               column_gather<G::stride_width, float>());
        }
        if (G::bias && begin < end && end == items.count)
            bias_gradient<L>(a.dy, a.gradient + Op::Parameters::size - G::out_channels, G::out_channels,
                             G::out_height * G::out_width * S);
    }
};

template <int Inputs, int Outputs, bool HasBias, class Scheme, class Short>
struct ThroughFloatForward<AffineMap<Inputs, Outputs, HasBias, Scheme>, Short> {
    using Op = AffineMap<Inputs, Outputs, HasBias, Scheme>;
    static constexpr bool applies_relu = true;
    static constexpr Items items{Outputs};
    static constexpr int scratch(int S) { return float_scratch<Op, Short>(S, affine_scratch<float>(Inputs, S)); }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        int const S = a.stride;
        FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        float const* const x = copies.copy(a.x, Inputs * S);
        float* const y = copies.take(Outputs * S);
        affine_forward<widest_lane<float>>(a.parameters,
                                           HasBias ? a.parameters + std::ptrdiff_t{Inputs} * Outputs : nullptr, x, y,
                                           Inputs, S, copies.next, begin, end, a.relu, a.invariant);
        store_rows(y, a.y, 1, Outputs, S, false, begin, end);
    }
};
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Short>
struct ThroughFloatInputGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Short> {
    using Op = AffineMap<Inputs, Outputs, HasBias, Scheme>;
    static constexpr int block = width_of<widest_lane<float>>;
    static constexpr Items items{(Inputs + block - 1) / block};
    static constexpr int scratch(int S) {
        return float_scratch<Op, Short>(S, LinearInputGradient<Op, Float32>::scratch(S));
    }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        int const S = a.stride, from = begin * block, to = (std::min)(end * block, Inputs);
        FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        float const* const dy = copies.copy(a.dy, Outputs * S);
        float* const dx = copies.take(Inputs * S);
        affine_input_gradient<widest_lane<float>>(a.parameters, dy, dx, Inputs, Outputs, S, copies.next, false, from,
                                                  to);
        store_rows(dx, a.dx, 1, Inputs, S, a.write == GradientWrite::add, from, to);
    }
};
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Short>
struct ThroughFloatParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Short> {
    using Op = AffineMap<Inputs, Outputs, HasBias, Scheme>;
    using L = widest_lane<float>;
    static constexpr int blocks = (Inputs + width_of<L> - 1) / width_of<L>;
    static constexpr Items items{blocks + 1};  // the last one is the bias
    static constexpr bool sets_gradient = true;
    static constexpr int scratch(int S) { return float_scratch<Op, Short>(S, 0); }
    static void run(KernelData<Mixed<Short>> const& a, int begin, int end) {
        int const S = a.stride;
        FloatCopies copies{reinterpret_cast<float*>(a.scratch)};
        if (begin < (std::min)(end, blocks)) {
            float const* const x = copies.copy(a.x, Inputs * S);
            float const* const dy = copies.copy(a.dy, Outputs * S);
            outer_product_over_samples<L>(x, dy, a.gradient, Inputs, Outputs, S, begin, (std::min)(end, blocks),
                                          a.set_gradient);
        }
        if (HasBias && begin < end && end == items.count)
            bias_gradient<L>(a.dy, a.gradient + std::ptrdiff_t{Inputs} * Outputs, Outputs, S, a.set_gradient);
    }
};

// ---- direct convolution or Winograd --------------------------------------------------------------------------------

template <class Direct, class G, class Short>
using DirectOrWinogradForward = WinogradSquarePass<Direct, G, Mixed<Short>, true>;
template <class Direct, class G, class Short>
using DirectOrWinogradInputGradient = WinogradSquarePass<Direct, G, Mixed<Short>, false>;
template <class Direct, class G, class Short>
using DirectOrWinogradParameterGradient = WinogradSquareGradient<Direct, G, Mixed<Short>>;

}  // namespace detail

/// Where the processor multiplies pairs of bfloat16 (bfloat16_convolution.hpp, bfloat16_linear.hpp).
template <class Op, class Precision>
struct Bfloat16Forward;
template <class Op, class Precision>
struct Bfloat16InputGradient;
template <class Op, class Precision>
struct Bfloat16ParameterGradient;

template <class Op, class Precision>
struct MixedForward;
template <class G, class Scheme, class Short>
struct MixedForward<Convolution<G, Scheme>, Mixed<Short>>
    : detail::DirectOrWinogradForward<detail::ThroughFloatForward<Convolution<G, Scheme>, Short>, G, Short> {
    static constexpr KernelNote note{"through float",
                                     "short storage: converted, in float, rounded; 3 x 3 by Winograd where faster"};
};
template <class Op, class Precision>
struct MixedInputGradient;
template <class G, class Scheme, class Short>
struct MixedInputGradient<Convolution<G, Scheme>, Mixed<Short>>
    : detail::ThroughFloatInputGradient<Convolution<G, Scheme>, Short> {
    static constexpr KernelNote note{"through float", "short storage: converted, in float, rounded"};
};
template <class Op, class Precision>
struct MixedParameterGradient;
template <class G, class Scheme, class Short>
struct MixedParameterGradient<Convolution<G, Scheme>, Mixed<Short>>
    : detail::DirectOrWinogradParameterGradient<detail::ThroughFloatParameterGradient<Convolution<G, Scheme>, Short>, G,
                                                Short> {
    static constexpr KernelNote note{"through float",
                                     "short storage: converted, in float, rounded; 3 x 3 by Winograd where faster"};
};
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Short>
struct MixedForward<AffineMap<Inputs, Outputs, HasBias, Scheme>, Mixed<Short>>
    : detail::ThroughFloatForward<AffineMap<Inputs, Outputs, HasBias, Scheme>, Short> {
    static constexpr KernelNote note{"through float", "short storage: converted, in float, rounded"};
};
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Short>
struct MixedInputGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Mixed<Short>>
    : detail::ThroughFloatInputGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Short> {
    static constexpr KernelNote note{"through float", "short storage: converted, in float, rounded"};
};
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Short>
struct MixedParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Mixed<Short>>
    : detail::ThroughFloatParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Short> {
    static constexpr KernelNote note{"through float", "short storage: converted, in float, rounded"};
};

}  // namespace strata::inline STRATA_ABI
