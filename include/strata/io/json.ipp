// The functions of json.hpp that no network type touches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "json.hpp"
#include "json_scanner.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD std::string json_quoted(std::string_view text) {
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

STRATA_DEFINE STRATA_COLD std::string JsonReader::string(std::string_view expected) {
    if (scanner_.token() != Token::string) refuse_token(expected);
    std::string value = std::move(scanner_.string());
    scanner_.advance();
    return value;
}

STRATA_DEFINE STRATA_COLD std::uint64_t JsonReader::unsigned_integer(std::string_view expected) {
    if (scanner_.token() != Token::unsigned_integer) refuse_token(expected);
    std::uint64_t const value = scanner_.integer();
    scanner_.advance();
    return value;
}

STRATA_DEFINE STRATA_COLD bool JsonReader::null() {
    bool const is_null = scanner_.token() == Token::null;
    if (is_null) scanner_.advance();
    return is_null;
}

STRATA_DEFINE STRATA_COLD void JsonReader::skip() {
    constexpr std::size_t deepest = 128;
    Token closing[deepest];
    std::size_t depth = 0;
    for (;;) {
        bool const is_object = scanner_.token() == Token::begin_object;
        if (is_object || scanner_.token() == Token::begin_array) {
            if (depth == deepest) refuse("expected values nested at most ", deepest, " deep at byte ", scanner_.byte());
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

STRATA_DEFINE STRATA_COLD void JsonReader::end() {
    if (scanner_.token() != Token::end) refuse_token("the end of the text");
}

STRATA_DEFINE STRATA_COLD void JsonReader::take(Token token, std::string_view expected) {
    if (scanner_.token() != token) refuse_token(expected);
    scanner_.advance();
}

STRATA_DEFINE STRATA_COLD void JsonReader::skip_name() {
    if (scanner_.token() != Token::string) refuse_token("a name");
    scanner_.advance();
    take(Token::colon, "\":\"");
}

STRATA_DEFINE STRATA_COLD void JsonReader::refuse_token(std::string_view expected) const {
    if (scanner_.token() == Token::broken)
        refuse("not valid JSON at byte ", scanner_.byte(), " (", scanner_.reason(), "), expected ", expected);
    refuse("expected ", expected, " at byte ", scanner_.byte(), ", got ",
           JsonScanner::token_names[static_cast<std::size_t>(scanner_.token())]);
}

}  // namespace strata::inline STRATA_ABI
