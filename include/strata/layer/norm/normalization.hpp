// Normalisation of each sample by itself: what LayerNorm, GroupNorm, InstanceNorm and RMSNorm are.
//
//   xhat = (x - mean) / sqrt(var + eps),   y = weight xhat + bias,   mean and (biased) var of a group of the sample
//   dbias = sum dy,  dweight = sum dy xhat,
//   dx = (g - mean(g) - xhat mean(g xhat)) / sqrt(var + eps)   with g = weight dy
//
// RMSNorm has no mean: xhat = x / sqrt(mean(x^2) + eps), dx = (g - xhat mean(g xhat)) / sqrt(mean(x^2) + eps).
//
// A sample is seen as [groups][length][positions]; a group's numbers at one position are normalised together, so both
// moments are passes (core/pass.hpp), and so are the two means of the gradient. Keeps x. The variance is the mean
// square of the distances to the mean, as PyTorch's, not a difference of squares, and long sums lose little
// (core/long_sum.hpp).
#pragma once

#include "../../core/long_sum.hpp"
#include "../../core/operation.hpp"
#include "../../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// How a sample is seen, and what its parameters are: number m of group g has weight (group_length g + m) / shared.
template <class X, int Groups, int Positions, class WeightShape>
struct NormGeometry {
    using Input = X;
    using Weights = WeightShape;
    static constexpr int groups = Groups, positions = Positions, length = X::size / (Groups * Positions);
    static constexpr int shared = groups * length / WeightShape::size;
};

/// A normalisation bound to a shape. Centered: the mean is taken off. Name: a type with a `text`, for nvcc spells no
/// string.
template <class Geometry, bool Centered, bool HasWeight, bool HasBias, Real EpsilonValue, class Name>
struct Normalization {
    using Input = typename Geometry::Input;
    using Output = Input;
    using Seen = Geometry;
    static constexpr int groups = Geometry::groups, positions = Geometry::positions, length = Geometry::length;
    static constexpr bool centered = Centered, has_weight = HasWeight, has_bias = HasBias;
    static constexpr double epsilon = EpsilonValue.value;
    struct Weight : Parameter<"weight", typename Geometry::Weights, Ones, 1, 1> {};
    struct Bias : Parameter<"bias", typename Geometry::Weights, Zeros, 1, 1> {};
    using Parameters = std::conditional_t<HasWeight && HasBias, ParameterList<Weight, Bias>,
                                          std::conditional_t<HasWeight, ParameterList<Weight>, NoParameters>>;
    static_assert(HasWeight || !HasBias);
    static constexpr Keep keep = Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = (Centered ? 7.0 : 4.0) * Input::size;
    static constexpr std::string_view type = Name::text;

    using Moment = Shape<groups, positions>;
    struct Mean : Pass<Moment> {};
    struct InverseDeviation : Pass<Moment> {};  ///< 1 / sqrt(var + eps)
    struct GradientMean : Pass<Moment> {};      ///< mean(g)
    struct GradientXhatMean : Pass<Moment> {};  ///< mean(g xhat)
    using ForwardPasses = std::conditional_t<Centered, PassList<Mean, InverseDeviation>, PassList<InverseDeviation>>;
    using BackwardPasses =
        std::conditional_t<Centered, PassList<GradientMean, GradientXhatMean>, PassList<GradientXhatMean>>;

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Mean, Position<2> at, Io const& io) {
        using L = typename Io::L;
        LongSum<L, length> sum;
        for (int m = 0; m < length; ++m) sum.add(io.x[number(at[0], m, at[1])]);
        return sum.value() / L(scalar_of<L>(length));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(InverseDeviation, Position<2> at, Io const& io) {
        using L = typename Io::L;
        using T = scalar_of<L>;
        LongSum<L, length> sum;
        for (int m = 0; m < length; ++m) {
            L const d = centered_x(number(at[0], m, at[1]), at[0], at[1], io);
            sum.add_product(d, d);
        }
        return L(T(1)) / sqrt(sum.value() / L(T(length)) + L(static_cast<T>(epsilon)));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(GradientMean, Position<2> at, Io const& io) {
        using L = typename Io::L;
        LongSum<L, length> sum;
        for (int m = 0; m < length; ++m) sum.add(weighted_dy(number(at[0], m, at[1]), at[0], m, io));
        return sum.value() / L(scalar_of<L>(length));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(GradientXhatMean, Position<2> at, Io const& io) {
        using L = typename Io::L;
        LongSum<L, length> sum;
        for (int m = 0; m < length; ++m) {
            int const n = number(at[0], m, at[1]);
            sum.add_product(weighted_dy(n, at[0], m, io), xhat(n, at[0], at[1], io));
        }
        return sum.value() / L(scalar_of<L>(length));
    }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<Input::rank> at, Io const& io) {
        using L = typename Io::L;
        auto const [n, g, m, p] = place(at);
        L const value = xhat(n, g, p, io);
        if constexpr (HasBias)
            return multiply_add(value, L(io.p(Weight{})[weight_of(g, m)]), L(io.p(Bias{})[weight_of(g, m)]));
        else if constexpr (HasWeight)
            return value * L(io.p(Weight{})[weight_of(g, m)]);
        else
            return value;
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<Input::rank> at, Io const& io) {
        using L = typename Io::L;
        auto const [n, g, m, p] = place(at);
        L rest = weighted_dy(n, g, m, io);
        if constexpr (Centered) rest = rest - io.pass(GradientMean{})(g, p);
        return multiply_add(-xhat(n, g, p, io), io.pass(GradientXhatMean{})(g, p), rest) *
               io.pass(InverseDeviation{})(g, p);
    }
    template <class P, class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(P, Position<Geometry::Weights::rank> at, Io const& io) {
        using L = typename Io::L;
        LongSum<L, Geometry::shared * positions> sum;
        int const first = Geometry::Weights::index(at) * Geometry::shared;
        for (int k = first; k < first + Geometry::shared; ++k)
            for (int p = 0; p < positions; ++p) {
                int const g = k / length, n = number(g, k % length, p);
                if constexpr (std::is_same_v<P, Weight>)
                    sum.add_product(io.dy[n], xhat(n, g, p, io));
                else
                    sum.add(io.dy[n]);
            }
        return sum.value();
    }

private:
    /// Which number of the sample is number m of a group at a position.
    static constexpr int number(int g, int m, int p) { return (g * length + m) * positions + p; }
    static constexpr int weight_of(int g, int m) { return (g * length + m) / Geometry::shared; }
    struct Place {
        int number, group, index, position;
    };
    static constexpr Place place(Position<Input::rank> at) {
        int const n = Input::index(at);
        return {n, n / (length * positions), n / positions % length, n % positions};
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto centered_x(int n, int g, int p, Io const& io) {
        if constexpr (Centered)
            return io.x[n] - io.pass(Mean{})(g, p);
        else
            return io.x[n];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto xhat(int n, int g, int p, Io const& io) {
        return centered_x(n, g, p, io) * io.pass(InverseDeviation{})(g, p);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto weighted_dy(int n, int g, int m, Io const& io) {
        using L = typename Io::L;
        if constexpr (HasWeight)
            return io.dy[n] * L(io.p(Weight{})[weight_of(g, m)]);
        else
            return io.dy[n];
    }
};

namespace detail {
/// A normalisation with weight and bias, or without, as options say.
template <class Geometry, bool Centered, class DefaultAffine, class DefaultEpsilon, class Name, class... Options>
struct NormLayer {
    static constexpr bool affine = option_or<DefaultAffine, Options...>::value;
    using Operation = Normalization<Geometry, Centered, affine, affine && option_or<WithBias, Options...>::value,
                                    Real(option_or<DefaultEpsilon, Options...>::value), Name>;
};
template <class X>
using channel_weights = Shape<channels_of<X>>;
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
