// Linear of Mixed<bfloat16> by products of pairs (AVX512-BF16): two inputs, two outputs or two samples a lane in
// the three passes. Weights are rounded to bfloat16 block by block, sums are float. Tiles of fewer than 16
// samples go through float.
#pragma once

#include "bfloat16_dot_product.hpp"
#include "bfloat16_pairs.hpp"
#include "mixed_kernel.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

#if defined(__AVX512BF16__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

namespace strata::inline STRATA_ABI {

namespace detail {

/// y(o, s) = bias(o) + sum over pairs of inputs, or its ReLU, for outputs [begin, end); S is a multiple of 16.
/// `scratch` holds ceil(inputs / 2) (S + 12) pairs.
STRATA_ONE_COPY inline void pair_affine_forward(float const* weight, float const* bias, bfloat16 const* x, bfloat16* y,
                                                int inputs, int S, Pair* scratch, int begin, int end, bool relu) {
    int const pairs = (inputs + 1) / 2;
    for (int i = 0; i < pairs; ++i)
        interleave(x + 2 * i * S, 2 * i + 1 < inputs ? x + (2 * i + 1) * S : nullptr, scratch + i * S, S);
    auto* const rows = reinterpret_cast<bfloat16*>(scratch + static_cast<std::ptrdiff_t>(pairs) * S);
    for (int o = begin; o < end; o += pair_rows) {
        int const count = (std::min)(pair_rows, end - o);
        for (int u = 0; u < count; ++u) {
            convert_numbers(weight + static_cast<std::ptrdiff_t>(o + u) * inputs, rows + 2 * u * pairs, inputs);
            if (inputs % 2 != 0) rows[2 * u * pairs + inputs] = bfloat16(0);
        }
        PairProduct<bfloat16> const p{reinterpret_cast<Pair const*>(rows),
                                      pairs,
                                      1,
                                      scratch,
                                      S,
                                      y + static_cast<std::ptrdiff_t>(o) * S,
                                      S,
                                      pairs,
                                      bias ? bias + o : nullptr,
                                      false,
                                      relu};
        pair_product(p, 0, count, S);
    }
}

/// dx(i, s) = sum over pairs of outputs, set or added, for inputs [begin, end). `scratch` holds ceil(outputs / 2)
/// (S + 64) pairs.
STRATA_ONE_COPY inline void pair_affine_input_gradient(float const* weight, bfloat16 const* dy, bfloat16* dx,
                                                       int inputs, int outputs, int S, Pair* scratch, bool add,
                                                       int begin, int end) {
    constexpr int wide = 64;
    int const pairs = (outputs + 1) / 2;
    for (int o = 0; o < pairs; ++o)
        interleave(dy + 2 * o * S, 2 * o + 1 < outputs ? dy + (2 * o + 1) * S : nullptr, scratch + o * S, S);
    Pair* const columns = scratch + static_cast<std::ptrdiff_t>(pairs) * S;
    for (int i = begin; i < end; i += wide) {
        int const count = (std::min)(wide, end - i);
        for (int o = 0; o < pairs; ++o) {
            float const* const row = weight + static_cast<std::ptrdiff_t>(2 * o) * inputs + i;
            for (int k = 0; k < count; k += 16)
                round_pairs(row + k, 2 * o + 1 < outputs ? row + inputs + k : nullptr, columns + o * wide + k,
                            count - k);
        }
        PairProduct<bfloat16> const p{columns, 1,     wide,    scratch, S, dx + static_cast<std::ptrdiff_t>(i) * S,
                                      S,       pairs, nullptr, add};
        pair_product(p, 0, count, S);
    }
}

/// dweight(o, i) += sum over pairs of samples, or set, for inputs of blocks [begin, end), each of 16.
STRATA_ONE_COPY inline void pair_outer_product(bfloat16 const* x, bfloat16 const* dy, float* dweight, int inputs,
                                               int outputs, int S, int begin, int end, bool set) {
    constexpr int wide = 64, samples = 16, depth = samples / 2;
    using Row = Lane<float, depth>;  // a row's pairs of samples, moved as they are
    int const stop = (std::min)(end * 16, inputs);
    for (int i = begin * 16, columns = 0; i < stop; i += columns) {
        columns = stop - i >= wide ? wide : (std::min)(16, stop - i);
        for (int s = 0; s < S; s += samples) {
            bool const add = !set || s > 0;
            Pair transposed[depth * wide] = {};
            int k = 0;
            for (; k + depth <= columns; k += depth) {
                Row block[depth];
                STRATA_UNROLL
                for (int j = 0; j < depth; ++j)
                    block[j] = load_lane<Row>(reinterpret_cast<float const*>(x + (i + k + j) * S + s));
                transpose(block);
                STRATA_UNROLL
                for (int j = 0; j < depth; ++j)
                    store_lane(reinterpret_cast<float*>(transposed + j * wide + k), block[j]);
            }
            for (; k < columns; ++k)
                for (int j = 0; j < depth; ++j)
                    std::memcpy(transposed + j * wide + k, x + (i + k) * S + s + 2 * j, sizeof(Pair));
            PairProduct<float> p{reinterpret_cast<Pair const*>(dy + s),
                                 S / 2,
                                 1,
                                 transposed,
                                 wide,
                                 dweight + i,
                                 inputs,
                                 depth,
                                 nullptr,
                                 add};
            if (columns % 16 == 0) {
                pair_product(p, 0, outputs, columns);
                continue;
            }
            float sums[pair_rows * 16];  // the row's neighbour is not ours to touch
            p.out = sums;
            p.out_row = 16;
            p.add = false;
            for (int o = 0; o < outputs; o += pair_rows, p.a += pair_rows * p.a_row) {
                int const rows = (std::min)(pair_rows, outputs - o);
                pair_product(p, 0, rows, 16);
                for (int u = 0; u < rows; ++u)
                    for (int c = 0; c < columns; ++c) {
                        float& to = dweight[std::ptrdiff_t{o + u} * inputs + i + c];
                        to = (add ? to : 0.0f) + sums[u * 16 + c];
                    }
            }
        }
    }
}

/// Bfloat16 numbers of scratch memory for so many pairs.
constexpr int pair_scratch(int pairs) { return 2 * pairs; }

}  // namespace detail

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct Bfloat16Forward<AffineMap<Inputs, Outputs, HasBias, Scheme>, Mixed<bfloat16>> {
    static constexpr KernelNote note{"pairs of bfloat16", "pairs of bfloat16 on tiles that fill vectors"};
    using Float = detail::ThroughFloatForward<AffineMap<Inputs, Outputs, HasBias, Scheme>, bfloat16>;
    static constexpr bool applies_relu = true;
    static constexpr Items items = Float::items;
    static constexpr int scratch(int S) {
        int const invariant = detail::pair_scratch(detail::padded_pairs(Inputs) * (S + detail::pair_rows));
        return S % 16 == 0 ? invariant : (std::max)(invariant, Float::scratch(S));
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (a.invariant)
            return detail::invariant_pair_affine_forward(
                a.parameters, HasBias ? a.parameters + std::ptrdiff_t{Inputs} * Outputs : nullptr, a.x, a.y, Inputs,
                a.stride, reinterpret_cast<detail::Pair*>(a.scratch), begin, end, a.relu);
        if (a.stride % 16 != 0) return Float::run(a, begin, end);
        detail::pair_affine_forward(a.parameters, HasBias ? a.parameters + std::ptrdiff_t{Inputs} * Outputs : nullptr,
                                    a.x, a.y, Inputs, a.stride, reinterpret_cast<detail::Pair*>(a.scratch), begin, end,
                                    a.relu);
    }
};

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct Bfloat16InputGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Mixed<bfloat16>> {
    static constexpr KernelNote note{"pairs of bfloat16", "pairs of bfloat16 on tiles that fill vectors"};
    using Float = detail::ThroughFloatInputGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, bfloat16>;
    static constexpr Items items = Float::items;
    static constexpr int scratch(int S) {
        return S % 16 == 0 ? detail::pair_scratch((Outputs + 1) / 2 * (S + 64)) : Float::scratch(S);
    }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (a.stride % 16 != 0) return Float::run(a, begin, end);
        detail::pair_affine_input_gradient(a.parameters, a.dy, a.dx, Inputs, Outputs, a.stride,
                                           reinterpret_cast<detail::Pair*>(a.scratch), a.write == GradientWrite::add,
                                           begin * Float::block, (std::min)(end * Float::block, Inputs));
    }
};

template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct Bfloat16ParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Mixed<bfloat16>> {
    static constexpr KernelNote note{"pairs of bfloat16", "pairs of bfloat16 on tiles that fill vectors"};
    using Float = detail::ThroughFloatParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, bfloat16>;
    static constexpr Items items = Float::items;
    static constexpr bool sets_gradient = true;
    static constexpr int scratch(int S) { return S % 16 == 0 ? 0 : Float::scratch(S); }
    static void run(KernelData<Mixed<bfloat16>> const& a, int begin, int end) {
        if (a.stride % 16 != 0) return Float::run(a, begin, end);
        detail::pair_outer_product(a.x, a.dy, a.gradient, Inputs, Outputs, a.stride, begin,
                                   (std::min)(end, Float::blocks), a.set_gradient);
        if (HasBias && begin < end && end == items.count)
            detail::bias_gradient<widest_lane<float>>(a.dy, a.gradient + std::ptrdiff_t{Inputs} * Outputs, Outputs,
                                                      a.stride, a.set_gradient);
    }
};

}  // namespace strata::inline STRATA_ABI
#endif

#pragma GCC diagnostic pop
