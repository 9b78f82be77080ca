// The one exception type of Strata, and the way messages are put together.
#pragma once

#include <concepts>
#include <cstdio>
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
inline void append(std::string& text, std::string_view part) { text += part; }
inline void append(std::string& text, char part) { text += part; }
template <std::integral T>
void append(std::string& text, T part) {
    text += std::to_string(part);
}
template <std::floating_point T>
void append(std::string& text, T part) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%g", static_cast<double>(part));
    text += digits;
}
}  // namespace detail

/// Joins strings and numbers into one string.
template <class... Parts>
[[nodiscard]] std::string concatenate(Parts const&... parts) {
    std::string text;
    (detail::append(text, parts), ...);
    return text;
}

/// Throws Error with the parts joined into one message.
template <class... Parts>
[[noreturn]] void fail(Parts const&... parts) {
    throw Error(concatenate(parts...));
}

}  // namespace strata
