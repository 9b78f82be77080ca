// Linear: y = W x + b, as torch.nn.Linear.
//
//   y(o)          = bias(o) + sum_i weight(o, i) x(i)
//   dx(i)         = sum_o weight(o, i) dy(o)
//   dweight(o, i) = dy(o) x(i),   dbias(o) = dy(o)
//
// Shapes: x [I], y [O], weight [O][I], bias [O]. Keeps x.
#pragma once

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// Linear bound to its input.
template <int Inputs, int Outputs, bool HasBias, class Scheme>
struct AffineMap {
    using Input = Shape<Inputs>;
    using Output = Shape<Outputs>;
    static constexpr bool bias = HasBias;
    struct Weight : Parameter<"weight", Shape<Outputs, Inputs>, Scheme, Inputs, Outputs> {};
    struct Bias : Parameter<"bias", Shape<Outputs>, KaimingUniform, Inputs, Outputs> {};
    using Parameters = std::conditional_t<HasBias, ParameterList<Weight, Bias>, ParameterList<Weight>>;
    static constexpr Keep keep = Keep::input;
    static constexpr double flops = 2.0 * Inputs * Outputs;
    static constexpr std::string_view type = "Linear";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<1> at, Io const& io) {
        using L = typename Io::L;
        auto const weight = io.p(Weight{});
        L sum = L(0);
        if constexpr (HasBias) sum = L(io.p(Bias{})(at[0]));
        for (int i = 0; i < Inputs; ++i) sum = multiply_add(L(weight(at[0], i)), io.x(i), sum);
        return sum;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<1> at, Io const& io) {
        using L = typename Io::L;
        auto const weight = io.p(Weight{});
        L sum = L(0);
        for (int o = 0; o < Outputs; ++o) sum = multiply_add(L(weight(o, at[0])), io.dy(o), sum);
        return sum;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Weight, Position<2> at, Io const& io) {
        return io.dy(at[0]) * io.x(at[1]);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Bias, Position<1> at, Io const& io) {
        return io.dy(at[0]);
    }
};

/// `Linear<out_features, options…>`; options: NoBias, Initialize. The input width is inferred.
template <int OutFeatures, class... Options>
struct Linear {
    template <class X>
    using On = AffineMap<X::size, OutFeatures, option_or<WithBias, Options...>::value,
                         typename option_or<Initialize<KaimingUniform>, Options...>::type>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<BiasKind, InitializationKind>::template accept<Options...>;
        static constexpr bool flat = Got::type::rank == 1;
        static constexpr bool positive = OutFeatures > 0;
        static constexpr bool ok = options && flat && positive;
        struct Message {
            static_assert(flat, "Linear needs a flat input: put Flatten before it");
            static_assert(options, "Linear: an option is unknown or given twice; it takes NoBias, Initialize");
            static_assert(positive, "Linear: the number of output features must be positive");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
