// BatchNorm on the CPU: a tile's part of the statistics, and the pointwise passes. A channel of a tile is one row of
// numbers, so one copy of the code serves every shape and tile size.
#pragma once

#include "../../../../layer/batch_norm.hpp"
#include "../generic_gather.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {

/// Sums K terms over vectors [from, stop) of numbers: term(at) gives K lanes. Four chains of
/// additions run side by side.
template <int K, class L, class F>
STRATA_INLINE void sum_vectors(int from, int stop, double (&totals)[K], F const& terms) {
    constexpr int N = width_of<L>, chains = 4;
    L sums[chains][K];
    for (auto& chain : sums)
        for (L& total : chain) total = L(scalar_of<L>(0));
    int at = from;
    for (; at + chains * N <= stop; at += chains * N) {
        STRATA_UNROLL
        for (int c = 0; c < chains; ++c) terms(at + c * N, sums[c]);
    }
    for (; at < stop; at += N) terms(at, sums[0]);
    STRATA_UNROLL
    for (int k = 0; k < K; ++k)
        totals[k] = static_cast<double>(sum((sums[0][k] + sums[1][k]) + (sums[2][k] + sums[3][k])));
}

/// `count` numbers, which overflowed in sums of their own type, in double: their mean and the sum of their squared
/// distances to it.
template <class T>
STRATA_COLD void moments_in_double(T const* numbers, int count, double& mean, double& squares) {
    mean = squares = 0;
    for (int k = 0; k < count; ++k) mean += static_cast<double>(numbers[k]) / count;
    for (int k = 0; k < count; ++k) {
        double const d = static_cast<double>(numbers[k]) - mean;
        squares += d * d;
    }
}
/// The same for the sums of dy and dy xhat.
template <class T>
STRATA_COLD void gradient_sums_in_double(T const* x, T const* dy, int count, double mean, double deviation,
                                         double (&sums)[2]) {
    sums[0] = sums[1] = 0;
    for (int k = 0; k < count; ++k) {
        sums[0] += static_cast<double>(dy[k]);
        sums[1] += static_cast<double>(dy[k]) * ((static_cast<double>(x[k]) - mean) * deviation);
    }
}

/// A tile's part of the forward statistics, in double: the mean of a channel's numbers and the sum of their squared
/// distances to it, [channel][2]. Pieces that fit the cache are read twice and merged by Chan, Golub and LeVeque's
/// update; of `S` samples the first `samples` are real.
template <class L, class T>
STRATA_ONE_COPY void gather_moments(T const* x, double* parts, int pixels, int S, int samples, int begin, int end) {
    using C = scalar_of<L>;
    constexpr int N = width_of<L>, piece = 64 * N;
    int const length = pixels * S;
    for (int channel = begin; channel < end; ++channel) {
        T const* const row = x + static_cast<std::ptrdiff_t>(channel) * length;
        double count = 0, mean = 0, squares = 0;
        auto const merge = [&](double n, double part_mean, double part_squares) {
            double const delta = part_mean - mean, total = count + n;
            mean += delta * n / total;
            squares += part_squares + delta * delta * count * n / total;
            count = total;
        };
        int const vectors_end = samples == S ? length / N * N : 0;
        for (int at = 0; at < vectors_end; at += piece) {
            int const stop = (std::min)(at + piece, vectors_end);
            double total[1];
            sum_vectors<1, L>(at, stop, total, [&](int k, L(&sums)[1]) { sums[0] += load_lane<L>(row + k); });
            double const n = stop - at;
            double part = total[0] / n;
            L const center(static_cast<C>(part));
            sum_vectors<1, L>(at, stop, total, [&](int k, L(&sums)[1]) {
                L const d = load_lane<L>(row + k) - center;
                sums[0] = multiply_add(d, d, sums[0]);
            });
            double const off = part - static_cast<double>(static_cast<C>(part));  // the center was rounded
            double part_squares = total[0] - n * off * off;
            if (!is_finite(part_squares)) moments_in_double(row + at, stop - at, part, part_squares);
            merge(n, part, part_squares);
        }
        double n = 0, part = 0, part_squares = 0;  // the rest, or all of a ragged tile, number by number
        for (int at = vectors_end; at < length; ++at)
            if (at % S < samples) {
                part += static_cast<double>(row[at]);
                ++n;
            }
        if (n > 0) {
            part /= n;
            for (int at = vectors_end; at < length; ++at)
                if (at % S < samples)
                    part_squares += (static_cast<double>(row[at]) - part) * (static_cast<double>(row[at]) - part);
            merge(n, part, part_squares);
        }
        parts[2 * channel] = mean;
        parts[2 * channel + 1] = squares;
    }
}

/// A tile's sums of dy and dy xhat, [channel][2]; empty lanes of dy hold zeros. `moments`: [channel][2], mean and inverse
/// deviation.
template <class L, class T>
STRATA_ONE_COPY void gather_gradient_sums(T const* x, T const* dy, double const* moments, double* sums_of, int length,
                                          int begin, int end) {
    using C = scalar_of<L>;
    constexpr int N = width_of<L>, piece = 64 * N;
    for (int channel = begin; channel < end; ++channel) {
        std::ptrdiff_t const place = static_cast<std::ptrdiff_t>(channel) * length;
        T const* const row = x + place;
        T const* const gradient = dy + place;
        double const mean = moments[2 * channel], deviation = moments[2 * channel + 1];
        auto const center = static_cast<C>(mean), scale = static_cast<C>(deviation);
        double total = 0, total_xhat = 0;
        int at = 0;
        while (at + N <= length) {
            int const stop = (std::min)(at + piece, at + (length - at) / N * N);
            double sums[2];
            sum_vectors<2, L>(at, stop, sums, [&](int k, L(&lanes)[2]) {
                L const g = load_lane<L>(gradient + k);
                lanes[0] += g;
                lanes[1] = multiply_add(g, (load_lane<L>(row + k) - L(center)) * L(scale), lanes[1]);
            });
            if (!is_finite(sums[0]) || !is_finite(sums[1]))
                gradient_sums_in_double(row + at, gradient + at, stop - at, mean, deviation, sums);
            total += sums[0];
            total_xhat += sums[1];
            at = stop;
        }
        for (; at < length; ++at) {
            auto const g = static_cast<double>(gradient[at]);
            total += g;
            total_xhat += g * static_cast<double>((static_cast<C>(row[at]) - center) * scale);
        }
        sums_of[2 * channel] = total;
        sums_of[2 * channel + 1] = total_xhat;
    }
}

/// Calls f(channel, first, last) for the parts of channels in the vectors [begin, end) of a tile's numbers.
template <int N, class F>
void for_channel_parts(int length, int numbers, int begin, int end, F const& f) {
    int const to = (std::min)(end * N, numbers);
    for (int from = begin * N; from < to;) {
        int const channel = from / length, stop = (std::min)((channel + 1) * length, to);
        f(channel, from, stop);
        from = stop;
    }
}

/// Where the numbers of BatchNorm's parameters lie; null without Affine.
template <class T>
struct BatchNormScale {
    T const *weight, *bias;
};

/// y = (x - mean) scale + shift for vectors [begin, end) of the tile's numbers.
template <class T, class Storage>
STRATA_ONE_COPY void normalize(Storage const* x, Storage* y, double const* moments, BatchNormScale<T> affine,
                               int length, int numbers, int begin, int end) {
    using L = widest_lane<T>;
    for_channel_parts<width_of<L>>(length, numbers, begin, end, [&](int channel, int at, int stop) {
        auto const mean = static_cast<T>(moments[2 * channel]);
        auto scale = static_cast<T>(moments[2 * channel + 1]);
        if (affine.weight) scale *= affine.weight[channel];
        T const shift = affine.bias ? affine.bias[channel] : T(0);
        for (; at + width_of<L> <= stop; at += width_of<L>)
            store_lane(y + at, multiply_add(load_lane<L>(x + at) - L(mean), L(scale), L(shift)));
        for (; at < stop; ++at) store_lane(y + at, multiply_add(load_lane<T>(x + at) - mean, scale, shift));
    });
}

/// dx = scale (dy - mean(dy) - xhat mean(dy xhat)), set or added, for vectors [begin, end) of the tile's numbers; zero
/// in empty lanes: the means make their gradient non-zero, and it must not reach the layers below.
template <class T, class Storage>
STRATA_ONE_COPY void normalize_gradient(Storage const* x, Storage const* dy, Storage* dx, double const* moments,
                                        double const* means, T const* weight, int length, int numbers, int S,
                                        int samples, bool add, int begin, int end) {
    using L = widest_lane<T>;
    for_channel_parts<width_of<L>>(length, numbers, begin, end, [&](int channel, int first, int stop) {
        auto const mean = static_cast<T>(moments[2 * channel]), deviation = static_cast<T>(moments[2 * channel + 1]),
                   mean_dy = static_cast<T>(means[2 * channel]), mean_dy_xhat = static_cast<T>(means[2 * channel + 1]);
        T const scale = weight ? deviation * weight[channel] : deviation;
        auto const gradient = [&]<class V>(V value, V g) {
            V const xhat = (value - V(mean)) * V(deviation);
            return multiply_add(-xhat, V(mean_dy_xhat), g - V(mean_dy)) * V(scale);  // no compiler decides on the fma
        };
        int at = first;
        if (samples == S)
            for (; at + width_of<L> <= stop; at += width_of<L>) {
                L const value = gradient(load_lane<L>(x + at), load_lane<L>(dy + at));
                store_lane(dx + at, add ? load_lane<L>(dx + at) + value : value);
            }
        for (; at < stop; ++at) {
            T const value = at % S < samples ? gradient(load_lane<T>(x + at), load_lane<T>(dy + at)) : T(0);
            store_lane(dx + at, add ? load_lane<T>(dx + at) + value : value);
        }
    });
}

}  // namespace detail

template <class Of, class Precision>
struct BatchNormMomentsGather;
template <class X, bool HasAffine, Real M, Real E, int Rank, class Precision>
struct BatchNormMomentsGather<BatchPassOf<BatchNormalization<X, HasAffine, M, E, Rank>,
                                          typename BatchNormalization<X, HasAffine, M, E, Rank>::Moments>,
                              Precision> {
    static constexpr KernelNote note{"BatchNorm", "rows of numbers"};
    using Op = BatchNormalization<X, HasAffine, M, E, Rank>;
    static constexpr Items items{Op::channels, Items::By::channel, X::size};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::gather_moments<widest_lane<typename Precision::compute>>(
            a.x, detail::part_of<Op, typename Op::Moments>(a), Op::pixels, a.stride, a.samples, begin, end);
    }
};
template <class Of, class Precision>
struct BatchNormGradientsGather;
template <class X, bool HasAffine, Real M, Real E, int Rank, class Precision>
struct BatchNormGradientsGather<BatchPassOf<BatchNormalization<X, HasAffine, M, E, Rank>,
                                            typename BatchNormalization<X, HasAffine, M, E, Rank>::GradientMeans>,
                                Precision> {
    static constexpr KernelNote note{"BatchNorm", "rows of numbers"};
    using Op = BatchNormalization<X, HasAffine, M, E, Rank>;
    static constexpr Items items{Op::channels, Items::By::channel, X::size};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::gather_gradient_sums<widest_lane<typename Precision::compute>>(
            a.x, a.dy, detail::left_of<Op, typename Op::Moments>(a), detail::part_of<Op, typename Op::GradientMeans>(a),
            Op::pixels * a.stride, begin, end);
    }
};

template <class Op, class Precision>
struct BatchNormForward;
template <class X, bool HasAffine, Real M, Real E, int Rank, class Precision>
requires std::is_same_v<typename Precision::compute, typename Precision::master>
struct BatchNormForward<BatchNormalization<X, HasAffine, M, E, Rank>, Precision> {
    static constexpr KernelNote note{"BatchNorm", "rows of numbers"};
    using Op = BatchNormalization<X, HasAffine, M, E, Rank>;
    static constexpr Items items{X::size, Items::By::number};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        typename Precision::master const* const none = nullptr;
        detail::normalize<typename Precision::master>(
            a.x, a.y, detail::left_of<Op, typename Op::Moments>(a),
            {HasAffine ? a.parameters : none, HasAffine ? a.parameters + Op::channels : none}, Op::pixels * a.stride,
            X::size * a.stride, begin, end);
    }
};
template <class Op, class Precision>
struct BatchNormInputGradient;
template <class X, bool HasAffine, Real M, Real E, int Rank, class Precision>
requires std::is_same_v<typename Precision::compute, typename Precision::master>
struct BatchNormInputGradient<BatchNormalization<X, HasAffine, M, E, Rank>, Precision> {
    static constexpr KernelNote note{"BatchNorm", "rows of numbers"};
    using Op = BatchNormalization<X, HasAffine, M, E, Rank>;
    static constexpr Items items{X::size, Items::By::number};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::normalize_gradient<typename Precision::master>(
            a.x, a.dy, a.dx, detail::left_of<Op, typename Op::Moments>(a),
            detail::left_of<Op, typename Op::GradientMeans>(a), HasAffine ? a.parameters : nullptr,
            Op::pixels * a.stride, X::size * a.stride, a.stride, a.samples, a.write == GradientWrite::add, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop
