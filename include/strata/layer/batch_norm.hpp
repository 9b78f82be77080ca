// BatchNorm1d and BatchNorm2d: normalisation over the batch, as torch.nn.BatchNorm1d/2d.
//
//   training    xhat = (x - mean) / sqrt(var + eps),  y = weight xhat + bias, mean and (biased) var of the channel over
//               the batch and its pixels; running statistics move by `momentum` towards mean and the unbiased variance
//   evaluation  the running statistics take the place of mean and var
//   dbias = sum dy,  dweight = sum dy xhat,  dx = weight / sqrt(var + eps) (dy - mean(dy) - xhat mean(dy xhat))
//
// Shapes: x and y [C][H][W], [C][L] or [C], weight, bias, running_mean, running_var [C]. Keeps x. Mean, variance and the
// sums over dy are passes over the batch (core/pass.hpp), each of which ends a phase. Source: Ioffe and Szegedy,
// arXiv:1502.03167, Algorithm 1 and section 3.
#pragma once

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// BatchNorm bound to a shape.
template <class X, bool HasAffine, Real MomentumValue, Real EpsilonValue, int Rank>
struct BatchNormalization {
    using Input = X;
    using Output = X;
    static constexpr int channels = channels_of<X>, pixels = pixels_of<X>;
    struct Weight : Parameter<"weight", Shape<channels>, Ones, channels, channels> {};
    struct Bias : Parameter<"bias", Shape<channels>, Zeros, channels, channels> {};
    struct RunningMean : Parameter<"running_mean", Shape<channels>, Zeros, channels, channels> {};
    struct RunningVariance : Parameter<"running_var", Shape<channels>, Ones, channels, channels> {};
    using Parameters = std::conditional_t<HasAffine, ParameterList<Weight, Bias>, NoParameters>;
    using Buffers = ParameterList<RunningMean, RunningVariance>;
    static constexpr bool affine = HasAffine;
    static constexpr double momentum = MomentumValue.value, epsilon = EpsilonValue.value;
    static constexpr Keep keep = Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 4.0 * X::size;
    static constexpr std::string_view type = Rank == 3 ? "BatchNorm2d" : "BatchNorm1d";

    /// Of a channel's x: bodies read the mean and 1 / sqrt(var + eps).
    struct Moments : Pass<Shape<channels>, Scope::batch> {
        static constexpr Gather gathers = Gather::moments;
        static constexpr int terms = pixels;
    };
    /// The means of dy and dy xhat.
    struct GradientMeans : Pass<Shape<channels>, Scope::batch> {
        static constexpr int terms = pixels, numbers = 2;
    };
    using ForwardPasses = PassList<Moments>;
    using BackwardPasses = PassList<GradientMeans>;
    static constexpr int mean = 0, inverse_deviation = 1;  ///< of Moments
    static constexpr int of_dy = 0, of_dy_xhat = 1;        ///< of GradientMeans

    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(Moments, Position<1> at, int pixel, Io const& io) {
        return io.x[at[0] * pixels + pixel];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto pass(GradientMeans, Position<1> at, int pixel, Io const& io) {
        using L = typename Io::L;
        auto const moments = io.pass(Moments{});
        L const dy = io.dy[at[0] * pixels + pixel], centered = io.x[at[0] * pixels + pixel] - moments(at[0], mean);
        return std::array<L, 2>{dy, dy * (centered * moments(at[0], inverse_deviation))};
    }
    STRATA_HD static std::array<double, 2> finish(Moments, GatheredMoments const& of) {
        return {of.mean, inverse_root(of.variance())};
    }
    template <class B>
    STRATA_HD static std::array<double, 2> evaluation(Moments, int channel, B const& buffers) {
        return {buffers(RunningMean{})[channel], inverse_root(buffers(RunningVariance{})[channel])};
    }
    template <class T>
    STRATA_HD static T moved(Moments, RunningMean, T old, GatheredMoments const& of) {
        return moved(old, of.mean);
    }
    template <class T>
    STRATA_HD static T moved(Moments, RunningVariance, T old, GatheredMoments const& of) {
        return moved(old, of.unbiased_variance());
    }
    STRATA_HD static double gathered_gradient(GradientMeans, Weight, GatheredSums<2> const& of) {
        return of.sum[of_dy_xhat];
    }
    STRATA_HD static double gathered_gradient(GradientMeans, Bias, GatheredSums<2> const& of) { return of.sum[of_dy]; }

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        int const c = at[0];
        auto const moments = io.pass(Moments{});
        L scale = moments(c, inverse_deviation), shift(0);
        if constexpr (HasAffine) {
            scale = scale * L(io.p(Weight{})(c));
            shift = L(io.p(Bias{})(c));
        }
        return multiply_add(io.x[X::index(at)] - moments(c, mean), scale, shift);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        int const c = at[0];
        auto const moments = io.pass(Moments{});
        auto const means = io.pass(GradientMeans{});
        L const deviation = moments(c, inverse_deviation);
        L scale = deviation;
        if constexpr (HasAffine) scale = scale * L(io.p(Weight{})(c));
        L const xhat = (io.x[X::index(at)] - moments(c, mean)) * deviation;
        return multiply_add(-xhat, means(c, of_dy_xhat), io.dy[X::index(at)] - means(c, of_dy)) * scale;
    }

private:
    STRATA_HD static double inverse_root(double variance) { return 1 / sqrt(variance + epsilon); }

    /// A running statistic after a batch's. With a momentum of 0 or 1 one of the two does not count, however large.
    template <class T>
    STRATA_HD static T moved(T old, double fresh) {
        if constexpr (momentum == 0)
            return old;
        else if constexpr (momentum == 1)
            return static_cast<T>(fresh);
        else
            return static_cast<T>((1 - momentum) * static_cast<double>(old) + momentum * fresh);
    }
};

namespace detail {
template <int Rank, class... Options>
struct BatchNormLayer {
    template <class X>
    using On = BatchNormalization<X, option_or<Affine, Options...>::value, option_or<Momentum<0.1>, Options...>::value,
                                  option_or<Epsilon<1e-5>, Options...>::value, Rank>;
    static constexpr bool options = OptionKinds<AffineKind, MomentumKind, EpsilonKind>::template accept<Options...>;
};
}  // namespace detail

/// `BatchNorm2d<options…>` on images [C][H][W]; options: Momentum<0.1>, Epsilon<1e-5>, NoAffine.
template <class... Options>
struct BatchNorm2d : detail::BatchNormLayer<3, Options...> {
    template <class Where, class Got>
    struct Check {
        static constexpr bool options = detail::BatchNormLayer<3, Options...>::options, image = Got::type::rank == 3;
        static constexpr bool ok = options && image;
        struct Message {
            static_assert(image,
                          "BatchNorm2d needs an image [C][H][W]: use BatchNorm1d on lines, after Flatten or Linear");
            static_assert(options,
                          "BatchNorm2d: an option is unknown or given twice; it takes Momentum, Epsilon, NoAffine");
        };
    };
};

/// `BatchNorm1d<options…>` on features [C] and lines [C][L]; options as BatchNorm2d.
template <class... Options>
struct BatchNorm1d : detail::BatchNormLayer<1, Options...> {
    template <class Where, class Got>
    struct Check {
        static constexpr bool options = detail::BatchNormLayer<1, Options...>::options, features = Got::type::rank <= 2;
        static constexpr bool ok = options && features;
        struct Message {
            static_assert(features, "BatchNorm1d needs features [C] or lines [C][L]: use BatchNorm2d on images");
            static_assert(options,
                          "BatchNorm1d: an option is unknown or given twice; it takes Momentum, Epsilon, NoAffine");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
