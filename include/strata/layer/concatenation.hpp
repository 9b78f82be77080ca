// Concatenation: several values one behind the other, as torch.cat(dim=1): y = [x0, x1, …], dx_k is part k of dy.
//
// Shapes: x_k [C_k][H][W], y [C0 + C1 + …][H][W]; or all lines, [C_k][L], or flat, [C_k]. A tile is [feature][sample],
// so a part is a piece of the whole's memory: the plan has it made there where it can, and otherwise it is copied.
// Keeps nothing.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Copies a part: y = x, dx = dy.
struct PassOn {
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;

    template <class L>
    STRATA_HD static STRATA_INLINE L forward(L x) {
        return x;
    }
    template <class L>
    STRATA_HD static STRATA_INLINE L backward(L, L, L dy) {
        return dy;
    }
};

/// The shape of values one behind the other, Poison where they do not fit.
template <class... Shapes>
struct JoinedShape {
    using type = Poison;
};
template <int... Channels>
struct JoinedShape<Shape<Channels>...> {
    using type = Shape<(0 + ... + Channels)>;
};
template <int Length, int... Channels>
struct JoinedShape<Shape<Channels, Length>...> {
    using type = Shape<(0 + ... + Channels), Length>;
};
template <int Height, int Width, int... Channels>
struct JoinedShape<Shape<Channels, Height, Width>...> {
    using type = Shape<(0 + ... + Channels), Height, Width>;
};

}  // namespace detail

/// Concatenation bound to the shapes of its inputs.
template <class... X>
struct ConcatenationOf {
    using Inputs = ShapeList<X...>;
    using Output = typename detail::JoinedShape<X...>::type;
    using Parameters = NoParameters;
    using IsConcatenation = void;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "Concat";
};

/// The layer behind `Concat<Branch<…>, Branch<…>, …>`.
struct Concatenation {
    static constexpr std::string_view name = "concat";
    template <class... X>
    using On = ConcatenationOf<X...>;

    template <class Where, class... Got>
    struct Check {
        static constexpr bool ok = !std::is_same_v<typename detail::JoinedShape<typename Got::type...>::type, Poison>;
        struct Message {
            static_assert(ok,
                          "Concat: the branches end in images of different heights or widths, in lines of different "
                          "lengths, or not all in images, lines or flat features; it joins channels, all else must "
                          "agree");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
