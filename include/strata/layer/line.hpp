// One-dimensional layers: an operation on lines [C][L] is one on images [C][1][L], in the same memory. Its parameters
// are the image's without the height of 1, so they are the same numbers in the same order, too, and kernels never know.
#pragma once

#include "../core/operation.hpp"
#include "../core/option.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// A shape without the second last extent, which is 1; flat shapes as they are.
template <class S>
struct WithoutHeight {
    using type = S;
};
template <int C, int L>
struct WithoutHeight<Shape<C, 1, L>> {
    using type = Shape<C, L>;
};
template <int O, int C, int K>
struct WithoutHeight<Shape<O, C, 1, K>> {
    using type = Shape<O, C, K>;
};
/// A position in such a shape as one in the image's.
constexpr Position<1> with_height(Position<1> at) { return at; }
constexpr Position<3> with_height(Position<2> at) { return {at[0], 0, at[1]}; }
constexpr Position<4> with_height(Position<3> at) { return {at[0], at[1], 0, at[2]}; }

/// A view of a line's numbers, read as an image's.
template <class View, class S>
struct ImageView : View {
    template <class... Indices>
    STRATA_HD STRATA_INLINE auto operator()(Indices... position) const {
        return (*this)[S::index(position...)];
    }
};

/// An image's parameter as the line has it.
template <class P>
struct LineParameter : P {
    using Extents = typename WithoutHeight<typename P::Extents>::type;
};
template <class List>
struct LineParameters;
template <class... Ps>
struct LineParameters<ParameterList<Ps...>> {
    using type = ParameterList<LineParameter<Ps>...>;
};

/// The body input of a line, as the bodies of the image's operation Plane read it.
template <class Plane, class Io>
struct ImageInput {
    template <class P>
    struct Parameters {
        P of_line;
        template <class Q>
        STRATA_HD STRATA_INLINE auto operator()(Q) const {
            auto const view = of_line(LineParameter<Q>{});
            return ImageView<std::remove_const_t<decltype(view)>, typename Q::Extents>{view};
        }
    };
    using L = typename Io::L;
    using X = ImageView<decltype(Io::x), typename Plane::Input>;
    using Y = ImageView<decltype(Io::y), typename Plane::Output>;
    X x;
    Y y, dy;
    ImageView<decltype(Io::extra), typename Plane::Output> extra;
    Parameters<decltype(Io::p)> p;

    STRATA_HD static STRATA_INLINE ImageInput of(Io const& io) { return {{io.x}, {io.y}, {io.dy}, {io.extra}, {io.p}}; }
};

}  // namespace detail

/// The operation of a layer called Name::type (nvcc cannot spell a string in the type of a kernel) on lines, by Plane's
/// bodies and kernels on images one pixel high.
template <class Plane, class Name>
struct Line : Plane {
    using Input = typename detail::WithoutHeight<typename Plane::Input>::type;
    using Output = typename detail::WithoutHeight<typename Plane::Output>::type;
    using Parameters = typename detail::LineParameters<typename Plane::Parameters>::type;
    static constexpr std::string_view type = Name::type;

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<2> at, Io const& io) {
        return Plane::forward(detail::with_height(at), detail::ImageInput<Plane, Io>::of(io));
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<2> at, Io const& io) {
        return Plane::input_gradient(detail::with_height(at), detail::ImageInput<Plane, Io>::of(io));
    }
    template <class P, int Rank, class Io>
    STRATA_HD static STRATA_INLINE auto parameter_gradient(detail::LineParameter<P>, Position<Rank> at, Io const& io) {
        return Plane::parameter_gradient(P{}, detail::with_height(at), detail::ImageInput<Plane, Io>::of(io));
    }
};

namespace detail {
constexpr bool is_one_number(Size size) { return size.height == size.width; }
/// Whether the options have one number each, for there is one axis.
template <class... Options>
constexpr bool have_one_number =
    is_one_number(option_or<Stride<1>, Options...>::size) && is_one_number(option_or<Padding<0>, Options...>::size) &&
    is_one_number(option_or<Dilation<1>, Options...>::size);
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
