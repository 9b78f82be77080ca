// LayerNorm, GroupNorm, InstanceNorm and RMSNorm on the CPU: moments and output, or both means of the gradient and the
// gradient, of a group at a time, while it is in the cache. Geometry is a run-time value: one copy for all layers and
// tiles.
#pragma once

#include "../../../../layer/norm/normalization.hpp"
#include "middle_axis.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Where a normalisation's numbers lie; null for what it does not have.
template <class Precision>
struct NormPlaces {
    using Compute = typename Precision::compute;
    typename Precision::master const *weight = nullptr, *bias = nullptr;
    Compute *mean = nullptr, *deviation = nullptr;
};
template <class Op, class Precision>
NormPlaces<Precision> norm_places(KernelData<Precision> const& a) {
    NormPlaces<Precision> places;
    if constexpr (Op::has_weight) places.weight = a.parameters;
    if constexpr (Op::has_bias) places.bias = a.parameters + Op::Seen::Weights::size;
    if (a.forward_passes) {
        if constexpr (Op::centered) places.mean = place_of_pass<Op, typename Op::Mean>(a);
        places.deviation = place_of_pass<Op, typename Op::InverseDeviation>(a);
    }
    return places;
}
template <class Op>
inline constexpr MiddleAxis norm_axis{Op::groups, Op::length, Op::positions, Op::Seen::shared};

/// The mean is left out where nothing is taken off, `weight` and `bias` where they are null.
template <bool Centered, class Precision>
STRATA_ONE_COPY void normalize_samples(KernelData<Precision> const& a, NormPlaces<Precision> const& to,
                                       MiddleAxis const& axis, double epsilon, int begin, int end) {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    auto const* const x = a.x;
    auto* const y = a.y;
    for_middle<T>(axis, a.stride, a.invariant, begin, end, [&](auto const& numbers) {
        L const length(static_cast<T>(axis.length));
        L sum[1], mean(0);
        if constexpr (Centered) {
            numbers.sum(sum, [&](auto const& at, L(&s)[1]) { s[0] = s[0] + numbers.load(x, at); });
            mean = sum[0] / length;
            numbers.leave(to.mean, mean);
        }
        numbers.sum(sum, [&](auto const& at, L(&s)[1]) {
            L const d = numbers.load(x, at) - mean;
            s[0] = multiply_add(d, d, s[0]);
        });
        L const deviation = L(1) / sqrt(sum[0] / length + L(static_cast<T>(epsilon)));
        numbers.leave(to.deviation, deviation);
        auto const write = [&](auto const& scaled) {
            numbers.each(
                [&](auto const& at) { numbers.store(y, at, scaled(at, (numbers.load(x, at) - mean) * deviation)); });
        };
        if (to.bias)
            write([&](auto const& at, L v) {
                return multiply_add(v, numbers.parameter(to.weight, at), numbers.parameter(to.bias, at));
            });
        else if (to.weight)
            write([&](auto const& at, L v) { return v * numbers.parameter(to.weight, at); });
        else
            write([](auto const&, L v) { return v; });
    });
}

template <bool Centered, class Precision>
STRATA_ONE_COPY void normalize_samples_gradient(KernelData<Precision> const& a, NormPlaces<Precision> const& from,
                                                MiddleAxis const& axis, int begin, int end) {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    auto const *const x = a.x, *const dy = a.dy;
    auto* const dx = a.dx;
    bool const add = a.write == GradientWrite::add;
    for_middle<T>(axis, a.stride, false, begin, end, [&](auto const& numbers) {
        L mean(0);
        if constexpr (Centered) mean = numbers.left(from.mean);
        L const deviation = numbers.left(from.deviation), length(static_cast<T>(axis.length));
        auto const with_weights = [&](auto const& weight) {
            L sums[2];
            numbers.sum(sums, [&](auto const& at, L(&s)[2]) {
                L const g = numbers.load(dy, at), w = weight(at);
                if constexpr (Centered) s[0] = multiply_add(g, w, s[0]);
                s[1] = multiply_add(g * w, (numbers.load(x, at) - mean) * deviation, s[1]);
            });
            L const gradient_mean = sums[0] / length, product_mean = sums[1] / length;
            numbers.each([&](auto const& at) {
                L const xhat = (numbers.load(x, at) - mean) * deviation;
                L const centered = multiply_add(numbers.load(dy, at), weight(at), -gradient_mean);
                L value = multiply_add(-xhat, product_mean, centered) * deviation;
                hold_in_register(value);  // the product is not fused into an addition to dx
                numbers.store(dx, at, add ? numbers.load(dx, at) + value : value);
            });
        };
        if (from.weight)
            with_weights([&](auto const& at) { return numbers.parameter(from.weight, at); });
        else
            with_weights([](auto const&) { return L(1); });
    });
}

}  // namespace detail

template <class Op, class Precision>
struct NormalizationForward;
template <class Geometry, bool Centered, bool HasWeight, bool HasBias, Real Epsilon, class Name, class Precision>
struct NormalizationForward<Normalization<Geometry, Centered, HasWeight, HasBias, Epsilon, Name>, Precision> {
    static constexpr KernelNote note{"middle axis", "passes and all else of a group while it is in the cache"};
    using Op = Normalization<Geometry, Centered, HasWeight, HasBias, Epsilon, Name>;
    static constexpr bool makes_passes = true;
    static constexpr Items items{Op::groups * Op::positions};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::normalize_samples<Centered>(a, detail::norm_places<Op>(a), detail::norm_axis<Op>, Op::epsilon, begin,
                                            end);
    }
};
template <class Op, class Precision>
struct NormalizationInputGradient;
template <class Geometry, bool Centered, bool HasWeight, bool HasBias, Real Epsilon, class Name, class Precision>
struct NormalizationInputGradient<Normalization<Geometry, Centered, HasWeight, HasBias, Epsilon, Name>, Precision> {
    static constexpr KernelNote note{"middle axis", "passes and all else of a group while it is in the cache"};
    using Op = Normalization<Geometry, Centered, HasWeight, HasBias, Epsilon, Name>;
    static constexpr bool makes_passes = true;  // no gradient of a parameter reads them
    static constexpr Items items{Op::groups * Op::positions};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        detail::normalize_samples_gradient<Centered>(a, detail::norm_places<Op>(a), detail::norm_axis<Op>, begin, end);
    }
};

}  // namespace strata::inline STRATA_ABI
