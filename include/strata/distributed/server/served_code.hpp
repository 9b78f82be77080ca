// How gradients and weights are written in messages between workers and parameter servers.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "../../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// The numbers as they are.
class ServedCode {
public:
    [[nodiscard]] bool is_exact() const { return true; }
    [[nodiscard]] std::string text() const { return "uncompressed"; }
};

}  // namespace strata::inline STRATA_ABI
