// Numbers from text, whatever the locale: std::from_chars, also where the standard library has it for integers only
// (libc++ before 20).
#pragma once

#include <charconv>
#include <concepts>

#include "config.hpp"

#ifndef __cpp_lib_to_chars
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <system_error>
#if __has_include(<xlocale.h>)
#include <xlocale.h>  // macOS and the BSDs
#else
#include <locale.h>
#endif
#endif

namespace strata::inline STRATA_ABI::detail {

/// Reads a number from [first, last) as std::from_chars does; `value` stays as it is where there is none.
template <std::integral T>
std::from_chars_result read_number(char const* first, char const* last, T& value) {
    return std::from_chars(first, last, value);
}
#ifdef __cpp_lib_to_chars
inline std::from_chars_result read_number(char const* first, char const* last, double& value) {
    return std::from_chars(first, last, value);
}
#else
STRATA_COLD inline std::from_chars_result read_number(char const* first, char const* last, double& value) {
    std::string text(first, last);
    text.resize((std::min)(text.size(), text.find_first_of("xX")));  // strtod takes hexadecimal digits too,
    char const* const begin = text.c_str();
    if (text.empty() || text.find_first_of("+ \t\n\v\f\r") == 0)
        return {first, std::errc::invalid_argument};  // and these
    static locale_t const plain = newlocale(LC_ALL_MASK, "C", locale_t{});
    char* end = nullptr;
    double const number = strtod_l(begin, &end, plain);
    if (end == begin) return {first, std::errc::invalid_argument};
    char const* const stop = first + (end - begin);
    bool const written = text.find_first_of("iI") < static_cast<std::size_t>(end - begin);
    if (std::isinf(number) && !written) return {stop, std::errc::result_out_of_range};
    value = number;
    return {stop, std::errc{}};
}
#endif

}  // namespace strata::inline STRATA_ABI::detail
