// Mixed precision by the kernels of Float32: a tile's operands are widened to float once, the kernel that Float32 takes does
// the work, and its results are rounded to storage. Gradients of parameters are float anyway.
#pragma once

#include "../../../../layer/conv_transpose2d.hpp"
#include "../../../../layer/linear.hpp"
#include "short_numbers.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Float32, with what a policy says of Winograd.
template <class Precision>
struct WithWinogradOf : Float32 {
    static constexpr double winograd = static_cast<double>(Precision::winograd);
};
template <class Precision>
struct FloatOf {
    using type = Float32;
};
template <class Precision>
requires requires { Precision::winograd; }
struct FloatOf<Precision> {
    using type = WithWinogradOf<Precision>;
};
template <class Precision>
using float_of = typename FloatOf<Precision>::type;

/// A name and its note in one, of constants.
template <class Kernel>
struct InFloat {
    template <std::size_t Count>
    static constexpr auto joined(char const* text, char const* more) {
        std::array<char, Count> all{};
        std::size_t k = 0;
        for (; *text; ++text) all[k++] = *text;
        for (; *more; ++more) all[k++] = *more;
        return all;
    }
    static constexpr std::size_t length(char const* text) {
        std::size_t count = 0;
        while (text[count]) ++count;
        return count;
    }
    static constexpr KernelNote of = [] {
        if constexpr (requires { Kernel::note; })
            return Kernel::note;
        else
            return KernelNote{"own", "a kernel of the program's own"};
    }();
    static constexpr auto name = joined<length(of.name) + 10>(of.name, " in float");
    static constexpr auto reason = joined<length(of.reason) + 40>(of.reason, "; short numbers are widened");
    static constexpr KernelNote note{name.data(), reason.data()};
};

/// What a kernel of floats is told of a tile, but for its operands.
template <class Float, class Precision>
KernelData<Float> float_data(KernelData<Precision> const& a) {
    KernelData<Float> f;
    f.parameters = a.parameters;
    f.prepared = reinterpret_cast<float*>(a.prepared);
    f.cached = a.cached;
    f.gradient = a.gradient;
    f.set_gradient = a.set_gradient;
    f.relu = a.relu;
    static_cast<Tile&>(f) = a;
    return f;
}

/// What all adaptors have of the kernel inside.
template <class Op, class Precision, class Kernel>
struct ThroughFloat {
    using Short = typename Precision::storage;
    using Float = float_of<Precision>;
    static constexpr KernelNote note = InFloat<Kernel>::note;
    static constexpr Items items = Kernel::items;
    static constexpr int scratch(int S) {
        return carved_numbers<Short, FloatCopies>(Op::Input::size * S, Op::Output::size * S, scratch_of<Kernel>(S));
    }
    static constexpr int prepare_items = [] {
        if constexpr (requires { Kernel::prepare_items; })
            return Kernel::prepare_items;
        else
            return 0;
    }();
    static constexpr int prepared(int S) {
        if constexpr (prepare_items > 0)
            return Kernel::prepared(S) * static_cast<int>(sizeof(float) / sizeof(Short));
        else
            return 0;
    }
    static void prepare(KernelData<Precision> const& a, Short* to, int begin, int end) {
        if constexpr (prepare_items > 0)
            Kernel::prepare(float_data<Float>(a), reinterpret_cast<float*>(to), begin, end);
    }
};
struct AppliesNoRelu {};
struct AppliesRelu {
    static constexpr bool applies_relu = true;
};
struct AddsGradient {};
struct SetsGradient {
    static constexpr bool sets_gradient = true;
};
template <class Kernel>
using applies_relu_as = std::conditional_t<requires { Kernel::applies_relu; }, AppliesRelu, AppliesNoRelu>;
template <class Kernel>
using sets_gradient_as = std::conditional_t<sets_gradient<Kernel>(), SetsGradient, AddsGradient>;

/// A forward pass, or the input gradient of an operation for which it is a function of dy and the parameters alone.
template <class Op, class Precision, class Kernel, bool Forward>
struct ThroughFloatValues : ThroughFloat<Op, Precision, Kernel> {
    using Base = ThroughFloat<Op, Precision, Kernel>;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (begin >= end) return;
        int const ins = Op::Input::size * a.stride, outs = Op::Output::size * a.stride;
        FloatCopies const copies(a.scratch, ins, outs);
        auto f = float_data<typename Base::Float>(a);
        f.scratch = copies.kernel;
        f.write = GradientWrite::overwrite;
        float *const from = Forward ? copies.first : copies.second, *const to = Forward ? copies.second : copies.first;
        convert_numbers(Forward ? a.x : a.dy, from, Forward ? ins : outs);
        (Forward ? f.x : f.dy) = from;
        round_results(to, Forward ? a.y : a.dx, Forward ? outs : ins, begin == 0 && end == Base::items.count,
                      !Forward && a.write == GradientWrite::add, [&](float* results) {
                          (Forward ? f.y : f.dx) = results;
                          Kernel::run(f, begin, end);
                      });
    }
};
template <class Op, class Precision, class Kernel>
struct ThroughFloatForward : ThroughFloatValues<Op, Precision, Kernel, true>, applies_relu_as<Kernel> {};
template <class Op, class Precision, class Kernel>
struct ThroughFloatInputGradient : ThroughFloatValues<Op, Precision, Kernel, false> {};
template <class Op, class Precision, class Kernel>
struct ThroughFloatParameterGradient : ThroughFloat<Op, Precision, Kernel>, sets_gradient_as<Kernel> {
    using Base = ThroughFloat<Op, Precision, Kernel>;
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (begin >= end) return;
        int const ins = Op::Input::size * a.stride, outs = Op::Output::size * a.stride;
        FloatCopies const copies(a.scratch, ins, outs);
        convert_numbers(a.x, copies.first, ins);
        convert_numbers(a.dy, copies.second, outs);
        auto f = float_data<typename Base::Float>(a);
        f.x = copies.first;
        f.dy = copies.second;
        f.scratch = copies.kernel;
        Kernel::run(f, begin, end);
    }
};

}  // namespace detail

/// Of the operations that have no kernel but for one type in all roles.
template <class Op, class Precision>
struct MixedForward;
template <class Op, class Precision>
requires(detail::MixedPrecision<Precision>)
struct MixedForward<Op, Precision>
    : detail::ThroughFloatForward<Op, Precision, ForwardKernel<Op, detail::float_of<Precision>>> {};
template <class Op, class Precision>
struct MixedInputGradient;
template <class Op, class Precision>
requires(detail::MixedPrecision<Precision>)
struct MixedInputGradient<Op, Precision>
    : detail::ThroughFloatInputGradient<Op, Precision, InputGradientKernel<Op, detail::float_of<Precision>>> {};
template <class Op, class Precision>
struct MixedParameterGradient;
template <class Op, class Precision>
requires(detail::MixedPrecision<Precision>)
struct MixedParameterGradient<Op, Precision>
    : detail::ThroughFloatParameterGradient<Op, Precision, ParameterGradientKernel<Op, detail::float_of<Precision>>> {};

}  // namespace strata::inline STRATA_ABI
