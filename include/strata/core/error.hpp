// The one exception type of Strata, and the way messages are put together.
#pragma once

#include <concepts>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include "config.hpp"

#ifndef __cpp_exceptions
#error "Strata reports errors as exceptions, strata::Error: compile what includes it without -fno-exceptions"
#endif

namespace strata::inline STRATA_ABI {

/// Thrown for every error a caller can cause: a bad file, a wrong shape, a label out of range, a non-finite loss. The
/// message is one sentence that names the file, layer or value and what was expected.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {
/// A part of a message: a string as it is, a number as digits. It only notes the value, which is all that each of the
/// hundreds of call sites compiles to; join turns it into text.
class MessagePart {
public:
    constexpr MessagePart(std::string_view text) : text_{text.data(), text.size()}, kind_(Kind::text) {}  // NOLINT
    constexpr MessagePart(char const* text) : MessagePart(std::string_view(text)) {}                      // NOLINT
    MessagePart(std::string const& text) : MessagePart(std::string_view(text)) {}                         // NOLINT
    constexpr MessagePart(char text) : character_(text), kind_(Kind::character) {}                        // NOLINT
    template <std::signed_integral T>
    constexpr MessagePart(T value) : signed_(value), kind_(Kind::signed_integer) {}  // NOLINT
    template <std::unsigned_integral T>
    constexpr MessagePart(T value) : unsigned_(value), kind_(Kind::unsigned_integer) {}  // NOLINT
    template <std::floating_point T>
    constexpr MessagePart(T value) : real_(static_cast<double>(value)), kind_(Kind::real) {}  // NOLINT

    STRATA_COLD void append_to(std::string& message) const {
        char digits[32];
        switch (kind_) {
            case Kind::text:
                message.append(text_.data, text_.size);
                return;
            case Kind::character:
                message.push_back(character_);
                return;
            case Kind::signed_integer:
                std::snprintf(digits, sizeof digits, "%lld", signed_);
                break;
            case Kind::unsigned_integer:
                std::snprintf(digits, sizeof digits, "%llu", unsigned_);
                break;
            case Kind::real:
                std::snprintf(digits, sizeof digits, "%g", real_);
                break;
        }
        message.append(digits);
    }

private:
    enum class Kind : unsigned char { text, character, signed_integer, unsigned_integer, real };
    struct Text {
        char const* data;
        std::size_t size;
    };
    union {
        Text text_;
        char character_;
        long long signed_;
        unsigned long long unsigned_;
        double real_;
    };
    Kind kind_;
};

STRATA_COLD inline void append_parts(std::string& text, std::initializer_list<MessagePart> parts) {
    for (auto const& part : parts) part.append_to(text);
}
STRATA_COLD inline std::string join(std::initializer_list<MessagePart> parts) {
    std::string text;
    append_parts(text, parts);
    return text;
}
[[noreturn]] STRATA_COLD inline void throw_error(std::initializer_list<MessagePart> parts) { throw Error(join(parts)); }
}  // namespace detail

/// Joins strings and numbers into one string.
template <class... Parts>
[[nodiscard]] STRATA_INLINE std::string concatenate(Parts const&... parts) {
    return detail::join({detail::MessagePart(parts)...});
}

/// Appends strings and numbers to a text.
template <class... Parts>
STRATA_INLINE void append(std::string& text, Parts const&... parts) {
    detail::append_parts(text, {detail::MessagePart(parts)...});
}

/// Throws Error with the parts joined into one message.
template <class... Parts>
[[noreturn]] STRATA_INLINE void fail(Parts const&... parts) {
    detail::throw_error({detail::MessagePart(parts)...});
}

}  // namespace strata::inline STRATA_ABI
