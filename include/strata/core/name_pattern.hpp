// Patterns of tensor names, "head.*".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"

namespace strata::inline STRATA_ABI {

/// Whether a name fits a pattern, in which every * stands for any characters, dots included, or for none.
[[nodiscard]] STRATA_COLD inline bool matches_pattern(std::string_view name, std::string_view pattern) {
    std::size_t at = 0, star = pattern.npos, behind_star = 0;
    for (std::size_t p = 0; at < name.size() || p < pattern.size();) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            behind_star = at;
        } else if (p < pattern.size() && at < name.size() && pattern[p] == name[at]) {
            ++p, ++at;
        } else if (star != pattern.npos && behind_star < name.size()) {
            at = ++behind_star;  // the last star takes one more
            p = star + 1;
        } else {
            return false;
        }
    }
    return true;
}

/// Whether a name fits one of the patterns.
[[nodiscard]] STRATA_COLD inline bool matches_any_pattern(std::string_view name,
                                                          std::vector<std::string> const& patterns) {
    for (auto const& pattern : patterns)
        if (matches_pattern(name, pattern)) return true;
    return false;
}

}  // namespace strata::inline STRATA_ABI
