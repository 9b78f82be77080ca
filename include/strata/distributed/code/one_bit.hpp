// OneBit: of gradients the signs alone, and how large the numbers of a chunk are on average.
#pragma once

#include "blocks.hpp"

namespace strata::inline STRATA_ABI {

/// One bit a number and four bytes a chunk: every number is sent as the mean magnitude of its chunk, with its sign.
struct OneBit {
    static constexpr char const* name = "OneBit";
    static constexpr int states = 1;  ///< what is left

    template <class T = float>
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
        return sizeof(float) + detail::bytes_of_bits(count, 1);
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        detail::check_encode<T>(*this, gradient.size(), state.size(), code.size());
        std::byte* const signs = code.data() + sizeof(float);
        if (detail::largest_magnitude(gradient, state.data()) >= detail::infinity_bits<T>) {
            std::uint32_t const nan = 0x7fc00000u;
            std::memcpy(code.data(), &nan, sizeof nan);
            std::memset(signs, 0, code.size() - sizeof(float));
            return;
        }
        float const mean = mean_magnitude(gradient, state.data());
        std::memcpy(code.data(), &mean, sizeof mean);
        T const wide_mean = static_cast<T>(mean);
        detail::encode_blocks<1>(gradient, state.data(), signs, [=](T const* g, T* s, std::byte* to) STRATA_INLINED {
            T all[detail::code_block];
            std::int32_t upper[detail::code_block];
            for (std::size_t i = 0; i < detail::code_block; ++i) all[i] = g[i] + s[i];
            for (std::size_t i = 0; i < detail::code_block; ++i)
                upper[i] = static_cast<std::int32_t>(bits_of(all[i]) >> (8 * sizeof(T) - 32));
            for (std::size_t i = 0; i < detail::code_block; ++i)
                s[i] = all[i] - std::bit_cast<T>((bits_of(all[i]) & sign<T>) | bits_of(wide_mean));
            std::uint64_t const bits = detail::sign_bits(upper);
            std::memcpy(to, &bits, sizeof bits);
        });
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        detail::check_decode<T>(*this, code.size(), numbers.size());
        float mean;
        std::memcpy(&mean, code.data(), sizeof mean);
        auto const mean_bits = bits_of(static_cast<T>(mean));
        detail::decode_blocks<1>(
            code.data() + sizeof(float), numbers, [=](std::byte const* from, T* to) STRATA_INLINED {
                constexpr std::size_t half = detail::code_block / 2;
                std::uint32_t bits[2];
                std::memcpy(bits, from, sizeof bits);
                for (std::size_t k = 0; k < 2; ++k)
                    for (std::uint32_t i = 0; i < half; ++i) {
                        auto const negative = static_cast<detail::BitsOf<T>>(bits[k] << (half - 1 - i) & 0x80000000u);
                        to[k * half + i] = std::bit_cast<T>(negative << (8 * sizeof(T) - 32) | mean_bits);
                    }
            });
    }
    [[nodiscard]] OneBit at(std::int64_t) const { return *this; }
    void check() const {}
    [[nodiscard]] STRATA_COLD std::string text() const { return name; }

private:
    template <class T>
    static constexpr detail::BitsOf<T> sign = detail::BitsOf<T>(1) << (8 * sizeof(T) - 1);
    template <class T>
    static STRATA_INLINE detail::BitsOf<T> bits_of(T x) {
        return std::bit_cast<detail::BitsOf<T>>(x);
    }
    /// In sixteen sums, of parts so small that they stay finite.
    template <class T>
    static float mean_magnitude(std::span<T const> gradient, T const* state) {
        constexpr T part = T(1) / T(code_chunk);
        T sums[16] = {};
        detail::look_at_blocks(gradient, state, [&](T const* g, T const* s) STRATA_INLINED {
            T part_of[detail::code_block];
            for (std::size_t i = 0; i < detail::code_block; ++i) part_of[i] = std::fabs(g[i] + s[i]) * part;
            for (std::size_t i = 0; i < 16; ++i)
                sums[i] += (part_of[i] + part_of[i + 16]) + (part_of[i + 32] + part_of[i + 48]);
        });
        for (std::size_t width = 8; width > 0; width /= 2)
            for (std::size_t i = 0; i < width; ++i) sums[i] += sums[i + width];
        T const mean = sums[0] / (static_cast<T>(gradient.size()) * part);
        return static_cast<float>(detail::limited(mean, T(0x1.fffffep127)));
    }
};

}  // namespace strata::inline STRATA_ABI
