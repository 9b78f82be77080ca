// The functions of json_scanner.hpp that no network type touches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "json_scanner.hpp"
#include "utf8.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE JsonScanner::JsonScanner(std::string_view text)
    : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {
    advance();
}

STRATA_DEFINE STRATA_COLD void JsonScanner::advance() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    token_begin_ = at_;
    token_ = at_ == end_ ? Token::end : scan();
}

STRATA_DEFINE STRATA_COLD JsonScanner::Token JsonScanner::scan() {
    constexpr std::string_view structure = "{}[]:,";
    char const first = *at_;
    if (auto const found = structure.find(first); found != structure.npos) {
        ++at_;
        return static_cast<Token>(static_cast<std::size_t>(Token::begin_object) + found);
    }
    if (first == '"') return scan_string();
    if (first == '-' || is_digit()) return scan_number();
    std::string_view const rest(at_, static_cast<std::size_t>(end_ - at_));
    for (std::string_view const literal : {"true", "false", "null"})
        if (rest.starts_with(literal)) {
            at_ += literal.size();
            return first == 'n' ? Token::null : Token::literal;
        }
    return broken("no value begins so");
}

STRATA_DEFINE STRATA_COLD JsonScanner::Token JsonScanner::scan_string() {
    constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    string_.clear();
    for (++at_; at_ != end_;) {
        char const c = *at_++;
        if (c == '"') return is_utf8(string_) ? Token::string : broken("a string is not UTF-8");
        if (static_cast<unsigned char>(c) < 0x20) return broken("a control character in a string");
        if (c != '\\') {
            string_.push_back(c);
            continue;
        }
        if (at_ == end_) break;
        char const escape = *at_++;
        if (escape == 'u') {
            if (!scan_code_point())
                return broken("no character has this \\u: four hexadecimal digits, surrogates in pairs");
            continue;
        }
        auto const found = letters.find(escape);
        if (found == letters.npos) return broken("an unknown escape in a string");
        string_.push_back(meanings[found]);
    }
    return broken("a string without end");
}

STRATA_DEFINE STRATA_COLD bool JsonScanner::scan_code_point() {
    std::uint32_t code = scan_hexadecimal();
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u') return false;
        at_ += 2;
        std::uint32_t const low = scan_hexadecimal();
        if (low < 0xDC00 || low > 0xDFFF) return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code > 0xFFFF || (code >= 0xDC00 && code <= 0xDFFF)) {
        return false;
    }
    auto const put = [&](std::uint32_t byte) { string_.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | code >> 6), put(0x80 | (code & 63));
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
    } else {
        put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 63)), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
    }
    return true;
}

STRATA_DEFINE STRATA_COLD std::uint32_t JsonScanner::scan_hexadecimal() {
    constexpr std::string_view digits = "0123456789abcdefABCDEF";
    if (end_ - at_ < 4) return 0x10000;
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
        auto const digit = digits.find(*at_++);
        if (digit == digits.npos) return 0x10000;
        code = code << 4 | static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
    }
    return code;
}

STRATA_DEFINE STRATA_COLD JsonScanner::Token JsonScanner::scan_number() {
    bool whole = *at_ != '-';
    if (!whole) ++at_;
    if (at_ == end_ || !is_digit()) return broken("a number without digits");
    integer_ = 0;
    bool const is_zero = *at_ == '0';  // no digit may follow it
    do {
        whole = whole && !__builtin_mul_overflow(integer_, std::uint64_t{10}, &integer_) &&
                !__builtin_add_overflow(integer_, static_cast<std::uint64_t>(*at_ - '0'), &integer_);
        ++at_;
    } while (at_ != end_ && is_digit() && !is_zero);
    for (char const* const marks : {".", "eE"}) {
        if (at_ == end_ || (*at_ != marks[0] && (marks[1] == '\0' || *at_ != marks[1]))) continue;
        whole = false;
        ++at_;
        if (marks[1] != '\0' && at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
        if (at_ == end_ || !is_digit()) return broken("a number without digits");
        while (at_ != end_ && is_digit()) ++at_;
    }
    return whole ? Token::unsigned_integer : Token::number;
}

STRATA_DEFINE JsonScanner::Token JsonScanner::broken(char const* reason) {
    reason_ = reason;
    return Token::broken;
}

}  // namespace strata::inline STRATA_ABI
