// ZeroPadShortcut: option A of He et al. 2015 (arXiv:1512.03385, section 4.2): identity, subsampled by the main path's
// stride, the new channels zero, half of them before and half after (x[:, :, ::s, ::s] padded).
//
//   y(c, i, j)  = x(c - before, s i, s j) where that exists, else 0;   dx is the same map read backwards
//
// Shapes: x [C][H][W], y the main path's. Keeps nothing.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// ZeroPadShortcut bound to its input X and the main path's output Target.
template <class X, class Target>
struct ZeroPaddedIdentity {
    using Input = X;
    using Output = Target;
    using Parameters = NoParameters;
    static constexpr int stride_height =
                             (X::template extent<1> + Target::template extent<1> - 1) / Target::template extent<1>,
                         stride_width =
                             (X::template extent<2> + Target::template extent<2> - 1) / Target::template extent<2>;
    static constexpr int before = (Target::template extent<0> - X::template extent<0>) / 2;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "ZeroPadShortcut";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        int const c = at[0] - before;
        if (c < 0 || c >= X::template extent<0>) return L(0);
        return io.x(c, at[1] * stride_height, at[2] * stride_width);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        if (at[1] % stride_height != 0 || at[2] % stride_width != 0) return L(0);
        return io.dy(at[0] + before, at[1] / stride_height, at[2] / stride_width);
    }
};

struct ZeroPadShortcut {
    template <class X, class Target>
    using OnTarget = ZeroPaddedIdentity<X, Target>;

    template <class Where, class Got, class Target>
    struct Check {
        using X = typename Got::type;
        static constexpr bool ok = [] {
            if constexpr (X::rank == 3 && Target::rank == 3) {
                using Bound = ZeroPaddedIdentity<X, Target>;
                return X::template extent<0> <= Target::template extent<0> &&
                       (X::template extent<1> + Bound::stride_height - 1) / Bound::stride_height ==
                           Target::template extent<1> &&
                       (X::template extent<2> + Bound::stride_width - 1) / Bound::stride_width ==
                           Target::template extent<2>;
            } else {
                return false;
            }
        }();
        struct Message {
            static_assert(ok,
                          "ZeroPadShortcut: the main path must keep or add channels and subsample by a whole stride");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
