// Embedding: a row of a table for each id, as torch.nn.Embedding.
//
//   y(n, c)       = weight(x(n), c)
//   dweight(v, c) = sum of dy(n, c) over the n with x(n) = v; 0 for v = PaddingIndex
//
// Shapes: x ids [N...], y [N...][C], of one id without an axis, a token, [C]; weight [vocabulary][C]. Keeps x, which has no
// gradient. The weight begins as N(0, 1), the row of PaddingIndex as zeros, as in PyTorch.
#pragma once

#include <string_view>

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

/// The id, 0 … vocabulary - 1, whose row begins as zeros and is not trained: torch.nn.Embedding's padding_idx.
template <int Id>
struct PaddingIndex {
    using kind = PaddingIndexKind;
    static constexpr int value = Id;
    static_assert(Id >= 0, "PaddingIndex must not be negative");
};
namespace detail {
struct NoPaddingIndex {
    using kind = PaddingIndexKind;
    static constexpr int value = -1;
};
}  // namespace detail

/// A scheme, and zeros in row `Row` of `Width` numbers.
template <class Scheme, int Row, int Width>
struct ZeroRow {
    template <class T>
    static void fill(std::span<T> values, Fan fan, Random& random) {
        Scheme::fill(values, fan, random);
        for (T& v : values.subspan(static_cast<std::size_t>(std::ptrdiff_t{Row} * Width), Width)) v = T(0);
    }
};

/// Embedding bound to its ids.
template <class X, int Width, int Padding, class Scheme>
struct EmbeddingOperation {
    using Input = X;
    using Output = typename X::template With<Width>;
    static constexpr int vocabulary = X::vocabulary, width = Width, padding = Padding;
    struct Weight
        : Parameter<"weight", Shape<X::vocabulary, Width>,
                    std::conditional_t<(Padding < 0), Scheme, ZeroRow<Scheme, Padding, Width>>, Width, X::vocabulary> {
    };
    using Parameters = ParameterList<Weight>;
    static constexpr Keep keep = Keep::input;
    static constexpr bool same_in_every_lane = true;
    static constexpr double flops = 0;
    static constexpr std::string_view type = "Embedding";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<Output::rank> at, Io const& io) {
        int const element = Output::index(at);
        return io.x[element / Width].row_of(io.p(Weight{}), element % Width);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(Weight, Position<2> at, Io const& io) {
        using L = typename Io::L;
        L sum(0);
        for (int n = 0; n < X::size && at[0] != Padding; ++n)
            sum = sum + select(io.x[n] == at[0], io.dy[n * Width + at[1]], L(0));
        return sum;
    }
};

/// `Embedding<embedding_dim, options…>`; options: PaddingIndex, Initialize. The vocabulary is that of the network's Ids.
template <int Width, class... Options>
struct Embedding {
    using TakesIds = void;
    template <class X>
    using On = EmbeddingOperation<X, Width, option_or<detail::NoPaddingIndex, Options...>::value,
                                  typename option_or<Initialize<NormalInit<Real(1.0)>>, Options...>::type>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool options = OptionKinds<PaddingIndexKind, InitializationKind>::template accept<Options...>;
        static constexpr bool ids = detail::are_ids<typename Got::type>;
        static constexpr bool positive = Width > 0;
        static constexpr bool row = [] {
            if constexpr (options && ids)
                return option_or<detail::NoPaddingIndex, Options...>::value < Got::type::vocabulary;
            else
                return true;
        }();
        static constexpr bool ok = options && ids && positive && row;
        struct Message {
            static_assert(ids, "Embedding takes ids, not numbers: let the network begin with Ids<vocabulary>");
            static_assert(options, "Embedding: an option is unknown or given twice; it takes PaddingIndex, Initialize");
            static_assert(positive, "Embedding: the width must be positive");
            static_assert(row, "Embedding: PaddingIndex is one of the ids, 0 to vocabulary - 1");
        };
    };
};

}  // namespace strata::inline STRATA_ABI
