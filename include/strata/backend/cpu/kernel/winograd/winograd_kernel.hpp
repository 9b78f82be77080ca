// The kernels of 3x3 convolutions that Winograd makes faster: which tile each pass takes is a constant of the geometry
// and the tile size. Float32 only, unless a precision policy says otherwise with a member `winograd`: how many times
// the estimated cost of direct convolution counts, so 0 or false never takes Winograd, 1 or true where it is estimated
// to be faster, and more even where it is not.
//
//     struct DirectFloat32 : Float32 { static constexpr bool winograd = false; };
#pragma once

#include "../convolution/direct_convolution.hpp"
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
template <class Precision>
consteval bool allows_winograd() {
    return winograd_weight<Precision>() > 0;
}
/// One group of at least two channels with 3x3 taps, stride 1, no dilation.
template <class G, class Precision>
concept WinogradGeometry = allows_winograd<Precision>() && G::groups == 1 && G::channels > 1 &&
                           is_winograd(forward_correlation<G>);

/// The tiles that a pass takes for S = 1, 2, 4, 8, 16 samples: 4, 2, or 0 for direct convolution.
struct WinogradTiles {
    int tiles[5];
    [[nodiscard]] constexpr int of(int S) const {
        return tiles[S >= 16 ? 4 : S >= 8 ? 3 : S >= 4 ? 2 : S >= 2 ? 1 : 0];
    }
    [[nodiscard]] constexpr bool have(int tile) const {
        for (int const t : tiles)
            if (t == tile) return true;
        return false;
    }
    [[nodiscard]] constexpr bool any() const { return have(4) || have(2); }
};
template <class L>
constexpr WinogradTiles winograd_tiles(Correlation const& g, double speed = 1) {
    WinogradTiles all{};
    for (int k = 0; k < 5; ++k) all.tiles[k] = winograd_tile<L>(g, 1 << k, speed);
    return all;
}
template <class L>
constexpr WinogradTiles winograd_gradient_tiles(Correlation const& g, double speed = 1) {
    WinogradTiles all{};
    for (int k = 0; k < 5; ++k) all.tiles[k] = winograd_gradient_tile<L>(g, 1 << k, speed);
    return all;
}

template <class G>
constexpr Correlation backward_correlation = backward_phase(forward_correlation<G>, 0, 0).correlation;

/// Where a sample's bits may not depend on the tile, all tiles take what tiles of so many samples take.
inline constexpr int invariant_choice = 16;
template <class Precision>
int samples_chosen_by(KernelData<Precision> const& a) {
    return a.invariant ? invariant_choice : a.stride;
}

/// Scalars of scratch memory of a pass on tiles of S samples, by what tiles of `chosen_by` samples take.
template <class L, template <int, class> class Layout>
constexpr int winograd_scratch(WinogradTiles const& tiles, Correlation const& g, int S, int chosen_by) {
    int const tile = tiles.of(chosen_by);
    return tile == 4   ? static_cast<int>(Layout<4, L>(g, S).scratch())
           : tile == 2 ? static_cast<int>(Layout<2, L>(g, S).scratch())
                       : 0;
}

template <class L, template <int, class> class Layout>
constexpr int winograd_scratch(WinogradTiles const& tiles, Correlation const& g, int S) {
    return winograd_scratch<L, Layout>(tiles, g, S, S);
}
/// The same of a forward pass, whatever its tile is chosen by; `factor` is what a scalar takes, `direct` what direct
/// convolution does.
template <class L>
constexpr int winograd_forward_scratch(WinogradTiles const& tiles, Correlation const& g, int S, int factor,
                                       int direct) {
    int const own = winograd_scratch<L, WinogradLayout>(tiles, g, S),
              invariant = winograd_scratch<L, WinogradLayout>(tiles, g, S, invariant_choice);
    return (std::max)((std::max)(own, invariant) * factor, own > 0 && invariant > 0 ? 0 : direct);
}

/// Scalars of the transformed weights of a pass on tiles of S samples.
template <class L>
constexpr int winograd_prepared(WinogradTiles const& tiles, Correlation const& g, int S) {
    int const tile = tiles.of(S);
    return tile == 4 ? WinogradWeights<4, L>(g).size() : tile == 2 ? WinogradWeights<2, L>(g).size() : 0;
}

/// The same of a forward pass, whatever its tile is chosen by.
template <class L>
constexpr int winograd_forward_prepared(WinogradTiles const& tiles, Correlation const& g, int S) {
    return (std::max)(winograd_prepared<L>(tiles, g, S), winograd_prepared<L>(tiles, g, invariant_choice));
}

/// Runs f<M>() with the pass's tile; false where direct convolution is the faster one. Only tiles in use are compiled.
template <WinogradTiles Tiles, class F>
STRATA_INLINE bool with_winograd(int S, F const& f) {
    int const tile = Tiles.of(S);
    if constexpr (Tiles.have(4))
        if (tile == 4) return f.template operator()<4>(), true;
    if constexpr (Tiles.have(2))
        if (tile == 2) return f.template operator()<2>(), true;
    return false;
}
/// Item `begin` of `count` in `items` items.
constexpr int item_of(int begin, int count, int items) {
    return static_cast<int>(static_cast<long>(begin) * items / count);
}

}  // namespace detail

template <class Op, class Precision>
struct WinogradForward;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradGeometry<G, Precision>)
struct WinogradForward<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"Winograd", "3 x 3 at stride 1; direct on tiles where that is faster by estimate"};
    using Direct = DirectForward<G, Scheme, Precision>;
    using L = widest_lane<typename Precision::compute>;
    static constexpr bool applies_relu = true;
    static constexpr Items items = Direct::items;
    static constexpr detail::WinogradTiles tiles =
        detail::winograd_tiles<L>(detail::forward_correlation<G>, 1 / detail::winograd_weight<Precision>());
    static constexpr int scratch(int S) {
        return detail::winograd_forward_scratch<L>(tiles, detail::forward_correlation<G>, S, 1, Direct::scratch(S));
    }
    static constexpr int prepared(int S) {
        return detail::winograd_forward_prepared<L>(tiles, detail::forward_correlation<G>, S);
    }
    static constexpr int prepare_items = detail::WinogradWeights<4, L>(detail::forward_correlation<G>).blocks;
    static void prepare(KernelData<Precision> const& a, typename Precision::compute* to, int begin, int end) {
        detail::with_winograd<tiles>(detail::samples_chosen_by(a), [&]<int M>() {
            detail::winograd_weights<M, L>(detail::forward_correlation<G>, a.parameters, to, begin, end);
        });
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr auto const& g = detail::forward_correlation<G>;
        if (!detail::with_winograd<tiles>(detail::samples_chosen_by(a), [&]<int M>() {
                int const n = detail::WinogradLayout<M, L>(g, a.stride).items();
                detail::winograd_correlate<M, L>(
                    g, a.x, a.prepared, G::bias ? a.parameters + G::out_channels * g.out_weights : nullptr, a.y,
                    a.stride, a.scratch, false, detail::item_of(begin, items.count, n),
                    detail::item_of(end, items.count, n), a.relu);
            }))
            Direct::run(a, begin, end);
    }
};

template <class Op, class Precision>
struct WinogradInputGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradGeometry<G, Precision>)
struct WinogradInputGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"Winograd", "3 x 3 at stride 1; direct on tiles where that is faster by estimate"};
    using Direct = DirectInputGradient<G, Scheme, Precision>;
    using T = typename Precision::compute;
    using L = widest_lane<T>;
    static constexpr Items items = Direct::items;
    static constexpr detail::WinogradTiles tiles =
        detail::winograd_tiles<L>(detail::backward_correlation<G>, 1 / detail::winograd_weight<Precision>());
    static constexpr int scratch(int S) {
        int const winograd =
            detail::winograd_scratch<L, detail::WinogradLayout>(tiles, detail::backward_correlation<G>, S);
        return winograd > 0 ? winograd : Direct::scratch(S);
    }
    static constexpr int prepared(int S) {
        return detail::winograd_prepared<L>(tiles, detail::backward_correlation<G>, S);
    }
    static constexpr int prepare_items = detail::WinogradWeights<4, L>(detail::backward_correlation<G>).blocks;
    static void prepare(KernelData<Precision> const& a, T* to, int begin, int end) {
        detail::with_winograd<tiles>(a.stride, [&]<int M>() {
            detail::winograd_weights<M, L>(detail::backward_correlation<G>, a.parameters, to, begin, end);
        });
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr auto const& g = detail::backward_correlation<G>;
        if (!detail::with_winograd<tiles>(a.stride, [&]<int M>() {
                int const n = detail::WinogradLayout<M, L>(g, a.stride).items();
                T const* const none = nullptr;
                detail::winograd_correlate<M, L>(g, a.dy, a.prepared, none, a.dx, a.stride, a.scratch,
                                                 a.write == GradientWrite::add, detail::item_of(begin, items.count, n),
                                                 detail::item_of(end, items.count, n));
            }))
            Direct::run(a, begin, end);
    }
};

template <class Op, class Precision>
struct WinogradParameterGradient;
template <class G, class Scheme, class Precision>
requires(detail::UniformPrecision<Precision> && detail::WinogradGeometry<G, Precision>)
struct WinogradParameterGradient<Convolution<G, Scheme>, Precision> {
    static constexpr KernelNote note{"Winograd", "3 x 3 at stride 1; direct on tiles where that is faster by estimate"};
    using Direct = DirectParameterGradient<G, Scheme, Precision>;
    using L = widest_lane<typename Precision::compute>;
    static constexpr Items items = Direct::items;
    static constexpr detail::WinogradTiles tiles =
        detail::winograd_gradient_tiles<L>(detail::forward_correlation<G>, 1 / detail::winograd_weight<Precision>());
    static constexpr int scratch(int S) {
        constexpr auto const& g = detail::forward_correlation<G>;
        int const winograd = detail::winograd_scratch<L, detail::WinogradGradientLayout>(tiles, g, S);
        return winograd > 0 ? winograd : Direct::scratch(S);
    }
    static void run(KernelData<Precision> const& a, int begin, int end) {
        constexpr auto const& g = detail::forward_correlation<G>;
        bool const done = detail::with_winograd<tiles>(a.stride, [&]<int M>() {
            int const n = detail::WinogradGradientLayout<M, L>(g, a.stride).items();
            detail::winograd_weight_gradient<M, L>(
                g, a.x, a.dy, a.gradient, a.stride, a.scratch,
                detail::item_of((std::min)(begin, Direct::blocks), Direct::blocks, n),
                detail::item_of((std::min)(end, Direct::blocks), Direct::blocks, n));
        });
        if (!done)
            Direct::run(a, begin, end);
        else if (G::bias && begin < end && end == items.count)
            Direct::add_bias(a);
    }
};

}  // namespace strata::inline STRATA_ABI
