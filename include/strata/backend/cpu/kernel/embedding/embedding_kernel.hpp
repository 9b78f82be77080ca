// Embedding on the CPU: rows of the weight are copied to a tile's columns, and the columns of dy added to the rows of
// dweight. The bodies would look at every column for every row of the table.
#pragma once

#include "../../../../layer/embedding.hpp"
#include "../generic.hpp"
#include "../micro/matrix_product.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Features in a block: what an item works on.
inline constexpr int embedding_block = 64;
constexpr int embedding_blocks(int width) { return (width + embedding_block - 1) / embedding_block; }

/// y(n, c) = weight(x(n), c) for items [begin, end) of [n][blocks].
template <class Compute, class T, class Weight>
STRATA_ONE_COPY void embedding_forward(Weight const* weight, T const* x, T* y, int width, int S, int begin, int end) {
    constexpr int most = 16;
    int const blocks = embedding_blocks(width);
    Compute rows[most * embedding_block];
    for (int item = begin; item < end; ++item) {
        int const n = item / blocks, from = item % blocks * embedding_block;
        int const length = (std::min)(embedding_block, width - from);
        std::int32_t const* const ids = ids_at(x) + n * id_stride<T>(S);
        T* const to = y + (static_cast<std::ptrdiff_t>(n) * width + from) * S;
        for (int group = 0; group < S; group += most) {
            int const columns = (std::min)(most, S - group);
            for (int s = 0; s < columns; ++s) {
                Weight const* const row = weight + static_cast<std::ptrdiff_t>(ids[group + s]) * width + from;
                for (int k = 0; k < length; ++k) rows[s * embedding_block + k] = static_cast<Compute>(row[k]);
            }
            with_lane<Compute>(columns, [&]<class L>() {
                transpose_rows<L>(static_cast<Compute const*>(rows), embedding_block, to + group, S, length, columns);
            });
        }
    }
}

/// dweight(x(n), c) += dy(n, c) for blocks of features [begin, end): in the order of n, then of the columns, of which
/// `filled` are there. Ids that are `padding` have no part.
template <class Compute, class T, class Gradient>
STRATA_ONE_COPY void embedding_gradient(T const* x, T const* dy, Gradient* dweight, int ids_of_sample, int width, int S,
                                        int filled, int padding, int begin, int end) {
    constexpr int most = 16, N = width_of<widest_lane<Compute>>;
    Compute columns[most * embedding_block];
    for (int block = begin; block < end; ++block) {
        int const from = block * embedding_block, length = (std::min)(embedding_block, width - from);
        int const whole = length / N * N;
        for (int n = 0; n < ids_of_sample; ++n) {
            std::int32_t const* const ids = ids_at(x) + n * id_stride<T>(S);
            T const* const rows = dy + (static_cast<std::ptrdiff_t>(n) * width + from) * S;
            for (int group = 0; group < filled; group += most) {
                int const count = (std::min)(most, filled - group);
                transpose_rows<widest_lane<Compute>>(rows + group, S, static_cast<Compute*>(columns), embedding_block,
                                                     count, whole);
                for (int k = whole; k < length; ++k)
                    for (int s = 0; s < count; ++s)
                        columns[s * embedding_block + k] =
                            static_cast<Compute>(rows[static_cast<std::ptrdiff_t>(k) * S + group + s]);
                for (int s = 0; s < count; ++s) {
                    std::int32_t const id = ids[group + s];
                    if (id == padding) continue;
                    Gradient* const to = dweight + static_cast<std::ptrdiff_t>(id) * width + from;
                    for (int k = 0; k < length; ++k) to[k] += static_cast<Gradient>(columns[s * embedding_block + k]);
                }
            }
        }
    }
}

}  // namespace detail

template <class Op, class Precision>
struct EmbeddingForward;
template <class X, int Width, int Padding, class Scheme, class Precision>
struct EmbeddingForward<EmbeddingOperation<X, Width, Padding, Scheme>, Precision> {
    static constexpr KernelNote note{"rows", "every Embedding: rows of its table, a block of features at a time"};
    static constexpr Items items{static_cast<int>(X::size) * detail::embedding_blocks(Width)};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::embedding_forward<typename Precision::compute>(a.parameters, a.x, a.y, Width, a.stride, begin, end);
    }
};

template <class Op, class Precision>
struct EmbeddingParameterGradient;
template <class X, int Width, int Padding, class Scheme, class Precision>
struct EmbeddingParameterGradient<EmbeddingOperation<X, Width, Padding, Scheme>, Precision> {
    static constexpr KernelNote note{"rows", "every Embedding: rows of its table, a block of features at a time"};
    static constexpr Items items{detail::embedding_blocks(Width)};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::embedding_gradient<typename Precision::compute>(a.x, a.dy, a.gradient, X::size, Width, a.stride,
                                                                a.samples, Padding, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI
