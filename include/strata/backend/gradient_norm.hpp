// The Euclidean norm of a gradient: the same bits for any number of workers and ranks. Squares are added within chunks of
// the arena, whoever has them, and those sums in the order of the chunks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "../core/config.hpp"
#include "../core/finite.hpp"
#include "ranks.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Numbers of an arena that are added up on their own.
inline constexpr std::size_t norm_chunk = 4096;

/// Sum of (scale g)² of at most a chunk's numbers, in sixteen sums, which compilers may take for vectors.
template <class Gradient>
STRATA_HOT double sum_of_squares(Gradient const* numbers, std::size_t count, double scale) {
    constexpr std::size_t lanes = 16;
    double sums[lanes] = {};
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
        for (std::size_t k = 0; k < lanes; ++k) {
            double const number = scale * static_cast<double>(numbers[i + k]);
            sums[k] += number * number;
        }
    for (; i < count; ++i) {
        double const number = scale * static_cast<double>(numbers[i]);
        sums[i % lanes] += number * number;
    }
    double all = 0;
    for (double const sum : sums) all += sum;
    return all;
}

/// Neighbouring numbers of an arena, the first of a chunk among them.
template <class Gradient>
struct GradientPiece {
    std::size_t begin;
    std::span<Gradient const> numbers;
};

/// The norm of an arena of which these pieces are here, the others with other ranks. for_parts(count, f) calls f(from, to)
/// for parts of `count` numbers, in whole chunks and any order. `sums` is memory for a number a chunk.
template <class Gradient, class Ranks, class ForParts>
STRATA_COLD double norm_of_pieces(std::span<GradientPiece<Gradient> const> pieces, std::span<double> sums,
                                  Ranks const& ranks, ForParts const& for_parts) {
    double scale = 1;
    if constexpr (sizeof(Gradient) == 8) {  // whose squares may be no numbers of theirs
        double most = 0;
        for (auto const& piece : pieces)
            for (Gradient const g : piece.numbers) most = (std::max)(most, std::abs(static_cast<double>(g)));
        most = ranks.largest(most);
        if (most > 0 && is_finite(most)) scale = std::ldexp(1.0, -std::ilogb(most));
    }
    std::fill(sums.begin(), sums.end(), 0.0);
    for (auto const& piece : pieces) {
        auto const numbers = piece.numbers;
        for_parts(static_cast<std::ptrdiff_t>(numbers.size()), [&](std::ptrdiff_t from, std::ptrdiff_t to) {
            for (auto at = static_cast<std::size_t>(from); at < static_cast<std::size_t>(to); at += norm_chunk)
                sums[(piece.begin + at) / norm_chunk] =
                    sum_of_squares(numbers.data() + at, (std::min)(norm_chunk, numbers.size() - at), scale);
        });
    }
    ranks.add_to_each(sums);
    double sum = 0;
    for (double const chunk : sums) sum += chunk;
    return std::sqrt(sum) / scale;
}

/// The norm of all numbers of an arena.
template <class Gradient>
STRATA_COLD double norm_of(std::span<Gradient const> gradient) {
    std::vector<double> sums((gradient.size() + norm_chunk - 1) / norm_chunk);
    GradientPiece<Gradient> const whole{0, gradient};
    return norm_of_pieces<Gradient>(std::span(&whole, 1), sums, Alone{},
                                    [](std::ptrdiff_t count, auto const& f) { f(0, count); });
}

}  // namespace strata::inline STRATA_ABI::detail
