// JSON, as far as file headers need it: a reader that asks for what it expects, and quoting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "json_scanner.hpp"

namespace strata::inline STRATA_ABI {

/// `text` as a JSON string with its quotes: ", \ and control characters are escaped, everything else stays. Also the
/// way names from foreign files are shown in messages.
[[nodiscard]] STRATA_COLD inline std::string json_quoted(std::string_view text) {
    constexpr std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt", digits = "0123456789abcdef";
    std::string quoted = "\"";
    for (char const c : text) {
        auto const at = special.find(c);
        if (at != special.npos)
            append(quoted, '\\', letters[at]);
        else if (static_cast<unsigned char>(c) < 0x20)
            append(quoted, "\\u00", digits[static_cast<std::size_t>(c) >> 4], digits[c & 15]);
        else
            quoted.push_back(c);
    }
    quoted.push_back('"');
    return quoted;
}

/// Reads a JSON text from front to back, value by value. The caller says what comes next, so that nothing is stored
/// that it does not want and nothing in the text can make the reader recurse. Every mismatch throws Error with the
/// subject (the file), the place last set with at() and the byte, counted from 1.
class JsonReader {
public:
    /// `text` must outlive the reader.
    STRATA_COLD JsonReader(std::string_view text, std::string subject) : scanner_(text), subject_(std::move(subject)) {}
    JsonReader(JsonReader const&) = delete;
    JsonReader& operator=(JsonReader const&) = delete;

    /// Names the place for messages, for example `tensor "fc.weight"`.
    void at(std::string place) { place_ = std::move(place); }

    /// Reads an object: member(key) is called for each key, also for one that comes again, and must read its value.
    template <class Member>
    void object(Member&& member) {
        take(Token::begin_object, "an object");
        if (scanner_.token() != Token::end_object) {
            for (;;) {
                std::string key = string("a name");
                take(Token::colon, "\":\"");
                member(std::move(key));
                if (scanner_.token() != Token::comma) break;
                scanner_.advance();
            }
        }
        take(Token::end_object, "\"}\" or \",\"");
    }

    /// Reads an array: element() is called for each element and must read it.
    template <class Element>
    void array(std::string_view expected, Element&& element) {
        take(Token::begin_array, expected);
        if (scanner_.token() != Token::end_array) {
            for (;;) {
                element();
                if (scanner_.token() != Token::comma) break;
                scanner_.advance();
            }
        }
        take(Token::end_array, "\"]\" or \",\"");
    }

    /// Reads a string.
    STRATA_COLD std::string string(std::string_view expected) {
        if (scanner_.token() != Token::string) refuse_token(expected);
        std::string value = std::move(scanner_.string());
        scanner_.advance();
        return value;
    }

    /// Reads an integer from 0 to 2^64 - 1, without sign, point or exponent.
    STRATA_COLD std::uint64_t unsigned_integer(std::string_view expected) {
        if (scanner_.token() != Token::unsigned_integer) refuse_token(expected);
        std::uint64_t const value = scanner_.integer();
        scanner_.advance();
        return value;
    }

    /// Reads null where it comes next, and says whether it did.
    STRATA_COLD bool null() {
        bool const is_null = scanner_.token() == Token::null;
        if (is_null) scanner_.advance();
        return is_null;
    }

    /// Reads any value, nested no deeper than some 128 levels: serde_json allows 127 of the whole text.
    STRATA_COLD void skip() {
        constexpr std::size_t deepest = 128;
        Token closing[deepest];
        std::size_t depth = 0;
        for (;;) {
            bool const is_object = scanner_.token() == Token::begin_object;
            if (is_object || scanner_.token() == Token::begin_array) {
                if (depth == deepest)
                    refuse("expected values nested at most ", deepest, " deep at byte ", scanner_.byte());
                closing[depth++] = is_object ? Token::end_object : Token::end_array;
                scanner_.advance();
                if (scanner_.token() != closing[depth - 1]) {
                    if (is_object) skip_name();
                    continue;
                }
                --depth;  // empty
            } else if (scanner_.token() < Token::string) {
                refuse_token("a value");
            }
            scanner_.advance();
            while (depth > 0 && scanner_.token() == closing[depth - 1]) {
                --depth;
                scanner_.advance();
            }
            if (depth == 0) return;
            take(Token::comma, closing[depth - 1] == Token::end_object ? "\"}\" or \",\"" : "\"]\" or \",\"");
            if (closing[depth - 1] == Token::end_object) skip_name();
        }
    }

    /// Checks that nothing but white space follows.
    STRATA_COLD void end() {
        if (scanner_.token() != Token::end) refuse_token("the end of the text");
    }

    /// Throws Error with the parts as the reason.
    template <class... Parts>
    [[noreturn]] void refuse(Parts const&... reason) const {
        fail(subject_, place_.empty() ? "" : ", ", place_, ": ", reason...);
    }

private:
    using Token = JsonScanner::Token;

    STRATA_COLD void take(Token token, std::string_view expected) {
        if (scanner_.token() != token) refuse_token(expected);
        scanner_.advance();
    }
    STRATA_COLD void skip_name() {
        if (scanner_.token() != Token::string) refuse_token("a name");
        scanner_.advance();
        take(Token::colon, "\":\"");
    }

    [[noreturn]] STRATA_COLD void refuse_token(std::string_view expected) const {
        if (scanner_.token() == Token::broken)
            refuse("not valid JSON at byte ", scanner_.byte(), " (", scanner_.reason(), "), expected ", expected);
        refuse("expected ", expected, " at byte ", scanner_.byte(), ", got ",
               JsonScanner::token_names[static_cast<std::size_t>(scanner_.token())]);
    }

    JsonScanner scanner_;
    std::string subject_;
    std::string place_;
};

}  // namespace strata::inline STRATA_ABI
