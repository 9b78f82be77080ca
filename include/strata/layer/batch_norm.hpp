// BatchNorm1d and BatchNorm2d: normalisation over the batch, as torch.nn.BatchNorm1d/2d.
//
//   training    xhat = (x - mean) / sqrt(var + eps),  y = weight xhat + bias, mean and (biased) var of the channel over
//               the batch and its pixels; running statistics move by `momentum` towards mean and the unbiased variance
//   evaluation  the running statistics take the place of mean and var
//   dbias = sum dy,  dweight = sum dy xhat,  dx = weight / sqrt(var + eps) (dy - mean(dy) - xhat mean(dy xhat))
//
// Shapes: x and y [C][H][W], [C][L] or [C], weight, bias, running_mean, running_var [C]. Keeps x. The sums run over the whole
// batch, so the layer ends a phase: the executor gathers each tile's part, merges the parts in one tree in double,
// and goes on. Source: Ioffe and Szegedy, arXiv:1502.03167, Algorithm 1 and section 3.
#pragma once

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// BatchNorm bound to a shape. `io.statistics` holds a block of doubles a channel (enum Statistic).
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

    /// What the statistics of a channel hold: forward's mean and 1 / sqrt(var + eps),
    /// backward's mean(dy), mean(dy xhat).
    enum Statistic { mean, inverse_deviation, mean_dy, mean_dy_xhat };
    static constexpr int statistics_per_channel = 4;

    // Sums over the pixels of a channel, for one sample: in runs of its own type, which are added in double. A run that
    // overflows is added number by number.

    /// Sum of x.
    template <class Io>
    STRATA_HD static double sum_x(int c, Io const& io) {
        return sum_of_runs<typename Io::L>([&]<class T>(T, int i) { return static_cast<T>(io.x[c * pixels + i]); });
    }
    /// Sum of (x - center)^2.
    template <class Io>
    STRATA_HD static double sum_squares(int c, typename Io::L center, Io const& io) {
        return sum_of_runs<typename Io::L>([&]<class T>(T, int i) {
            T const d = static_cast<T>(io.x[c * pixels + i]) - static_cast<T>(center);
            return d * d;
        });
    }
    /// Sum of dy.
    template <class Io>
    STRATA_HD static double sum_dy(int c, Io const& io) {
        return sum_of_runs<typename Io::L>([&]<class T>(T, int i) { return static_cast<T>(io.dy[c * pixels + i]); });
    }
    /// Sum of dy xhat.
    template <class Io>
    STRATA_HD static double sum_dy_xhat(int c, Io const& io) {
        double const* const s = io.statistics + 4 * c;
        return sum_of_runs<typename Io::L>([&]<class T>(T, int i) {
            T const x = static_cast<T>(io.x[c * pixels + i]) - static_cast<T>(s[mean]);
            return static_cast<T>(io.dy[c * pixels + i]) * (x * static_cast<T>(s[inverse_deviation]));
        });
    }

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

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        using T = scalar_of<L>;
        int const c = at[0];
        auto scale = static_cast<T>(io.statistics[4 * c + inverse_deviation]);
        T shift(0);
        if constexpr (HasAffine) {
            scale *= io.p(Weight{})(c);
            shift = io.p(Bias{})(c);
        }
        return multiply_add(io.x[X::index(at)] - L(static_cast<T>(io.statistics[4 * c + mean])), L(scale), L(shift));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        using T = scalar_of<L>;
        double const* s = io.statistics + 4 * at[0];
        auto const deviation = static_cast<T>(s[inverse_deviation]);
        T scale = deviation;
        if constexpr (HasAffine) scale *= io.p(Weight{})(at[0]);
        L const xhat = (io.x[X::index(at)] - L(static_cast<T>(s[mean]))) * L(deviation);
        L const centered = io.dy[X::index(at)] - L(static_cast<T>(s[mean_dy]));
        return multiply_add(-xhat, L(static_cast<T>(s[mean_dy_xhat])), centered) * L(scale);
    }

private:
    template <class T, class Term>
    STRATA_HD static double sum_of_runs(Term const& term) {
        constexpr int run = 64;
        double total = 0;
        for (int from = 0; from < pixels; from += run) {
            int const to = from + run < pixels ? from + run : pixels;
            T part(0);
            for (int i = from; i < to; ++i) part += term(T(), i);
            if (is_finite(part)) {
                total += static_cast<double>(part);
                continue;
            }
            for (int i = from; i < to; ++i) total += term(double(), i);
        }
        return total;
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
