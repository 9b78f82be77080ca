// Numbers as text, whatever the locale.
#pragma once

#include <charconv>
#include <string>

#include "config.hpp"

namespace strata::inline STRATA_ABI {

/// A double in the fewest digits that restore every bit.
STRATA_COLD inline std::string exact_text(double value) {
    char digits[40];
    return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

}  // namespace strata::inline STRATA_ABI
