// The values that an operation reads, as constants.
#pragma once

#include <initializer_list>

#include "../core/identity.hpp"

namespace strata::inline STRATA_ABI {

/// At most 8 values of the op list, by their numbers.
struct ValueList {
    static constexpr int most = 8;
    int count = 0;
    int values[most]{};

    constexpr ValueList() = default;
    constexpr ValueList(std::initializer_list<int> all) {
        for (int const v : all) add(v);
    }
    constexpr void add(int value) { values[count++] = value; }
    constexpr int operator[](int k) const { return values[k]; }
    [[nodiscard]] constexpr int const* begin() const { return values; }
    [[nodiscard]] constexpr int const* end() const { return values + count; }
};

}  // namespace strata::inline STRATA_ABI
