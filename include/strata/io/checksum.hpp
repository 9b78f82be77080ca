// A 64-bit checksum against accidents (torn writes, flipped bits), not against forgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../core/config.hpp"

namespace strata::inline STRATA_ABI {

/// FNV-1a over 8-byte words instead of bytes, with a shift after each multiplication so that a word's high bits reach
/// the low ones (plain FNV-1a loses two flips of the highest bits of neighbouring words). Each add() also takes in its
/// length: "ab", "c" and "a", "bc" differ. Assumes little-endian words.
class Checksum {
public:
    STRATA_ONE_COPY void add(void const* data, std::size_t bytes) {
        auto const* from = static_cast<unsigned char const*>(data);
        std::size_t rest = bytes;
        for (; rest >= 8; rest -= 8, from += 8) {
            std::uint64_t word;
            std::memcpy(&word, from, 8);
            mix(word);
        }
        if (rest > 0) {
            std::uint64_t word = 0;
            std::memcpy(&word, from, rest);
            mix(word);
        }
        mix(bytes);
    }
    void add(std::string_view text) { add(text.data(), text.size()); }
    void add(std::uint64_t number) { mix(number); }

    [[nodiscard]] std::uint64_t value() const { return value_; }

private:
    void mix(std::uint64_t word) {
        value_ = (value_ ^ word) * 0x100000001b3u;
        value_ ^= value_ >> 32;
    }

    std::uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace strata::inline STRATA_ABI
