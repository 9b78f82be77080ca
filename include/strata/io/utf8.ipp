// The functions of utf8.hpp that no network type touches.
#pragma once

#include <cstddef>
#include <string_view>

#include "../core/config.hpp"
#include "utf8.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE STRATA_COLD bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        auto const lead = static_cast<unsigned char>(text[i++]);
        if (lead < 0x80) continue;
        int const more = lead >= 0xC2 && lead <= 0xDF   ? 1
                         : lead >= 0xE0 && lead <= 0xEF ? 2
                         : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                        : 0;
        if (more == 0) return false;
        for (int k = 0; k < more; ++k, ++i) {
            if (i == text.size()) return false;
            auto const byte = static_cast<unsigned char>(text[i]);
            unsigned low = 0x80, high = 0xBF;
            if (k == 0 && lead == 0xE0) low = 0xA0;   // no overlong forms
            if (k == 0 && lead == 0xED) high = 0x9F;  // no surrogates
            if (k == 0 && lead == 0xF0) low = 0x90;
            if (k == 0 && lead == 0xF4) high = 0x8F;  // nothing beyond U+10FFFF
            if (byte < low || byte > high) return false;
        }
    }
    return true;
}

}  // namespace strata::inline STRATA_ABI
