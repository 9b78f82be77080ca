// BFloat16: gradients as the upper halves of floats.
#pragma once

#include "../../io/convert.hpp"
#include "blocks.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

inline constexpr float largest_brain = 0x1.fep127f;

/// The bfloat16 bits nearest to x, ties to even; |x| is the largest bfloat16 at most. As bfloat16_bits, but without
/// branches; small numbers are kept on all processors, as those of bfloat16 are not.
STRATA_INLINE std::uint16_t brain_bits(float x) {
    auto const bits = std::bit_cast<std::uint32_t>(x);
    return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
STRATA_INLINE float brain_value(std::uint16_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace detail

/// Two bytes a number, with 8 bits of precision and float's range.
struct BFloat16 {
    static constexpr char const* name = "BFloat16";
    static constexpr int states = 1;  ///< what is left

    template <class T = float>
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
        return 2 * count;
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        detail::check_encode<T>(*this, gradient.size(), state.size(), code.size());
        if (detail::largest_magnitude(gradient, state.data()) >= detail::infinity_bits<T>) {
            for (std::size_t i = 0; i < gradient.size(); ++i) {
                std::uint16_t const bits = bfloat16_bits(static_cast<double>(gradient[i] + state[i]));
                std::memcpy(code.data() + 2 * i, &bits, 2);
            }
            return;
        }
        detail::encode_blocks<16>(
            gradient, state.data(), code.data(), [](T const* g, T* s, std::byte* to) STRATA_INLINED {
                T all[detail::code_block];
                std::uint16_t bits[detail::code_block];
                for (std::size_t i = 0; i < detail::code_block; ++i) all[i] = g[i] + s[i];
                for (std::size_t i = 0; i < detail::code_block; ++i)
                    bits[i] = detail::brain_bits(static_cast<float>(detail::limited(all[i], T(detail::largest_brain))));
                for (std::size_t i = 0; i < detail::code_block; ++i)
                    s[i] = all[i] - static_cast<T>(detail::brain_value(bits[i]));
                std::memcpy(to, bits, sizeof bits);
            });
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        detail::check_decode<T>(*this, code.size(), numbers.size());
        detail::decode_blocks<16>(code.data(), numbers, [](std::byte const* from, T* to) STRATA_INLINED {
            std::uint16_t bits[detail::code_block];
            std::memcpy(bits, from, sizeof bits);
            for (std::size_t i = 0; i < detail::code_block; ++i) to[i] = static_cast<T>(detail::brain_value(bits[i]));
        });
    }
    [[nodiscard]] BFloat16 at(std::int64_t) const { return *this; }
    void check() const {}
    [[nodiscard]] STRATA_COLD std::string text() const { return name; }
};

}  // namespace strata::inline STRATA_ABI
