// How a Shared expands: as its layers do under its name; further ones of that name work with the first one's parameters.
#pragma once

#include "expand.hpp"
#include "shared_operation.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The shapes of parameters and buffers of an operation, and of all in a fragment.
template <class List>
struct TensorShapes;
template <class... Ps>
struct TensorShapes<ParameterList<Ps...>> {
    using type = List<typename Ps::Extents...>;
};
template <class Op>
struct ShapesOfOperation {
    using type =
        List<typename TensorShapes<typename Op::Parameters>::type, typename TensorShapes<buffers_of<Op>>::type>;
};
template <class P, class Indices>
struct ShapesOfFragment;
template <class P, int... Index>
struct ShapesOfFragment<P, std::integer_sequence<int, Index...>> {
    using type = List<typename ShapesOfOperation<typename OperationIn<Index, P>::type>::type...>;
};
template <class P>
using shapes_of_fragment = typename ShapesOfFragment<P, std::make_integer_sequence<int, P::count>>::type;

// Found by its members, as Named is.
template <class Layer, class X>
requires requires { typename Layer::SharedContents; }
struct Fragment<Layer, X> : Fragment<typename Layer::SharedContents, X> {
    using Contents = Fragment<typename Layer::SharedContents, X>;
    static constexpr std::string_view name = Layer::name.view();
    static_assert(!name.empty() && name.find('.') == std::string_view::npos,
                  "Shared: the layers' name must not be empty or contain a dot");
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        at.name = name;
        int const first = to.operations, made = Contents::write(to, at, entry);
        to.share(name, &identity_of<List<typename Layer::SharedContents, shapes_of_fragment<Contents>>>, first);
        return made;
    }
};

}  // namespace strata::inline STRATA_ABI::detail
