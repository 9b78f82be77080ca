// What the codes of two bytes a number share.
#pragma once

#include "blocks.hpp"

namespace strata::inline STRATA_ABI::detail {

/// A code whose numbers are rounded one by one. Format says how: `name`, `largest`, the largest magnitude it has, the
/// 16 bits nearest to a number up to that, of any number, and the value of bits.
template <class Format>
struct TwoBytes {
    static constexpr int states = 1;  ///< what is left

    template <class T = float>
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
        return 2 * count;
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        check_encode<T>(format(), gradient.size(), state.size(), code.size());
        if (largest_magnitude(gradient, state.data()) >= infinity_bits<T>) {
            for (std::size_t i = 0; i < gradient.size(); ++i) {
                std::uint16_t const bits = Format::any_bits(static_cast<double>(gradient[i] + state[i]));
                std::memcpy(code.data() + 2 * i, &bits, 2);
            }
            return;
        }
        encode_blocks<16>(gradient, state.data(), code.data(), [](T const* g, T* s, std::byte* to) STRATA_INLINED {
            T all[code_block];
            std::uint16_t bits[code_block];
            for (std::size_t i = 0; i < code_block; ++i) all[i] = g[i] + s[i];
            for (std::size_t i = 0; i < code_block; ++i)
                bits[i] = Format::bits(static_cast<float>(limited(all[i], T(Format::largest))));
            for (std::size_t i = 0; i < code_block; ++i) s[i] = all[i] - static_cast<T>(Format::value(bits[i]));
            std::memcpy(to, bits, sizeof bits);
        });
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        check_decode<T>(format(), code.size(), numbers.size());
        decode_blocks<16>(code.data(), numbers, [](std::byte const* from, T* to) STRATA_INLINED {
            std::uint16_t bits[code_block];
            std::memcpy(bits, from, sizeof bits);
            for (std::size_t i = 0; i < code_block; ++i) to[i] = static_cast<T>(Format::value(bits[i]));
        });
    }
    [[nodiscard]] Format at(std::int64_t) const { return format(); }
    void check() const {}
    [[nodiscard]] STRATA_COLD std::string text() const { return Format::name; }

private:
    [[nodiscard]] Format const& format() const { return static_cast<Format const&>(*this); }
};

}  // namespace strata::inline STRATA_ABI::detail
