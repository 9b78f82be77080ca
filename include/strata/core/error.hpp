// The one exception type of Strata, and the way messages are put together.
#pragma once

#include <concepts>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

namespace strata {

/// Thrown for every error a caller can cause: a bad file, a wrong shape, a label out of range, a non-finite loss. The
/// message is one sentence that names the file, layer or value and what was expected.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {
/// A part of a message: a string as it is, a number as digits. Not a template of the message, so that hundreds of
/// messages cost one function.
class MessagePart {
public:
    MessagePart(std::string_view text) : text_(text) {}           // NOLINT: parts convert
    MessagePart(char const* text) : text_(text) {}                // NOLINT
    MessagePart(std::string const& text) : text_(text) {}         // NOLINT
    MessagePart(char text) : digits_{text}, text_(digits_, 1) {}  // NOLINT
    template <std::signed_integral T>
    MessagePart(T value) : MessagePart("%lld", static_cast<long long>(value)) {}  // NOLINT
    template <std::unsigned_integral T>
    MessagePart(T value) : MessagePart("%llu", static_cast<unsigned long long>(value)) {}  // NOLINT
    template <std::floating_point T>
    MessagePart(T value) : MessagePart("%g", static_cast<double>(value)) {}  // NOLINT
    MessagePart(MessagePart const&) = delete;
    MessagePart& operator=(MessagePart const&) = delete;

    [[nodiscard]] std::string_view text() const { return text_; }

private:
    template <class T>
    MessagePart(char const* format, T value)
        : text_(digits_, static_cast<std::size_t>(std::snprintf(digits_, sizeof digits_, format, value))) {}

    char digits_[32];
    std::string_view text_;
};

[[gnu::cold]] inline std::string join(std::initializer_list<MessagePart> parts) {
    std::string text;
    for (auto const& part : parts) text += part.text();
    return text;
}
[[noreturn, gnu::cold]] inline void throw_error(std::initializer_list<MessagePart> parts) { throw Error(join(parts)); }
}  // namespace detail

/// Joins strings and numbers into one string.
template <class... Parts>
[[nodiscard]] std::string concatenate(Parts const&... parts) {
    return detail::join({detail::MessagePart(parts)...});
}

/// Throws Error with the parts joined into one message.
template <class... Parts>
[[noreturn]] void fail(Parts const&... parts) {
    detail::throw_error({detail::MessagePart(parts)...});
}

}  // namespace strata
