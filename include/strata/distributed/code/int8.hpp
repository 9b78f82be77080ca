// Int8: gradients as whole numbers from -127 to 127, times a scale of their chunk.
#pragma once

#include "blocks.hpp"

namespace strata::inline STRATA_ABI {

/// One byte a number and four a chunk, its scale: the largest magnitude / 127. Ties are rounded to even. A chunk whose
/// largest magnitude is below 2^-93 is left for later.
struct Int8 {
    static constexpr char const* name = "Int8";
    static constexpr int states = 1;  ///< what is left

    template <class T = float>
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
        return sizeof(float) + count;
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        detail::check_encode<T>(*this, gradient.size(), state.size(), code.size());
        auto const largest = detail::largest_magnitude(gradient, state.data());
        std::byte* const numbers = code.data() + sizeof(float);
        float const scale = scale_of(std::bit_cast<T>(largest));
        if (largest >= detail::infinity_bits<T>) {
            std::uint32_t const nan = 0x7fc00000u;  // times 0
            std::memcpy(code.data(), &nan, sizeof nan);
            std::memset(numbers, 0, gradient.size());
            return;
        }
        std::memcpy(code.data(), &scale, sizeof scale);
        T const wide_scale = static_cast<T>(scale), inverse = scale > 0 ? T(1) / wide_scale : T(0);
        detail::encode_blocks<8>(gradient, state.data(), numbers, [=](T const* g, T* s, std::byte* to) STRATA_INLINED {
            T all[detail::code_block];
            std::int8_t whole[detail::code_block];
            for (std::size_t i = 0; i < detail::code_block; ++i) all[i] = g[i] + s[i];
            for (std::size_t i = 0; i < detail::code_block; ++i) {
                // Beside 1.5 · 2^23 a float's last bit is 1: the sum is rounded as asked, and its last byte is the number.
                float rounded;
                if constexpr (sizeof(T) == sizeof(float))
                    rounded = multiply_add(all[i], inverse, T(0x1.8p23));
                else  // beyond 127 where the scale is float's largest
                    rounded = static_cast<float>(detail::limited(all[i] * inverse, T(127))) + 0x1.8p23f;
                whole[i] = static_cast<std::int8_t>(std::bit_cast<std::uint32_t>(rounded) & 0xffu);
            }
            // Exact: seven bits times the scale's 17 are a number, whatever becomes of the subtraction.
            for (std::size_t i = 0; i < detail::code_block; ++i) s[i] = all[i] - static_cast<T>(whole[i]) * wide_scale;
            std::memcpy(to, whole, sizeof whole);
        });
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        detail::check_decode<T>(*this, code.size(), numbers.size());
        float scale;
        std::memcpy(&scale, code.data(), sizeof scale);
        T const wide_scale = static_cast<T>(scale);
        detail::decode_blocks<8>(code.data() + sizeof(float), numbers,
                                 [=](std::byte const* from, T* to) STRATA_INLINED {
                                     std::int8_t whole[detail::code_block];
                                     std::memcpy(whole, from, sizeof whole);
                                     for (std::size_t i = 0; i < detail::code_block; ++i)
                                         to[i] = static_cast<T>(whole[i]) * wide_scale;
                                 });
    }
    [[nodiscard]] Int8 at(std::int64_t) const { return *this; }
    void check() const {}
    [[nodiscard]] STRATA_COLD std::string text() const { return name; }

private:
    /// Of 17 bits, rounded up, so that its multiples are exact; 0 where 1 / scale might be infinite.
    template <class T>
    static float scale_of(T largest) {
        T const exact = detail::limited(largest / T(127), T(0x1p127));
        auto const bits = std::bit_cast<std::uint32_t>(static_cast<float>(exact));
        float const scale = std::bit_cast<float>((bits + 0x7fu) & ~0x7fu);
        return scale < 0x1p-100f ? 0.0f : scale;
    }
};

}  // namespace strata::inline STRATA_ABI
