// JSON, as far as file headers need it: a reader that asks for what it expects, and quoting.
//
// This is the only header that knows the JSON library (nlohmann-json). Only its lexer is used: it checks escapes, UTF-8
// and numbers and costs 0.7 s of compile time; the documented json::parse and json::sax_parse cost 3.3 s (g++ 12 -O3).
#pragma once

#if __has_include(<nlohmann/detail/input/lexer.hpp>)
#include <nlohmann/detail/input/lexer.hpp>
#elif __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>  // the library in its single-header form
#else
#error \
    "Strata reads safetensors with nlohmann-json: install it (Debian: nlohmann-json3-dev) or add it to the include path"
#endif

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"

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

namespace detail {
struct JsonSource {
    char const* next;
    char const* end;
    bool end_seen = false;
};
struct JsonAdapter {  // what the lexer reads characters from
    using char_type = char;
    JsonSource* source;
    std::char_traits<char>::int_type get_character() {
        if (source->next != source->end) return std::char_traits<char>::to_int_type(*source->next++);
        source->end_seen = true;
        return std::char_traits<char>::eof();
    }
};
struct JsonNumberTypes {
    using number_integer_t = std::int64_t;
    using number_unsigned_t = std::uint64_t;
    using number_float_t = double;
    using string_t = std::string;
};
using JsonLexer = nlohmann::detail::lexer<JsonNumberTypes, JsonAdapter>;
}  // namespace detail

/// Reads a JSON text from front to back, value by value. The caller says what comes next, so that nothing is stored
/// that it does not want and nothing in the text can make the reader recurse. Every mismatch throws Error with the
/// subject (the file), the place last set with at() and the byte.
///
/// A template, as are the functions that read files with it, so that programs that read none do not compile the lexer.
template <class Lexer = detail::JsonLexer>
class JsonReader {
public:
    /// `text` must outlive the reader.
    JsonReader(std::string_view text, std::string subject)
        : source_{text.data(), text.data() + text.size()},
          subject_(std::move(subject)),
          lexer_(detail::JsonAdapter{&source_}) {
        advance();
    }
    JsonReader(JsonReader const&) = delete;
    JsonReader& operator=(JsonReader const&) = delete;

    /// Names the place for messages, for example `tensor "fc.weight"`.
    void at(std::string place) { place_ = std::move(place); }

    /// Reads an object: member(key) is called for each key and must read the key's value. A key
    /// that comes twice is an error.
    template <class Member>
    void object(Member&& member) {
        take(Token::begin_object, "an object");
        std::set<std::string, std::less<>> seen;
        if (token_ != Token::end_object) {
            for (;;) {
                std::string key = string("a name");
                if (!seen.insert(key).second) refuse("the name ", json_quoted(key), " comes twice");
                take(Token::name_separator, "\":\"");
                member(std::move(key));
                if (token_ != Token::value_separator) break;
                advance();
            }
        }
        take(Token::end_object, "\"}\" or \",\"");
    }

    /// Reads an array: element() is called for each element and must read it.
    template <class Element>
    void array(std::string_view expected, Element&& element) {
        take(Token::begin_array, expected);
        if (token_ != Token::end_array) {
            for (;;) {
                element();
                if (token_ != Token::value_separator) break;
                advance();
            }
        }
        take(Token::end_array, "\"]\" or \",\"");
    }

    /// Reads a string.
    std::string string(std::string_view expected) {
        if (token_ != Token::value_string) refuse_token(expected);
        std::string value = std::move(lexer_.get_string());
        advance();
        return value;
    }

    /// Reads an integer from 0 to 2^64 - 1.
    std::uint64_t unsigned_integer(std::string_view expected) {
        if (token_ != Token::value_unsigned) refuse_token(expected);
        auto const value = lexer_.get_number_unsigned();
        advance();
        return value;
    }

    /// Checks that nothing but white space follows.
    void end() {
        // The lexer also takes a zero byte for the end.
        if (token_ != Token::end_of_input || !source_.end_seen) refuse_token("the end of the text");
    }

    /// Throws Error with the parts as the reason.
    template <class... Parts>
    [[noreturn]] void refuse(Parts const&... reason) const {
        fail(subject_, place_.empty() ? "" : ", ", place_, ": ", reason...);
    }

private:
    using Token = typename Lexer::token_type;

    void advance() { token_ = lexer_.scan(); }

    void take(Token token, std::string_view expected) {
        if (token_ != token) refuse_token(expected);
        advance();
    }

    [[noreturn]] void refuse_token(std::string_view expected) const {
        auto const byte = lexer_.get_position().chars_read_total;
        if (token_ == Token::parse_error)
            refuse("not valid JSON at byte ", byte, " (", lexer_.get_error_message(), "), expected ", expected);
        refuse("expected ", expected, " at byte ", byte, ", got ", Lexer::token_type_name(token_));
    }

    detail::JsonSource source_;
    std::string subject_;
    std::string place_;
    Lexer lexer_;
    Token token_ = Token::uninitialized;
};

}  // namespace strata::inline STRATA_ABI
