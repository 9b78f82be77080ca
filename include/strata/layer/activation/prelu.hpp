// PReLU: y = x where x > 0, else weight x, with a weight that is learned, as torch.nn.PReLU.
//
//   dx = dy where x > 0, else weight dy,   dweight = sum of x dy over the x <= 0
//
// Shapes: x and y [C][H][W] or [C], weight [1] or [C], which starts at 0.25. Keeps x. Source: He et al.,
// arXiv:1502.01852.
#pragma once

#include "../../core/long_sum.hpp"
#include "../../core/operation.hpp"
#include "../../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// PReLU bound to a shape.
template <class X, bool PerChannel, class Scheme>
struct ParametricRectification {
    using Input = X;
    using Output = X;
    static constexpr int weights = PerChannel ? channels_of<X> : 1, numbers = X::size / weights;
    struct Weight : Parameter<"weight", Shape<weights>, Scheme, 1, 1> {};
    using Parameters = ParameterList<Weight>;
    static constexpr Keep keep = Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "PReLU";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<X::rank> at, Io const& io) {
        return rectified(at, io, io.x[X::index(at)]);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<X::rank> at, Io const& io) {
        return rectified(at, io, io.dy[X::index(at)]);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Weight, Position<1> at, Io const& io) {
        using L = typename Io::L;
        LongSum<L, numbers> sum;
        for (int i = at[0] * numbers; i < (at[0] + 1) * numbers; ++i) {
            L const x = io.x[i];
            sum.add(select(x > L(0), L(0), x * io.dy[i]));
        }
        return sum.value();
    }

private:
    /// A value where x > 0, else weight times it.
    template <class Io, class L>
    STRATA_HD static STRATA_INLINE L rectified(Position<X::rank> at, Io const& io, L value) {
        L const weight = L(io.p(Weight{})(PerChannel ? at[0] : 0));
        return select(io.x[X::index(at)] > L(0), value, weight * value);
    }
};

/// `PReLU<options…>`; options: PerChannel (default: one weight for all), Initialize.
template <class... Options>
struct PReLU {
    template <class X>
    using On = ParametricRectification<X, option_or<OneForAll, Options...>::value,
                                       typename option_or<Initialize<ConstantInit<Real(0.25)>>, Options...>::type>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool ok = OptionKinds<SharingKind, InitializationKind>::template accept<Options...>;
        struct Message {
            static_assert(ok, "PReLU: an option is unknown or given twice; it takes PerChannel, Initialize");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
