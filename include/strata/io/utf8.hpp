// UTF-8, as far as names in files need it.
#pragma once

#include <string_view>

#include "../core/config.hpp"

namespace strata::inline STRATA_ABI {

/// True for well-formed UTF-8 (Unicode 15, table 3-7).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "utf8.ipp"
#endif
