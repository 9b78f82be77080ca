// Product: y = a * b, element by element, b the shape of a or a number a channel; as torch.mul.
//
//   y(c, i, j) = a(c, i, j) b(c, i, j),   da = dy b,                         db = dy a
//   y(c, i, j) = a(c, i, j) b(c),         da(c, i, j) = dy(c, i, j) b(c),    db(c) = sum over i, j of dy(c, i, j) a(c, i, j)
//
// Shapes: a [C][H][W] or flat; b the same, [C] or [C][1][1]. Keeps both inputs.
#pragma once

#include "../core/long_sum.hpp"
#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// The product of two values of shape X.
template <class X, class Factor>
struct ProductOf {
    using Inputs = ShapeList<X, Factor>;
    using Output = X;
    using Parameters = NoParameters;
    using IsElementwise = void;
    static constexpr Keep keep = Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "Multiply";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<1> at, Io const& io) {
        return io.x[at[0]] * io.template input<1>()[at[0]];
    }
    template <int K, class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<1> at, Io const& io) {
        return io.dy[at[0]] * io.template input<1 - K>()[at[0]];
    }
};

/// The product of a value and a number a channel.
template <class X, class Factor>
requires(!std::is_same_v<X, Factor>)
struct ProductOf<X, Factor> {
    using Inputs = ShapeList<X, Factor>;
    using Output = X;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "Multiply";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        return io.x(at[0], at[1], at[2]) * io.template input<1>()[at[0]];
    }
    template <int K, int Rank, class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<Rank> at, Io const& io) {
        if constexpr (K == 0) {
            return io.dy(at[0], at[1], at[2]) * io.template input<1>()[at[0]];
        } else {
            constexpr int pixels = pixels_of<X>;
            LongSum<typename Io::L, pixels> total;
            for (int pixel = at[0] * pixels; pixel < (at[0] + 1) * pixels; ++pixel)
                total.add_product(io.dy[pixel], io.x[pixel]);
            return total.value();
        }
    }
};

/// The layer behind `Multiply<Branch<…>, Branch<…>>`.
struct Product {
    static constexpr std::string_view name = "multiply";
    template <class X, class Factor>
    using On = ProductOf<X, Factor>;

    template <class Where, class... Got>
    struct Check {
        static constexpr bool ok = [] {
            if constexpr (sizeof...(Got) == 2)
                return []<class X, class Factor>(ShapeList<X, Factor>) {
                    constexpr int channels = channels_of<X>;
                    return std::is_same_v<X, Factor> ||
                           (X::rank == 3 &&
                            (std::is_same_v<Factor, Shape<channels>> || std::is_same_v<Factor, Shape<channels, 1, 1>>));
                }(ShapeList<typename Got::type...>{});
            else
                return false;
        }();
        struct Message {
            static_assert(ok,
                          "Multiply takes two branches: the second ends in the shape of the first or, behind an image, "
                          "in a number for each of its channels");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
