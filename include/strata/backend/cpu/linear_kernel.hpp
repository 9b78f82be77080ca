// Linear on the CPU: forward and input gradient as products over the samples of a tile, the weight gradient as a product over
// the inputs with the tile transposed block by block. One copy of the code serves every Linear of a program.
#pragma once

#include "../../layer/linear.hpp"
#include "generic_kernel.hpp"
#include "matrix_product.hpp"

namespace strata {

namespace detail {

/// out(m, s) = init + sum_k A(m, k) b(k, s) for rows [begin, end) and all samples.
template <class L, class T>
void product_over_samples(Product<T> const& p, int S, int begin, int end) {
    for (int s = 0; s < S; s += width_of<L>) product_rows<L>(p, begin, end, s);
}

/// dweight(o, i) += sum_s dy(o, s) x(i, s) for inputs of blocks [begin, end), each of one vector; `inputs` columns in all.
/// Block `blocks` stands for the bias.
template <class L, class T>
void outer_product_over_samples(T const* x, T const* dy, T* dweight, int inputs, int outputs, int S, int begin, int end) {
    constexpr int N = width_of<L>, most = 16;
    for (int block = begin; block < end; ++block) {
        int const i = block * N, columns = std::min(N, inputs - i);
        for (int s0 = 0; s0 < S; s0 += most) {
            int const samples = std::min(most, S - s0);
            T transposed[most * N];
            for (int c = 0; c < N; ++c)
                for (int s = 0; s < samples; ++s) transposed[s * N + c] = c < columns ? x[(i + c) * S + s0 + s] : T(0);
            if (columns == N) {
                Product<T> const p{dy + s0, S, 1, transposed, N, dweight + i, inputs, samples, nullptr, ProductInit::accumulate};
                product_rows<L>(p, 0, outputs, 0);
            } else {  // the last columns go through a copy, the row's neighbour is not ours to touch
                T sums[most * N];
                for (int o = 0; o < outputs; o += most) {
                    int const rows = std::min(most, outputs - o);
                    Product<T> const p{dy + o * S + s0, S, 1, transposed, N, sums, N, samples, nullptr, ProductInit::zero};
                    product_rows<L>(p, 0, rows, 0);
                    for (int u = 0; u < rows; ++u)
                        for (int c = 0; c < columns; ++c) dweight[(o + u) * inputs + i + c] += sums[u * N + c];
                }
            }
        }
    }
}

/// dbias(o) += sum_s dy(o, s).
template <class L, class T>
void bias_gradient(T const* dy, T* dbias, int outputs, int values) {
    for (int o = 0; o < outputs; ++o) {
        T const* const row = dy + static_cast<std::ptrdiff_t>(o) * values;
        L total(T(0));
        int at = 0;
        for (; at + width_of<L> <= values; at += width_of<L>) total = total + load_lane<L>(row + at);
        T rest = sum(total);
        for (; at < values; ++at) rest += row[at];
        dbias[o] += rest;
    }
}

/// True where activations and parameters are one type, as the fast kernels need.
template <class Precision>
inline constexpr bool is_uniform = std::is_same_v<typename Precision::storage, typename Precision::compute> &&
                                   std::is_same_v<typename Precision::compute, typename Precision::master> &&
                                   std::is_same_v<typename Precision::compute, typename Precision::accumulation>;

}  // namespace detail

template <int I, int O, bool HasBias, class Scheme, class Precision, int S>
    requires detail::is_uniform<Precision>
struct ForwardKernel<AffineMap<I, O, HasBias, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    static constexpr int items = O;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        T const* const bias = HasBias ? a.parameters + I * O : nullptr;
        detail::Product<T> const p{a.parameters, I, 1, a.x, S, a.y, S, I, bias,
                                   HasBias ? detail::ProductInit::row_bias : detail::ProductInit::zero};
        detail::product_over_samples<lane_for<T, S>>(p, S, begin, end);
    }
};

template <int I, int O, bool HasBias, class Scheme, class Precision, int S>
    requires detail::is_uniform<Precision>
struct InputGradientKernel<AffineMap<I, O, HasBias, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    static constexpr int items = I;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::Product<T> const p{a.parameters, 1, I, a.dy, S, a.dx, S, O, nullptr,
                                   a.write == GradientWrite::add ? detail::ProductInit::accumulate : detail::ProductInit::zero};
        detail::product_over_samples<lane_for<T, S>>(p, S, begin, end);
    }
};

template <int I, int O, bool HasBias, class Scheme, class Precision, int S>
    requires detail::is_uniform<Precision>
struct ParameterGradientKernel<AffineMap<I, O, HasBias, Scheme>, Precision, S> {
    using T = typename Precision::compute;
    using Wide = lane_for<T, 16>;  // vectors lie along the inputs, whatever the tile
    static constexpr int blocks = (I + width_of<Wide> - 1) / width_of<Wide>;
    static constexpr int items = blocks + 1;  // the last one is the bias
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::outer_product_over_samples<Wide>(a.x, a.dy, a.gradient, I, O, S, begin, std::min(end, blocks));
        if (HasBias && begin < end && end == items) detail::bias_gradient<lane_for<T, S>>(a.dy, a.gradient + I * O, O, S);
    }
};

}  // namespace strata
