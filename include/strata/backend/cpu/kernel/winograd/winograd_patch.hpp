// Reading and writing for Winograd convolution of 3 x 3 taps: from a tile of samples to the values of its patches at the
// points, and from the products to the outputs.
//
// The output tiles of an image in rows, S samples each, are one row of numbers, and a vector is a piece of it: so every
// tile size fills its vectors. Vectors of part of a tile are read where they lie; those of several tiles (S below the
// vector's width) and of tiles that reach over the border are gathered, with zeros for what lies outside.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "../../../../layer/relu.hpp"
#include "../micro/convolution_geometry.hpp"
#include "toom_cook.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI::detail {

/// An image [channels][height][width][samples] and the tiles that cover the outputs of its convolution. A patch begins
/// `pad` rows and columns before its tile.
struct WinogradImage {
    int height, width, pad_top, pad_left, samples, tile_rows, tile_columns;

    [[nodiscard]] constexpr int tiles() const { return tile_rows * tile_columns; }
    /// Vectors of N numbers.
    [[nodiscard]] constexpr int vectors(int N) const { return (tiles() * samples + N - 1) / N; }
    [[nodiscard]] constexpr std::ptrdiff_t plane() const {
        return static_cast<std::ptrdiff_t>(height) * width * samples;
    }
};

/// The inputs under a tile of M x M outputs.
template <int M>
struct WinogradInputPatch {
    static constexpr int tile = M, size = M + 2, points = M + 2;
    template <class L>
    static STRATA_INLINE void transform(L const (&d)[size], L (&values)[points]) {
        WinogradTransform<M>::of_inputs(d, values);
    }
};
/// The output gradients of a tile of M x M outputs.
template <int M>
struct WinogradGradientPatch {
    static constexpr int tile = M, size = M, points = M + 2;
    template <class L>
    static STRATA_INLINE void transform(L const (&d)[size], L (&values)[points]) {
        WinogradTransform<M>::of_taps(d, values);
    }
};

/// Transforms a vector of patches: column j of row i lies at rows[i] + j * column, columns
/// outside [first, last) are zeros.
template <class Patch, class L, class X, class T>
STRATA_INLINE void winograd_patch(X const* const (&rows)[Patch::size], std::ptrdiff_t column, int first, int last,
                                  T* to, std::ptrdiff_t point) {
    constexpr int size = Patch::size, points = Patch::points, half = points / 2;
    STRATA_UNROLL
    for (int h = 0; h < points; h += half) {  // half of the patch at a time stays in 32 registers
        L columns[size][half];
        STRATA_UNROLL
        for (int j = 0; j < size; ++j) {
            if (j >= first && j < last) {
                L d[size], v[points];
                STRATA_UNROLL
                for (int i = 0; i < size; ++i) d[i] = load_lane<L>(rows[i] + j * column);
                Patch::transform(d, v);
                STRATA_UNROLL
                for (int i = 0; i < half; ++i) columns[j][i] = v[h + i];
            } else {
                STRATA_UNROLL
                for (int i = 0; i < half; ++i) columns[j][i] = L(T(0));
            }
        }
        STRATA_UNROLL
        for (int i = 0; i < half; ++i) {
            L d[size], v[points];
            STRATA_UNROLL
            for (int j = 0; j < size; ++j) d[j] = columns[j][i];
            Patch::transform(d, v);
            STRATA_UNROLL
            for (int j = 0; j < points; ++j, to += point) store_lane(to, v[j]);
        }
    }
}

/// Where the numbers of a vector of N lie in a channel's image, in pieces of `length` neighbours: -1 for zeros, outside
/// the image or beyond its last tile.
template <class Patch>
STRATA_ONE_COPY void winograd_offsets(WinogradImage const& image, int N, int vector, int length,
                                      int (*offsets)[Patch::size * Patch::size]) {
    int const S = image.samples;
    for (int piece = 0; piece < N; piece += length, ++offsets) {
        int const tile = (vector * N + piece) / S, sample = (vector * N + piece) % S;
        int const top = tile / image.tile_columns * Patch::tile - image.pad_top;
        int const left = tile % image.tile_columns * Patch::tile - image.pad_left;
        for (int k = 0; k < Patch::size * Patch::size; ++k) {
            int const h = top + k / Patch::size, w = left + k % Patch::size;
            bool const inside = tile < image.tiles() && h >= 0 && h < image.height && w >= 0 && w < image.width;
            (*offsets)[k] = inside ? (h * image.width + w) * S + sample : -1;
        }
    }
}

/// Calls f with S, a power of two below 16, as a constant.
template <class F>
STRATA_INLINE void with_length(int S, F const& f) {
    switch (S) {
        case 8:
            return f(std::integral_constant<int, 8>{});
        case 4:
            return f(std::integral_constant<int, 4>{});
        case 2:
            return f(std::integral_constant<int, 2>{});
        default:
            return f(std::integral_constant<int, 1>{});
    }
}

/// Gathers a vector of patches [size][size][N] in pieces of `Length` numbers.
template <class Patch, int Length, int N, class T>
STRATA_ONE_COPY void winograd_gather(int const (*offsets)[Patch::size * Patch::size], T const* image, T* patch) {
    static constexpr T zeros[Length] = {};
    for (int piece = 0; piece < N; piece += Length, ++offsets, patch += Length)
        for (int k = 0; k < Patch::size * Patch::size; ++k) {
            int const at = (*offsets)[k];
            std::memcpy(patch + k * N, at < 0 ? zeros : image + at, sizeof zeros);
        }
}

/// The most vectors that winograd_patches transforms in a call, and the most samples in a tile that it knows.
inline constexpr int winograd_step = 2, most_winograd_samples = 128;

/// Transforms vectors [begin, end) of `channels` channels: the value at a point goes to
/// to[point * step_point + channel * step_channel + (vector - begin) * step_vector]. X may be a short type of storage.
template <class Patch, class L, class X, class T>
STRATA_ONE_COPY void winograd_patches(WinogradImage const& image, X const* x, int channels, T* to,
                                      std::ptrdiff_t step_point, std::ptrdiff_t step_channel,
                                      std::ptrdiff_t step_vector, int begin, int end) {
    constexpr int N = width_of<L>, size = Patch::size, tile = Patch::tile;
    static constexpr X zeros[(size - 1) * most_winograd_samples + N] = {};
    int const S = image.samples;
    std::ptrdiff_t const pitch = static_cast<std::ptrdiff_t>(image.width) * S, plane = image.plane();
    bool const gathered = S % N != 0;
    int offsets[winograd_step][N][size * size];
    int top[winograd_step], left[winograd_step];
    std::ptrdiff_t first[winograd_step], ahead[winograd_step];  // a patch's first number, and from there to the next's
    for (int v = begin; v < end; ++v) {
        int const k = v - begin;
        if (gathered) {
            winograd_offsets<Patch>(image, N, v, S, offsets[k]);
            continue;
        }
        auto const place = [&](int vector) {
            top[k] = vector * N / S / image.tile_columns * tile - image.pad_top;
            left[k] = vector * N / S % image.tile_columns * tile - image.pad_left;
            return top[k] * pitch + left[k] * S + vector * N % S;
        };
        ahead[k] = place(v + winograd_step);
        first[k] = place(v);
        ahead[k] -= first[k];
    }
    // Vectors are worked on together: neighbours share cache lines.
    for (int c = 0; c < channels; ++c, x += plane, to += step_channel)
        for (int k = 0; k < end - begin; ++k) {
            T* const target = to + k * step_vector;
            X const* rows[size];
            X patch[size * size * N];
            if (gathered) {
                with_length(
                    S, [&](auto length) { winograd_gather<Patch, decltype(length)::value, N>(offsets[k], x, patch); });
                for (int i = 0; i < size; ++i) rows[i] = patch + i * size * N;
                winograd_patch<Patch, L>(rows, N, 0, size, target, step_point);
                continue;
            }
            for (int i = 0; i < size; ++i) {
                rows[i] = top[k] + i >= 0 && top[k] + i < image.height ? x + first[k] + i * pitch : zeros;
                // The next call's patches: all but what they share with these and with those above.
                if (i >= size - tile)
                    for (int j = size - tile; j < size; ++j) __builtin_prefetch(rows[i] + ahead[k] + j * S, 0, 2);
            }
            winograd_patch<Patch, L>(rows, S, (std::max)(0, -left[k]), (std::min)(size, image.width - left[k]), target,
                                     step_point);
        }
}

/// Writes a vector of tiles [M][M][N] to a channel's image in pieces of S = `Length` numbers, as far as they lie in it.
template <int Length, int M, int N, class T, class Y>
STRATA_ONE_COPY void winograd_scatter(Correlation const& g, int tile_columns, T const* values, Y* image, bool add,
                                      int vector) {
    for (int piece = 0; piece < N; piece += Length, values += Length) {
        int const tile = (vector * N + piece) / Length;
        int const row = tile / tile_columns * M, column = tile % tile_columns * M;
        int const rows = (std::min)(M, g.out_height - row), columns = (std::min)(M, g.out_width - column);
        for (int i = 0; i < rows; ++i) {
            Y* to = image + (static_cast<std::ptrdiff_t>(row + i) * g.out_width + column) * Length;
            for (int j = 0; j < columns; ++j, to += Length) {
                T result[Length];
                std::memcpy(result, values + (i * M + j) * N, sizeof result);
                if (add) {
                    Y before[Length];
                    std::memcpy(before, to, sizeof before);
                    STRATA_UNROLL
                    for (int k = 0; k < Length; ++k) result[k] = before[k] + result[k];
                }
                if constexpr (std::is_same_v<T, Y>)
                    std::memcpy(to, result, sizeof result);
                else
                    std::transform(result, result + Length, to, [](T value) { return static_cast<Y>(value); });
            }
        }
    }
}

/// Transforms the products of `channels` output channels, [point][channel][vector], back, adds the bias, takes the
/// ReLU, and writes the tiles of vectors [begin, end) as far as they lie in the image.
template <int M, class L, class T, class Y>
STRATA_ONE_COPY void winograd_outputs(Correlation const& g, WinogradImage const& image, T const* from,
                                      std::ptrdiff_t point, T const* bias, Y* y, bool add, bool relu, int begin,
                                      int end, int channels) {
    constexpr int N = width_of<L>, P = M + 2;
    using Transform = WinogradTransform<M>;
    int const S = image.samples;
    std::ptrdiff_t const pitch = static_cast<std::ptrdiff_t>(g.out_width) * S, plane = g.out_height * pitch;
    int rows[winograd_step] = {}, columns[winograd_step] = {};
    std::ptrdiff_t first[winograd_step] = {},
                   ahead[winograd_step] = {};  // a tile's first number, and from there to the next block's
    for (int v = begin; v < end && S % N == 0; ++v) {
        int const k = v - begin;
        auto const place = [&](int vector) {
            int const row = vector * N / S / image.tile_columns * M, column = vector * N / S % image.tile_columns * M;
            rows[k] = (std::min)(M, g.out_height - row);
            columns[k] = (std::min)(M, g.out_width - column);
            return row * pitch + column * S + vector * N % S;
        };
        ahead[k] = place(v + winograd_step);
        first[k] = place(v);
        ahead[k] -= first[k];
    }
    for (int o = 0; o < channels; ++o, y += plane)
        for (int v = begin; v < end; ++v, from += N) {
            L half[M][P], out[M][M];
            L const b(bias ? bias[o] : T(0));
            STRATA_UNROLL
            for (int j = 0; j < P; ++j) {
                L m[P], q[M];
                STRATA_UNROLL
                for (int i = 0; i < P; ++i) m[i] = load_lane<L>(from + (i * P + j) * point);
                Transform::to_outputs(m, q);
                STRATA_UNROLL
                for (int i = 0; i < M; ++i) half[i][j] = q[i];
            }
            STRATA_UNROLL
            for (int i = 0; i < M; ++i) {
                Transform::to_outputs(half[i], out[i]);
                STRATA_UNROLL
                for (int j = 0; j < M; ++j) out[i][j] = out[i][j] + b;
            }
            if (relu) {
                STRATA_UNROLL
                for (int k = 0; k < M * M; ++k) out[k / M][k % M] = ReLU::forward(out[k / M][k % M]);
            }
            if (S % N == 0) {
                int const k = v - begin;
                STRATA_UNROLL
                for (int i = 0; i < M; ++i) {
                    STRATA_UNROLL
                    for (int j = 0; j < M; ++j) {
                        if (i >= rows[k] || j >= columns[k]) continue;
                        Y* const at = y + first[k] + i * pitch + j * S;
                        store_lane(at, add ? load_lane<L>(at) + out[i][j] : out[i][j]);
                        __builtin_prefetch(at + ahead[k], 1, 2);
                    }
                }
            } else {
                T values[M * M * N];
                STRATA_UNROLL
                for (int k = 0; k < M * M; ++k) store_lane(values + k * N, out[k / M][k % M]);
                with_length(S, [&](auto length) {
                    winograd_scatter<decltype(length)::value, M, N>(g, image.tile_columns, values, y, add, v);
                });
            }
        }
}

}  // namespace strata::inline STRATA_ABI::detail

#pragma GCC diagnostic pop
