// Softmax and LogSoftmax on the CPU: the largest logit, the sum and the output of a position at a time.
#pragma once

#include "../../../../layer/log_softmax.hpp"
#include "../../../../layer/softmax.hpp"
#include "middle_axis.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// y = e^x / sum, or with Log x - log(sum), the largest x taken off.
template <bool Log, class Precision>
STRATA_ONE_COPY void softmax_forward(KernelData<Precision> const& a, MiddleAxis const& axis, int begin, int end) {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    auto const* const x = a.x;
    auto* const y = a.y;
    // Exponentials wait in y where they are not rounded there.
    constexpr bool wait = !Log && std::is_same_v<typename Precision::storage, T>;
    for_middle<T>(axis, a.stride, a.invariant, begin, end, [&](auto const& numbers) {
        L const top = numbers.largest([&](auto const& at) { return numbers.load(x, at); });
        L sum[1];
        numbers.sum(sum, [&](auto const& at, L(&s)[1]) {
            L const e = exp(numbers.load(x, at) - top);
            if constexpr (wait) numbers.store(y, at, e);
            s[0] = s[0] + e;
        });
        L const log_sum = Log ? log(sum[0]) : L(0);
        numbers.each([&](auto const& at) {
            if constexpr (Log)
                numbers.store(y, at, (numbers.load(x, at) - top) - log_sum);
            else if constexpr (wait)
                numbers.store(y, at, numbers.load(y, at) / sum[0]);
            else
                numbers.store(y, at, exp(numbers.load(x, at) - top) / sum[0]);
        });
    });
}

template <bool Log, class Precision>
STRATA_ONE_COPY void softmax_gradient(KernelData<Precision> const& a, MiddleAxis const& axis, int begin, int end) {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    auto const *const y = a.y, *const dy = a.dy;
    auto* const dx = a.dx;
    bool const add = a.write == GradientWrite::add;
    for_middle<T>(axis, a.stride, false, begin, end, [&](auto const& numbers) {
        L sum[1];
        numbers.sum(sum, [&](auto const& at, L(&s)[1]) {
            L const g = numbers.load(dy, at);
            s[0] = Log ? s[0] + g : multiply_add(numbers.load(y, at), g, s[0]);
        });
        numbers.each([&](auto const& at) {
            L const g = numbers.load(dy, at), v = numbers.load(y, at);
            L value = Log ? multiply_add(-exp(v), sum[0], g) : v * (g - sum[0]);
            hold_in_register(value);  // the product is not fused into an addition to dx
            numbers.store(dx, at, add ? numbers.load(dx, at) + value : value);
        });
    });
}

struct SoftmaxNote {
    static constexpr KernelNote note{"middle axis", "passes and all else of a position while it is in the cache"};
};
template <bool Log, class Op, class Precision>
struct SoftmaxForwardKernel : SoftmaxNote {
    static constexpr bool makes_passes = true;
    static constexpr Items items{Op::positions};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        softmax_forward<Log>(a, {1, Op::classes, Op::positions, 1}, begin, end);
    }
};
template <bool Log, class Op, class Precision>
struct SoftmaxGradientKernel : SoftmaxNote {
    static constexpr bool makes_passes = true;
    static constexpr Items items{Op::positions};
    static void run(KernelData<Precision> const& a, int begin, int end) {
        softmax_gradient<Log>(a, {1, Op::classes, Op::positions, 1}, begin, end);
    }
};

}  // namespace detail

template <class Op, class Precision>
struct SoftmaxForward;
template <class X, class Precision>
struct SoftmaxForward<SoftmaxOperation<X>, Precision>
    : detail::SoftmaxForwardKernel<false, SoftmaxOperation<X>, Precision> {};
template <class X, class Precision>
struct SoftmaxForward<LogSoftmaxOperation<X>, Precision>
    : detail::SoftmaxForwardKernel<true, LogSoftmaxOperation<X>, Precision> {};
template <class Op, class Precision>
struct SoftmaxInputGradient;
template <class X, class Precision>
struct SoftmaxInputGradient<SoftmaxOperation<X>, Precision>
    : detail::SoftmaxGradientKernel<false, SoftmaxOperation<X>, Precision> {};
template <class X, class Precision>
struct SoftmaxInputGradient<LogSoftmaxOperation<X>, Precision>
    : detail::SoftmaxGradientKernel<true, LogSoftmaxOperation<X>, Precision> {};

}  // namespace strata::inline STRATA_ABI
