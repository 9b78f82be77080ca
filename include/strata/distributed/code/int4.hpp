// Int4: gradients as whole numbers from -7 to 7, times a scale of their block.
#pragma once

#include "bfloat16.hpp"

namespace strata::inline STRATA_ABI {

/// Half a byte a number and two for each 64, their scale: the largest magnitude / 7 as bfloat16. A block whose scale is
/// below 2^-100 is left for later. Of a chunk first the scales; a byte of a block has number i and, above, i + 32.
struct Int4 {
    static constexpr char const* name = "Int4";
    static constexpr int states = 1;  ///< what is left

    template <class T = float>
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
        std::size_t const rest = count % block;
        return 2 * scales(count) + count / block * half + (rest < half ? rest : half);
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        std::size_t const count = gradient.size();
        detail::check_encode<T>(*this, count, state.size(), code.size());
        std::byte *scale_at = code.data(), *const numbers = scale_at + 2 * scales(count);
        if (detail::largest_magnitude(gradient, static_cast<T const*>(state.data())) >= detail::infinity_bits<T>) {
            std::memset(code.data(), 0, code.size());
            std::uint16_t const nan = 0x7fc0;  // times 0
            for (std::size_t k = 0; k < scales(count); ++k) std::memcpy(code.data() + 2 * k, &nan, sizeof nan);
            return;
        }
        std::size_t at = 0;
        for (; at + block <= count; at += block, scale_at += 2)
            encode_block(gradient.data() + at, state.data() + at, scale_at, numbers + at / 2);
        if (std::size_t const rest = count - at; rest > 0) {
            T last[block] = {}, its_state[block] = {};
            std::byte its_numbers[half];
            std::memcpy(last, gradient.data() + at, rest * sizeof(T));
            std::memcpy(its_state, state.data() + at, rest * sizeof(T));
            encode_block(static_cast<T const*>(last), static_cast<T*>(its_state), scale_at, its_numbers);
            std::memcpy(state.data() + at, its_state, rest * sizeof(T));
            std::memcpy(numbers + at / 2, its_numbers, rest < half ? rest : half);
        }
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        std::size_t const count = numbers.size();
        detail::check_decode<T>(*this, code.size(), count);
        std::byte const *scale_at = code.data(), *const from = scale_at + 2 * scales(count);
        std::size_t at = 0;
        for (; at + block <= count; at += block, scale_at += 2)
            decode_block(scale_at, from + at / 2, numbers.data() + at);
        if (std::size_t const rest = count - at; rest > 0) {
            T last[block];
            std::byte its_numbers[half] = {};
            std::memcpy(its_numbers, from + at / 2, rest < half ? rest : half);
            decode_block(scale_at, static_cast<std::byte const*>(its_numbers), static_cast<T*>(last));
            std::memcpy(numbers.data() + at, last, rest * sizeof(T));
        }
    }
    [[nodiscard]] Int4 at(std::int64_t) const { return *this; }
    void check() const {}
    [[nodiscard]] STRATA_COLD std::string text() const { return name; }

private:
    static constexpr std::size_t block = detail::code_block, half = block / 2;
    [[nodiscard]] static constexpr std::size_t scales(std::size_t count) { return (count + block - 1) / block; }

    template <class T>
    static STRATA_INLINE void encode_block(T const* gradient, T* left, std::byte* scale_at, std::byte* to) {
        using Signed = std::make_signed_t<detail::BitsOf<T>>;
        T all[block];
        std::uint8_t whole[block], pairs[half];
        Signed largest = 0;
        for (std::size_t i = 0; i < block; ++i) all[i] = gradient[i] + left[i];
        for (std::size_t i = 0; i < block; ++i) {
            auto const magnitude = static_cast<Signed>(detail::magnitude_bits(all[i]));
            largest = magnitude > largest ? magnitude : largest;
        }
        T const exact = detail::limited(std::bit_cast<T>(largest) / T(7), T(0x1p125));
        std::uint16_t const bits =
            exact < T(0x1p-100) ? std::uint16_t(0) : detail::brain_bits(static_cast<float>(exact));
        T const scale = static_cast<T>(detail::brain_value(bits)), inverse = scale > 0 ? T(1) / scale : T(0);
        std::memcpy(scale_at, &bits, sizeof bits);
        for (std::size_t i = 0; i < block; ++i) {
            // Beside 1.5 · 2^23 a float's last bit is 1: the sum is rounded as asked, and its last bits are the number.
            auto const rounded = static_cast<float>(detail::limited(all[i] * inverse, T(7))) + 0x1.8p23f;
            whole[i] = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(rounded) & 0xfu);
        }
        // Exact: three bits times the scale's eight are a number.
        for (std::size_t i = 0; i < block; ++i) left[i] = all[i] - value<T>(whole[i]) * scale;
        for (std::size_t i = 0; i < half; ++i) pairs[i] = static_cast<std::uint8_t>(whole[i] | whole[half + i] << 4);
        std::memcpy(to, pairs, sizeof pairs);
    }
    template <class T>
    static STRATA_INLINE void decode_block(std::byte const* scale_at, std::byte const* from, T* to) {
        std::uint16_t bits;
        std::uint8_t pairs[half];
        std::memcpy(&bits, scale_at, sizeof bits);
        std::memcpy(pairs, from, sizeof pairs);
        T const scale = static_cast<T>(detail::brain_value(bits));
        for (std::size_t i = 0; i < half; ++i) to[i] = value<T>(pairs[i] & 0xfu) * scale;
        for (std::size_t i = 0; i < half; ++i)
            to[half + i] = value<T>(static_cast<std::uint32_t>(pairs[i]) >> 4) * scale;
    }
    /// Of four bits, the uppermost of which is the sign's.
    template <class T>
    static STRATA_INLINE T value(std::uint32_t four) {
        return static_cast<T>(static_cast<std::int32_t>(four ^ 8u) - 8);
    }
};

}  // namespace strata::inline STRATA_ABI
