// Linear on the CPU: forward and input gradient as products over the samples of a tile, the weight
// gradient as a product over the inputs with the tile transposed block by block. One copy of the code
// serves every Linear of a program.
#pragma once

#include "../../../../layer/linear.hpp"
#include "../generic.hpp"
#include "../micro/bias_gradient.hpp"
#include "dot_product.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// y(o, s) = bias(o) + sum_i weight(o, i) x(i, s), or its ReLU, for outputs [begin, end). Tiles of whole vectors have
/// the samples in the lanes; smaller ones the inputs, transposed to [S][I] first, each sum over the lanes at the end.
/// `invariant`: with the same bits in either.
template <class L, class T>
STRATA_ONE_COPY void affine_forward(T const* weight, T const* bias, T const* x, T* y, int inputs, int S, T* scratch,
                                    int begin, int end, bool relu = false, bool invariant = false) {
    constexpr int N = width_of<L>;
    if (S % N == 0) {
        Product<T> const p{
            weight, inputs, 1, x, S, y, S, inputs, bias, bias ? ProductInit::row_bias : ProductInit::zero, relu};
        if (invariant)
            dot_ordered_rows<L>(p, scratch, begin, end, S);
        else
            product_rows<L>(p, begin, end, 0, S);
        return;
    }
    T const* samples = x;
    if (S > 1) {
        for (int i = 0; i < inputs; ++i)
            for (int s = 0; s < S; ++s) {
                STRATA_SCALAR;
                scratch[s * inputs + i] = x[i * S + s];
            }
        samples = scratch;
    }
    for (int o = begin; o < end; o += 4) {
        int const stop = (std::min)(o + 4, end);
        int s = 0;
        for (; s + 4 <= S; s += 4)
            dot_products<4, L>(weight, bias, samples + s * inputs, y + s, inputs, S, o, stop, relu);
        for (; s < S; ++s) dot_products<1, L>(weight, bias, samples + s * inputs, y + s, inputs, S, o, stop, relu);
    }
}

/// Scalars of scratch memory of affine_forward: a small tile's inputs, or a vector of samples of a wide one's.
template <class T>
constexpr int affine_scratch(int inputs, int S) {
    constexpr int N = width_of<widest_lane<T>>;
    return inputs * (S % N == 0 ? N : S);
}

/// dx(i, s) = sum_o weight(o, i) dy(o, s), set or added, for inputs [begin, end). Small tiles have the inputs in the
/// lanes and give [S][I] first.
template <class L, class T>
STRATA_ONE_COPY void affine_input_gradient(T const* weight, T const* dy, T* dx, int inputs, int outputs, int S,
                                           T* scratch, bool add, int begin, int end) {
    constexpr int N = width_of<L>;
    auto const init = add ? ProductInit::accumulate : ProductInit::zero;
    if (S > 16 && S % N == 0) {
        // Wide tiles are for weights that no cache near the core holds: a block of them is multiplied while it is, and
        // the next one fetched meanwhile.
        constexpr int wide = 4 * N, depth = 64;
        for (int o = 0; o < outputs; o += depth)
            for (int i = begin; i < end; i += wide) {
                T const* const block = weight + static_cast<std::ptrdiff_t>(o) * inputs + i;
                Product<T> const p{block,   1,
                                   inputs,  dy + o * S,
                                   S,       dx + i * S,
                                   S,       (std::min)(depth, outputs - o),
                                   nullptr, o > 0 ? ProductInit::accumulate : init,
                                   false,   block + wide,
                                   inputs};
                product_rows<L>(p, 0, (std::min)(wide, end - i), 0, S);
            }
        return;
    }
    if (S % N == 0) {
        Product<T> const p{weight, 1, inputs, dy, S, dx, S, outputs, nullptr, init};
        product_rows<L>(p, begin, end, 0, S);
        return;
    }
    Product<T> const p{dy, 1, S, weight, inputs, scratch, inputs, outputs};
    product_rows<L>(p, 0, S, begin, end);
    for (int i = begin; i < end; ++i)
        for (int s = 0; s < S; ++s) {
            STRATA_SCALAR;
            T const value = scratch[static_cast<std::ptrdiff_t>(s) * inputs + i];
            dx[i * S + s] = add ? dx[i * S + s] + value : value;
        }
}

/// dweight(o, i) += sum_s dy(o, s) x(i, s), or set, for inputs of blocks [begin, end), each of one vector; `inputs`
/// columns in all.
template <class L, class T>
STRATA_COLD void outer_product_over_samples(T const* x, T const* dy, T* dweight, int inputs, int outputs, int S,
                                            int begin, int end, bool set) {
    constexpr int N = width_of<L>, most = 64, wide = 4 * N;
    int const stop = (std::min)(end * N, inputs);
    for (int i = begin * N, columns = 0; i < stop; i += columns) {
        columns = stop - i >= wide ? wide : (std::min)(N, stop - i);
        for (int s0 = 0; s0 < S; s0 += most) {
            int const samples = (std::min)(most, S - s0);
            bool const add = !set || s0 > 0;
            T transposed[most * wide], sums[most * N];
            int const pitch = (std::max)(columns, N);
            transpose_rows<L>(x + i * S + s0, S, transposed, pitch, samples, columns);
            if (columns >= N) {
                Product<T> const p{
                    dy + s0,     S,      1,       transposed, pitch,
                    dweight + i, inputs, samples, nullptr,    add ? ProductInit::accumulate : ProductInit::zero};
                product_rows<L>(p, 0, outputs, 0, columns);
                continue;
            }
            // The last columns go through a copy, the row's neighbour is not ours to touch.
            for (int o = 0; o < outputs; o += most) {
                int const rows = (std::min)(most, outputs - o);
                Product<T> const p{dy + o * S + s0, S, 1, transposed, N, sums, N, samples, nullptr, ProductInit::zero};
                product_rows<L>(p, 0, rows, 0, N);
                for (int u = 0; u < rows; ++u)
                    for (int c = 0; c < columns; ++c) {
                        STRATA_SCALAR;
                        T& to = dweight[std::ptrdiff_t{o + u} * inputs + i + c];
                        to = (add ? to : T(0)) + sums[u * N + c];
                    }
            }
        }
    }
}

}  // namespace detail

template <class Op, class Precision>
struct LinearForward;
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct LinearForward<AffineMap<Inputs, Outputs, HasBias, Scheme>, Precision> {
    static constexpr KernelNote note{"Linear", "every Linear"};
    using T = typename Precision::compute;
    static constexpr bool applies_relu = true;
    static constexpr Items items{Outputs};
    static constexpr int scratch(int S) { return detail::affine_scratch<T>(Inputs, S); }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const bias = HasBias ? a.parameters + std::ptrdiff_t{Inputs} * Outputs : nullptr;
        detail::affine_forward<widest_lane<T>>(a.parameters, bias, a.x, a.y, Inputs, a.stride, a.scratch, begin, end,
                                               a.relu, a.invariant);
    }
};

template <class Op, class Precision>
struct LinearInputGradient;
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct LinearInputGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Precision> {
    static constexpr KernelNote note{"Linear", "every Linear"};
    using T = typename Precision::compute;
    // Whole vectors, so that an input is in the same place of the same vector however a team splits them.
    static constexpr int block = width_of<widest_lane<T>>;
    static constexpr Items items{(Inputs + block - 1) / block};
    static constexpr int scratch(int S) { return S % block != 0 ? S * Inputs : 0; }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::affine_input_gradient<widest_lane<T>>(a.parameters, a.dy, a.dx, Inputs, Outputs, a.stride, a.scratch,
                                                      a.write == GradientWrite::add, begin * block,
                                                      (std::min)(end * block, Inputs));
    }
};

template <class Op, class Precision>
struct LinearParameterGradient;
template <int Inputs, int Outputs, bool HasBias, class Scheme, class Precision>
requires detail::UniformPrecision<Precision>
struct LinearParameterGradient<AffineMap<Inputs, Outputs, HasBias, Scheme>, Precision> {
    static constexpr KernelNote note{"Linear", "every Linear"};
    using T = typename Precision::compute;
    using L = widest_lane<T>;  // vectors lie along the inputs, whatever the tile
    static constexpr int blocks = (Inputs + width_of<L> - 1) / width_of<L>;
    static constexpr Items items{blocks + 1};  // the last one is the bias
    static constexpr bool sets_gradient = true;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::outer_product_over_samples<L>(a.x, a.dy, a.gradient, Inputs, Outputs, a.stride, begin,
                                              (std::min)(end, blocks), a.set_gradient);
        if (HasBias && begin < end && end == items.count)
            detail::bias_gradient<L>(a.dy, a.gradient + std::ptrdiff_t{Inputs} * Outputs, Outputs, a.stride,
                                     a.set_gradient);
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
