// The functions of load_differences.hpp that no network type touches.
#pragma once

#include <cstring>

#include "load_differences.hpp"
#include "safetensors_header.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD std::string LoadDifferences::text() const {
    std::string text = lines_;
    char const* separator = "\n  and ";
    for (auto const& kind : kinds_) {
        if (kind.count <= most_lines) continue;
        append(text, separator, kind.count - most_lines, " more ", kind.name);
        separator = ", ";
    }
    return text;
}

STRATA_DEFINE STRATA_COLD std::string LoadDifferences::shown(std::string_view name) {
    constexpr std::size_t longest = 120;
    if (name.size() <= longest) return json_quoted(name);
    return concatenate(json_quoted(name.substr(0, longest)), "...");
}

STRATA_DEFINE STRATA_COLD bool LoadDifferences::is_shown(char const* kind) {
    ++count_;
    for (auto& known : kinds_) {
        if (known.name == nullptr) known.name = kind;
        if (std::strcmp(known.name, kind) == 0) return ++known.count <= most_lines;
    }
    return true;
}

}  // namespace strata::inline STRATA_ABI
