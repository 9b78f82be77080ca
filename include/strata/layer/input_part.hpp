// One of a network's several inputs, of the numbers of all of them, which lie one behind the other: y = x[offset …].
//
//   dx(i) = dy(i - offset) where that is an element of y, else 0
//
// Shapes: x [N] (all inputs), y that of the input. Keeps nothing. Where the network wants no gradient of its inputs it is
// a view of the memory that they are filled into.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

/// The name of an input as a type.
template <FixedString Name>
struct InputName {
    static constexpr std::string_view text = Name.view();
};

/// What the first layers of a network with Inputs stand behind. WantsGradient: the network has RequiresGrad.
template <bool WantsGradient, class Names, class... Shapes>
struct InputParts;
template <bool WantsGradient, class... Names, class... Shapes>
struct InputParts<WantsGradient, ShapeList<Names...>, Shapes...> {
    using AreInputParts = void;
    static constexpr std::ptrdiff_t numbers = (std::ptrdiff_t{0} + ... + Shapes::size);
    static constexpr bool countable = (std::ptrdiff_t{0} + ... + detail::scalars_of_value<Shapes>) < std::ptrdiff_t{1}
                                                                                                         << 31;
    using Whole = Shape<countable ? static_cast<int>(numbers) : 1>;
    static constexpr int count = sizeof...(Shapes);
    static constexpr bool wants_gradient = WantsGradient;
    template <int K>
    using ShapeOf = typename detail::ShapeAt<K, ShapeList<Shapes...>>::type;
    /// Which input is called so, -1 if none is.
    static constexpr int find(std::string_view name) {
        int found = -1, k = 0;
        ((found = found < 0 && Names::text == name ? k : found, ++k), ...);
        return found;
    }
    /// Where an input begins, in elements, and in scalars of a tile.
    static constexpr int offset(int input) {
        int at = 0, k = 0;
        ((at += countable && k < input ? Shapes::size : 0, ++k), ...);
        return at;
    }
    static constexpr std::ptrdiff_t scalar_offset(int input) {
        std::ptrdiff_t at = 0, found = 0;
        int k = 0;
        [[maybe_unused]] auto const pass = [&](bool ids, std::ptrdiff_t scalars_of_part) {
            if (ids) at = detail::begin_of_ids(at);
            if (k++ == input) found = at;
            at += scalars_of_part;
        };
        (pass(detail::are_ids<Shapes>, detail::scalars_of_value<Shapes>), ...);
        return input < count ? found : at;
    }
    static constexpr std::ptrdiff_t scalars = scalar_offset(count);
    static constexpr int id_inputs = (0 + ... + (detail::are_ids<Shapes> ? 1 : 0));
    /// Where ids are.
    static constexpr auto id_parts = [] {
        std::array<detail::IdPart, static_cast<std::size_t>(id_inputs)> parts{};
        std::size_t n = 0;
        int k = 0;
        [[maybe_unused]] auto const add = [&]<class S>(S, std::string_view name) {
            if constexpr (detail::are_ids<S>) parts[n++] = {offset(k), S::size, S::vocabulary, name};
            ++k;
        };
        (add(Shapes{}, Names::text), ...);
        return parts;
    }();
    static constexpr bool differ = [] {
        int k = 0;
        bool all = true;
        ((all = all && find(Names::text) == k, ++k), ...);
        return all;
    }();
};

/// Input K of `Parts`, copied to a place of its own, and its gradient to its place in that of all of them.
template <class Parts, int K, bool WantsGradient = Parts::wants_gradient>
struct InputPart {
    using Input = typename Parts::Whole;
    using Output = typename Parts::template ShapeOf<K>;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "From";
    static constexpr int offset = Parts::offset(K);

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<Output::rank> at, Io const& io) {
        return io.x[offset + Output::index(at)];
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<1> at, Io const& io) {
        using L = typename Io::L;
        int const element = at[0] - offset;
        return element >= 0 && element < Output::size ? io.dy[element] : L(0);
    }
};
template <class Parts, int K>
struct InputPart<Parts, K, false> {
    using Input = typename Parts::Whole;
    using Output = typename Parts::template ShapeOf<K>;
    using Parameters = NoParameters;
    using IsView = void;
    static constexpr Keep keep = Keep::nothing;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "From";
    static constexpr int view_offset = static_cast<int>(Parts::scalar_offset(K));
};

}  // namespace strata::inline STRATA_ABI
