// The words of a JSON text, one after the other.
//
// Of our own, because the header of a safetensors file is all the JSON there is, and libraries cost more than these
// lines: a trainer of LeNet compiles in 7 s (g++ 12 -O3), to which nlohmann-json's public interface would add 2.4 s; its
// private lexer was cheap, but kept programs with a copy of the library of their own from compiling. What is accepted is
// what serde_json accepts, which the reference implementation of safetensors reads with, and numbers too large for a
// double, where nobody asks for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "utf8.hpp"

namespace strata::inline STRATA_ABI {

/// Cuts a JSON text (RFC 8259) into tokens. Strings come decoded; numbers only as integers from 0 to 2^64 - 1, of others
/// it is known that they are numbers.
class JsonScanner {
public:
    // clang-format off
    enum class Token : std::uint8_t {  // values from string on
        broken, end, begin_object, end_object, begin_array, end_array, colon, comma,
        string, unsigned_integer, number, literal, null
    };
    /// By Token, as messages call them.
    static constexpr char const* token_names[] = {
        "nothing", "the end of the text", "\"{\"", "\"}\"", "\"[\"", "\"]\"", "\":\"", "\",\"",
        "a string", "a number", "a number", "true or false", "null"};
    // clang-format on

    /// Stands at the first token. `text` must outlive the scanner.
    explicit JsonScanner(std::string_view text);

    [[nodiscard]] Token token() const { return token_; }
    /// The text of a string; may be moved from.
    [[nodiscard]] std::string& string() { return string_; }
    /// The value of an unsigned_integer.
    [[nodiscard]] std::uint64_t integer() const { return integer_; }
    /// Where the token begins, counted from 1.
    [[nodiscard]] std::size_t byte() const { return static_cast<std::size_t>(token_begin_ - begin_) + 1; }
    /// Why a token is broken.
    [[nodiscard]] char const* reason() const { return reason_; }

    /// Goes to the next token, which is `end` at the end and stays so.
    void advance();

private:
    Token scan();

    Token scan_string();

    // What stands behind \u, with the \u of a second surrogate.
    bool scan_code_point();

    // Four digits, or a number above 0xFFFF where there are none.
    std::uint32_t scan_hexadecimal();

    Token scan_number();

    [[nodiscard]] bool is_digit() const { return *at_ >= '0' && *at_ <= '9'; }

    Token broken(char const* reason);

    char const* begin_;
    char const* at_;  // behind the token
    char const* end_;
    char const* token_begin_ = nullptr;
    Token token_ = Token::broken;
    char const* reason_ = "";
    std::string string_;
    std::uint64_t integer_ = 0;
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "json_scanner.ipp"
#endif
