// Uncompressed: the code that leaves numbers as they are.
#pragma once

#include "blocks.hpp"

namespace strata::inline STRATA_ABI {

/// The numbers themselves: 4 bytes each, 8 where they are double. Keeps no state.
struct Uncompressed {
    static constexpr char const* name = "Uncompressed";
    static constexpr int states = 0;

    template <class T = float>
    [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) {
        return count * sizeof(T);
    }
    template <class T>
    void encode(std::span<T const> gradient, std::span<T> state, std::span<std::byte> code) const {
        detail::check_encode<T>(*this, gradient.size(), state.size(), code.size());
        if (!code.empty()) std::memcpy(code.data(), gradient.data(), code.size());
    }
    template <class T>
    void decode(std::span<std::byte const> code, std::span<T> numbers) const {
        detail::check_decode<T>(*this, code.size(), numbers.size());
        if (!code.empty()) std::memcpy(numbers.data(), code.data(), code.size());
    }
    [[nodiscard]] Uncompressed at(std::int64_t) const { return *this; }
    void check() const {}
    [[nodiscard]] STRATA_COLD std::string text() const { return name; }
};

}  // namespace strata::inline STRATA_ABI
