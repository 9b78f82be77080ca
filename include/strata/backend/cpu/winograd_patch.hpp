// Reading for Winograd convolution: from a tile of samples to the values of its patches at the points.
//
// The output tiles of an image in rows, S samples each, are one row of numbers, and a vector is a piece of it: so every
// tile size fills its vectors. Vectors of part of a tile are read where they lie; those of several tiles (S below the
// vector's width) and of tiles that reach over the border are gathered, with zeros for what lies outside.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "winograd_transform.hpp"

namespace strata::detail {

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
        WinogradTransform<M>::inputs(d, values);
    }
};
/// The output gradients of a tile of M x M outputs.
template <int M>
struct WinogradGradientPatch {
    static constexpr int tile = M, size = M, points = M + 2;
    template <class L>
    static STRATA_INLINE void transform(L const (&d)[size], L (&values)[points]) {
        WinogradTransform<M>::output_gradients(d, values);
    }
};

/// Transforms a vector of patches, which load(row, column) reads; `rows` holds points x size vectors in between.
template <class Patch, class L, class T, class Load>
STRATA_INLINE void winograd_patch(Load const& load, T* rows, T* to, std::ptrdiff_t point) {
    constexpr int N = width_of<L>, size = Patch::size, points = Patch::points;
    STRATA_UNROLL
    for (int j = 0; j < size; ++j) {
        L d[size], v[points];
        STRATA_UNROLL
        for (int i = 0; i < size; ++i) d[i] = load(i, j);
        Patch::transform(d, v);
        STRATA_UNROLL
        for (int i = 0; i < points; ++i) store_lane(rows + (i * size + j) * N, v[i]);
    }
    STRATA_UNROLL
    for (int i = 0; i < points; ++i) {
        L d[size], v[points];
        STRATA_UNROLL
        for (int j = 0; j < size; ++j) d[j] = load_lane<L>(rows + (i * size + j) * N);
        Patch::transform(d, v);
        STRATA_UNROLL
        for (int j = 0; j < points; ++j, to += point) store_lane(to, v[j]);
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

/// The most vectors that winograd_patches transforms in a call.
inline constexpr int winograd_step = 2;

/// Transforms vectors [begin, end) of `channels` channels: the value at a point goes to
/// to[point * step_point + channel * step_channel + (vector - begin) * step_vector]. `rows` is memory for a patch,
/// points x points vectors. X may be a short type of storage.
template <class Patch, class L, class X, class T>
STRATA_ONE_COPY void winograd_patches(WinogradImage const& image, X const* x, int channels, T* rows, T* to,
                                      std::ptrdiff_t step_point, std::ptrdiff_t step_channel,
                                      std::ptrdiff_t step_vector, int begin, int end) {
    constexpr int N = width_of<L>, size = Patch::size;
    int const S = image.samples;
    std::ptrdiff_t const pitch = static_cast<std::ptrdiff_t>(image.width) * S, plane = image.plane();
    auto const each_channel = [&](int v, auto const& transform) {
        T* const target = to + (v - begin) * step_vector;
        for (int c = 0; c < channels; ++c) transform(x + c * plane, target + c * step_channel);
    };
    // Vectors inside the image are worked on together: neighbours share cache lines and their columns.
    std::ptrdiff_t first[winograd_step];
    int inside[winograd_step], count = 0;
    for (int v = begin; v < end; ++v) {
        int const tile = v * N / S;
        int const top = tile / image.tile_columns * Patch::tile - image.pad_top;
        int const left = tile % image.tile_columns * Patch::tile - image.pad_left;
        int offsets[N][size * size];
        if (S % N == 0 && top >= 0 && left >= 0 && top + size <= image.height && left + size <= image.width) {
            first[count] = top * pitch + left * S + v * N % S;
            inside[count++] = v - begin;
        } else if (S % N == 0) {
            static constexpr X zeros[N] = {};
            winograd_offsets<Patch>(image, N, v, N, offsets);
            each_channel(v, [&](X const* from, T* at) {
                auto const load = [&](int i, int j) {
                    int const offset = offsets[0][i * size + j];
                    return load_lane<L>(offset < 0 ? zeros : from + offset);
                };
                winograd_patch<Patch, L>(load, rows, at, step_point);
            });
        } else {
            winograd_offsets<Patch>(image, N, v, S, offsets);
            X gathered[size * size * N];
            each_channel(v, [&](X const* from, T* at) {
                with_length(S, [&](auto length) {
                    winograd_gather<Patch, decltype(length)::value, N>(offsets, from, gathered);
                });
                X const* const values = gathered;
                auto const load = [&](int i, int j) { return load_lane<L>(values + (i * size + j) * N); };
                winograd_patch<Patch, L>(load, rows, at, step_point);
            });
        }
    }
    for (int c = 0; c < channels && count > 0; ++c)
        for (int k = 0; k < count; ++k) {
            X const* const from = x + c * plane + first[k];
            auto const load = [&](int i, int j) { return load_lane<L>(from + i * pitch + j * S); };
            winograd_patch<Patch, L>(load, rows, to + c * step_channel + inside[k] * step_vector, step_point);
        }
}

}  // namespace strata::detail
