// OneBit: of gradients the signs alone, and how large the positive and the negative ones of a block are on average.
#pragma once

#include "float16.hpp"
#include "int4.hpp"
#include "velocity.hpp"

namespace strata::inline STRATA_ABI {

/// One bit a number and four bytes for each 128: the positive ones are sent as their mean, the negative ones as theirs, in
/// bfloat16 (Seide et al. 2014, with a block in place of a column). Of a chunk first the means.
///
/// With momentum, and Nesterov's, what is sent is the gradient's velocity, and SGD has none of its own then. During
/// warm_up_steps numbers are sent as Float16. Sums come back as Int4.
struct OneBit {
    static constexpr char const* name = "OneBit";
    static constexpr int states = 2;  ///< what is left, and the velocity
    double momentum = 0;
    bool nesterov = false;
    std::int64_t warm_up_steps = 0;
    bool warms_up = false;  ///< what `at` says of these steps

    template <class T = float>
    [[nodiscard]] constexpr std::size_t bytes(std::size_t count) const {
        return warms_up ? Float16::bytes<T>(count) : mean_bytes(count) + detail::bytes_of_bits(count, 1);
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        std::size_t const count = gradient.size();
        detail::check_encode<T>(*this, count, state.size(), code.size());
        auto const left = state.first(count);
        detail::encode_moved<T>(momentum, nesterov, gradient, state.data() + count, [&](std::span<T const> moved) {
            bool const finite =
                detail::largest_magnitude(moved, static_cast<T const*>(left.data())) < detail::infinity_bits<T>;
            if (warms_up) {
                Float16{}.encode(moved, left, code);
            } else if (finite) {
                encode_signs(moved, left.data(), code.data());
            } else {
                std::memset(code.data(), 0xff, mean_bytes(count));  // of NaN
                std::memset(code.data() + mean_bytes(count), 0, code.size() - mean_bytes(count));
            }
            return finite;
        });
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        detail::check_decode<T>(*this, code.size(), numbers.size());
        if (warms_up) {
            Float16{}.decode(code, numbers);
            return;
        }
        std::size_t const count = numbers.size();
        std::byte const *means = code.data(), *signs = means + mean_bytes(count);
        std::size_t at = 0;
        for (; at + block <= count; at += block, means += 4, signs += block / 8)
            decode_block(means, signs, numbers.data() + at);
        if (std::size_t const rest = count - at; rest > 0) {
            T last[block];
            std::byte its_signs[block / 8] = {};
            std::memcpy(its_signs, signs, detail::bytes_of_bits(rest, 1));
            decode_block(means, static_cast<std::byte const*>(its_signs), static_cast<T*>(last));
            std::memcpy(numbers.data() + at, last, rest * sizeof(T));
        }
    }
    /// The code of the step, the first of which is 0.
    [[nodiscard]] constexpr OneBit at(std::int64_t step) const {
        return {momentum, nesterov, 0, step >= 0 && step < warm_up_steps};
    }
    /// The code in which sums of so many codes come back.
    [[nodiscard]] static constexpr Int4 back(int) { return {}; }
    STRATA_COLD void check() const { detail::check_momentum(name, momentum, nesterov, warm_up_steps); }
    [[nodiscard]] STRATA_COLD std::string text() const {
        return concatenate(name, detail::momentum_text(momentum, nesterov, warm_up_steps));
    }

private:
    static constexpr std::size_t block = 2 * detail::code_block;

    [[nodiscard]] static constexpr std::size_t mean_bytes(std::size_t count) {
        return (count + block - 1) / block * 2 * sizeof(std::uint16_t);
    }
    template <class T>
    static STRATA_INLINE detail::BitsOf<T> bits_of(T x) {
        return std::bit_cast<detail::BitsOf<T>>(x);
    }
    template <class T>
    static void encode_signs(std::span<T const> gradient, T* left, std::byte* code) {
        std::size_t const count = gradient.size();
        std::byte *means = code, *signs = code + mean_bytes(count);
        std::size_t at = 0;
        for (; at + block <= count; at += block, means += 4, signs += block / 8)
            encode_block(gradient.data() + at, left + at, block, means, signs);
        if (std::size_t const rest = count - at; rest > 0) {
            T last[block] = {}, its_left[block] = {};
            std::byte its_signs[block / 8];
            std::memcpy(last, gradient.data() + at, rest * sizeof(T));
            std::memcpy(its_left, left + at, rest * sizeof(T));
            encode_block(static_cast<T const*>(last), static_cast<T*>(its_left), rest, means,
                         static_cast<std::byte*>(its_signs));
            std::memcpy(left + at, its_left, rest * sizeof(T));
            std::memcpy(signs, its_signs, detail::bytes_of_bits(rest, 1));
        }
    }
    /// Of 128 numbers, of which `count` are there: the others are zeros, which do not count.
    template <class T>
    static STRATA_INLINE void encode_block(T const* gradient, T* left, std::size_t count, std::byte* means,
                                           std::byte* signs) {
        constexpr std::size_t half = detail::code_block;
        constexpr T part = T(1) / T(block);  // so that sums stay finite
        T all[block], sums[2][16] = {};
        for (std::size_t i = 0; i < block; ++i) all[i] = gradient[i] + left[i];
        for (std::size_t row = 0; row < block; row += 16)
            for (std::size_t i = 0; i < 16; ++i) {
                T const x = all[row + i] * part;
                sums[0][i] += x > T(0) ? x : T(0);
                sums[1][i] += x < T(0) ? x : T(0);
            }
        for (auto& its : sums)
            for (std::size_t width = 8; width > 0; width /= 2)
                for (std::size_t i = 0; i < width; ++i) its[i] += its[i + width];
        std::uint64_t bits[2];
        for (std::size_t k = 0; k < 2; ++k) {
            std::int32_t upper[half];
            for (std::size_t i = 0; i < half; ++i)
                upper[i] = static_cast<std::int32_t>(bits_of(all[k * half + i]) >> (8 * sizeof(T) - 32));
            bits[k] = detail::sign_bits(upper);
        }
        auto const negative = static_cast<std::size_t>(std::popcount(bits[0]) + std::popcount(bits[1]));
        auto const mean_bits = [&](T sum, std::size_t number) {
            T const mean = number > 0 ? sum / (static_cast<T>(number) * part) : T(0);
            return detail::brain_bits(static_cast<float>(detail::limited(mean, T(detail::largest_brain))));
        };
        std::uint16_t const its[2] = {mean_bits(sums[0][0], count - negative), mean_bits(sums[1][0], negative)};
        T const positive_mean = static_cast<T>(detail::brain_value(its[0])),
                negative_mean = static_cast<T>(detail::brain_value(its[1]));
        using Signed = std::make_signed_t<detail::BitsOf<T>>;
        auto const positive = bits_of(positive_mean), other = positive ^ bits_of(negative_mean);
        for (std::size_t i = 0; i < block; ++i) {
            auto const mask =
                static_cast<detail::BitsOf<T>>(static_cast<Signed>(bits_of(all[i])) >> (8 * sizeof(T) - 1));
            left[i] = all[i] - std::bit_cast<T>(positive ^ (other & mask));
        }
        std::memcpy(means, its, sizeof its);
        std::memcpy(signs, bits, sizeof bits);
    }
    template <class T>
    static STRATA_INLINE void decode_block(std::byte const* means, std::byte const* signs, T* to) {
        std::uint16_t its[2];
        std::uint32_t bits[block / 32];
        std::memcpy(its, means, sizeof its);
        std::memcpy(bits, signs, sizeof bits);
        auto const positive = bits_of(static_cast<T>(detail::brain_value(its[0]))),
                   other = positive ^ bits_of(static_cast<T>(detail::brain_value(its[1])));
        for (std::size_t k = 0; k < block / 32; ++k)
            for (std::uint32_t i = 0; i < 32; ++i) {
                auto const mask = detail::BitsOf<T>(0) - static_cast<detail::BitsOf<T>>(bits[k] >> i & 1u);
                to[k * 32 + i] = std::bit_cast<T>(positive ^ (other & mask));
            }
    }
};

}  // namespace strata::inline STRATA_ABI
