// What a network's heads make, one behind the other: a concatenation of values of any shapes, whose parts keep names
// and shapes.
#pragma once

#include <array>

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// The name of a head as a type.
template <FixedString Name>
struct HeadName {
    static constexpr std::string_view text = Name.view();
};

/// The heads' outputs, flat: head k has the numbers [offset[k], offset[k + 1]). Nothing is copied where Concat copies
/// nothing.
template <class Names, class... X>
struct HeadsOf;
template <class... Names, class... X>
struct HeadsOf<ShapeList<Names...>, X...> {
    using Inputs = ShapeList<X...>;
    using Output = Shape<(0 + ... + X::size)>;
    using Parameters = NoParameters;
    using IsConcatenation = void;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "Heads";

    static constexpr int heads = sizeof...(X);
    static constexpr std::array<std::string_view, sizeof...(X)> names{Names::text...};
    static constexpr std::array<int, sizeof...(X)> sizes{X::size...};
    /// Which head is called so, -1 if none is.
    static constexpr int find(std::string_view name) {
        for (int k = 0; k < heads; ++k)
            if (names[static_cast<std::size_t>(k)] == name) return k;
        return -1;
    }
    static constexpr int offset(int head) {
        int at = 0;
        for (int k = 0; k < head; ++k) at += sizes[static_cast<std::size_t>(k)];
        return at;
    }
};

}  // namespace strata::inline STRATA_ABI
