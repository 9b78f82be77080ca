// Layers with passes over the batch as a user writes them.
#pragma once

#include <array>

#include "strata/core/operation.hpp"

namespace strata {

/// y = x - mean of x over the batch, feature by feature; in evaluation y = x
template <class X>
struct CenteredOf {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;

    struct Mean : Pass<X, Scope::batch> {};          // of x
    struct MeanGradient : Pass<X, Scope::batch> {};  // of dy
    using ForwardPasses = PassList<Mean>;
    using BackwardPasses = PassList<MeanGradient>;

    template <class Io>
    static auto pass(Mean, Position<X::rank> at, int, Io const& io) {
        return io.x[X::index(at)];
    }
    template <class Io>
    static auto pass(MeanGradient, Position<X::rank> at, int, Io const& io) {
        return io.dy[X::index(at)];
    }
    template <class Buffers>
    static std::array<double, 1> evaluation(Mean, int, Buffers const&) {
        return {0};
    }
    template <class Io>
    static auto forward(Position<X::rank> at, Io const& io) {
        return io.x[X::index(at)] - io.pass(Mean{})[X::index(at)];
    }
    template <class Io>
    static auto input_gradient(Position<X::rank> at, Io const& io) {
        return io.dy[X::index(at)] - io.pass(MeanGradient{})[X::index(at)];
    }
};
struct Centered {
    template <class X>
    using On = CenteredOf<X>;
};

/// The minibatch standard deviation of ProGAN (Karras et al., arXiv:1710.10196, section 3): one more channel, all of it the
/// mean over the features of how much they deviate within the batch. In evaluation of the deviations so far.
template <class X>
struct MinibatchDeviationOf {
    static constexpr int channels = channels_of<X>, pixels = pixels_of<X>;
    using Input = X;
    using Output = Shape<channels + 1, X::template extent<1>, X::template extent<2>>;
    using Parameters = NoParameters;
    struct RunningDeviation : Parameter<"running_deviation", X, Ones, 1, 1> {};
    using Buffers = ParameterList<RunningDeviation>;
    static constexpr Keep keep = Keep::input;
    static constexpr std::string_view type = "MinibatchDeviation";

    struct Moments : Pass<X, Scope::batch> {
        static constexpr Gather gathers = Gather::moments;
    };
    struct Deviation : Pass<Shape<1>> {};  // of all features
    struct MeanGradient : Pass<Shape<1>, Scope::batch> {
        static constexpr int terms = pixels;
    };
    using ForwardPasses = PassList<Moments, Deviation>;
    using BackwardPasses = PassList<MeanGradient>;

    template <class Io>
    STRATA_HD static auto pass(Moments, Position<3> at, int, Io const& io) {
        return io.x[X::index(at)];
    }
    template <class Io>
    STRATA_HD static auto pass(Deviation, Position<1>, Io const& io) {
        typename Io::L sum(0);
        for (int i = 0; i < X::size; ++i) sum = sum + io.pass(Moments{})(i, 1);
        return sum / typename Io::L(X::size);
    }
    template <class Io>
    STRATA_HD static auto pass(MeanGradient, Position<1>, int pixel, Io const& io) {
        return io.dy[X::size + pixel];
    }
    STRATA_HD static std::array<double, 2> finish(Moments, GatheredMoments const& of) {
        return {of.mean, sqrt(of.variance() + 1e-8)};
    }
    template <class B>
    STRATA_HD static std::array<double, 2> evaluation(Moments, int feature, B const& buffers) {
        return {0, buffers(RunningDeviation{})[feature]};
    }
    template <class T>
    STRATA_HD static T moved(Moments, RunningDeviation, T old, GatheredMoments const& of) {
        return static_cast<T>(0.75 * static_cast<double>(old) + 0.25 * sqrt(of.variance() + 1e-8));
    }

    template <class Io>
    STRATA_HD static auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        return at[0] < channels ? L(io.x[X::index(at)]) : L(io.pass(Deviation{})[0]);
    }
    template <class Io>
    STRATA_HD static auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        int const i = X::index(at);
        auto const moments = io.pass(Moments{});
        L const of_deviation = io.pass(MeanGradient{})[0] * L(static_cast<double>(pixels) / X::size);
        return io.dy[i] + of_deviation * (io.x[i] - moments(i)) / moments(i, 1);
    }
};
struct MinibatchDeviation {
    template <class X>
    using On = MinibatchDeviationOf<X>;
};

/// BatchNorm with a weight alone and no running statistics, in two means, one after the other; in evaluation y = weight x.
template <class X>
struct StandardizedOf {
    static constexpr int channels = channels_of<X>, pixels = pixels_of<X>;
    using Input = X;
    using Output = X;
    struct Weight : Parameter<"weight", Shape<channels>, Ones, channels, channels> {};
    using Parameters = ParameterList<Weight>;
    static constexpr Keep keep = Keep::input;

    struct Mean : Pass<Shape<channels>, Scope::batch> {
        static constexpr int terms = pixels;
    };
    struct InverseDeviation : Pass<Shape<channels>, Scope::batch> {
        static constexpr int terms = pixels;
    };
    struct GradientMeans : Pass<Shape<channels>, Scope::batch> {
        static constexpr int terms = pixels, numbers = 2;
    };
    using ForwardPasses = PassList<Mean, InverseDeviation>;
    using BackwardPasses = PassList<GradientMeans>;

    template <class Io>
    STRATA_HD static auto pass(Mean, Position<1> at, int pixel, Io const& io) {
        return io.x[at[0] * pixels + pixel];
    }
    template <class Io>
    STRATA_HD static auto pass(InverseDeviation, Position<1> at, int pixel, Io const& io) {
        auto const d = io.x[at[0] * pixels + pixel] - io.pass(Mean{})[at[0]];
        return d * d;
    }
    STRATA_HD static std::array<double, 1> finish(InverseDeviation, GatheredSums<1> const& of) {
        return {1 / sqrt(of.sum[0] / of.count + 1e-5)};
    }
    template <class Io>
    STRATA_HD static auto pass(GradientMeans, Position<1> at, int pixel, Io const& io) {
        int const i = at[0] * pixels + pixel;
        return std::array{io.dy[i], io.dy[i] * standardized(at[0], i, io)};
    }
    template <class B>
    STRATA_HD static std::array<double, 1> evaluation(Mean, int, B const&) {
        return {0};
    }
    template <class B>
    STRATA_HD static std::array<double, 1> evaluation(InverseDeviation, int, B const&) {
        return {1};
    }

    template <class Io>
    STRATA_HD static auto forward(Position<X::rank> at, Io const& io) {
        return standardized(at[0], X::index(at), io) * typename Io::L(io.p(Weight{})(at[0]));
    }
    template <class Io>
    STRATA_HD static auto input_gradient(Position<X::rank> at, Io const& io) {
        using L = typename Io::L;
        int const c = at[0], i = X::index(at);
        auto const means = io.pass(GradientMeans{});
        return (io.dy[i] - means(c) - standardized(c, i, io) * means(c, 1)) *
               (io.pass(InverseDeviation{})[c] * L(io.p(Weight{})(c)));
    }
    template <class Io>
    STRATA_HD static auto parameter_gradient(Weight, Position<1> at, Io const& io) {
        // All that is standardised has the sum 0, so the mean of dy may be left out of it.
        auto const mean = io.pass(GradientMeans{})(at[0]);
        typename Io::L sum(0);
        for (int i = at[0] * pixels; i < (at[0] + 1) * pixels; ++i)
            sum = sum + (io.dy[i] - mean) * standardized(at[0], i, io);
        return sum;
    }

private:
    template <class Io>
    STRATA_HD static auto standardized(int channel, int i, Io const& io) {
        return (io.x[i] - io.pass(Mean{})[channel]) * io.pass(InverseDeviation{})[channel];
    }
};
struct Standardized {
    template <class X>
    using On = StandardizedOf<X>;
};

}  // namespace strata
