// What the bodies of an operation read: views of its inputs, output and parameters.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "initialization.hpp"
#include "pass.hpp"
#include "random.hpp"
#include "shape.hpp"
#include "shape_list.hpp"
#include "view.hpp"

namespace strata::inline STRATA_ABI {

/// One parameter tensor of a layer. Layers derive named types from it: `struct Weight : Parameter<"weight", …> {};`
template <FixedString Name, class S, class Scheme, int FanIn, int FanOut>
struct Parameter {
    static constexpr std::string_view name = Name.view();
    using Extents = S;
    using Initialization = Scheme;
    static constexpr Fan fan{FanIn, FanOut};
};

/// The parameter tensors of one layer, contiguous in this order.
template <class... Ps>
struct ParameterList {
    static constexpr int count = sizeof...(Ps);
    static constexpr std::ptrdiff_t size = (std::ptrdiff_t{0} + ... + Ps::Extents::size);
    /// Offset of a parameter's first scalar inside the layer.
    template <class P>
    static constexpr std::ptrdiff_t offset = [] {
        std::ptrdiff_t at = 0, found = -1;
        ((found = std::is_same_v<P, Ps> ? at : found, at += Ps::Extents::size), ...);
        return found;
    }();
    template <class F>
    static constexpr void for_each(F&& f) {
        (f(Ps{}), ...);
    }
};
using NoParameters = ParameterList<>;

/// A layer's parameters as a body sees them: `io.p(Weight{})(o, c, p, q)`.
template <class List, class Compute, class T>
struct ParametersView {
    T const* data;
    template <class P>
    STRATA_HD STRATA_INLINE ParameterView<typename P::Extents, Compute, T> operator()(P) const {
        return {data + List::template offset<P>};
    }
};

/// The key of a step's random numbers: word w of element e of a sample is a function of these alone.
struct RandomKey {
    std::uint64_t seed = 0;
    std::uint32_t operation = 0;  ///< index in the op list
    std::uint32_t step = 0;
};

/// Everything a body may read, and the one thing besides its result that it may write, `extra`. X, Y: TileView, E:
/// ExtraView, P: ParametersView, Inputs: the ShapeList of an operation with several inputs, Earlier: the PassesView of
/// one with passes. Views that a body is not provided with are null.
template <class X, class Y, class E, class P, class Inputs = ShapeList<>, class Earlier = detail::NoPasses>
struct BodyInput {
    X x;      ///< input; of several the first
    Y y;      ///< output
    Y dy;     ///< gradient of the output
    E extra;  ///< one value an output element that forward may leave for backward (`keeps_extra`)
    P p;      ///< parameters
    RandomKey random{};
    int sample = 0;  ///< index in the batch of the lane's first sample
    /// The inputs behind the first, seen as if they had its shape.
    static constexpr int more_inputs = Inputs::count > 1 ? Inputs::count - 1 : 0;
    std::array<X, static_cast<std::size_t>(more_inputs)> more{};
    [[no_unique_address]] Earlier passes{};

    using L = typename X::LaneType;

    /// Input K of an operation that has several.
    template <int K>
    STRATA_HD STRATA_INLINE auto input() const {
        if constexpr (K == 0)
            return x;
        else
            return more[static_cast<std::size_t>(K - 1)].template as<typename detail::ShapeAt<K, Inputs>::type>();
    }
    /// What a pass before this body left, of the lane or of the batch.
    template <class Of>
    STRATA_HD STRATA_INLINE auto pass(Of of) const {
        return passes(of);
    }
};

/// What a body reads of another column of its sequence, the same for all places of the lane. Of: a BodyInput.
template <class Of>
struct ColumnInput {
    using L = typename Of::L;
    decltype(std::declval<Of const&>().x.column(0)) x;
    decltype(std::declval<Of const&>().y.column(0)) y, dy;
    Of const& lane;
    int offset;

    template <class P>
    STRATA_HD STRATA_INLINE auto pass(P of) const {
        return lane.pass(of).column(offset);
    }
};
/// The same for an operation that looks across the columns of a sequence: a lane is neighbouring columns of one.
template <class Of>
struct SequenceInput : Of {
    int position = 0;  ///< of the lane's first column in its sequence
    int length = 1;    ///< columns of the sequence

    /// Column number `index` of the sequence.
    STRATA_HD STRATA_INLINE ColumnInput<Of> column(int index) const {
        int const offset = index - position;
        return {this->x.column(offset), this->y.column(offset), this->dy.column(offset), *this, offset};
    }
};

}  // namespace strata::inline STRATA_ABI
