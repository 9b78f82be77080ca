// The kernels of convolutions that Winograd makes faster: on which tiles each pass takes it is a constant of the geometry
// and the tile size. Float32 only, unless a precision policy says otherwise with a member `winograd`: how many times
// the estimated cost of direct convolution counts, so 0 or false never takes Winograd, 1 or true where it is estimated
// to be faster, and more even where it is not.
//
//     struct DirectFloat32 : Float32 { static constexpr bool winograd = false; };
#pragma once

#include "winograd_choice.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// How many times the cost of direct convolution counts against Winograd's.
template <class Precision>
consteval double winograd_weight() {
    if constexpr (requires { Precision::winograd; })
        return static_cast<double>(Precision::winograd);
    else
        return std::is_same_v<typename Precision::compute, float> ? 1 : 0;
}
/// One group; the forward pass and the input gradient want two channels.
template <class G, class Precision>
concept WinogradAllowed = winograd_weight<Precision>() > 0 && G::groups == 1;
/// 3x3 taps, stride 1, no dilation.
template <class G, class Precision>
concept WinogradGeometry = WinogradAllowed<G, Precision> && G::channels > 1 && is_winograd(forward_correlation<G>);
template <class G>
constexpr Correlation backward_correlation = backward_phase(forward_correlation<G>, 0, 0).correlation;

/// On which tiles the passes by five taps a row are faster, forward or input gradient, and the weight gradient.
template <class G, class Precision, bool Forward>
inline constexpr WinogradRowChoice<widest_lane<typename Precision::compute>> row_choice{
    Forward ? forward_correlation<G> : backward_correlation<G>, winograd_weight<Precision>(), Forward};
template <class G, class Precision>
inline constexpr RowGradientChoice<widest_lane<typename Precision::compute>> row_gradient_choice{
    forward_correlation<G>, winograd_weight<Precision>()};
template <class G, class Precision, bool Forward>
concept WinogradRowGeometry =
    WinogradAllowed<G, Precision> && G::channels > 1 &&
    is_winograd_row(forward_correlation<G>) && row_choice<G, Precision, Forward>.whole_vectors;

/// Where a sample's bits may not depend on the tile, all tiles take what tiles of so many samples take.
inline constexpr int invariant_choice = 16;

/// Item `begin` of `count` in `items` items.
constexpr int item_of(int begin, int count, int items) {
    return static_cast<int>(static_cast<long>(begin) * items / count);
}

struct WinogradNotes {
    static constexpr KernelNote square{"Winograd",
                                       "3 x 3 at stride 1; direct on tiles where that is faster by estimate"},
        row{"Winograd along the row",
            "five taps a row at stride 1, faster by estimate; direct on tiles where it is not"};
};

/// A pass by correlation, forward or input gradient: which, and where it finds its operands. Storage may be a short type.
template <class G, class Precision, bool Forward>
struct CorrelationPass {
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    using Storage = typename Precision::storage;
    static constexpr Correlation const& g() {
        if constexpr (Forward)
            return forward_correlation<G>;
        else
            return backward_correlation<G>;
    }
    static T* computed(Storage* numbers) { return reinterpret_cast<T*>(numbers); }
    static T const* computed(Storage const* numbers) { return reinterpret_cast<T const*>(numbers); }
    static Storage const* x(KernelData<Precision> const& a) { return Forward ? a.x : a.dy; }
    static Storage* y(KernelData<Precision> const& a) { return Forward ? a.y : a.dx; }
    static bool adds(KernelData<Precision> const& a) { return !Forward && a.write == GradientWrite::add; }
    static T const* bias(KernelData<Precision> const& a) {
        return Forward && G::bias ? a.parameters + g().group_weights : nullptr;
    }
};

/// Runs f<M>() with the tile that tiles of S samples take; false where direct convolution is the faster one. Only tiles in
/// use are compiled.
template <WinogradTiles Tiles, class F>
STRATA_INLINE bool with_winograd(int S, F const& f) {
    int const tile = Tiles.of(S);
    if constexpr (Tiles.have(4))
        if (tile == 4) return f.template operator()<4>(), true;
    if constexpr (Tiles.have(2))
        if (tile == 2) return f.template operator()<2>(), true;
    return false;
}
/// What f<M>() says for tiles of S samples, or 0.
template <class F>
constexpr int of_tile(WinogradTiles const& tiles, int S, F const& f) {
    int const tile = tiles.of(S);
    return tile == 4 ? f.template operator()<4>() : tile == 2 ? f.template operator()<2>() : 0;
}

/// A pass of 3x3 taps on the tiles where it is faster than the kernel Direct, whose cost counts `weight` times.
template <class Direct, class G, class Precision, bool Forward>
struct WinogradSquarePass : CorrelationPass<G, Precision, Forward> {
    static constexpr KernelNote note = WinogradNotes::square;
    using Pass = CorrelationPass<G, Precision, Forward>;
    using typename Pass::L, typename Pass::T, typename Pass::Storage;
    static constexpr double weight = [] {
        if constexpr (requires { Direct::speed; })
            return winograd_weight<Precision>() / Direct::speed;
        else
            return winograd_weight<Precision>();
    }();
    static constexpr WinogradTiles tiles = [] {
        if constexpr (WinogradGeometry<G, Precision>)
            return winograd_tiles<L>(Pass::g(), weight);
        else
            return WinogradTiles{};
    }();
    static constexpr bool applies_relu = Forward;
    static constexpr Items items = Direct::items;
    static int chosen_by(KernelData<Precision> const& a) {
        return Forward && a.invariant ? invariant_choice : a.stride;
    }
    static constexpr int scratch(int S) {
        auto const numbers = [S]<int M>() { return WinogradLayout<M, L>(Pass::g(), S).template scratch<Storage>(); };
        int const own = of_tile(tiles, S, numbers), other = Forward ? of_tile(tiles, invariant_choice, numbers) : own;
        return (std::max)({own, other, own > 0 && other > 0 ? 0 : Direct::scratch(S)});
    }
    static constexpr int prepared(int S) {
        auto const numbers = []<int M>() { return WinogradWeights<M, L>(Pass::g()).size(); };
        return (std::max)(of_tile(tiles, S, numbers), of_tile(tiles, Forward ? invariant_choice : S, numbers)) *
               static_cast<int>(sizeof(T) / sizeof(Storage));
    }
    static constexpr int prepare_items = WinogradWeights<4, L>(Pass::g()).blocks;
    static void prepare(KernelData<Precision> const& a, Storage* to, int begin, int end) {
        with_winograd<tiles>(chosen_by(a), [&]<int M>() {
            winograd_weights<M, L>(Pass::g(), a.parameters, Pass::computed(to), begin, end);
        });
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        bool const done = with_winograd<tiles>(chosen_by(a), [&]<int M>() {
            int const n = WinogradLayout<M, L>(Pass::g(), a.stride).items();
            winograd_correlate<M, L>(Pass::g(), Pass::x(a), Pass::computed(a.prepared), Pass::bias(a), Pass::y(a),
                                     a.stride, a.scratch, Pass::adds(a), item_of(begin, items.count, n),
                                     item_of(end, items.count, n), a.relu);
        });
        if (!done) Direct::run(a, begin, end);
    }
};

/// The same of a weight gradient.
template <class Direct, class G, class Precision>
struct WinogradSquareGradient : CorrelationPass<G, Precision, true> {
    static constexpr KernelNote note = WinogradNotes::square;
    using Pass = CorrelationPass<G, Precision, true>;
    using typename Pass::L, typename Pass::Storage;
    static constexpr WinogradTiles tiles = [] {
        if constexpr (WinogradGeometry<G, Precision>)
            return winograd_tiles<L>(Pass::g(), WinogradSquarePass<Direct, G, Precision, true>::weight, true);
        else
            return WinogradTiles{};
    }();
    static constexpr Items items = Direct::items;
    static constexpr int scratch(int S) {
        int const winograd = of_tile(
            tiles, S, [S]<int M>() { return WinogradGradientLayout<M, L>(Pass::g(), S).template scratch<Storage>(); });
        return winograd > 0 ? winograd : Direct::scratch(S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        bool const done = with_winograd<tiles>(a.stride, [&]<int M>() {
            int const n = WinogradGradientLayout<M, L>(Pass::g(), a.stride).items();
            winograd_weight_gradient<M, L>(Pass::g(), a.x, a.dy, a.gradient, a.stride, a.scratch,
                                           item_of((std::min)(begin, Direct::blocks), Direct::blocks, n),
                                           item_of((std::min)(end, Direct::blocks), Direct::blocks, n));
        });
        if (!done)
            Direct::run(a, begin, end);
        else if (begin < end && end == items.count)
            add_bias_gradient<G>(a);
    }
};

/// A pass of five taps a row on the tiles where it is faster than the kernel Direct.
template <class Direct, class G, class Precision, bool Forward>
struct WinogradRowPass : CorrelationPass<G, Precision, Forward> {
    static constexpr KernelNote note = WinogradNotes::row;
    using Pass = CorrelationPass<G, Precision, Forward>;
    using typename Pass::L, typename Pass::T;
    static constexpr auto const& choice = row_choice<G, Precision, Forward>;
    static constexpr bool applies_relu = Forward;
    static constexpr Items items = Direct::items;
    static bool takes(KernelData<Precision> const& a) {
        return Forward && a.invariant ? choice.invariant : choice.takes(a.stride, a.cached);
    }
    static constexpr int scratch(int S) {
        int const direct = choice.all(S) ? 0 : Direct::scratch(S);
        return choice.any(S) ? (std::max)(direct, WinogradRowLayout<L>(Pass::g(), S).scratch()) : direct;
    }
    static constexpr int prepared(int S) { return choice.any(S) ? WinogradRowWeights<L>(Pass::g()).size() : 0; }
    static constexpr int prepare_items = WinogradRowWeights<L>(Pass::g()).blocks;
    static void prepare(KernelData<Precision> const& a, T* to, int begin, int end) {
        if (takes(a)) winograd_row_weights<L>(Pass::g(), a.parameters, to, begin, end);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!takes(a)) return Direct::run(a, begin, end);
        winograd_row_correlate<L>(Pass::g(), Pass::x(a), a.prepared, Pass::bias(a), Pass::y(a), a.stride, a.scratch,
                                  Pass::adds(a), begin, end, a.relu);
    }
};

/// The same of a weight gradient.
template <class Direct, class G, class Precision>
struct WinogradRowGradient {
    static constexpr KernelNote note = WinogradNotes::row;
    using L = widest_lane<typename Precision::compute>;
    static constexpr auto const& g = forward_correlation<G>;
    static constexpr auto const& choice = row_gradient_choice<G, Precision>;
    static constexpr Items items = Direct::items;
    static constexpr int scratch(int S) {
        return choice.takes(S) ? WinogradRowGradientLayout<L>(g, S).scratch() : Direct::scratch(S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        if (!choice.takes(a.stride)) return Direct::run(a, begin, end);
        constexpr int n = WinogradRowGradientLayout<L>(g, width_of<L>).items();
        winograd_row_weight_gradient<L>(g, a.x, a.dy, a.gradient, G::bias ? a.gradient + bias_of<G> : nullptr, a.stride,
                                        a.scratch, item_of(begin, items.count, n), item_of(end, items.count, n));
    }
};

}  // namespace detail

template <class Op, class Precision>
struct WinogradForward;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradGeometry<G, Precision>)
struct WinogradForward<Convolution<G, Scheme>, Precision>
    : detail::WinogradSquarePass<DirectConvolutionForward<Convolution<G, Scheme>, Precision>, G, Precision, true> {};
template <class Op, class Precision>
struct WinogradInputGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradGeometry<G, Precision>)
struct WinogradInputGradient<Convolution<G, Scheme>, Precision>
    : detail::WinogradSquarePass<DirectConvolutionInputGradient<Convolution<G, Scheme>, Precision>, G, Precision,
                                 false> {};
template <class Op, class Precision>
struct WinogradParameterGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradGeometry<G, Precision>)
struct WinogradParameterGradient<Convolution<G, Scheme>, Precision>
    : detail::WinogradSquareGradient<DirectConvolutionParameterGradient<Convolution<G, Scheme>, Precision>, G,
                                     Precision> {};

template <class Op, class Precision>
struct WinogradRowForward;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradRowGeometry<G, Precision, true>)
struct WinogradRowForward<Convolution<G, Scheme>, Precision>
    : detail::WinogradRowPass<DirectConvolutionForward<Convolution<G, Scheme>, Precision>, G, Precision, true> {};
template <class Op, class Precision>
struct WinogradRowInputGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradRowGeometry<G, Precision, false>)
struct WinogradRowInputGradient<Convolution<G, Scheme>, Precision>
    : detail::WinogradRowPass<DirectConvolutionInputGradient<Convolution<G, Scheme>, Precision>, G, Precision, false> {
};
template <class Op, class Precision>
struct WinogradRowParameterGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradAllowed<G, Precision> &&
         detail::row_gradient_choice<G, Precision>.one)
struct WinogradRowParameterGradient<Convolution<G, Scheme>, Precision>
    : detail::WinogradRowGradient<DirectConvolutionParameterGradient<Convolution<G, Scheme>, Precision>, G, Precision> {
};

}  // namespace strata::inline STRATA_ABI
