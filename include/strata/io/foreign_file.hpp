// What a file that is no safetensors file is instead, and what to do about it.
#pragma once

#include <string>
#include <string_view>

#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// How many of a file's first bytes foreign_file looks at.
inline constexpr std::size_t foreign_file_bytes = 128;

/// Says what a file with this name and these first bytes is and how to make a safetensors file of it; empty where they
/// tell nothing. The name's ending is not looked at.
[[nodiscard]] std::string foreign_file(std::string const& path, std::string_view begin);

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "foreign_file.ipp"
#endif
