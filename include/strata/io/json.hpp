// JSON, as far as file headers need it: a reader that asks for what it expects, and quoting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "json_scanner.hpp"

namespace strata::inline STRATA_ABI {

/// `text` as a JSON string with its quotes: ", \ and control characters are escaped, everything else stays. Also the
/// way names from foreign files are shown in messages.
[[nodiscard]] std::string json_quoted(std::string_view text);

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
    std::string string(std::string_view expected);

    /// Reads an integer from 0 to 2^64 - 1, without sign, point or exponent.
    std::uint64_t unsigned_integer(std::string_view expected);

    /// Reads null where it comes next, and says whether it did.
    bool null();

    /// Reads any value, nested no deeper than some 128 levels: serde_json allows 127 of the whole text.
    void skip();

    /// Checks that nothing but white space follows.
    void end();

    /// Throws Error with the parts as the reason.
    template <class... Parts>
    [[noreturn]] void refuse(Parts const&... reason) const {
        fail(subject_, place_.empty() ? "" : ", ", place_, ": ", reason...);
    }

private:
    using Token = JsonScanner::Token;

    void take(Token token, std::string_view expected);
    void skip_name();

    [[noreturn]] void refuse_token(std::string_view expected) const;

    JsonScanner scanner_;
    std::string subject_;
    std::string place_;
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "json.ipp"
#endif
